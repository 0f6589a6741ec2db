package pfs

import (
	"errors"
	"slices"
	"testing"
	"time"

	"caret/objstore"
	"caret/objstore/memory"
	"caret/pfs/rows"
)

// TestRestoreRepo: a deleted repo comes back with the branches that it had then, and no
// others, with their content, tags, settings, grants and ACLs.
func TestRestoreRepo(t *testing.T) {
	t.Parallel()
	fs, ctx := newFS(t), t.Context()
	mustRepo(t, fs, "r")
	master, dev := Ref{Repo: "r", Branch: "master"}, Ref{Repo: "r", Branch: "dev"}
	mustPut(t, fs, master, "f", "one")
	for _, name := range []string{"dev", "gone"} {
		if _, err := fs.CreateBranch(ctx, "r", name, BranchOptions{From: &master}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := fs.DeleteBranch(ctx, "r", "gone", BranchDeletion{}); err != nil {
		t.Fatal(err)
	}
	ann := mustUser(t, fs, "ann", dev, PermWriteACP)
	if _, err := fs.GrantBranch(ctx, "r", "dev", "ann", "write"); err != nil {
		t.Fatal(err)
	}
	if _, err := fs.CreateTag(ctx, "r", "v1", master, "first"); err != nil {
		t.Fatal(err)
	}
	first, err := fs.Repo(ctx, "r")
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // what went with the first deletion goes with the second, too
		if err := deleteRepo(ctx, fs, "r", DeleteOptions{Force: true}); err != nil {
			t.Fatal(err)
		}
		if _, err := read(ann, dev, "f"); !errors.Is(err, ErrNoSuchRepo) {
			t.Errorf("of the deleted repo: %v", err)
		}
		r, n, err := fs.RestoreRepo(ctx, "r", RepoRestoration{})
		if err != nil || n != 2 || r != first {
			t.Fatalf("%+v with %d branches, %v; it was %+v", r, n, err, first)
		}
	}
	if got, err := read(ann, dev, "f"); err != nil || got != "one" {
		t.Errorf("ann reads %q, %v", got, err)
	}
	mustPut(t, ann, dev, "g", "two")
	s, err := fs.Open(ctx, dev, ActList, "")
	if err != nil {
		t.Fatal(err)
	}
	if set, err := s.Settings(ctx); err != nil || len(set.ACL.Grants) != 2 || len(set.Grants) != 1 {
		t.Errorf("%+v, %v", set, err)
	}
	if tag, err := fs.Tag(ctx, "r", "v1"); err != nil || tag.Message != "first" || tag.Author != RootUser {
		t.Errorf("%+v, %v", tag, err)
	}
	list, err := fs.Branches(ctx, "r", "", 0)
	if err != nil || len(list) != 2 {
		t.Errorf("%+v, %v", list, err)
	}
	if moves, err := fs.Moves(ctx, "r", "dev", 0, 0); err != nil || moves[0].Action != "restore" {
		t.Errorf("%+v, %v", moves, err)
	}
	if found, _ := checkAll(t, fs, CheckOptions{}); len(found) > 0 {
		t.Errorf("damaged: %+v", found)
	}
}

// TestRestoreRepoNames: of several deleted repos of a name the last one comes back, or the
// one with an id, and under another name if the name is taken.
func TestRestoreRepoNames(t *testing.T) {
	t.Parallel()
	fs, ctx := newFS(t), t.Context()
	for _, data := range []string{"one", "two", "three"} {
		mustRepo(t, fs, "r")
		mustPut(t, fs, Ref{Repo: "r"}, "f", data)
		if data == "three" {
			break
		}
		if err := deleteRepo(ctx, fs, "r", DeleteOptions{Force: true}); err != nil {
			t.Fatal(err)
		}
	}
	var list []DeletedRepo
	for after := ""; ; { // a page each
		page, err := fs.DeletedRepos(ctx, after, 1)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			break
		}
		list, after = append(list, page...), page[0].Position()
	}
	if len(list) != 2 || list[0].ID >= list[1].ID || list[0].Deleted.After(list[1].Deleted) {
		t.Fatalf("%+v", list)
	}
	if _, _, err := fs.RestoreRepo(ctx, "r", RepoRestoration{}); !errors.Is(err, ErrRepoExists) {
		t.Errorf("in the place of another one: %v", err)
	}
	if _, _, err := fs.RestoreRepo(ctx, "r", RepoRestoration{ID: 99, As: "q"}); !errors.Is(err, ErrNoSuchRepo) {
		t.Errorf("with an id that none has: %v", err)
	}
	if _, _, err := fs.RestoreRepo(ctx, "r", RepoRestoration{As: "HEAD"}); !errors.Is(err, ErrInvalidName) {
		t.Errorf("as HEAD: %v", err)
	}
	if _, _, err := fs.RestoreRepo(ctx, "r", RepoRestoration{ID: list[0].ID, As: "first"}); err != nil {
		t.Fatal(err)
	}
	if _, _, err := fs.RestoreRepo(ctx, "r", RepoRestoration{As: "second"}); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"first": "one", "second": "two", "r": "three"} {
		if got, err := read(fs, Ref{Repo: name}, "f"); err != nil || got != want {
			t.Errorf("f in %s is %q, %v", name, got, err)
		}
	}
	if list, err := fs.DeletedRepos(ctx, "", 0); err != nil || len(list) > 0 {
		t.Errorf("%+v, %v", list, err)
	}
}

// TestRestoreWhose: a deleted repo is seen, and restored, by its owner and administrators
// alone, as far as their keys reach.
func TestRestoreWhose(t *testing.T) {
	t.Parallel()
	fs, ctx := newFS(t), t.Context()
	mustRepo(t, fs, "roots")
	ann := mustUser(t, fs, "ann", Ref{Repo: "roots"})
	bob := mustUser(t, fs, "bob", Ref{Repo: "roots"}, PermFullControl)
	mustRepo(t, ann, "anns")
	mustPut(t, ann, Ref{Repo: "anns"}, "f", "x")
	if _, err := ann.GrantBranch(ctx, "anns", "master", "bob", "write"); err != nil {
		t.Fatal(err)
	}
	reads, err := fs.CreateKey(ctx, Key{User: "ann", ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	within, err := fs.CreateKey(ctx, Key{User: "ann", Repo: "anns"})
	if err != nil {
		t.Fatal(err)
	}
	reader, limited := fs.sys.As(Holder(reads.AccessKey)), fs.sys.As(Holder(within.AccessKey))
	for _, name := range []string{"roots", "anns"} {
		if err := deleteRepo(ctx, fs, name, DeleteOptions{Force: true}); err != nil {
			t.Fatal(err)
		}
	}
	for who, x := range map[string]struct {
		fs   *FS
		sees []string
	}{
		"root": {fs, []string{"anns", "roots"}}, "ann": {ann, []string{"anns"}}, "ann, for one repo": {limited, []string{"anns"}},
		"ann, reading": {reader, nil}, "bob": {bob, nil}, "nobody": {fs.sys.As(Anonymous), nil},
	} {
		list, err := x.fs.DeletedRepos(ctx, "", 0)
		var names []string
		for _, d := range list {
			names = append(names, d.Name)
		}
		if err != nil || !slices.Equal(names, x.sees) {
			t.Errorf("%s sees %q, %v", who, names, err)
		}
		for _, name := range []string{"anns", "roots"} {
			if slices.Contains(x.sees, name) {
				continue
			}
			if _, _, err := x.fs.RestoreRepo(ctx, name, RepoRestoration{As: "mine"}); !errors.Is(err, ErrNoSuchRepo) {
				t.Errorf("%s restores %s: %v", who, name, err)
			}
			if _, err := x.fs.RestoreBranch(ctx, name, "master"); !errors.Is(err, ErrNoSuchRepo) {
				t.Errorf("%s restores %s by a branch: %v", who, name, err)
			}
			if _, err := x.fs.DeletedBranches(ctx, name, "", 0); !errors.Is(err, ErrNoSuchRepo) {
				t.Errorf("%s lists what %s had: %v", who, name, err)
			}
		}
	}
	if _, _, err := limited.RestoreRepo(ctx, "anns", RepoRestoration{As: "other"}); !errors.Is(err, ErrDenied) {
		t.Errorf("beyond what the key is for: %v", err)
	}
	if _, err := ann.RestoreBranch(ctx, "anns", "master"); err != nil {
		t.Errorf("her own, by its branch: %v", err)
	}
	if got, err := read(bob, Ref{Repo: "anns"}, "f"); err != nil || got != "x" {
		t.Errorf("bob reads %q, %v", got, err)
	}
}

// TestRestoreTag: a deleted tag comes back as it was, the last one of its name, unless
// something else has that.
func TestRestoreTag(t *testing.T) {
	t.Parallel()
	fs, ctx, on := newFS(t), t.Context(), Ref{Repo: "r"}
	mustRepo(t, fs, "r")
	if _, err := fs.RestoreTag(ctx, "r", "v1"); !errors.Is(err, ErrNoSuchTag) {
		t.Errorf("one that never was: %v", err)
	}
	var last Tag
	for _, message := range []string{"one", "two"} {
		mustPut(t, fs, on, "f", message)
		for _, name := range []string{"v1", "v1-b"} {
			tag, err := fs.CreateTag(ctx, "r", name, on, message)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := fs.DeleteTag(ctx, "r", name, false); err != nil {
				t.Fatal(err)
			}
			if name == "v1" {
				last = tag
			}
		}
	}
	list, err := fs.DeletedTags(ctx, "r", "", 1)
	if err != nil || len(list) != 1 || list[0].Tag != last || list[0].Deleted.IsZero() {
		t.Fatalf("%+v, %v; want %+v", list, err, last)
	}
	if list, err = fs.DeletedTags(ctx, "r", "v1", 0); err != nil || len(list) != 1 || list[0].Name != "v1-b" {
		t.Fatalf("%+v, %v", list, err)
	}
	if tag, err := fs.RestoreTag(ctx, "r", "v1"); err != nil || tag != last {
		t.Errorf("%+v, %v; want %+v", tag, err, last)
	}
	if _, err := fs.RestoreTag(ctx, "r", "v1"); !errors.Is(err, ErrTagExists) {
		t.Errorf("again: %v", err)
	}
	if _, err := fs.CreateBranch(ctx, "r", "v1-b", BranchOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := fs.RestoreTag(ctx, "r", "v1-b"); !errors.Is(err, ErrBranchExists) {
		t.Errorf("in the place of a branch: %v", err)
	}
	ann := mustUser(t, fs, "ann", on, PermFullControl)
	if _, err := ann.DeletedTags(ctx, "r", "", 0); !errors.Is(err, ErrDenied) {
		t.Errorf("ann lists them: %v", err)
	}
	if _, err := ann.RestoreTag(ctx, "r", "v1"); !errors.Is(err, ErrDenied) {
		t.Errorf("ann restores one: %v", err)
	}
}

// TestRestoreOlder: what an earlier caret deleted comes back, with the branches that went
// with it, of which it noted no more than the time.
func TestRestoreOlder(t *testing.T) {
	t.Parallel()
	store, now := memory.New(), time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	fs, err := openRoot(t.Context(), store, Options{manual: true, Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { fs.sys.Close() })
	mustRepo(t, fs, "r")
	for _, name := range []string{"dev", "before"} {
		if _, err := fs.CreateBranch(t.Context(), "r", name, BranchOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	if err := deleteBranch(t.Context(), fs, "r", "before", BranchDeletion{}); err != nil {
		t.Fatal(err)
	}
	now = now.Add(time.Second)
	if err := deleteRepo(t.Context(), fs, "r", DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	err = store.Rows().Update(t.Context(), "", func(tx objstore.Writer) error {
		for _, kind := range []byte{rows.DroppedBranch, rows.DroppedRepo} {
			c := objstore.Scan(tx, objstore.Prefix([]byte{kind}))
			for c.Next() {
				var b map[string]any
				if err := rows.Decode(c.Key(), c.Value(), &b); err != nil {
					return err
				}
				delete(b, "with")
				if err := rows.Set(tx, c.Key(), b); err != nil {
					return err
				}
			}
			if err := c.Err(); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, n, err := fs.RestoreRepo(t.Context(), "r", RepoRestoration{}); err != nil || n != 2 {
		t.Errorf("%d branches, %v", n, err)
	}
}
