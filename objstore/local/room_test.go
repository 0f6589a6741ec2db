package local_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"caret/objstore"
	"caret/objstore/local"
)

// patience is how long tests wait for what would take for ever if it failed.
const patience = time.Minute

// TestRoomWhileFull: a group with more blobs than the log has room for waits for
// the checkpoint, and that does not wait for it.
func TestRoomWhileFull(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	records, goOn := 0, make(chan struct{})
	s := open(t, t.TempDir(), local.Options{SegmentSize: 1, Fault: func(point string) error {
		switch point {
		case "run.create":
			<-goOn
		case "log.write":
			mu.Lock()
			defer mu.Unlock()
			// The log has four segments, of six such records each.
			if records++; records == 19 {
				close(goOn)
			}
		}
		return nil
	}})
	done := make(chan error)
	go func() {
		for round := range 3 {
			if err := update(s, func(tx objstore.Writer) error {
				for i := range 1000 { // a MiB of them is written at once
					if _, err := s.Blobs().Put(t.Context(), fmt.Appendf(nil, "%d %d %016000d", round, i, 0)); err != nil {
						return err
					}
				}
				return tx.Set(fmt.Append(nil, round), nil)
			}); err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(patience):
		t.Fatal("the log waits for the checkpoint, and that for the log")
	}
}

// TestFullCheckpoint: a checkpoint that a full disk stops goes on when there is
// room, and takes no more room each time it tries.
func TestFullCheckpoint(t *testing.T) {
	t.Parallel()
	for _, point := range []string{"run.create", "run.write", "run.sync", "pack.write"} {
		t.Run(point, func(t *testing.T) {
			t.Parallel()
			var mu sync.Mutex
			left := 3
			tried, dir := make(chan struct{}), t.TempDir()
			s := open(t, dir, local.Options{SegmentSize: 1, Fault: func(at string) error {
				mu.Lock()
				defer mu.Unlock()
				if at != point || left == 0 {
					return nil
				}
				if left--; left == 0 {
					close(tried)
				}
				return unix.ENOSPC
			}})
			blob := func(i int) []byte { return fmt.Appendf(nil, "%d %016000d", i, 0) }
			n := 0
			for ; !isClosed(tried); n++ {
				if err := update(s, func(tx objstore.Writer) error {
					h, err := s.Blobs().Put(t.Context(), blob(n))
					return errors.Join(err, tx.Set(fmt.Appendf(nil, "row %d", n), h[:]))
				}); err != nil && !errors.Is(err, objstore.ErrNoSpace) {
					t.Fatal(err)
				}
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			s = open(t, dir, local.Options{}) // which begins with that segment once more
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			usage, err := s.DiskUsage()
			if most := int64(n)*17000 + 7<<20; usage.Packs > most || err != nil {
				t.Errorf("packs have %d bytes, of blobs of %d, %v", usage.Packs, most, err)
			}
		})
	}
}

func isClosed(c chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
