package jobs

import (
	"errors"
	"log/slog"
	"testing"
	"time"

	"caret/commits"
	"caret/objstore"
	"caret/objstore/memory"
	"caret/pfs/changeset"
	"caret/pfs/lease"
)

// TestForgetsWhatIsDone: work that failed, and that somebody has done since or
// that was done after all, is not waited for any more.
func TestForgetsWhatIsDone(t *testing.T) {
	t.Parallel()
	fail := false
	db := memory.NewWith(memory.Options{Outcome: func() (bool, error) {
		if fail {
			return true, errors.New("the connection broke")
		}
		return true, nil
	}}).Rows()
	now := time.UnixMilli(1_700_000_000_000)
	clock := func() time.Time { return now }
	log := slog.New(slog.DiscardHandler)
	r := New(Runner{DB: db, Lease: lease.New(db, clock, log, "p", false), Now: clock, Log: log, FoldPage: 10, Elapsed: func() time.Duration { return 0 }})
	key := changeset.DroppingKey(commits.ID{1})
	if err := db.Update(t.Context(), "", func(tx objstore.Writer) error { return tx.Set(key, nil) }); err != nil {
		t.Fatal(err)
	}
	release, err := r.Lease.Hold(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	if mine, err := r.claim(t.Context(), key); err != nil || !mine {
		t.Fatal(mine, err)
	}
	fail = true
	err = r.try(t.Context(), key, r.drop)
	if fail = false; !errors.Is(err, objstore.ErrUnknownOutcome) {
		t.Fatalf("drop: %v", err)
	}
	if err := db.Update(t.Context(), "", func(tx objstore.Writer) error { return tx.Delete(key) }); err != nil { // another process
		t.Fatal(err)
	}
	now = now.Add(time.Minute)
	if err := r.Work(t.Context()); err != nil {
		t.Fatal(err)
	}
	if wait := r.pause(); wait != every || len(r.tries) > 0 {
		t.Errorf("with nothing to do it looks again after %s, and remembers %d failures", wait, len(r.tries))
	}
}
