package local_test

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"caret/objstore"
	"caret/objstore/local"
)

// copyOf is the directory as a process that is killed leaves it. Files are
// copied without their holes, of which badger makes large ones.
func copyOf(t testing.TB, dir string) string {
	t.Helper()
	to := t.TempDir()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		if d.IsDir() {
			return os.MkdirAll(filepath.Join(to, rel), 0o700)
		}
		return copySparse(filepath.Join(to, rel), path)
	})
	if err != nil {
		t.Fatal(err)
	}
	return to
}

func copySparse(to, from string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	defer out.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	buf := make([]byte, 64<<10)
	for off := int64(0); off < info.Size(); off += int64(len(buf)) {
		n, err := in.ReadAt(buf, off)
		if err != nil && err != io.EOF {
			return err
		}
		if bytes.Count(buf[:n], []byte{0}) < n {
			if _, err := out.WriteAt(buf[:n], off); err != nil {
				return err
			}
		}
	}
	return out.Truncate(info.Size())
}

// TestKilled: numbers that were given out, and rows that were acknowledged,
// are not forgotten when the process is killed.
func TestKilled(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	last := uint64(0)
	for round := range 4 {
		s := open(t, dir, local.Options{})
		for i := range 1 + 100*round {
			n, err := s.Rows().Number(t.Context(), "n", 0)
			if n <= last || err != nil {
				t.Fatalf("round %d: number %d is %d, %v, after %d", round, i, n, err, last)
			}
			last = n
		}
		if err := update(s, func(tx objstore.Writer) error { return tx.Set(fmt.Append(nil, round), nil) }); err != nil {
			t.Fatal(err)
		}
		dir = copyOf(t, dir)
		s.Close()
	}
	s := open(t, dir, local.Options{})
	if err := s.Rows().View(t.Context(), func(tx objstore.Reader) error {
		if page, err := tx.Page(objstore.Range{}, 9); len(page) != 4 || err != nil {
			t.Errorf("%d rows, %v", len(page), err)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
}
