package gateway

import (
	"strconv"

	"caret/commits/revision"
	"caret/pfs"
)

// listVersions is ListObjectVersions.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectVersions.html
func (r *request) listVersions() error {
	l, err := r.parseListing()
	if err != nil {
		return err
	}
	opt := pfs.VersionsOptions{Prefix: l.opt.Prefix, Delimiter: l.opt.Delimiter, Limit: l.opt.Limit, After: r.query.Get("key-marker")}
	marker := r.query.Get("version-id-marker")
	if marker != "" {
		if opt.After == "" {
			return errInvalidArgument.with("A version-id-marker needs a key-marker.")
		}
		if opt.AfterVersion, err = revision.ParseID(marker); err != nil {
			return errInvalidArgument.with("The version-id-marker %q is not a version id.", marker)
		}
	}
	var page pfs.VersionsPage
	w := newListWriter(r, l, "ListVersionsResult")
	err = r.look(func(_ *pfs.View, s *pfs.Snapshot) (err error) {
		if w.owner, err = r.owner(s); err != nil {
			return err
		}
		page, err = s.Versions(r.Context(), opt)
		return versionError(err)
	})
	if err != nil {
		return err
	}
	w.head()
	w.text("KeyMarker", l.encode(opt.After))
	w.text("VersionIdMarker", marker)
	if page.Truncated {
		w.text("NextKeyMarker", l.encode(page.Next))
		if !page.NextVersion.IsZero() {
			w.text("NextVersionIdMarker", page.NextVersion.String())
		}
	}
	w.common(page.Truncated)
	for i := range page.Items {
		if it := &page.Items[i]; it.Prefix == "" {
			w.version(it)
		}
	}
	for i := range page.Items {
		w.prefix(page.Items[i].Prefix)
	}
	return w.finish()
}

// version writes a version or a delete marker.
func (w *listWriter) version(it *pfs.VersionItem) {
	name := "Version"
	if it.Deleted {
		name = "DeleteMarker"
	}
	w.open(name)
	w.text("Key", w.l.encode(it.Path))
	w.text("VersionId", it.Commit.String())
	w.text("IsLatest", strconv.FormatBool(it.Latest))
	w.text("LastModified", formatTime(it.Modified))
	if !it.Deleted {
		w.content(&it.Info)
	}
	w.writeOwner()
	if !it.Deleted {
		w.text("StorageClass", "STANDARD")
	}
	w.close(name)
}
