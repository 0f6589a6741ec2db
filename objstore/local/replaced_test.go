package local

import (
	"errors"
	"os"
	"testing"

	"caret/objstore"
)

// TestReplacedElsewhere: an index whose folder somebody took away is made anew in
// another one, as badger may still write to the old, and remove files there.
func TestReplacedElsewhere(t *testing.T) {
	t.Parallel()
	s, err := Open(t.TempDir(), Options{Reserve: -1})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Rows().Update(t.Context(), "", func(tx objstore.Writer) error { return tx.Set([]byte("a"), []byte("1")) }); err != nil {
		t.Fatal(err)
	}
	h, err := s.index.use() // which keeps it open
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.RemoveAll(h.dir), s.replace(h.dir)); err != nil {
		t.Fatal(err)
	}
	if exists(h.dir) || !exists(s.indexDir(2)) {
		t.Errorf("the index was made anew in %s", h.dir)
	}
	h.leave()
	if v, err := s.index.get([]byte("ra")); err != nil || string(v) != "1" {
		t.Errorf("%q, %v", v, err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}
