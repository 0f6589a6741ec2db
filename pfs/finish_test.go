package pfs

import (
	"context"
	"errors"
	"testing"

	"caret/commits/revision"
	"caret/objstore"
	"caret/objstore/memory"
)

// failing is a store that fails one transaction.
type failing struct {
	objstore.Store
	after *int // so many succeed before it; -1: all
}

func (f failing) Rows() objstore.Rows { return failingRows{f.Store.Rows(), f.after} }

type failingRows struct {
	objstore.Rows
	after *int
}

func (f failingRows) Update(ctx context.Context, about objstore.Subject, fn func(objstore.Writer) error) error {
	if *f.after--; *f.after == -1 {
		return objstore.ErrNoSpace
	}
	return f.Rows.Update(ctx, about, fn)
}

// TestFinishThatFailed is finished anew: with another strategy only if nothing
// was dropped from it by the one before.
func TestFinishThatFailed(t *testing.T) {
	t.Parallel()
	for after := range 5 { // the lease, closing it, dropping, making it visible
		fails := -1
		fs, err := openRoot(t.Context(), failing{memory.New(), &fails}, Options{manual: true})
		if err != nil {
			t.Fatal(err)
		}
		defer fs.sys.Close()
		mustRepo(t, fs, "r")
		master := Ref{Repo: "r", Branch: "master"}
		open, err := fs.StartCommit(t.Context(), master, WriteOptions{})
		if err != nil {
			t.Fatal(err)
		}
		staged := Ref{Repo: "r", Base: revision.Expr{Base: open.ID.String()}}
		mustPut(t, fs, staged, "x", "staged")
		mustPut(t, fs, master, "x", "branch")
		fails = after
		_, err = fs.FinishCommit(t.Context(), openRef("r", open.ID), FinishOptions{Strategy: Ours})
		if failed := after < 4; failed != errors.Is(err, ErrNoSpace) {
			t.Fatalf("finish, with transaction %d failing: %v", after, err)
		}
		fails = -1
		if err == nil {
			continue
		}
		_, err = fs.FinishCommit(t.Context(), openRef("r", open.ID), FinishOptions{Strategy: Theirs})
		if data, readErr := read(fs, master, "x"); err == nil && data != "staged" {
			t.Errorf("transaction %d failed: finished with what was staged, and x is %q %v", after, data, readErr)
		}
		if dropped := after == 3; dropped != errors.Is(err, ErrConflict) {
			t.Errorf("transaction %d failed: finish otherwise: %v", after, err)
		}
		if err == nil {
			continue
		}
		if _, err := fs.FinishCommit(t.Context(), openRef("r", open.ID), FinishOptions{Strategy: Ours}); err != nil {
			t.Errorf("transaction %d failed: finish as before: %v", after, err)
		}
	}
}
