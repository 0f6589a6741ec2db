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
	to, err := r.writable()
	if err != nil {
		return err
	}
	if err := r.refuseUnsupported(); err != nil {
		return err
	}
	s, info, bucket, err := r.copySource()
	if err != nil {
		return err
	}
	var attrs *pfs.Attrs
	switch directive := r.Header.Get("X-Amz-Metadata-Directive"); directive {
	case "", "COPY":
		if bucket == r.bucket && info.Path == r.key && s.Writable {
			return errInvalidRequest.with("An object can be copied onto itself only with x-amz-metadata-directive: REPLACE.")
		}
	case "REPLACE":
		a, err := r.attrs()
		if err != nil {
			return err
		}
		a.Checksum = info.Attrs.Checksum
		attrs = &a
	default:
		return errInvalidArgument.with("x-amz-metadata-directive must be COPY or REPLACE, not %q.", directive)
	}
	done, err := r.g.fs.Copy(r.Context(), info, to, r.key, attrs, r.writeOptions())
	if err != nil {
		return err
	}
	r.wrote(&done)
	r.w.Header().Set("X-Amz-Copy-Source-Version-Id", info.Commit.String())
	return r.reply(struct {
		XMLName      xml.Name
		LastModified string
		ETag         string
	}{document("CopyObjectResult"), formatTime(done.Info.Modified), etag(done.Info.Content.Hash)})
}

// copySource finds the object that x-amz-copy-source names, with any version
// expression, and decides the conditions on it.
func (r *request) copySource() (*pfs.Snapshot, pfs.Info, string, error) {
	var info pfs.Info
	bucket, key, version, given, err := parseCopySource(r.Header.Get("X-Amz-Copy-Source"))
	if err != nil {
		return nil, info, "", err
	}
	s, err := r.snapshot(bucket, version, given)
	if err != nil {
		return nil, info, "", err
	}
	if info, err = s.Stat(r.Context(), key); err != nil {
		return nil, info, "", err
	}
	return s, info, bucket, r.copyConditions(&info)
}

// parseCopySource reads [/]BUCKET/KEY[?versionId=EXPR], URL-encoded.
func parseCopySource(v string) (bucket, key, version string, given bool, err error) {
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
