package gateway

import (
	"encoding/xml"
	"net/http"
	"unicode/utf8"

	"caret/pfs"
)

// deleteObject is DeleteObject.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObject.html
func (r *request) deleteObject() error {
	if r.query.Has("versionId") && r.query.Get("versionId") != "null" {
		return errNotImplemented.with("Deleting a version is not implemented; without versionId the deletion is a commit of its own.")
	}
	ref, err := r.ref()
	if err != nil {
		return err
	}
	opt := r.writeOptions()
	done, err := r.g.fs.Delete(r.Context(), ref, []string{r.key}, opt)
	if err != nil {
		return err
	}
	if !done.Commit.IsZero() {
		h := r.w.Header()
		h.Set("X-Amz-Version-Id", done.Commit.String())
		h.Set("X-Caret-Commit", done.Commit.String())
		h.Set("X-Amz-Delete-Marker", "true")
	}
	r.w.WriteHeader(http.StatusNoContent)
	return nil
}

// maxDelete is how many keys a DeleteObjects may have.
const maxDelete = 1000

type deletedKey struct {
	Key                   string
	DeleteMarker          bool   `xml:",omitempty"`
	DeleteMarkerVersionID string `xml:"DeleteMarkerVersionId,omitempty"`
}

type deleteError struct {
	Key     string
	Code    string
	Message string
}

// deleteObjects is DeleteObjects: one commit for all of its keys.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html
func (r *request) deleteObjects() error {
	ref, err := r.ref()
	if err != nil {
		return err
	}
	var doc struct {
		XMLName xml.Name `xml:"Delete"`
		Quiet   bool
		Objects []struct {
			Key       string
			VersionID string `xml:"VersionId"`
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
	var keys []string
	for _, o := range doc.Objects {
		switch {
		case o.VersionID != "" && o.VersionID != "null":
			result.Error = append(result.Error, deleteError{o.Key, errNotImplemented.code, "Deleting a version is not implemented."})
		case len(o.Key) > pfs.MaxPath:
			result.Error = append(result.Error, deleteError{o.Key, "KeyTooLongError", "The key is too long."})
		case o.Key == "" || !utf8.ValidString(o.Key):
			return errMalformedXML.with("A key is empty or not UTF-8.")
		default:
			keys = append(keys, o.Key)
		}
	}
	done, err := r.g.fs.Delete(r.Context(), ref, keys, r.writeOptions())
	if err != nil {
		return err
	}
	for i, k := range keys {
		if doc.Quiet {
			break
		}
		d := deletedKey{Key: k}
		if done.Existed[i] {
			d.DeleteMarker, d.DeleteMarkerVersionID = true, done.Commit.String()
		}
		result.Deleted = append(result.Deleted, d)
	}
	if !done.Commit.IsZero() {
		r.w.Header().Set("X-Caret-Commit", done.Commit.String())
	}
	return r.reply(result)
}
