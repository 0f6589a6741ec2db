package local_test

import (
	"errors"
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
