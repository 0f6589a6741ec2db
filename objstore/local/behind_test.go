package local_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"caret/objstore"
	"caret/objstore/local"
	"caret/objstore/local/run"
)

// TestIndexBehind: an index that is older than it should be, as of a backup, is
// not given what it lacks by runs in which deletions are gone.
func TestIndexBehind(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir, small)
	fill(t, s, 0, 20)
	s.Close()
	old := filepath.Join(t.TempDir(), "index")
	if err := os.CopyFS(old, os.DirFS(filepath.Join(dir, "index-1"))); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir, small)
	if err := update(s, func(tx objstore.Writer) (err error) {
		for i := range 5 {
			err = errors.Join(err, tx.Delete(fmt.Appendf(nil, "row %04d", i)))
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	fill(t, s, 20, 22)
	s.Close()
	mergeRuns(t, dir)
	index := filepath.Join(dir, "index-1")
	if err := errors.Join(os.RemoveAll(index), os.CopyFS(index, os.DirFS(old))); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir, local.Options{})
	if err := filled(t, s, 5, 22); err != nil {
		t.Error(err)
	}
	if err := s.Rows().View(t.Context(), func(tx objstore.Reader) error {
		page, err := tx.Page(objstore.Prefix([]byte("row ")), 100)
		if len(page) != 17 {
			t.Errorf("%d rows, not 17, the first %q", len(page), page[0].Key)
		}
		return err
	}); err != nil {
		t.Error(err)
	}
}

// mergeRuns merges all runs of a store that is closed.
func mergeRuns(t *testing.T, dir string) {
	t.Helper()
	dir = filepath.Join(dir, "log")
	runs, _, _, err := run.List(dir)
	if err != nil || len(runs) < 2 {
		t.Fatal(runs, err)
	}
	if _, err := run.Merge(t.Context(), dir, runs[0].ID, runs, run.Options{}); err != nil {
		t.Fatal(err)
	}
}
