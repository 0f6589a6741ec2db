package local_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

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
