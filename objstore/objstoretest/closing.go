package objstoretest

import (
	"errors"
	"runtime"
	"testing"

	"caret/objstore"
)

func testClosed(t *testing.T, s objstore.Store, _ Reopen) {
	if err := errors.Join(s.Close(), s.Close()); err != nil {
		t.Errorf("close: %v", err)
	}
	if err := s.Rows().Update(t.Context(), "", func(objstore.Writer) error { return nil }); !errors.Is(err, objstore.ErrClosed) {
		t.Errorf("update: %v", err)
	}
	if err := s.Rows().View(t.Context(), func(objstore.Reader) error { return nil }); !errors.Is(err, objstore.ErrClosed) {
		t.Errorf("view: %v", err)
	}
	if _, err := s.Rows().Number(t.Context(), "n", 0); !errors.Is(err, objstore.ErrClosed) {
		t.Errorf("number: %v", err)
	}
	if _, err := s.Blobs().Put(t.Context(), nil); !errors.Is(err, objstore.ErrClosed) {
		t.Errorf("put: %v", err)
	}
	if _, err := s.Blobs().Get(t.Context(), objstore.Hash{}, nil); !errors.Is(err, objstore.ErrClosed) {
		t.Errorf("get: %v", err)
	}
}

// testClosing: closing waits for a transaction under way, which can go on, and
// lets no other begin.
func testClosing(t *testing.T, s objstore.Store, _ Reopen) {
	set(t, s, "a", "1")
	reading, closed := make(chan struct{}), make(chan error, 1)
	go func() {
		<-reading
		closed <- s.Close()
	}()
	view(t, s, func(tx objstore.Reader) {
		close(reading)
		none := func(objstore.Reader) error { return nil }
		for s.Rows().View(t.Context(), none) == nil {
			runtime.Gosched()
		}
		if err := s.Rows().View(t.Context(), none); !errors.Is(err, objstore.ErrClosed) {
			t.Errorf("view within a view of a store that closes: %v", err)
		}
		if got := dump(tx, objstore.Range{}); got != "a=1" {
			t.Errorf("rows: %s", got)
		}
		select {
		case err := <-closed:
			t.Errorf("closed under a transaction: %v", err)
		default:
		}
	})
	if err := <-closed; err != nil {
		t.Error(err)
	}
}

// testSound: a store that nothing happened to is not broken, nor is one that was closed.
func testSound(t *testing.T, s objstore.Store, _ Reopen) {
	set(t, s, "a", "1")
	for range 2 {
		select {
		case <-s.Failed():
			t.Error("it is broken")
		default:
		}
		if err := s.Failure(); err != nil {
			t.Error(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}
