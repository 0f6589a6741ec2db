package pfs

import (
	"errors"
	"fmt"
	"testing"

	"caret/objstore/memory"
	"caret/pfs/rows"
)

// TestFileACLsOfAborted: with what was staged the ACLs of it go.
func TestFileACLsOfAborted(t *testing.T) {
	t.Parallel()
	fs := newFS(t)
	mustRepo(t, fs, "r")
	o, err := fs.StartCommit(t.Context(), Ref{Repo: "r"}, WriteOptions{})
	if err != nil {
		t.Fatal(err)
	}
	c := store(t, fs, "x")
	for i := range 10 {
		if _, err := fs.Put(t.Context(), openRef("r", o.ID), fmt.Sprint(i), c, Attrs{}, WriteOptions{ACL: &ACL{Owner: RootUser}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := fs.AbortCommit(t.Context(), openRef("r", o.ID)); err != nil {
		t.Fatal(err)
	}
	for rowsOf(t, fs, rows.Dropping) > 0 {
		<-fs.sys.db.Changed()
	}
	if n := rowsOf(t, fs, rows.FileACL); n > 0 {
		t.Errorf("%d ACLs of nothing are left", n)
	}
}

// TestOursThenReset: a commit of which changes were dropped for what the branch has is
// not finished without them if the branch is reset meanwhile to before what it had.
func TestOursThenReset(t *testing.T) {
	t.Parallel()
	var hook func()
	fs, err := openRoot(t.Context(), hooked{memory.New(), &hook}, Options{manual: true})
	if err != nil {
		t.Fatal(err)
	}
	mustRepo(t, fs, "r")
	base := mustPut(t, fs, Ref{Repo: "r"}, "x", "base")
	o, err := fs.StartCommit(t.Context(), Ref{Repo: "r"}, WriteOptions{})
	if err != nil {
		t.Fatal(err)
	}
	mustPut(t, fs, openRef("r", o.ID), "x", "staged")
	mustPut(t, fs, Ref{Repo: "r"}, "x", "branch")
	updates := 0
	hook = func() {
		if updates++; updates == 4 { // behind the lease, closing it and dropping what lost
			hook = nil
			if _, err := fs.ResetBranch(t.Context(), "r", "master", openRef("r", base), WriteOptions{}, false); err != nil {
				t.Error(err)
			}
		}
	}
	_, err = fs.FinishCommit(t.Context(), openRef("r", o.ID), FinishOptions{Strategy: Ours})
	if hook != nil {
		t.Error("nothing was reset while it was finished")
	}
	if !errors.Is(err, ErrConflict) {
		t.Errorf("finished: %v", err)
	}
	if got, err := read(fs, Ref{Repo: "r"}, "x"); err != nil || got != "base" {
		t.Errorf("x reads %q, %v", got, err)
	}
}
