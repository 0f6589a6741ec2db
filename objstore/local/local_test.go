package local_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"caret/objstore"
	"caret/objstore/local"
	"caret/objstore/objstoretest"
)

func open(t testing.TB, dir string, opts local.Options) *local.Store {
	t.Helper()
	opts.Reserve = -1
	s, err := local.Open(dir, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestConformance(t *testing.T) {
	t.Parallel()
	objstoretest.Run(t, func(t testing.TB) (objstore.Store, objstoretest.Reopen) {
		dir := t.TempDir()
		opts := local.Options{PackSize: 1 << 20}
		return open(t, dir, opts), func(s objstore.Store) objstore.Store {
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			return open(t, dir, opts)
		}
	})
}

func put(t testing.TB, s objstore.Store, data []byte) objstore.Hash {
	t.Helper()
	h, err := s.Blobs().Put(t.Context(), data)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Rows().Update(t.Context(), "", func(tx objstore.Writer) error { return tx.Set([]byte("k"), nil) }); err != nil {
		t.Fatal(err)
	}
	return h
}

// TestDamage: damaged bytes are an error, never bytes.
func TestDamage(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]func(string) error{
		"flipped bit": func(p string) error {
			b, err := os.ReadFile(p)
			if err != nil {
				return err
			}
			b[len(b)/2] ^= 1
			return os.WriteFile(p, b, 0o600)
		},
		"truncated": func(p string) error { return os.Truncate(p, 3000) },
		"empty":     func(p string) error { return os.Truncate(p, 0) },
		"removed":   os.Remove,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			s := open(t, dir, local.Options{})
			h := put(t, s, bytes.Repeat([]byte("content "), 1000))
			s.Close()
			if err := damage(filepath.Join(dir, "packs", "00000001.pack")); err != nil {
				t.Fatal(err)
			}
			s = open(t, dir, local.Options{})
			got, err := s.Blobs().Get(t.Context(), h, nil)
			if !errors.Is(err, objstore.ErrCorrupt) || got != nil {
				t.Errorf("%d bytes, %v", len(got), err)
			}
			// Other blobs are not harmed, nor what comes after.
			if h := put(t, s, []byte(strings.Repeat("more", 1000))); h.IsZero() {
				t.Error("nothing can be put any more")
			}
		})
	}
}

func TestLockAndFormat(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir, local.Options{})
	if _, err := local.Open(dir, local.Options{}); !errors.Is(err, objstore.ErrLocked) {
		t.Errorf("opened twice: %v", err)
	}
	s.Close()
	format := filepath.Join(dir, "FORMAT")
	for text, want := range map[string]error{"caret 3\n": objstore.ErrNewerFormat, "garbage": objstore.ErrCorrupt, "caret 0\n": objstore.ErrCorrupt} {
		if err := os.WriteFile(format, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := local.Open(dir, local.Options{}); !errors.Is(err, want) {
			t.Errorf("format %q: %v", text, err)
		}
	}
}

// TestVersion1: a directory of version 1 opens, and is then one of version 2,
// which an older caret refuses.
func TestVersion1(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir, local.Options{})
	h := put(t, s, []byte("content"))
	s.Close()
	format := filepath.Join(dir, "FORMAT")
	if err := os.WriteFile(format, []byte("caret 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	f := faults{left: 1}
	if _, err := local.Open(dir, local.Options{Fault: f.fault}); !errors.Is(err, errDisk) || f.hit != "format.write" {
		t.Errorf("opened without being marked: %v, %s", err, f.hit)
	}
	if b, err := os.ReadFile(format); string(b) != "caret 1\n" {
		t.Errorf("after a failure it is marked %q, %v", b, err)
	}
	s = open(t, dir, local.Options{})
	if b, err := os.ReadFile(format); string(b) != "caret 2\n" {
		t.Errorf("marked %q, %v", b, err)
	}
	if _, err := s.Blobs().Get(t.Context(), h, nil); err != nil {
		t.Error(err)
	}
}

// TestEmptyFiles: what a cut at the wrong moment leaves of badger's files
// does not keep the store from opening.
func TestEmptyFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir, local.Options{})
	h := put(t, s, []byte("content"))
	s.Close()
	for _, name := range []string{"00099.mem", "000099.vlog"} {
		if err := os.WriteFile(filepath.Join(dir, "rows", name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s = open(t, dir, local.Options{})
	if _, err := s.Blobs().Get(t.Context(), h, nil); err != nil {
		t.Error(err)
	}
	aside, err := os.ReadDir(filepath.Join(dir, "rows-quarantine"))
	if err != nil || len(aside) != 2 {
		t.Errorf("moved aside: %v, %v", aside, err)
	}
}

func TestNoSpace(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir, local.Options{})
	h := put(t, s, []byte("content"))
	s.Close()
	full, err := local.Open(dir, local.Options{Reserve: 1 << 60})
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	if _, err := full.Blobs().Put(t.Context(), []byte("x")); !errors.Is(err, objstore.ErrNoSpace) {
		t.Errorf("put: %v", err)
	}
	if err := full.Rows().Update(t.Context(), "", func(tx objstore.Writer) error { return tx.Set([]byte("a"), nil) }); !errors.Is(err, objstore.ErrNoSpace) {
		t.Errorf("update: %v", err)
	}
	if got, err := full.Blobs().Get(t.Context(), h, nil); err != nil || string(got) != "content" {
		t.Errorf("get: %q, %v", got, err)
	}
}

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
			if !failed && f.hit != "pack.read" {
				t.Errorf("%s failed as operation %d and nobody was told", f.hit, n)
			}
			checkAcked(t, dir, acked, number, fmt.Sprintf("%s as operation %d", f.hit, n))
		}
		for _, p := range []string{"pack.create", "pack.write", "pack.sync", "dir.sync", "rows.commit", "format.write"} {
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
	s, err := local.Open(dir, local.Options{Reserve: -1, PackSize: 10000, Fault: f.fault})
	if err != nil {
		if !errors.Is(err, errDisk) {
			t.Errorf("open: %v", err)
		}
		return acked, 0, true
	}
	defer s.Close()
	for i := range 8 {
		name := fmt.Sprint(i)
		data := bytes.Repeat([]byte(name), 3000)
		h, err := s.Blobs().Put(t.Context(), data)
		if err == nil {
			err = s.Rows().Update(t.Context(), "", func(tx objstore.Writer) error {
				return errors.Join(tx.Set([]byte("a"+name), h[:]), tx.Set([]byte("b"+name), h[:]))
			})
		}
		if err == nil {
			acked[name] = h
			var n uint64
			if n, err = s.Rows().Number(t.Context(), "n", number+1000); err == nil {
				number = n
			}
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
		for i := range 8 {
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
	for point, unknown := range map[string]bool{"pack.sync": false, "rows.commit": true} {
		on := true
		s := open(t, t.TempDir(), local.Options{Fault: func(at string) error {
			if on && at == point {
				return errDisk
			}
			return nil
		}})
		if _, err := s.Blobs().Put(t.Context(), make([]byte, 1000)); err != nil {
			t.Fatal(err)
		}
		set := func(tx objstore.Writer) error { return tx.Set([]byte("a"), nil) }
		err := update(s, set)
		if !errors.Is(err, errDisk) || errors.Is(err, objstore.ErrUnknownOutcome) != unknown {
			t.Errorf("%s: %v", point, err)
		}
		on = false
		if err := update(s, set); !errors.Is(err, objstore.ErrFailed) || !errors.Is(err, errDisk) {
			t.Errorf("after %s: %v", point, err)
		}
		if _, err := s.Rows().Number(t.Context(), "n", 0); !errors.Is(err, objstore.ErrFailed) {
			t.Errorf("number after %s: %v", point, err)
		}
	}
}

// TestGroups: concurrent writers share syncs.
func TestGroups(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir(), local.Options{})
	const writers, rounds = 32, 10
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() {
			for j := range rounds {
				put(t, s, fmt.Appendf(nil, "%d %d %0600d", i, j, 0))
			}
		})
	}
	wg.Wait()
	st := s.Stats()
	if st.Transactions != writers*rounds || st.Blobs != writers*rounds {
		t.Errorf("counted %+v", st)
	}
	if st.Groups*2 > st.Transactions {
		t.Errorf("%d transactions had %d syncs", st.Transactions, st.Groups)
	}
}

func BenchmarkPut(b *testing.B) {
	for _, size := range []int{256, 1024, 4096, 16384} {
		for _, where := range []string{"inline", "pack"} {
			inline := 1 << 20
			if where == "pack" {
				inline = -1
			}
			for _, writers := range []int{1, 32} {
				b.Run(fmt.Sprintf("%d/%s/%d", size, where, writers), func(b *testing.B) {
					s := open(b, b.TempDir(), local.Options{InlineMax: inline})
					b.SetBytes(int64(size))
					b.SetParallelism(writers)
					b.RunParallel(func(pb *testing.PB) {
						data := make([]byte, size)
						for i := 0; pb.Next(); i++ {
							copy(data, fmt.Sprintf("%p %d", &data, i))
							put(b, s, data)
						}
					})
				})
			}
		}
	}
}
