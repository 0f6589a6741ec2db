package pfs

import (
	"errors"
	"fmt"
	"testing"
	"time"

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

// TestCompletedForLong: an upload that is being completed is not dropped, however
// long its last part is ago; one that nobody completes is.
func TestCompletedForLong(t *testing.T) {
	t.Parallel()
	ctx, now := t.Context(), time.Unix(1e9, 0)
	fs, err := openRoot(ctx, memory.New(), Options{manual: true, UploadTTL: time.Hour, Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	sweep := func() {
		if err := fs.sys.jobs.Sweep(ctx); err != nil {
			t.Error(err)
		}
	}
	mustRepo(t, fs, "r")
	to := Ref{Repo: "r"}
	u, err := fs.CreateUpload(ctx, to, "x", Attrs{}, WriteOptions{})
	if err != nil {
		t.Fatal(err)
	}
	attempt, end := fs.sys.lease.Begin()
	if _, err := fs.claimUpload(ctx, to, "x", u.ID, attempt); err != nil {
		t.Fatal(err)
	}
	now = now.Add(2 * time.Hour)
	sweep()
	if _, err := fs.Upload(ctx, to, "x", u.ID); err != nil {
		t.Errorf("while it is completed: %v", err)
	}
	end()
	sweep()
	if _, err := fs.Upload(ctx, to, "x", u.ID); !errors.Is(err, ErrNoSuchUpload) {
		t.Errorf("after that: %v", err)
	}
}
