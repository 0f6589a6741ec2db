package local_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"caret/objstore"
	"caret/objstore/local"
)

// TestOnlyRun: the only file of the log, as after closing, is made anew of the
// index, or given up when told to, wherever it is damaged.
func TestOnlyRun(t *testing.T) {
	t.Parallel()
	from := t.TempDir()
	s := open(t, from, small)
	fill(t, s, 0, 50)
	s.Close()
	for _, at := range []string{"head", "rows", "tail"} {
		for _, with := range []string{"index", "rebuild", "nothing"} {
			t.Run(at+"/"+with, func(t *testing.T) {
				t.Parallel()
				index := with != "nothing"
				dir := copyDir(t, from)
				if err := damageFiles("log/run-*", func(b []byte) []byte {
					b[map[string]int{"head": 20, "rows": len(b) / 2, "tail": len(b) - 5}[at]] ^= 1
					return b
				})(dir); err != nil {
					t.Fatal(err)
				}
				o := small
				o.Reserve, o.Rebuild = -1, with == "rebuild"
				if !index {
					if err := os.RemoveAll(filepath.Join(dir, "index-1")); err != nil {
						t.Fatal(err)
					}
					if s, err := local.Open(dir, o); !errors.Is(err, objstore.ErrCorrupt) || !strings.Contains(err.Error(), "--accept-loss") {
						t.Fatalf("opened without the index: %v, %v", s, err)
					}
					o.AcceptLoss = true
				}
				s, err := local.Open(dir, o)
				if err != nil {
					t.Fatal(err)
				}
				if index {
					if err := filled(t, s, 0, 50); err != nil {
						t.Error(err)
					}
				}
				fill(t, s, 100, 110)
				if err := s.Close(); err != nil {
					t.Error(err)
				}
				if err := filled(t, open(t, dir, small), 100, 110); err != nil {
					t.Error(err)
				}
				aside, err := filepath.Glob(filepath.Join(dir, "set-aside", "run-*"))
				if len(aside) != 1 && (with != "index" || at != "rows") || err != nil {
					t.Errorf("set aside: %q, %v", aside, err)
				}
			})
		}
	}
}

// TestNoLog: a log of which nothing is left is made of the index when told to, and
// not before, as nobody knows what else it had.
func TestNoLog(t *testing.T) {
	t.Parallel()
	from := t.TempDir()
	s := open(t, from, small)
	fill(t, s, 0, 50)
	s.Close()
	for name, lose := range map[string]func(log string) error{
		"removed": os.RemoveAll,
		"unreadable": func(log string) error {
			files, err := filepath.Glob(filepath.Join(log, "*"))
			for _, f := range files {
				err = errors.Join(err, os.WriteFile(f, make([]byte, 5000), 0o600))
			}
			return err
		},
	} {
		for _, index := range []bool{true, false} {
			t.Run(fmt.Sprint(name, "/index ", index), func(t *testing.T) {
				t.Parallel()
				dir := copyDir(t, from)
				err := lose(filepath.Join(dir, "log"))
				if !index {
					err = errors.Join(err, os.RemoveAll(filepath.Join(dir, "index-1")))
				}
				if err != nil {
					t.Fatal(err)
				}
				o := small
				o.Reserve = -1
				if s, err := local.Open(dir, o); !errors.Is(err, objstore.ErrCorrupt) || !strings.Contains(err.Error(), "--accept-loss") {
					t.Fatalf("opened: %v, %v", s, err)
				}
				o.AcceptLoss, o.Rebuild = true, true
				s, err := local.Open(dir, o)
				if !index {
					if !errors.Is(err, objstore.ErrCorrupt) {
						t.Errorf("made of nothing: %v, %v", s, err)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				if err := filled(t, s, 0, 50); err != nil {
					t.Error(err)
				}
				fill(t, s, 100, 110)
				if err := s.Close(); err != nil {
					t.Error(err)
				}
				s = open(t, dir, small)
				if err := errors.Join(filled(t, s, 0, 50), filled(t, s, 100, 110)); err != nil {
					t.Error(err)
				}
			})
		}
	}
}
