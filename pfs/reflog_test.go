package pfs

import (
	"errors"
	"testing"

	"caret/commits"
)

// TestReset: the head moves, what belongs to the branch stays, and what was
// open on the old line cannot be finished.
func TestReset(t *testing.T) {
	t.Parallel()
	fs := newFS(t)
	mustRepo(t, fs, "r")
	ctx, on := t.Context(), Ref{Repo: "r"}
	first := mustPut(t, fs, on, "f", "one")
	second := mustPut(t, fs, on, "f", "two")
	err := fs.ChangeSettings(ctx, on, ActOwn, func(s *Settings) error {
		s.Tags = map[string]string{"kept": "yes"}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	u, err := fs.CreateUpload(ctx, on, "up", commits.Attrs{}, WriteOptions{})
	if err != nil {
		t.Fatal(err)
	}
	o, err := fs.StartCommit(ctx, on, WriteOptions{})
	if err != nil {
		t.Fatal(err)
	}
	b, err := resetBranch(ctx, fs, "r", "master", Ref{Repo: "r", Version: expr(t, "HEAD^")}, WriteOptions{IfHead: second.String()})
	if err != nil || b.Head != first || b.N != 1 {
		t.Fatalf("%+v, %v", b, err)
	}
	if got, err := read(fs, on, "f"); err != nil || got != "one" {
		t.Errorf("the head reads %q, %v", got, err)
	}
	if got, err := read(fs, Ref{Repo: "r", Base: expr(t, second.String())}, "f"); err != nil || got != "two" {
		t.Errorf("the old head reads %q, %v", got, err)
	}
	s, err := fs.Open(ctx, on, ActList, "")
	if err != nil {
		t.Fatal(err)
	}
	if set, err := s.Settings(ctx); err != nil || set.Tags["kept"] != "yes" {
		t.Errorf("settings %+v, %v", set, err)
	}
	if _, err := fs.Upload(ctx, on, "up", u.ID); err != nil {
		t.Errorf("the upload: %v", err)
	}
	if _, err := fs.FinishCommit(ctx, openRef("r", o.ID), FinishOptions{}); !errors.Is(err, ErrConflict) {
		t.Errorf("finishing on the old line: %v", err)
	}
	third := mustPut(t, fs, on, "f", "three")
	if got, err := read(fs, Ref{Repo: "r", Version: expr(t, "HEAD^")}, "f"); err != nil || got != "one" {
		t.Errorf("before %s it was %q, %v", third, got, err)
	}
	moves, err := fs.Moves(ctx, "r", "master", 0, 0)
	if err != nil || len(moves) != 2 || moves[0].Action != "reset" || moves[0].From != second.String() || moves[0].To != first.String() || moves[0].Author != RootUser {
		t.Errorf("moves %+v, %v", moves, err)
	}
	if _, err := resetBranch(ctx, fs, "r", "master", on, WriteOptions{IfHead: second.String()}); !errors.Is(err, ErrPrecondition) {
		t.Errorf("a reset from another head: %v", err)
	}
}

// TestRestore: branches come back one by one with all they had, newest
// deletion first, and the repo with the first of them.
func TestRestore(t *testing.T) {
	t.Parallel()
	fs := newFS(t)
	mustRepo(t, fs, "r")
	ctx, dev := t.Context(), Ref{Repo: "r", Branch: "dev"}
	for _, data := range []string{"older", "newer"} {
		if _, err := fs.CreateBranch(ctx, "r", "dev", BranchOptions{}); err != nil {
			t.Fatal(err)
		}
		mustPut(t, fs, dev, "f", data)
		if err := deleteBranch(ctx, fs, "r", "dev", BranchDeletion{}); err != nil {
			t.Fatal(err)
		}
	}
	if err := deleteBranch(ctx, fs, "r", "master", BranchDeletion{}); err != nil {
		t.Fatal(err)
	}
	if _, err := fs.Repo(ctx, "r"); !errors.Is(err, ErrNoSuchRepo) {
		t.Fatalf("the repo: %v", err)
	}
	if _, err := fs.RestoreBranch(ctx, "r", "dev"); err != nil {
		t.Fatal(err)
	}
	if got, err := read(fs, dev, "f"); err != nil || got != "newer" {
		t.Errorf("restored %q, %v", got, err)
	}
	if _, err := fs.RestoreBranch(ctx, "r", "dev"); !errors.Is(err, ErrBranchExists) {
		t.Errorf("over a branch: %v", err)
	}
	if _, err := fs.RestoreBranch(ctx, "r", "master"); err != nil {
		t.Error(err)
	}
	if _, err := fs.RestoreBranch(ctx, "r", "never"); !errors.Is(err, ErrNoSuchBranch) {
		t.Errorf("what never was: %v", err)
	}
	if _, err := fs.RestoreBranch(ctx, "absent", "master"); !errors.Is(err, ErrNoSuchRepo) {
		t.Errorf("in a repo that never was: %v", err)
	}
}

// TestRestoreOverTag: a name stays that of one thing, as it means only one.
func TestRestoreOverTag(t *testing.T) {
	t.Parallel()
	fs := newFS(t)
	mustRepo(t, fs, "r")
	ctx, on := t.Context(), Ref{Repo: "r"}
	mustPut(t, fs, on, "f", "x")
	if _, err := fs.CreateBranch(ctx, "r", "dev", BranchOptions{From: &on}); err != nil {
		t.Fatal(err)
	}
	if err := deleteBranch(ctx, fs, "r", "dev", BranchDeletion{}); err != nil {
		t.Fatal(err)
	}
	if _, err := fs.CreateTag(ctx, "r", "dev", on, ""); err != nil {
		t.Fatal(err)
	}
	if _, err := fs.RestoreBranch(ctx, "r", "dev"); !errors.Is(err, ErrBranchExists) {
		t.Errorf("over a tag: %v", err)
	}
	if _, err := fs.DeleteTag(ctx, "r", "dev", false); err != nil {
		t.Fatal(err)
	}
	if _, err := fs.RestoreBranch(ctx, "r", "dev"); err != nil {
		t.Errorf("once the tag is gone: %v", err)
	}
}

// TestProtect: a protected branch stays as it is.
func TestProtect(t *testing.T) {
	t.Parallel()
	fs := newFS(t)
	mustRepo(t, fs, "r")
	ctx, on := t.Context(), Ref{Repo: "r"}
	mustPut(t, fs, on, "f", "one")
	if b, err := fs.ProtectBranch(ctx, "r", "master", true); err != nil || !b.Protected {
		t.Fatalf("%+v, %v", b, err)
	}
	for name, err := range map[string]error{
		"put": func() error {
			_, err := fs.Put(ctx, on, "f", store(t, fs, "x"), commits.Attrs{}, WriteOptions{})
			return err
		}(),
		"delete": func() error { _, err := fs.Delete(ctx, on, Files("f"), WriteOptions{}); return err }(),
		"start":  func() error { _, err := fs.StartCommit(ctx, on, WriteOptions{}); return err }(),
		"reset":  func() error { _, err := resetBranch(ctx, fs, "r", "master", on, WriteOptions{}); return err }(),
		"drop":   deleteBranch(ctx, fs, "r", "master", BranchDeletion{}),
		"repo":   deleteRepo(ctx, fs, "r", DeleteOptions{Force: true}),
	} {
		if !errors.Is(err, ErrDenied) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := fs.ProtectBranch(ctx, "r", "master", false); err != nil {
		t.Fatal(err)
	}
	mustPut(t, fs, on, "f", "two")
}

// TestTags: a tag stays where it is, whatever becomes of the branch.
func TestTags(t *testing.T) {
	t.Parallel()
	fs := newFS(t)
	mustRepo(t, fs, "r")
	ctx, on := t.Context(), Ref{Repo: "r"}
	if _, err := fs.CreateTag(ctx, "r", "v0", on, ""); !errors.Is(err, ErrNoSuchVersion) {
		t.Errorf("a tag of nothing: %v", err)
	}
	first := mustPut(t, fs, on, "f", "one")
	tag, err := fs.CreateTag(ctx, "r", "v1", on, "")
	if err != nil || tag.Commit != first {
		t.Fatalf("%+v, %v", tag, err)
	}
	mustPut(t, fs, on, "f", "two")
	for _, ref := range []Ref{{Repo: "r", Base: expr(t, "v1")}, {Repo: "r", Version: expr(t, "v1")}} {
		if got, err := read(fs, ref, "f"); err != nil || got != "one" {
			t.Errorf("%s reads %q, %v", ref, got, err)
		}
	}
	if _, err := fs.Put(ctx, Ref{Repo: "r", Base: expr(t, "v1")}, "f", store(t, fs, "x"), commits.Attrs{}, WriteOptions{}); !errors.Is(err, ErrReadOnly) {
		t.Errorf("a write to a tag: %v", err)
	}
	for name, want := range map[string]error{"v1": ErrTagExists, "master": ErrBranchExists, "HEAD": ErrInvalidName} {
		if _, err := fs.CreateTag(ctx, "r", name, on, ""); !errors.Is(err, want) {
			t.Errorf("tag %s: %v, want %v", name, err, want)
		}
	}
	if list, err := fs.Tags(ctx, "r", "", 0); err != nil || len(list) != 1 || list[0].Commit != first {
		t.Errorf("%+v, %v", list, err)
	}
	if _, err := fs.DeleteTag(ctx, "r", "v1", false); err != nil {
		t.Fatal(err)
	}
	if _, err := fs.DeleteTag(ctx, "r", "v1", false); !errors.Is(err, ErrNoSuchTag) {
		t.Errorf("again: %v", err)
	}
}
