package pack

import (
	"errors"
	"os"
	"runtime"
	"sync/atomic"
	"testing"

	"caret/objstore"
)

func openPacks(t *testing.T, fault func(string) error) *Packs {
	t.Helper()
	p, err := Open(t.TempDir(), 1<<20, fault)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

func appendTo(p *Packs, data string) error {
	_, err := p.Append(objstore.Sum([]byte(data)), []byte(data))
	return err
}

// TestSyncWaits: who syncs while another does waits for what that one has begun.
func TestSyncWaits(t *testing.T) {
	t.Parallel()
	begun, goOn := make(chan bool, 1), make(chan bool)
	p := openPacks(t, func(point string) error {
		if point == "pack.sync" {
			begun <- true
			<-goOn
		}
		return nil
	})
	if err := appendTo(p, "content"); err != nil {
		t.Fatal(err)
	}
	first, second := make(chan error, 1), make(chan error, 1)
	var released atomic.Bool
	go func() { first <- p.Sync() }()
	<-begun
	go func() {
		err := p.Sync()
		if !released.Load() {
			t.Error("content is said to be on disk while it is being synced")
		}
		second <- err
	}()
	for range 1000 {
		runtime.Gosched() // so that the second comes to where it is to wait
	}
	released.Store(true)
	close(goOn)
	if err := errors.Join(<-first, <-second); err != nil {
		t.Error(err)
	}
}

// TestSyncFails: once a sync has failed nothing is said to be on disk, as the
// system forgets what it could not write.
func TestSyncFails(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	fails := 1
	p := openPacks(t, func(point string) error {
		if point == "pack.sync" && fails > 0 {
			fails--
			return broken
		}
		return nil
	})
	if err := appendTo(p, "content"); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := p.Sync(); !errors.Is(err, broken) {
			t.Errorf("synced: %v", err)
		}
	}
}

// TestAppendFails: a blob that could not be written takes no room, and no new
// pack.
func TestAppendFails(t *testing.T) {
	t.Parallel()
	broken, failing := errors.New("broken"), false
	p := openPacks(t, func(point string) error {
		if failing && point == "pack.write" {
			return broken
		}
		return nil
	})
	if err := appendTo(p, "content"); err != nil {
		t.Fatal(err)
	}
	_, end := p.End()
	failing = true
	for range 100 {
		if err := appendTo(p, "more"); !errors.Is(err, broken) {
			t.Fatal(err)
		}
	}
	failing = false
	if n, now := p.Len(), int64(0); n != 1 {
		t.Errorf("%d packs", n)
	} else if _, now = p.End(); now != end {
		t.Errorf("they end at %d, not %d", now, end)
	}
	data := []byte("again")
	at, err := p.Append(objstore.Sum(data), data)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := p.Read(at, nil); err != nil || string(got) != "again" {
		t.Errorf("read %q, %v", got, err)
	}
	if info, err := os.Stat(p.path(1)); err != nil || info.Size() != at.Offset+int64(at.Length) {
		t.Error(info, err)
	}
}
