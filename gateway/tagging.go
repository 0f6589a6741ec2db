package gateway

import (
	"encoding/xml"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"caret/commits/revision"
	"caret/pfs"
)

// Limits of tags.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-tagging.html
const (
	maxObjectTags = 10
	maxBucketTags = 50
	maxTagKey     = 128
	maxTagValue   = 256
)

var tagText = regexp.MustCompile(`^[\p{L}\p{N}\p{Z}_.:/=+@-]*$`)

type tag struct {
	Key   string
	Value string
}

type tagging struct {
	XMLName xml.Name
	Tags    []tag `xml:"TagSet>Tag"`
}

// taggingDocument is a Tagging document, whose TagSet is there even if empty.
func taggingDocument(tags map[string]string) any {
	type set struct {
		Tags []tag `xml:"Tag"`
	}
	doc := struct {
		XMLName xml.Name
		TagSet  set
	}{XMLName: document("Tagging")}
	for _, k := range slices.Sorted(maps.Keys(tags)) {
		doc.TagSet.Tags = append(doc.TagSet.Tags, tag{k, tags[k]})
	}
	return doc
}

// checkTags makes a map of tags, within S3's rules.
func checkTags(list []tag, most int) (map[string]string, error) {
	if len(list) > most {
		return nil, &apiError{400, "BadRequest", "There are too many tags."}
	}
	tags := make(map[string]string, len(list))
	for _, t := range list {
		_, twice := tags[t.Key]
		switch {
		case twice:
			return nil, errInvalidTag.with("The tag %q is there twice.", t.Key)
		case t.Key == "" || utf8.RuneCountInString(t.Key) > maxTagKey:
			return nil, errInvalidTag.with("A tag key has 1 to %d characters.", maxTagKey)
		case utf8.RuneCountInString(t.Value) > maxTagValue:
			return nil, errInvalidTag.with("A tag value has at most %d characters.", maxTagValue)
		case strings.HasPrefix(strings.ToLower(t.Key), "aws:"):
			return nil, errInvalidTag.with("Tag keys that begin with aws: are reserved.")
		case !tagText.MatchString(t.Key + t.Value):
			return nil, errInvalidTag.with("Tags have letters, digits, spaces and + - = . _ : / @ alone.")
		}
		tags[t.Key] = t.Value
	}
	return tags, nil
}

// headerTags reads x-amz-tagging, which is like the query of a URL.
func headerTags(v string) (map[string]string, error) {
	if v == "" {
		return nil, nil
	}
	q, err := url.ParseQuery(v)
	if err != nil {
		return nil, errInvalidArgument.with("x-amz-tagging cannot be parsed: %v.", err)
	}
	var list []tag
	for k, values := range q {
		for _, v := range values {
			list = append(list, tag{k, v})
		}
	}
	return checkTags(list, maxObjectTags)
}

// readTags reads a Tagging document.
func (r *request) readTags(most int) (map[string]string, error) {
	var doc tagging
	if err := r.readXML(&doc); err != nil {
		return nil, err
	}
	if doc.XMLName.Local != "Tagging" {
		return nil, errMalformedXML.with("The document is a %s, not a Tagging.", doc.XMLName.Local)
	}
	return checkTags(doc.Tags, most)
}

// getTagging is GetObjectTagging. A version's own id means it with the tags
// that it was given last.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectTagging.html
func (r *request) getTagging() error {
	var info pfs.Info
	err := r.look(func(v *pfs.View, s *pfs.Snapshot) (err error) {
		if info, err = s.Stat(r.Context(), r.key); err == nil && r.query.Get("versionId") == info.Commit.String() {
			info, err = r.lastLeft(v, info)
		}
		return err
	})
	if err != nil {
		return r.gone(err)
	}
	r.w.Header().Set("X-Amz-Version-Id", info.Commit.String())
	return r.reply(taggingDocument(info.Attrs.Tags))
}

// lastLeft is a version as the last commit of its branch left it.
func (r *request) lastLeft(v *pfs.View, info pfs.Info) (pfs.Info, error) {
	ref, err := r.ref()
	if err != nil {
		return info, err
	}
	now, err := open(v, ref, pfs.ActRead, r.key)
	if errors.Is(err, pfs.ErrDenied) || errors.Is(err, pfs.ErrNoSuchPath) {
		return info, nil // who may read it where it was asked for
	}
	if err != nil {
		return info, err
	}
	last, err := now.Version(r.Context(), r.key, info.Commit)
	if err != nil || last == nil {
		return info, err
	}
	return *last, nil
}

// putTagging is PutObjectTagging: a commit that leaves the same version with
// other tags.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObjectTagging.html
func (r *request) putTagging() error {
	if _, err := r.target(nil); err != nil {
		return err
	}
	tags, err := r.readTags(maxObjectTags)
	if err != nil {
		return err
	}
	return r.setTags(tags, http.StatusOK)
}

// deleteTagging is DeleteObjectTagging.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjectTagging.html
func (r *request) deleteTagging() error { return r.setTags(nil, http.StatusNoContent) }

func (r *request) setTags(tags map[string]string, status int) error {
	ref, err := r.ref()
	if err != nil {
		return err
	}
	var version *revision.Expr
	if r.query.Has("versionId") {
		if version, err = versionID(r.query.Get("versionId")); err != nil {
			return err
		}
	}
	done, err := r.fs.SetTags(r.Context(), ref, r.key, version, tags, r.writeOptions())
	if err != nil {
		return err
	}
	h := r.w.Header()
	h.Set("X-Amz-Version-Id", done.Info.Commit.String())
	h.Set("X-Caret-Commit", done.Commit.String())
	r.w.WriteHeader(status)
	return nil
}

// getBucketTagging is GetBucketTagging.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketTagging.html
func (r *request) getBucketTagging() error {
	var set pfs.Settings
	err := r.look(func(_ *pfs.View, s *pfs.Snapshot) (err error) {
		set, err = s.Settings(r.Context())
		return err
	})
	if err != nil {
		return err
	}
	if len(set.Tags) == 0 {
		return &apiError{404, "NoSuchTagSet", "The bucket has no tags."}
	}
	return r.reply(taggingDocument(set.Tags))
}

// putBucketTagging is PutBucketTagging.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketTagging.html
func (r *request) putBucketTagging() error {
	if err := r.allowed(); err != nil {
		return err
	}
	tags, err := r.readTags(maxBucketTags)
	if err != nil {
		return err
	}
	return r.changeSettings(func(s *pfs.Settings) { s.Tags = tags })
}

// deleteBucketTagging is DeleteBucketTagging.
func (r *request) deleteBucketTagging() error {
	return r.changeSettings(func(s *pfs.Settings) { s.Tags = nil })
}

// changeSettings changes the bucket's settings and answers with 204, as AWS
// does for all of them.
func (r *request) changeSettings(change func(*pfs.Settings)) error {
	ref, err := r.ref()
	if err != nil {
		return err
	}
	err = r.fs.ChangeSettings(r.Context(), ref, r.need, func(s *pfs.Settings) error {
		change(s)
		return nil
	})
	if err != nil {
		return err
	}
	r.w.WriteHeader(http.StatusNoContent)
	return nil
}
