package local

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"caret/objstore"
)

// TestScrub: runs that were damaged while the store was open are found, and written
// anew of the index.
func TestScrub(t *testing.T) {
	t.Parallel()
	for runs := 1; runs <= 2; runs++ {
		dir := t.TempDir()
		opts := Options{Reserve: -1, Log: slog.New(slog.DiscardHandler)}
		write := func(s *Store, from int) {
			for i := from; i < from+1000; i++ {
				if err := s.Rows().Update(t.Context(), "", func(tx objstore.Writer) error {
					return tx.Set(fmt.Appendf(nil, "row %d", i), bytes.Repeat([]byte{byte(i)}, i%300))
				}); err != nil {
					t.Fatal(err)
				}
			}
		}
		reopen := func(s *Store) *Store {
			if s != nil {
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
			}
			s, err := Open(dir, opts)
			if err != nil {
				t.Fatal(err)
			}
			return s
		}
		s := reopen(nil)
		for i := range runs {
			write(s, 1000*i)
			s = reopen(s)
		}
		write(s, 1000*runs)
		paths, err := filepath.Glob(filepath.Join(dir, "log", "run-*"))
		if err != nil || len(paths) != runs {
			t.Fatal(paths, err)
		}
		b, err := os.ReadFile(paths[0])
		if err != nil {
			t.Fatal(err)
		}
		b[len(b)/2] ^= 1
		if err := errors.Join(os.WriteFile(paths[0], b, 0o600), s.scrub(t.Context())); err != nil {
			t.Fatal(err)
		}
		write(s, 1000*runs+1000)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		list, err := s.indexes()
		if err != nil {
			t.Fatal(err)
		}
		if err := os.RemoveAll(s.indexDir(list[0])); err != nil {
			t.Fatal(err)
		}
		s = reopen(nil)
		if err := s.Rows().View(t.Context(), func(tx objstore.Reader) error {
			for i := range 1000*runs + 2000 {
				v, err := tx.Get(fmt.Appendf(nil, "row %d", i))
				if err != nil || !bytes.Equal(v, bytes.Repeat([]byte{byte(i)}, i%300)) {
					return fmt.Errorf("row %d: %q, %w", i, v, err)
				}
			}
			return nil
		}); err != nil {
			t.Error(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}
