package gateway

import (
	"encoding/xml"
	"net/http"
	"net/url"
	"strings"
	"time"

	"caret/pfs"
)

// copyObject is CopyObject; it moves no content.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html
func (r *request) copyObject() error {
	opt := r.writeOptions()
	var s *pfs.Snapshot
	var info pfs.Info
	var bucket string
	to, err := r.target(func(v *pfs.View, on *pfs.Snapshot) (err error) {
		if r.query.Has("versionId") {
			return errNoVersion
		}
		if err := r.refuseUnsupported(); err != nil {
			return err
		}
		if opt.ACL, err = r.askedACL(v, on); err == nil {
			s, info, bucket, err = r.copySource(v)
		}
		return err
	})
	if err != nil {
		return err
	}
	if err := r.copyConditions(&info); err != nil {
		return err
	}
	if a := r.Header.Get("X-Amz-Checksum-Algorithm"); a != "" && !strings.EqualFold(a, info.Attrs.Checksum.Algorithm) {
		return errNotImplemented.with("A copy keeps the checksum of its source; another one is not computed.")
	}
	attrs, replaced, err := r.copyAttrs(&info)
	if err != nil {
		return err
	}
	if !replaced && bucket == r.bucket && info.Path == r.key && s.Writable {
		return errInvalidRequest.with("An object can be copied onto itself only with x-amz-metadata-directive: REPLACE.")
	}
	opt.Source = s
	done, err := r.fs.Copy(r.Context(), info, to, r.key, &attrs, opt)
	if err != nil {
		return err
	}
	r.wrote(&done)
	r.w.Header().Set("X-Amz-Copy-Source-Version-Id", info.Commit.String())
	return r.reply(struct {
		XMLName      xml.Name
		LastModified string
		ETag         string
		objectChecksum
	}{document("CopyObjectResult"), formatTime(done.Info.Modified), r.g.etagOf(&done.Info), checksumOf(&done.Info)})
}

// copyAttrs are what the copy is to have besides its bytes: by the two
// directives, what the source has or what the headers say. replaced says
// that something is not the source's.
func (r *request) copyAttrs(info *pfs.Info) (a pfs.Attrs, replaced bool, err error) {
	given, err := r.attrs()
	if err != nil {
		return a, false, err
	}
	a = info.Attrs
	meta, err := r.directive("X-Amz-Metadata-Directive")
	if err != nil {
		return a, false, err
	}
	tags, err := r.directive("X-Amz-Tagging-Directive")
	if err != nil {
		return a, false, err
	}
	if meta {
		sum, old := a.Checksum, a.Tags
		a = given
		a.Checksum, a.Tags = sum, old
	}
	if tags {
		a.Tags = given.Tags
	}
	return a, meta || tags, nil
}

// directive says whether what the source has is to be replaced.
func (r *request) directive(header string) (replace bool, err error) {
	switch v := r.Header.Get(header); v {
	case "", "COPY":
		return false, nil
	case "REPLACE":
		return true, nil
	default:
		return false, errInvalidArgument.with("%s must be COPY or REPLACE, not %q.", strings.ToLower(header), v)
	}
}

// copySource finds the object that x-amz-copy-source names, with any version
// expression.
func (r *request) copySource(v *pfs.View) (*pfs.Snapshot, pfs.Info, string, error) {
	var info pfs.Info
	bucket, key, version, given, err := parseCopySource(r.Header.Get("X-Amz-Copy-Source"))
	if err != nil {
		return nil, info, "", err
	}
	ref, err := refVersion(bucket, version, given)
	if err != nil {
		return nil, info, "", err
	}
	s, err := open(v, ref, pfs.ActRead, key)
	if err != nil {
		return nil, info, "", err
	}
	if want := r.Header.Get("X-Amz-Source-Expected-Bucket-Owner"); want != "" {
		if err := r.expectOwner(s, want); err != nil {
			return nil, info, "", err
		}
	}
	info, err = s.Stat(r.Context(), key)
	return s, info, bucket, err
}

// parseCopySource reads [/]BUCKET/KEY[?versionId=EXPR], URL-encoded.
func parseCopySource(v string) (bucket, key, version string, given bool, err error) {
	if strings.Contains(v, "  ") { // which is signed as one
		return "", "", "", false, errInvalidArgument.with("Spaces in x-amz-copy-source must be encoded.")
	}
	path, query, _ := strings.Cut(v, "?")
	if version, given = strings.CutPrefix(query, "versionId="); given {
		if version, err = url.PathUnescape(version); err != nil {
			return "", "", "", false, errInvalidArgument.with("x-amz-copy-source cannot be decoded: %v.", err)
		}
	} else if query != "" {
		return "", "", "", false, errInvalidArgument.with("x-amz-copy-source takes only ?versionId=, not %q.", query)
	}
	if path, err = url.PathUnescape(path); err != nil {
		return "", "", "", false, errInvalidArgument.with("x-amz-copy-source cannot be decoded: %v.", err)
	}
	bucket, key, ok := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	if !ok || bucket == "" || key == "" {
		return "", "", "", false, errInvalidArgument.with("x-amz-copy-source must be BUCKET/KEY, not %q.", v)
	}
	return bucket, key, version, given, nil
}

// copyConditions decides the four conditions on a copy's source, in the
// order that S3 documents.
func (r *request) copyConditions(info *pfs.Info) error {
	const prefix = "X-Amz-Copy-Source-If-"
	modified := info.Modified.Truncate(time.Second)
	if v := r.Header.Get(prefix + "Match"); v != "" {
		if !matches(v, info) {
			return errPrecondition
		}
	} else if t, err := http.ParseTime(r.Header.Get(prefix + "Unmodified-Since")); err == nil && modified.After(t) {
		return errPrecondition
	}
	if v := r.Header.Get(prefix + "None-Match"); v != "" {
		if matches(v, info) {
			return errPrecondition
		}
	} else if t, err := http.ParseTime(r.Header.Get(prefix + "Modified-Since")); err == nil && !modified.After(t) {
		return errPrecondition
	}
	return nil
}
