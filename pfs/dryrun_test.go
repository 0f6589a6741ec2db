package pfs

import (
	"errors"
	"slices"
	"testing"

	"caret/commits/revision"
)

// TestDeletable: a dry run of a deletion finds what that would, is refused what
// that would be, and deletes nothing.
func TestDeletable(t *testing.T) {
	t.Parallel()
	fs := newFS(t)
	mustRepo(t, fs, "r")
	ctx, on := t.Context(), Ref{Repo: "r"}
	first := mustPut(t, fs, on, "f", "one")
	head := mustPut(t, fs, on, "f", "two")
	version := expr(t, first.String())
	list := []Deletion{{Path: "f"}, {Path: "absent"}, {Path: "f", Version: &version}}
	would, err := fs.Deletable(ctx, on, list, WriteOptions{})
	if err != nil || !would.Commit.IsZero() {
		t.Fatalf("%+v, %v", would, err)
	}
	existed := func(d Deleted) (list []bool) {
		for _, it := range d.Items {
			list = append(list, it.Existed)
		}
		return list
	}
	if !slices.Equal(existed(would), []bool{true, false, true}) || would.Items[0].Was.Commit != head || would.Items[2].Version != first {
		t.Errorf("%+v", would)
	}
	if now, err := fs.Branch(ctx, "r", "master"); err != nil || now.Head != head {
		t.Errorf("the head is %s, %v", now.Head, err)
	}
	writer := fs.sys.As(Caller{ID: "ann", Name: "ann"})
	err = fs.ChangeSettings(ctx, on, ActOwn, func(s *Settings) error {
		s.ACL.Grants = []Grant{{User: "ann", Permission: PermWrite}}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := writer.Deletable(ctx, on, Files("f"), WriteOptions{}); !errors.Is(err, ErrDenied) {
		t.Errorf("who may not list is told: %v", err)
	}
	if _, err := fs.Deletable(ctx, on, Files("f"), WriteOptions{IfHead: first.String()}); !errors.Is(err, ErrPrecondition) {
		t.Errorf("with another head: %v", err)
	}
	if done, err := fs.Delete(ctx, on, list, WriteOptions{}); err != nil || !slices.Equal(existed(done), existed(would)) {
		t.Errorf("then it is %+v, %v", done, err)
	}
}

// TestKeyBranch: a ref that asks for it means the branch that the caller's key
// is for, and no other ref does.
func TestKeyBranch(t *testing.T) {
	t.Parallel()
	fs := newFS(t)
	mustRepo(t, fs, "r")
	mustRepo(t, fs, "other")
	ctx := t.Context()
	base := mustPut(t, fs, Ref{Repo: "r"}, "f", "one")
	if _, err := fs.CreateBranch(ctx, "r", "dev", BranchOptions{From: &Ref{Repo: "r"}}); err != nil {
		t.Fatal(err)
	}
	k, err := fs.CreateKey(ctx, Key{User: RootUser, Repo: "r", Branch: "dev"})
	if err != nil {
		t.Fatal(err)
	}
	holder := fs.sys.As(Holder(k.AccessKey))
	for _, tt := range []struct {
		ref    Ref
		branch string // "" is denied
	}{
		{Ref{Repo: "r", KeyBranch: true}, "dev"},
		{Ref{Repo: "r", KeyBranch: true, Base: revision.Expr{Base: base.String()}}, "dev"},
		{Ref{Repo: "r", KeyBranch: true, Base: revision.Expr{Base: base.String()[:12]}}, "dev"},
		{Ref{Repo: "r", KeyBranch: true, Base: revision.Expr{Base: "master"}}, ""},
		{Ref{Repo: "r", KeyBranch: true, Branch: "master"}, ""},
		{Ref{Repo: "r"}, ""},
		{Ref{Repo: "other", KeyBranch: true}, ""},
	} {
		s, err := holder.Open(ctx, tt.ref, ActRead, "f")
		if tt.branch == "" && !errors.Is(err, ErrDenied) || tt.branch != "" && (err != nil || s.Branch != tt.branch) {
			t.Errorf("%+v: %+v, %v, want %q", tt.ref, s, err, tt.branch)
		}
	}
	if s, err := fs.Open(ctx, Ref{Repo: "r", KeyBranch: true}, ActRead, "f"); err != nil || s.Branch != "master" {
		t.Errorf("for root: %+v, %v", s, err)
	}
}
