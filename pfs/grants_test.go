package pfs

import (
	"errors"
	"testing"
)

// TestGrants: who is granted a branch reads all its files and what led to them, writes if
// that was granted, and no more; an ACL of S3 on the branch says nothing of its files.
func TestGrants(t *testing.T) {
	t.Parallel()
	fs, ctx, on := newFS(t), t.Context(), Ref{Repo: "r"}
	mustRepo(t, fs, "r")
	mustPut(t, fs, on, "f", "one")
	mustPut(t, fs, on, "f", "two")
	other := Ref{Repo: "r", Branch: "other"}
	if _, err := fs.CreateBranch(ctx, "r", "other", BranchOptions{From: &on}); err != nil {
		t.Fatal(err)
	}
	mustPut(t, fs, other, "f", "theirs")
	ann := mustUser(t, fs, "ann", on, PermRead)
	bob := mustUser(t, fs, "bob", on, PermWrite)
	is := func(what string, err, want error) {
		t.Helper()
		if !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", what, err, want)
		}
	}
	reads := func(who *FS, at Ref, path string, want error) {
		t.Helper()
		_, err := who.Open(ctx, at, ActRead, path)
		is("reading "+path+" of "+at.String(), err, want)
	}
	put := func(who *FS, path string) error {
		_, err := who.Put(ctx, on, path, store(t, fs, "x"), Attrs{}, WriteOptions{})
		return err
	}
	grant := func(who *FS, to, may string) error {
		_, err := who.GrantBranch(ctx, "r", "master", to, may)
		return err
	}
	before := Ref{Repo: "r", Version: expr(t, "HEAD^")}
	reads(ann, on, "f", ErrDenied) // though she lists it
	reads(bob, on, "f", ErrDenied)

	is("granting", grant(fs, "ann", "read"), nil)
	is("granting to nobody", grant(fs, "nobody", "read"), ErrNoSuchUser)
	is("granting everything", grant(fs, "ann", "everything"), ErrInvalidArgument)
	reads(ann, on, "f", nil)
	reads(ann, before, "f", nil)
	reads(ann, other, "f", ErrDenied)
	is("ann writes", put(ann, "g"), ErrDenied)
	is("ann grants", grant(ann, "ann", "write"), ErrDenied)
	_, err := ann.BranchGrants(ctx, "r", "master")
	is("ann lists grants", err, ErrDenied)
	_, err = ann.Open(ctx, on, ActReadACP, "f")
	is("ann reads an ACL", err, ErrDenied)

	// What is staged is for who may write.
	open, err := fs.StartCommit(ctx, on, WriteOptions{})
	if err != nil {
		t.Fatal(err)
	}
	mustPut(t, fs, openRef("r", open.ID), "f", "staged")
	reads(ann, openRef("r", open.ID), "f", ErrDenied)
	is("granting more", grant(fs, "ann", "write"), nil)
	reads(ann, openRef("r", open.ID), "f", nil)

	is("ann writes", put(ann, "g"), nil)
	reads(ann, on, "g", nil)
	is("bob writes, by S3's ACL", put(bob, "h"), nil)
	reads(bob, on, "h", nil)
	_, err = ann.ProtectBranch(ctx, "r", "master", true)
	is("ann protects", err, ErrDenied)
	list, err := fs.BranchGrants(ctx, "r", "master")
	if err != nil || len(list) != 1 || list[0].Name != "ann" || list[0].May != "write" {
		t.Errorf("%+v, %v", list, err)
	}

	// Who may read all of a branch may merge it into her own.
	if _, err := ann.CreateBranch(ctx, "r", "hers", BranchOptions{}); !errors.Is(err, ErrDenied) {
		t.Errorf("ann makes a branch: %v", err)
	}
	if _, err := fs.GrantBranch(ctx, "r", "other", "ann", "read"); err != nil {
		t.Fatal(err)
	}
	_, err = ann.Merge(ctx, on, other, MergeOptions{Rules: []Rule{{Strategy: Theirs}}})
	is("merging what she reads into what she writes", err, nil)
	_, err = bob.Merge(ctx, on, other, MergeOptions{Rules: []Rule{{Strategy: Theirs}}})
	is("bob's merge", err, ErrDenied)

	// The history is hers, too, and not of what is there now alone.
	if _, err := fs.Delete(ctx, on, Files("f"), WriteOptions{}); err != nil {
		t.Fatal(err)
	}
	reads(ann, before, "f", nil)

	// What is protected is granted to nobody more than before.
	if _, err := fs.ProtectBranch(ctx, "r", "master", true); err != nil {
		t.Fatal(err)
	}
	is("granting a protected branch", grant(fs, "bob", "read"), ErrDenied)
	is("granting less of it", grant(fs, "ann", "read"), nil)
	is("granting more of it", grant(fs, "ann", "write"), ErrDenied)
	is("taking it away", fs.RevokeBranch(ctx, "r", "master", "ann"), nil)
	is("again", fs.RevokeBranch(ctx, "r", "master", "ann"), ErrNoSuchUser)
	reads(ann, on, "h", ErrDenied)
}
