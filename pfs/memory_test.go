package pfs

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"caret/objstore"
	"caret/objstore/budget"
	"caret/objstore/content"
	"caret/objstore/memory"
)

// TestMemory: what operations collect of a commit of many files is taken from the budget
// and comes back, however they end; without it they say that the server is busy, and
// more than there is at all is too large.
func TestMemory(t *testing.T) {
	t.Parallel()
	const files = MaxUndone + 5000
	b := budget.New(36<<20, 10*time.Millisecond) // 6 MiB of it for what is collected
	fs, err := openRoot(t.Context(), memory.New(), Options{Budget: b})
	if err != nil {
		t.Fatal(err)
	}
	defer fs.sys.Close()
	ctx := t.Context()
	mustRepo(t, fs, "r")
	master, dev := Ref{Repo: "r", Branch: "master"}, Ref{Repo: "r", Branch: "dev"}
	mustPut(t, fs, master, "first", "one")
	if _, err := fs.CreateBranch(ctx, "r", "dev", BranchOptions{From: &master}); err != nil {
		t.Fatal(err)
	}
	fill := func(to Ref, n int) error {
		batch, err := fs.NewBatch(ctx, to, WriteOptions{})
		if err != nil {
			t.Fatal(err)
		}
		defer batch.Close()
		part := FilePart{Content: content.Content{Hash: objstore.Sum(nil)}}
		for i := range n {
			if err := batch.Add(ctx, fmt.Sprintf("folder/%06d", i), part, Attrs{}); err != nil {
				return err
			}
		}
		_, err = batch.Finish(ctx)
		return err
	}
	if err := fill(dev, files); err != nil {
		t.Fatal(err)
	}
	operations := map[string]func() error{
		"revert": func() error {
			done, err := fs.Revert(ctx, dev, dev, UndoOptions{DryRun: true})
			if err == nil && (done.Files != files || len(done.Changes) != MaxUndone) {
				t.Errorf("a dry run of %d changes lists %d", done.Files, len(done.Changes))
			}
			return err
		},
		"restore": func() error {
			_, err := fs.RestoreFiles(ctx, dev, master, "", UndoOptions{DryRun: true})
			return err
		},
		"merge": func() error {
			_, err := fs.Merge(ctx, master, dev, MergeOptions{DryRun: true})
			return err
		},
		"diff": func() error {
			return fs.EachDifference(ctx, master, dev, DiffOptions{}, func(Difference) error {
				if b.Stats().Used < files*perPath {
					return errors.New("nothing is counted")
				}
				return nil
			})
		},
		"stage": func() error {
			open, err := fs.StartCommit(ctx, master, WriteOptions{})
			if err != nil {
				t.Fatal(err)
			}
			return fill(openRef("r", open.ID), 4000)
		},
	}
	try := func(when string, want error) {
		t.Helper()
		before := b.Stats().Used
		for name, do := range operations {
			if err := do(); !errors.Is(err, want) {
				t.Errorf("%s, %s: %v, want %v", when, name, err, want)
			}
			if used := b.Stats().Used; used != before {
				t.Errorf("%s, %s leaves %d bytes taken", when, name, used-before)
			}
		}
	}
	try("with memory", nil)
	others := b.None(budget.Collecting)
	if err := others.Grow(6 << 20); err != nil {
		t.Fatal(err)
	}
	try("while others have it", ErrBusy)
	others.Release()
	try("again", nil)
	b = budget.New(2<<20, 10*time.Millisecond)
	fs.sys.budget = b
	fs.sys.engine.Budget = fs.sys.budget
	try("with less than one needs", ErrTooLarge)
}
