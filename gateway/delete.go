package gateway

import (
	"encoding/xml"
	"errors"
	"net/http"
	"strings"
	"unicode/utf8"

	"caret/commits/revision"
	"caret/pfs"
)

// deleteObject is DeleteObject. With versionId it takes that version out of
// the list of versions, as S3 does, in a commit of its own.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObject.html
func (r *request) deleteObject() error {
	ref, err := r.target(nil)
	if err != nil {
		return err
	}
	item := pfs.Deletion{Path: r.key}
	if r.query.Has("versionId") {
		if item.Version, err = versionID(r.query.Get("versionId")); err != nil {
			return err
		}
	}
	if err := r.refuseConditions("X-Amz-If-Match-Last-Modified-Time", "X-Amz-If-Match-Size"); err != nil {
		return err
	}
	opt := r.writeOptions()
	if item.Version != nil { // then they are about that version
		item.If, opt.If = opt.If, pfs.Condition{}
	}
	done, err := r.fs.Delete(r.Context(), ref, []pfs.Deletion{item}, opt)
	if err != nil {
		return err
	}
	d := done.Items[0]
	if d.Err != nil && !noVersion(d.Err) {
		return versionError(d.Err)
	}
	h := r.w.Header()
	switch {
	case item.Version != nil && !d.Version.IsZero():
		h.Set("X-Amz-Version-Id", d.Version.String())
		if d.Marker {
			h.Set("X-Amz-Delete-Marker", "true")
		}
	case item.Version == nil && d.Existed:
		h.Set("X-Amz-Version-Id", done.Commit.String())
		h.Set("X-Amz-Delete-Marker", "true")
	}
	if !done.Commit.IsZero() {
		h.Set("X-Caret-Commit", done.Commit.String())
	}
	r.w.WriteHeader(http.StatusNoContent)
	return nil
}

// refuseConditions refuses what would otherwise be done without being met.
func (r *request) refuseConditions(names ...string) error {
	for _, name := range names {
		if r.Header.Get(name) != "" {
			return errNotImplemented.with("The condition %s is not implemented.", strings.ToLower(name))
		}
	}
	return nil
}

// noVersion: to delete a version that is not there is no error.
func noVersion(err error) bool {
	return errors.Is(err, pfs.ErrNoSuchVersion) || errors.Is(err, pfs.ErrNoSuchCommit)
}

// versionID reads a version id; nil is the current version.
func versionID(s string) (*revision.Expr, error) {
	if s == "null" {
		return nil, nil
	}
	if s == "" {
		return nil, errInvalidArgument.with("The version id is empty.")
	}
	x, err := revision.Parse(s)
	if err != nil {
		return nil, errInvalidArgument.with("The version id is not valid: %v.", err)
	}
	return &x, nil
}

// maxDelete is how many keys a DeleteObjects may have.
const maxDelete = 1000

type deletedKey struct {
	Key                   string
	VersionID             string `xml:"VersionId,omitempty"`
	DeleteMarker          bool   `xml:",omitempty"`
	DeleteMarkerVersionID string `xml:"DeleteMarkerVersionId,omitempty"`
}

type deleteError struct {
	Key       string
	VersionID string `xml:"VersionId,omitempty"`
	Code      string
	Message   string
}

// deleteObjects is DeleteObjects: one commit for all of its keys.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html
func (r *request) deleteObjects() error {
	ref, err := r.target(nil)
	if err != nil {
		return err
	}
	var doc struct {
		XMLName xml.Name `xml:"Delete"`
		Quiet   bool
		Objects []struct {
			Key              string
			VersionID        string `xml:"VersionId"`
			ETag             string
			LastModifiedTime string
			Size             string
		} `xml:"Object"`
	}
	if err := r.readXML(&doc); err != nil {
		return err
	}
	if n := len(doc.Objects); n == 0 || n > maxDelete {
		return errMalformedXML.with("A Delete has 1 to %d keys, not %d.", maxDelete, n)
	}
	result := struct {
		XMLName xml.Name
		Deleted []deletedKey
		Error   []deleteError
	}{XMLName: document("DeleteResult")}
	var items []pfs.Deletion
	var ids []string
	for _, o := range doc.Objects {
		item, err := deletion(o.Key, o.VersionID)
		if err == nil && o.LastModifiedTime+o.Size != "" {
			err = errNotImplemented.with("Conditions on time and size are not implemented.")
		}
		if o.ETag != "" {
			item.If.IfMatch = parseMatch(o.ETag)
		}
		var bad *apiError
		if errors.As(err, &bad) && bad.code != errMalformedXML.code {
			result.Error = append(result.Error, deleteError{o.Key, o.VersionID, bad.code, bad.message})
			continue
		}
		if err != nil {
			return err
		}
		items, ids = append(items, item), append(ids, o.VersionID)
	}
	done, err := r.fs.Delete(r.Context(), ref, items, r.writeOptions())
	if err != nil {
		return err
	}
	for i, it := range done.Items {
		if it.Err != nil && !noVersion(it.Err) {
			e := describe(versionError(it.Err))
			result.Error = append(result.Error, deleteError{items[i].Path, ids[i], e.code, e.message})
		} else if !doc.Quiet {
			result.Deleted = append(result.Deleted, deletedOf(items[i], ids[i], it, done.Commit))
		}
	}
	if !done.Commit.IsZero() {
		r.w.Header().Set("X-Caret-Commit", done.Commit.String())
	}
	return r.reply(result)
}

// deletedOf tells what became of one object of a Delete.
func deletedOf(item pfs.Deletion, id string, it pfs.DeletedItem, commit pfs.CommitID) deletedKey {
	d := deletedKey{Key: item.Path}
	switch {
	case item.Version != nil:
		d.VersionID, d.DeleteMarker = id, it.Marker
		if it.Marker {
			d.DeleteMarkerVersionID = it.Version.String()
		}
	case it.Existed:
		d.DeleteMarker, d.DeleteMarkerVersionID = true, commit.String()
	}
	return d
}

// deletion reads one object of a Delete. What is wrong with the document as
// a whole is errMalformedXML.
func deletion(key, version string) (pfs.Deletion, error) {
	d := pfs.Deletion{Path: key}
	switch {
	case key == "" || !utf8.ValidString(key):
		return d, errMalformedXML.with("A key is empty or not UTF-8.")
	case len(key) > pfs.MaxPath:
		return d, &apiError{400, "KeyTooLongError", "The key is too long."}
	case version == "":
		return d, nil
	}
	var err error
	d.Version, err = versionID(version)
	return d, err
}
