package index

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"caret/objstore"
)

func openIndex(t *testing.T, dir string, opts Options) *Index {
	t.Helper()
	opts.Log = slog.New(slog.DiscardHandler)
	x, err := Open(dir, opts)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func one(key string, value []byte) func(func(_, _ []byte) bool) {
	return func(yield func(_, _ []byte) bool) { yield([]byte(key), value) }
}

// TestStuck: when badger can't write out what it has in memory nobody waits for it.
func TestStuck(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "index")
	x := openIndex(t, dir, Options{})
	if err := os.Rename(dir, dir+"-gone"); err != nil {
		t.Fatal(err)
	}
	value := make([]byte, 1_000_000)
	n := 0
	for ; ; n++ {
		err := x.Apply(one(fmt.Sprint("r", n), value), State{})
		if errors.Is(err, errStuck) || errors.Is(err, objstore.ErrCorrupt) {
			break
		}
		if err != nil || n > 500 {
			t.Fatalf("after %d MB badger has not written anything: %v", n, err)
		}
	}
	for range 3 { // badger would end the process
		if err := x.Apply(one("r0", value), State{}); err == nil {
			t.Error("written to")
		}
	}
	if _, err := x.Get([]byte("r0")); err != nil && !errors.Is(err, objstore.ErrCorrupt) {
		t.Errorf("read: %v", err)
	}
	for range 2 {
		s := x.Snapshot([]byte("r"))
		if _, err := s.Page(objstore.Range{}, 1); err != nil && !errors.Is(err, objstore.ErrCorrupt) {
			t.Errorf("read: %v", err)
		}
		s.Discard() // which badger may panic at
	}
	if err := x.Close(); err == nil {
		t.Error("closed as if all were well")
	}
}

// TestBlockDamaged: what badger drops when a block is damaged while it is open is
// noticed. Not in parallel: whatever index is open notices.
func TestBlockDamaged(t *testing.T) {
	dir := t.TempDir()
	x := openIndex(t, dir, Options{})
	load := x.Load()
	for n := range 5000 {
		if err := load.Put(fmt.Appendf(nil, "r%06d", n), fmt.Appendf(nil, "%064d", n*n)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(load.Close(State{LSN: 7}), x.Close()); err != nil {
		t.Fatal(err)
	}
	x = openIndex(t, dir, Options{})
	defer x.Close()
	tables, err := filepath.Glob(filepath.Join(dir, "*.sst"))
	if err != nil || len(tables) == 0 {
		t.Fatal(tables, err)
	}
	f, err := os.OpenFile(tables[0], os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt(make([]byte, 8000), 20000); err != nil {
		t.Fatal(err)
	}
	s := x.Snapshot([]byte("r"))
	defer s.Discard()
	rows, err := s.Page(objstore.Range{}, 6000)
	if !errors.Is(err, objstore.ErrCorrupt) {
		t.Errorf("%d rows of 5000, %v", len(rows), err)
	}
	for n := range 5000 {
		v, err := s.Get(fmt.Appendf(nil, "%06d", n))
		if err == nil && string(v) != fmt.Sprintf("%064d", n*n) || err != nil && !errors.Is(err, objstore.ErrCorrupt) {
			t.Fatalf("row %d: %q, %v", n, v, err)
		}
	}
	if err := x.Apply(one("rx", nil), State{}); !errors.Is(err, objstore.ErrCorrupt) {
		t.Errorf("written to: %v", err)
	}
	if err := x.Verify(); !errors.Is(err, objstore.ErrCorrupt) {
		t.Errorf("verified: %v", err)
	}
}

// TestCloseDamaged: closing an index with a table whose own index is damaged does
// not end the process. Not in parallel: whatever index is open notices.
func TestCloseDamaged(t *testing.T) {
	dir := t.TempDir()
	for range 2 {
		x := openIndex(t, dir, Options{})
		load := x.Load()
		for n := range 5000 {
			if err := load.Put(fmt.Appendf(nil, "r%06d", n), fmt.Appendf(nil, "%064d", n*n)); err != nil {
				t.Fatal(err)
			}
		}
		if err := errors.Join(load.Close(State{LSN: 7}), x.Close()); err != nil {
			t.Fatal(err)
		}
	}
	x := openIndex(t, dir, Options{})
	tables, err := filepath.Glob(filepath.Join(dir, "*.sst"))
	if err != nil || len(tables) == 0 {
		t.Fatal(tables, err)
	}
	for _, path := range tables {
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		end, err := f.Seek(0, io.SeekEnd)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteAt(bytes.Repeat([]byte{0xff}, 250), end-300); err != nil {
			t.Fatal(err)
		}
	}
	if err := x.Apply(one("r", []byte("new")), State{LSN: 8}); err != nil {
		t.Fatal(err)
	}
	if _, err := x.Get([]byte("r002500")); !errors.Is(err, objstore.ErrCorrupt) {
		t.Errorf("read: %v", err)
	}
	if err := x.Close(); err != nil && !errors.Is(err, objstore.ErrCorrupt) {
		t.Error(err)
	}
}

// TestNoFiles: a table that can't be opened just now is not taken for damaged. Not
// in parallel, as there is one limit.
func TestNoFiles(t *testing.T) {
	dir := t.TempDir()
	x := openIndex(t, dir, Options{})
	if err := errors.Join(x.Apply(one("ra", []byte("a")), State{LSN: 7}), x.Close()); err != nil {
		t.Fatal(err)
	}
	x = openIndex(t, dir, Options{})
	defer x.Close()
	tables, err := filepath.Glob(filepath.Join(dir, "*.sst"))
	if err != nil || len(tables) == 0 {
		t.Fatal(tables, err)
	}
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Max: limit.Max}); err != nil {
		t.Fatal(err)
	}
	err = verifyTables(tables)
	if restored := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); restored != nil {
		t.Fatal(restored)
	}
	if !errors.Is(err, unix.EMFILE) || errors.Is(err, objstore.ErrCorrupt) {
		t.Errorf("tables that could not be opened: %v", err)
	}
	if err := errors.Join(x.Verify(), x.Damage()); err != nil {
		t.Error(err)
	}
}

// TestValueDamaged: a value that is another's has another checksum.
func TestValueDamaged(t *testing.T) {
	t.Parallel()
	a, b := []byte("ra"), []byte("rb")
	stored := append([]byte("value"), 0, 0, 0, 0)
	if _, err := value(a, stored); !errors.Is(err, objstore.ErrCorrupt) {
		t.Errorf("%v", err)
	}
	n := sum(a, []byte("value"))
	stored = append([]byte("value"), byte(n), byte(n>>8), byte(n>>16), byte(n>>24))
	if v, err := value(a, stored); string(v) != "value" || err != nil {
		t.Errorf("%q, %v", v, err)
	}
	for _, damaged := range [][]byte{nil, stored[:3], stored[1:]} {
		if _, err := value(a, damaged); !errors.Is(err, objstore.ErrCorrupt) {
			t.Errorf("%q: %v", damaged, err)
		}
	}
	if _, err := value(b, stored); !errors.Is(err, objstore.ErrCorrupt) {
		t.Errorf("under another key: %v", err)
	}
}
