package pfs

import (
	"context"
	"fmt"
	"testing"
	"time"

	"caret/objstore"
	"caret/objstore/memory"
	"caret/pfs/lease"
	"caret/pfs/rows"
)

// rowsOf counts the rows of a kind.
func rowsOf(t testing.TB, fs *FS, kind byte) (n int) {
	t.Helper()
	err := fs.sys.db.View(context.Background(), func(tx objstore.Reader) error {
		page, err := tx.Page(objstore.Prefix([]byte{kind}), 100_000)
		n = len(page)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestCloseThatFailed: what a batch could not drop is dropped later, by the same
// process too.
func TestCloseThatFailed(t *testing.T) {
	t.Parallel()
	fails := -1
	fs, err := openRoot(t.Context(), failing{memory.New(), &fails}, Options{manual: true})
	if err != nil {
		t.Fatal(err)
	}
	mustRepo(t, fs, "r")
	b, err := fs.NewBatch(t.Context(), Ref{Repo: "r"}, WriteOptions{})
	if err != nil {
		t.Fatal(err)
	}
	c := store(t, fs, "x")
	for i := range 600 {
		if err := b.Add(t.Context(), fmt.Sprint(i), FilePart{Content: c}, Attrs{}); err != nil {
			t.Fatal(err)
		}
	}
	work(t, fs)
	if rowsOf(t, fs, rows.Open) == 0 {
		t.Fatal("dropped while it is written to")
	}
	fails = 0
	if err := b.Close(); err == nil {
		t.Fatal("no error")
	}
	fails = -1
	work(t, fs)
	if open, staged := rowsOf(t, fs, rows.Open), rowsOf(t, fs, 'd'); open+staged > 0 {
		t.Errorf("%d open commits and %d staged changes are left", open, staged)
	}
}

// TestReopenThatFailed: a commit that could not be opened again can be finished by
// the same process, whose lease others keep alive.
func TestReopenThatFailed(t *testing.T) {
	t.Parallel()
	full := 0
	shared := memory.NewWith(memory.Options{Fault: func(point string) error {
		if point == "rows.commit" && full > 0 {
			if full--; full < 2 { // making it visible, and opening it again
				return objstore.ErrNoSpace
			}
		}
		return nil
	}})
	fs, err := openRoot(t.Context(), shared, Options{manual: true})
	if err != nil {
		t.Fatal(err)
	}
	mustRepo(t, fs, "r")
	o, err := fs.StartCommit(t.Context(), Ref{Repo: "r"}, WriteOptions{})
	if err != nil {
		t.Fatal(err)
	}
	mustPut(t, fs, openRef("r", o.ID), "a", "staged")
	full = 4 // the lease and closing it succeed
	if _, err := fs.FinishCommit(t.Context(), openRef("r", o.ID), FinishOptions{}); err == nil || full > 0 {
		t.Fatal(err, full)
	}
	if _, err := fs.FinishCommit(t.Context(), openRef("r", o.ID), FinishOptions{}); err != nil {
		t.Errorf("finished once more: %v", err)
	}
}

// TestLeasesOfTheDead go some day.
func TestLeasesOfTheDead(t *testing.T) {
	t.Parallel()
	now := time.UnixMilli(1_700_000_000_000)
	shared := memory.New()
	start := func() *FS {
		fs, err := openRoot(t.Context(), shared, Options{manual: true, Now: func() time.Time { return now }})
		if err != nil {
			t.Fatal(err)
		}
		return fs
	}
	for range 20 {
		if _, err := start().sys.lease.Hold(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	fs := start()
	now = now.Add(lease.TTL)
	if err := fs.sys.jobs.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := rowsOf(t, fs, rows.Lease); n != 20 {
		t.Errorf("%d leases are left that were over just now, want 20", n)
	}
	now = now.Add(48 * time.Hour)
	if err := fs.sys.jobs.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := rowsOf(t, fs, rows.Lease); n > 0 {
		t.Errorf("%d leases of processes that are long gone", n)
	}
}
