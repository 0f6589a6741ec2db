package run_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"caret/objstore/local/run"
)

var errDisk = errors.New("disk on fire")

// failAt makes the n-th operation on the disk fail, and, if the process is to
// be dead from then on, all after it.
func failAt(n int, dead bool) (fault func(string) error, hit *string) {
	hit = new(string)
	return func(point string) error {
		n--
		if n == 0 {
			*hit = point
		}
		if n == 0 || dead && n < 0 {
			return fmt.Errorf("%s: %w", point, errDisk)
		}
		return nil
	}, hit
}

// TestUnreadable: a run that may not be read is not taken for damaged, as its rows
// would be given up for lost.
func TestUnreadable(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	info := write(t, dir, 0, 30, commitRows(0, 30), run.Options{})
	if err := os.Chmod(info.Path, 0); err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() == 0 {
		if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil {
			t.Fatal(err)
		}
		const nobody = 65534
		runtime.LockOSThread() // it is the thread's
		defer runtime.UnlockOSThread()
		defer unix.Setfsuid(0)
		if err := unix.Setfsuid(nobody); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, damaged, err := run.List(dir); !errors.Is(err, fs.ErrPermission) || len(damaged) > 0 {
		t.Errorf("damaged: %v, %v", damaged, err)
	}
}

// TestFaults makes each operation on the disk of writing a run, and of merging
// it with another, fail in turn: what List and Cover find then is either what
// was there before or what would be there after, and it has the right rows.
func TestFaults(t *testing.T) {
	t.Parallel()
	old, young := commitRows(0, 30), commitRows(10, 30)
	for _, dead := range []bool{false, true} {
		points := map[string]bool{}
		for n := 1; ; n++ {
			fault, hit := failAt(n, dead)
			dir := t.TempDir()
			a := write(t, dir, 0, 30, old, run.Options{})
			opts := run.Options{BlockSize: 2000, Fault: fault}
			b, err := tryWrite(dir, 30, 60, young, opts)
			wrote := err == nil
			if wrote {
				_, err = run.Merge(t.Context(), dir, logID, []run.Info{a, b}, opts)
			}
			if *hit == "" {
				if err != nil {
					t.Errorf("nothing failed, and yet %v", err)
				}
				break
			}
			points[*hit] = true
			if !errors.Is(err, errDisk) {
				t.Errorf("%s failed as operation %d: %v", *hit, n, err)
			}
			checkFault(t, dir, *hit, wrote, dead, old, young)
		}
		for _, p := range []string{"run.create", "run.write", "run.sync", "run.rename", "dir.sync", "run.read"} {
			if !points[p] {
				t.Errorf("no operation was %s", p)
			}
		}
	}
}

func checkFault(t *testing.T, dir, point string, wrote, dead bool, old, young []run.Row) {
	t.Helper()
	runs, leftovers, damaged, err := run.List(dir)
	if err != nil || len(damaged) > 0 {
		t.Errorf("%s: %v %v", point, damaged, err)
	}
	temp := dead && (point == "run.write" || point == "run.sync" || point == "run.rename" || point == "run.read" && len(leftovers) > 0)
	if (len(leftovers) > 0) != temp {
		t.Errorf("%s: leftovers %v", point, leftovers)
	}
	chain, _, gap := run.Cover(runs)
	if len(chain) == 0 || gap != nil {
		t.Fatalf("%s: chain %v, gap %v", point, chain, gap)
	}
	want := old
	if end := chain[len(chain)-1].To; end == 60 {
		want = newest(old, young)
	} else if wrote || end != 30 {
		t.Errorf("%s: the chain ends at %d", point, end)
	}
	s, err := run.Scan(t.Context(), chain, run.ScanOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	got, err := collect(s)
	if diff := same(got, want); diff != "" || err != nil {
		t.Errorf("%s: %s %v", point, diff, err)
	}
}

// TestLeftover: a file that could not be removed is told by List.
func TestLeftover(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	w, err := run.Create(dir, logID, 0, 1, run.Options{Fault: func(point string) error {
		if point == "run.remove" {
			return errDisk
		}
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	w.Abort()
	w.Abort()
	_, leftovers, _, err := run.List(dir)
	if err != nil || len(leftovers) != 1 {
		t.Fatal(leftovers, err)
	}
	if err := os.Remove(leftovers[0]); err != nil {
		t.Error(err)
	}
}
