package jobs

import (
	"bytes"
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

// TestFailsAgain: work that fails in the same way again and again is said once a
// minute, and rests in between though something is due.
func TestFailsAgain(t *testing.T) {
	t.Parallel()
	store := memory.New()
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	now := time.UnixMilli(1_700_000_000_000)
	clock := func() time.Time { return now }
	var said bytes.Buffer
	log := slog.New(slog.NewTextHandler(&said, nil))
	r := New(Runner{DB: store.Rows(), Lease: lease.New(store.Rows(), clock, log, "p", false), Now: clock, Log: log, FoldPage: 10, Elapsed: func() time.Duration { return 0 }})
	r.tries["due"] = &retry{next: now}
	lines := func() int { return bytes.Count(said.Bytes(), []byte("\n")) }
	for _, want := range []int{1, 1, 2, 2} {
		r.fail(r.Work(t.Context()))
		if lines() != want {
			t.Errorf("%d lines, and not %d:\n%s", lines(), want, said.String())
		}
		if wait := r.pause(); wait < firstPause {
			t.Errorf("tried again after %s", wait)
		}
		now = now.Add(sayAgain / 2)
	}
	r.fail(nil)
	if wait := r.pause(); wait >= firstPause {
		t.Errorf("what is due waits for %s", wait)
	}
	r.fail(errors.New("another"))
	if lines() != 3 {
		t.Errorf("not said:\n%s", said.String())
	}
}
