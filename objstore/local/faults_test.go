package local_test

import (
	"bytes"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"caret/objstore"
	"caret/objstore/local"
	"caret/objstore/objstoretest"
)

// faults makes the n-th operation on the disk fail, and all after it if the
// disk stays broken.
type faults struct {
	mu    sync.Mutex
	left  int
	fatal bool
	hit   string
}

var errDisk = errors.New("disk on fire")

func (f *faults) fault(point string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.left--
	if f.left == 0 || f.left < 0 && f.fatal && f.hit != "" {
		if f.hit == "" {
			f.hit = point
		}
		return fmt.Errorf("%s: %w", point, errDisk)
	}
	return nil
}

// TestFaults makes each operation on the disk fail in turn: whoever it
// concerns gets an error, and after opening again everything acknowledged is
// whole and nothing else is there by half.
func TestFaults(t *testing.T) {
	t.Parallel()
	for _, fatal := range []bool{false, true} {
		points := map[string]bool{}
		for n := 1; ; n++ {
			f := &faults{left: n, fatal: fatal}
			dir := t.TempDir()
			acked, number, failed := workload(t, dir, f)
			if f.hit == "" {
				if n < 10 {
					t.Errorf("the workload has only %d operations", n)
				}
				break
			}
			points[f.hit] = true
			if !failed && f.hit != "pack.read" && f.hit != "index.commit" { // the log has it
				t.Errorf("%s failed as operation %d and nobody was told", f.hit, n)
			}
			checkAcked(t, dir, acked, number, fmt.Sprintf("%s as operation %d", f.hit, n))
		}
		for _, p := range []string{"pack.create", "pack.write", "pack.sync", "dir.sync", "log.append", "log.write", "log.sync", "log.acked", "index.commit", "run.rename", "format.write"} {
			if !points[p] {
				t.Errorf("no operation was %s", p)
			}
		}
	}
}

// workload writes rows that each need a blob, and returns those that were
// acknowledged, and the last number of a sequence.
func workload(t testing.TB, dir string, f *faults) (acked map[string]objstore.Hash, number uint64, failed bool) {
	t.Helper()
	acked = map[string]objstore.Hash{}
	s, err := local.Open(dir, local.Options{Reserve: -1, PackSize: 30000, Fault: f.fault})
	if err != nil {
		if !errors.Is(err, errDisk) {
			t.Errorf("open: %v", err)
		}
		return acked, 0, true
	}
	defer func() {
		if err := s.Close(); err != nil {
			failed = true
		}
	}()
	for i := range 6 {
		name := fmt.Sprint(i)
		data := bytes.Repeat([]byte(name), 3000+20000*(i%2))
		h, err := s.Blobs().Put(t.Context(), data)
		if err == nil {
			err = s.Rows().Update(t.Context(), "", func(tx objstore.Writer) error {
				return errors.Join(tx.Set([]byte("a"+name), h[:]), tx.Set([]byte("b"+name), h[:]))
			})
		}
		if err == nil {
			acked[name] = h
		}
		if i == 5 && err == nil {
			number, err = s.Rows().Number(t.Context(), "n", 0)
		}
		if err == nil {
			continue
		}
		failed = true
		if !errors.Is(err, errDisk) && !errors.Is(err, objstore.ErrFailed) {
			t.Errorf("write %d: %v", i, err)
		}
	}
	for name, h := range acked { // reads go on
		if _, err := s.Blobs().Get(t.Context(), h, nil); err != nil && !errors.Is(err, errDisk) {
			t.Errorf("read %s: %v", name, err)
		}
	}
	return acked, number, failed
}

func checkAcked(t testing.TB, dir string, acked map[string]objstore.Hash, number uint64, what string) {
	t.Helper()
	s := open(t, dir, local.Options{})
	defer s.Close()
	if n, err := s.Rows().Number(t.Context(), "n", 0); n <= number || err != nil {
		t.Errorf("%s: number %d, %v follows %d", what, n, err, number)
	}
	err := s.Rows().View(t.Context(), func(tx objstore.Reader) error {
		for i := range 6 {
			name := fmt.Sprint(i)
			a, errA := tx.Get([]byte("a" + name))
			b, errB := tx.Get([]byte("b" + name))
			if (errA == nil) != (errB == nil) || !bytes.Equal(a, b) {
				t.Errorf("%s: write %s is there by half", what, name)
			}
			h, want := acked[name]
			if want && !bytes.Equal(a, h[:]) {
				t.Errorf("%s: acknowledged write %s is lost", what, name)
			}
			if errA == nil {
				if _, err := s.Blobs().Get(t.Context(), objstore.Hash(a), nil); err != nil {
					t.Errorf("%s: content of write %s: %v", what, name, err)
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// TestOutcomes: what is told of a commit that failed, and of those after it.
func TestOutcomes(t *testing.T) {
	t.Parallel()
	for point, unknown := range map[string]bool{"pack.sync": false, "log.append": true, "log.sync": true, "log.acked": true} {
		on := false
		s := open(t, t.TempDir(), local.Options{Fault: func(at string) error {
			if on && at == point {
				return errDisk
			}
			return nil
		}})
		on = true
		if _, err := s.Blobs().Put(t.Context(), make([]byte, 100_000)); err != nil {
			t.Fatal(err)
		}
		set := func(tx objstore.Writer) error { return tx.Set([]byte("a"), nil) }
		err := update(s, set)
		if !errors.Is(err, errDisk) || errors.Is(err, objstore.ErrUnknownOutcome) != unknown {
			t.Errorf("%s: %v", point, err)
		}
		on = false
		if err := s.Rows().View(t.Context(), func(tx objstore.Reader) error {
			_, err := tx.Get([]byte("a"))
			return err
		}); !errors.Is(err, objstore.ErrNotFound) {
			t.Errorf("%s: what was refused is seen: %v", point, err)
		}
		if err := update(s, set); !errors.Is(err, objstore.ErrFailed) || !errors.Is(err, errDisk) {
			t.Errorf("after %s: %v", point, err)
		}
		if _, err := s.Rows().Number(t.Context(), "n", 0); !errors.Is(err, objstore.ErrFailed) {
			t.Errorf("number after %s: %v", point, err)
		}
	}
}

// TestIndexFails: an index that can't be written to is made anew, and what the log
// has by then is in it.
func TestIndexFails(t *testing.T) {
	t.Parallel()
	var on atomic.Bool
	s := open(t, t.TempDir(), local.Options{Fault: func(at string) error {
		if at == "index.commit" && on.CompareAndSwap(true, false) {
			return errDisk
		}
		return nil
	}})
	fill(t, s, 0, 20)
	on.Store(true)
	if err := update(s, func(tx objstore.Writer) error { return tx.Set([]byte("a"), nil) }); err != nil {
		t.Errorf("it is in the log: %v", err)
	}
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); <-time.After(10 * time.Millisecond) {
		err := filled(t, s, 0, 20)
		if err == nil {
			err = s.Rows().View(t.Context(), func(tx objstore.Reader) error {
				_, err := tx.Get([]byte("a"))
				return err
			})
			if err != nil {
				t.Error(err)
			}
			fill(t, s, 20, 30)
			return
		}
		if !errors.Is(err, objstore.ErrCorrupt) {
			t.Fatal(err)
		}
	}
	t.Error("the index was not made anew")
}

func TestUnknownOutcomes(t *testing.T) {
	t.Parallel()
	objstoretest.RunOutcomes(t, func(t testing.TB, outcome objstoretest.Outcome) (objstore.Store, objstoretest.Reopen) {
		dir, last := t.TempDir(), error(nil)
		opts := local.Options{Fault: func(point string) error {
			switch point {
			case "log.append":
				committed, err := outcome()
				if last = err; !committed {
					return err
				}
			case "log.acked":
				return last
			}
			return nil
		}}
		return open(t, dir, opts), func(s objstore.Store) objstore.Store {
			s.Close()
			return open(t, dir, opts)
		}
	})
}
