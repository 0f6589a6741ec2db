package local

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"caret/objstore"
	"caret/objstore/local/disk"
	"caret/objstore/local/run"
)

// scrub verifies the tables of the index, which is made anew if one is damaged, and
// runs, which are written anew from the index. For the goroutine that merges runs.
func (s *Store) scrub(ctx context.Context) error {
	h, err := s.index.use()
	if err != nil {
		return err
	}
	defer h.leave()
	if err := h.Verify(); err != nil && !errors.Is(err, objstore.ErrCorrupt) {
		return err
	} else if err != nil || h.over != nil || s.writable() != nil {
		return nil // who tends the index sees to it
	}
	infos := s.runs.all()
	damaged, err := damagedRows(ctx, infos)
	if err != nil || len(damaged) == 0 {
		return err
	}
	s.log.Warn("files of rows are damaged, and written anew from the index", "files", damaged)
	return s.rewrite(h, infos, damaged)
}

// rewrite writes one run of all rows that the index has, in the place of all that
// there are. It has newer rows too, which those behind it have as well.
func (s *Store) rewrite(h *held, infos []run.Info, damaged []string) error {
	dir := s.path("log-new")
	if err := errors.Join(os.RemoveAll(dir), os.MkdirAll(dir, 0o700)); err != nil {
		return err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // the next start removes it too
	w, err := run.Create(dir, s.id, 0, lastOf(infos), run.Options{Fault: s.fault})
	if err != nil {
		return err
	}
	defer w.Abort()
	if err := h.Rows(w.Add); err != nil {
		return err
	}
	info, err := w.Close()
	if err != nil {
		return err
	}
	for _, path := range damaged {
		if err := s.keepAside(path); err != nil {
			return err
		}
	}
	from := info.Path
	info.Path = run.Path(s.path("log"), info.From, info.To)
	if err := errors.Join(os.Rename(from, info.Path), disk.SyncDir(s.path("log"))); err != nil {
		return err
	}
	var gone []run.Info
	for _, o := range infos {
		if o.Path != info.Path {
			gone = append(gone, o)
		}
	}
	return s.supersede(gone, info)
}

// keepAside keeps a damaged file that is about to be replaced.
func (s *Store) keepAside(path string) error {
	aside := s.path("set-aside")
	if err := os.MkdirAll(aside, 0o700); err != nil {
		return err
	}
	return os.Link(path, filepath.Join(aside, asideName(path)))
}
