package local_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"caret/objstore"
	"caret/objstore/local"
)

// TestCloseWhilePutsWait: who waits until less is on its way into the log is
// told when nothing is written there any more, and Close does not wait for them.
func TestCloseWhilePutsWait(t *testing.T) {
	t.Parallel()
	// There is no room for the first segment, though the disk is not full.
	dir := t.TempDir()
	s := open(t, dir, local.Options{Fault: func(point string) error {
		if point == "log.create" {
			return unix.ENOSPC
		}
		return nil
	}})
	put := func(n int) error {
		_, err := s.Blobs().Put(t.Context(), fmt.Appendf(nil, "%016384d", n))
		return err
	}
	const most = 1021 // of them are more than may wait
	for n := range most {
		if err := put(n); err != nil {
			t.Fatal(err)
		}
	}
	told := make(chan error)
	go func() { told <- put(most) }()
	go func() { told <- put(most + 1) }()
	closed := make(chan error)
	go func() { closed <- s.Close() }()
	select {
	case err := <-closed:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(patience):
		t.Fatal("Close waits for ever")
	}
	for range 2 {
		if err := <-told; !errors.Is(err, objstore.ErrClosed) {
			t.Errorf("one who waits is told %v", err)
		}
	}
}
