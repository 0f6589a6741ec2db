package pfs

import (
	"errors"
	"slices"
	"testing"
)

// goneFile is a branch on which a file was made and deleted, by the commits made and
// gone, and another was made and changed, by begun and changed. Ann was granted it by
// name, and bob may list it as everybody may; both may write.
type goneFile struct {
	on                         Ref
	begun, changed, made, gone CommitID
	ann, bob                   *FS
}

func newGoneFile(t *testing.T) (*FS, goneFile) {
	t.Helper()
	root, g := newFS(t), goneFile{on: Ref{Repo: "r"}}
	mustRepo(t, root, "r")
	g.begun, g.changed = mustPut(t, root, g.on, "here", "1"), mustPut(t, root, g.on, "here", "2")
	g.made = mustPut(t, root, g.on, "gone", "1")
	done, err := root.Delete(t.Context(), g.on, Files("gone"), WriteOptions{})
	if err != nil {
		t.Fatal(err)
	}
	g.gone = done.Commit
	g.ann, g.bob = mustUser(t, root, "ann", g.on, PermRead, PermWrite), mustUser(t, root, "bob", g.on, PermWrite)
	err = root.ChangeSettings(t.Context(), g.on, ActOwn, func(s *Settings) error {
		s.ACL.Grants = append(s.ACL.Grants, Grant{Group: AllUsers, Permission: PermRead})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return root, g
}

// TestGoneInCommits: a commit does not tell who lists as everybody may the name of a file
// that is not there any more, wherever it is shown.
func TestGoneInCommits(t *testing.T) {
	t.Parallel()
	_, g := newGoneFile(t)
	ctx := t.Context()
	for who, fs := range map[string]*FS{"ann": g.ann, "bob": g.bob} {
		want := []string{"here", "here", "gone", "gone"}
		if who == "bob" {
			want = []string{"here", "here", "", ""}
		}
		var log, watched, one []string
		err := fs.View(ctx, func(v *View) error {
			s, err := v.Open(g.on, ActList, "")
			if err != nil {
				return err
			}
			list, err := s.Log(ctx, LogOptions{})
			for i := range list {
				log = append(log, list[i].FirstPath())
			}
			slices.Reverse(log)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		w, err := fs.Watch(ctx, g.on, WatchOptions{FromStart: true})
		if err != nil {
			t.Fatal(err)
		}
		list, err := w.Next(ctx, nil)
		if err != nil {
			t.Fatal(err)
		}
		for i := range list {
			watched = append(watched, list[i].FirstPath())
		}
		for _, id := range []CommitID{g.begun, g.changed, g.made, g.gone} {
			c, err := fs.Commit(ctx, openRef("r", id))
			if err != nil {
				t.Fatal(err)
			}
			one = append(one, c.FirstPath())
		}
		for what, got := range map[string][]string{"the log": log, "a watch": watched, "one by one": one} {
			if !slices.Equal(got, want) {
				t.Errorf("%s sees by %s %q, want %q", who, what, got, want)
			}
		}
	}
}

// TestRevertGone: who may list as everybody may neither takes back what was done to a file
// that is not there any more, nor learns of it by a dry run, nor is told that there was
// nothing to do; what it may see it takes back.
func TestRevertGone(t *testing.T) {
	t.Parallel()
	root, g := newGoneFile(t)
	ctx := t.Context()
	for _, dry := range []bool{true, false} {
		opt := UndoOptions{DryRun: dry}
		for what, id := range map[string]CommitID{"made": g.made, "gone": g.gone} {
			if done, err := g.bob.Revert(ctx, g.on, openRef("r", id), opt); !errors.Is(err, ErrDenied) || len(done.Changes) > 0 {
				t.Errorf("bob takes back that it was %s (dry run: %v): %+v, %v", what, dry, done, err)
			}
		}
		if done, err := g.bob.Revert(ctx, g.on, openRef("r", g.changed), opt); err != nil || done.Files != 1 {
			t.Errorf("bob takes back what it sees (dry run: %v): %+v, %v", dry, done, err)
		}
		if done, err := g.ann.Revert(ctx, g.on, openRef("r", g.gone), opt); err != nil || done.Files != 1 {
			t.Errorf("ann takes back that it is gone (dry run: %v): %+v, %v", dry, done, err)
		}
	}
	if s, err := root.Open(ctx, g.on, ActRead, "gone"); err != nil {
		t.Error(err)
	} else if _, err := s.Stat(ctx, "gone"); err != nil {
		t.Error(err)
	}
}

// TestTagsOfOthers: a tag is told, with what is said of it, to who may list what it names;
// of a commit that the default branch has not, that is the owner.
func TestTagsOfOthers(t *testing.T) {
	t.Parallel()
	root, g := newGoneFile(t)
	ctx := t.Context()
	if _, err := root.CreateBranch(ctx, "r", "dev", BranchOptions{From: &g.on}); err != nil {
		t.Fatal(err)
	}
	dev := Ref{Repo: "r", Branch: "dev"}
	mustPut(t, root, dev, "secret", "1")
	for name, at := range map[string]Ref{"a": g.on, "b": dev, "c": openRef("r", g.begun), "d": dev} {
		if _, err := root.CreateTag(ctx, "r", name, at, "message"); err != nil {
			t.Fatal(err)
		}
	}
	for who, fs := range map[string]*FS{"ann": g.ann, "bob": g.bob, "root": root} {
		want := []string{"a", "c"}
		if who == "root" {
			want = []string{"a", "b", "c", "d"}
		}
		var got, paged []string
		list, err := fs.Tags(ctx, "r", "", 0)
		for _, tag := range list {
			got = append(got, tag.Name)
		}
		for after := ""; err == nil; after = list[0].Name {
			if list, err = fs.Tags(ctx, "r", after, 1); len(list) == 0 {
				break
			}
			paged = append(paged, list[0].Name)
		}
		if err != nil || !slices.Equal(got, want) || !slices.Equal(paged, want) {
			t.Errorf("%s lists %v and by pages %v, %v, want %v", who, got, paged, err, want)
		}
		tag, err := fs.Tag(ctx, "r", "b")
		if who == "root" && (err != nil || tag.Message == "") || who != "root" && (!errors.Is(err, ErrDenied) || tag != Tag{}) {
			t.Errorf("%s is told of a tag of another branch: %+v, %v", who, tag, err)
		}
		if tag, err := fs.Tag(ctx, "r", "c"); err != nil || tag.Commit != g.begun {
			t.Errorf("%s is told of a tag: %+v, %v", who, tag, err)
		}
	}
}
