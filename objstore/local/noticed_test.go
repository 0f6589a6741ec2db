package local_test

import (
	"errors"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"caret/objstore"
)

// TestIndexDamagedWhileRead: an index that is found damaged is made anew while
// the store is open, and blobs that it led to are not taken for damaged. It is not
// run beside others, as the index of each store of a process is suspected then.
//
//nolint:paralleltest // see above
func TestIndexDamagedWhileRead(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, small)
	fill(t, s, 0, 50)
	s.Close()
	o, held := small, make(chan struct{})
	var opened atomic.Bool
	o.Fault = func(point string) error {
		if opened.Load() && point == "index.commit" {
			<-held
		}
		return nil
	}
	s = open(t, dir, o)
	opened.Store(true)
	tables, err := filepath.Glob(filepath.Join(dir, "index-1", "*.sst"))
	if err != nil || len(tables) == 0 {
		t.Fatal(tables, err)
	}
	for _, path := range tables {
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		info, err := f.Stat()
		for at := int64(60); err == nil && at < info.Size()*4/5; at += 500 {
			_, err = f.WriteAt([]byte("damage"), at)
		}
		if err = errors.Join(err, f.Close()); err != nil {
			t.Fatal(err)
		}
	}
	blobs := make([]objstore.Hash, 50)
	damaged := 0
	for i := range blobs {
		blobs[i] = objstore.Sum(content(i))
		if _, err := s.Blobs().Get(t.Context(), blobs[i], nil); errors.Is(err, objstore.ErrCorrupt) {
			damaged++
		}
	}
	if damaged == 0 {
		close(held)
		t.Fatal("the damage is not noticed")
	}
	// Should the process be killed now, the next one knows.
	if _, err := os.Stat(filepath.Join(dir, "index-1.damaged")); err != nil {
		t.Error(err)
	}
	close(held)
	end := time.Now().Add(patience)
	for err := filled(t, s, 0, 50); err != nil; err = filled(t, s, 0, 50) {
		if time.Now().After(end) {
			t.Fatal(err)
		}
	}
	for i := range blobs {
		if _, err := s.Blobs().Put(t.Context(), content(i)); err != nil {
			t.Fatal(err)
		}
	}
	if n := s.Stats().Blobs; n > 0 {
		t.Errorf("%d sound blobs are stored again", n)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if marks, err := filepath.Glob(filepath.Join(dir, "*.damaged")); len(marks) > 0 || err != nil {
		t.Errorf("still marked: %q, %v", marks, err)
	}
}
