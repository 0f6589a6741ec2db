package local_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"caret/objstore"
	"caret/objstore/local"
)

// fill writes rows and blobs of all sizes, from one number to another.
func fill(t testing.TB, s *local.Store, from, to int) {
	t.Helper()
	for i := from; i < to; i++ {
		h, err := s.Blobs().Put(t.Context(), content(i))
		if err != nil {
			t.Fatal(err)
		}
		if err := update(s, func(tx objstore.Writer) error {
			return errors.Join(tx.Set(fmt.Appendf(nil, "row %04d", i), h[:]), tx.Set([]byte("newest"), h[:]))
		}); err != nil {
			t.Fatal(err)
		}
	}
}

func content(i int) []byte {
	return []byte(strings.Repeat(fmt.Sprintf("content %d ", i), 1+i%50*i%50*10))
}

// filled is what is wrong with what fill wrote; nil if nothing is.
func filled(t testing.TB, s *local.Store, from, to int) error {
	t.Helper()
	return rowsThere(t, s, from, to, false)
}

// rowsThere is filled, where small blobs may be missing.
func rowsThere(t testing.TB, s *local.Store, from, to int, mayLose bool) error {
	t.Helper()
	return s.Rows().View(t.Context(), func(tx objstore.Reader) error {
		page, err := tx.Page(objstore.Range{Start: fmt.Appendf(nil, "row %04d", from), End: []byte("row :")}, to)
		if err != nil {
			return err
		}
		if len(page) != to-from {
			return fmt.Errorf("%d rows, not %d", len(page), to-from)
		}
		for n, row := range page {
			b, err := s.Blobs().Get(t.Context(), objstore.Hash(row.Value), nil)
			if mayLose && len(content(from+n)) <= local.DefaultSmallMax && errors.Is(err, objstore.ErrNotFound) {
				continue
			}
			if err != nil {
				return err
			}
			if want := content(from + n); !bytes.Equal(b, want) {
				return fmt.Errorf("row %q leads to %d bytes, not %d", row.Key, len(b), len(want))
			}
		}
		return nil
	})
}

// copyDir is a copy of a directory, as it is at this moment.
func copyDir(t testing.TB, dir string) string {
	t.Helper()
	to := t.TempDir()
	if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	return to
}

// small are options with which little is written to segments and packs.
var small = local.Options{PackSize: 1 << 20, SegmentSize: 1}

// crashed is a directory in which everything is: runs, bulks, packs, and records
// in the log, the last of which are nowhere else.
func crashed(t testing.TB, rows int) string {
	t.Helper()
	dir := t.TempDir()
	s := open(t, dir, small)
	fill(t, s, 0, rows/3)
	s.Close()
	s = open(t, dir, small)
	fill(t, s, rows/3, 2*rows/3)
	s.Close()
	s = open(t, dir, small)
	fill(t, s, 2*rows/3, rows)
	return copyDir(t, dir)
}

// TestIndexGone: the index is made of the log whenever it is missing, damaged or
// not completed, and what was there is set aside.
func TestIndexGone(t *testing.T) {
	t.Parallel()
	from := crashed(t, 200)
	for name, damage := range map[string]func(dir string) error{
		"gone":   func(dir string) error { return os.RemoveAll(filepath.Join(dir, "index-1")) },
		"table":  damageEach("*.sst", func(b []byte) []byte { b[len(b)/2] ^= 4; return b }),
		"footer": damageEach("*.sst", func(b []byte) []byte { return b[:len(b)-3] }),
		"zeros":  damageEach("*.sst", func(b []byte) []byte { return make([]byte, len(b)) }),
		"empty":  damageEach("*.sst", func([]byte) []byte { return nil }),
		"mem":    damageEach("*.mem", func(b []byte) []byte { b[100] ^= 1; return b }),
		"list":   damageEach("MANIFEST", func(b []byte) []byte { b[20] ^= 1; return b }),
		"short":  damageEach("MANIFEST", func(b []byte) []byte { return b[:16] }),
		"vlog":   damageEach("*.vlog", func([]byte) []byte { return nil }),
		"nolist": func(dir string) error { return os.Remove(filepath.Join(dir, "index-1", "MANIFEST")) },
		"half": func(dir string) error {
			return os.Rename(filepath.Join(dir, "index-1"), filepath.Join(dir, "index-3"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := copyDir(t, from)
			if err := damage(dir); err != nil {
				t.Fatal(err)
			}
			s := open(t, dir, small)
			if err := filled(t, s, 0, 200); err != nil {
				t.Error(err)
			}
			fill(t, s, 200, 210)
			if err := s.Close(); err != nil {
				t.Error(err)
			}
			if err := filled(t, open(t, dir, small), 0, 210); err != nil {
				t.Error(err)
			}
		})
	}
}

// damageEach changes files of the index.
func damageEach(pattern string, fn func([]byte) []byte) func(dir string) error {
	return damageFiles("index-1/"+pattern, fn)
}

func damageFiles(pattern string, fn func([]byte) []byte) func(dir string) error {
	return func(dir string) error {
		paths, err := filepath.Glob(filepath.Join(dir, pattern))
		if len(paths) == 0 {
			err = errors.Join(err, fmt.Errorf("there is no %s", pattern))
		}
		for _, p := range paths {
			b, readErr := os.ReadFile(p)
			err = errors.Join(err, readErr, os.WriteFile(p, fn(b), 0o600))
		}
		return err
	}
}

// TestLogDamaged: what the log has lost is found in the index; if that lacks it
// too, Open says what to do, and does it when told.
func TestLogDamaged(t *testing.T) {
	t.Parallel()
	from := crashed(t, 200)
	for name, damage := range map[string]func(dir string) error{
		"first run":   func(dir string) error { return removeNth(dir, "log/run-*", 0) },
		"last run":    func(dir string) error { return removeNth(dir, "log/run-*", 1) },
		"run flipped": damageFiles("log/run-*", func(b []byte) []byte { b[len(b)-5] ^= 1; return b }),
		"segment":     damageFiles("log/*.log", func(b []byte) []byte { b[20000] ^= 1; return b }),
		"first":       damageFiles("log/*.log", func(b []byte) []byte { b[5] ^= 1; return b }),
		"no segment":  func(dir string) error { return removeNth(dir, "log/*.log", 0) },
	} {
		for _, index := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s/index=%t", name, index), func(t *testing.T) {
				t.Parallel()
				dir := copyDir(t, from)
				err := damage(dir)
				if !index {
					err = errors.Join(err, os.RemoveAll(filepath.Join(dir, "index-1")))
				}
				if err != nil {
					t.Fatal(err)
				}
				o := small
				o.Reserve = -1
				s, err := local.Open(dir, o)
				if !index {
					if !errors.Is(err, objstore.ErrCorrupt) || !strings.Contains(err.Error(), "--accept-loss") {
						t.Fatalf("opened without the index: %v", err)
					}
					o.AcceptLoss = true
					s, err = local.Open(dir, o)
				}
				if err != nil {
					t.Fatal(err)
				}
				defer s.Close()
				// What the log alone has is small blobs.
				lost := rowsThere(t, s, 0, 200, strings.Contains(name, "segment") || name == "first")
				if index && lost != nil {
					t.Error(lost)
				}
				fill(t, s, 1000, 1010)
				s.Close()
				if err := filled(t, open(t, dir, small), 1000, 1010); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

func removeNth(dir, pattern string, n int) error {
	paths, err := filepath.Glob(filepath.Join(dir, pattern))
	if len(paths) <= n {
		return errors.Join(err, fmt.Errorf("%d files %s", len(paths), pattern))
	}
	return os.Remove(paths[n])
}

// TestLastRecord: damage in the last record that was acknowledged is not taken
// for one that a crash cut off.
func TestLastRecord(t *testing.T) {
	t.Parallel()
	dir := crashed(t, 60)
	if err := errors.Join(os.RemoveAll(filepath.Join(dir, "index-1")),
		damageFiles("log/*.log", func(b []byte) []byte {
			at := strings.LastIndex(string(b), "row 0059")
			b[at] ^= 1
			return b
		})(dir)); err != nil {
		t.Fatal(err)
	}
	o := small
	o.Reserve = -1
	if s, err := local.Open(dir, o); !errors.Is(err, objstore.ErrCorrupt) {
		s.Close()
		t.Errorf("opened: %v", err)
	}
}

// TestForeign: a file of another store is told from one of this.
func TestForeign(t *testing.T) {
	t.Parallel()
	a, b := crashed(t, 30), crashed(t, 33)
	for _, pattern := range []string{"log/run-*", "log/*.log", "log/acked"} {
		dir := copyDir(t, a)
		from, err := filepath.Glob(filepath.Join(b, pattern))
		if err != nil || len(from) == 0 {
			t.Fatal(from, err)
		}
		data, err := os.ReadFile(from[0])
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "log", filepath.Base(from[0])), data, 0o600); err != nil {
			t.Fatal(err)
		}
		o := small
		o.Reserve = -1
		if s, err := local.Open(dir, o); !errors.Is(err, objstore.ErrForeign) || !strings.Contains(err.Error(), "take away") {
			if err == nil {
				s.Close()
			}
			t.Errorf("%s of another store: %v", pattern, err)
		}
	}
}
