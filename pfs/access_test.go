package pfs

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"caret/objstore/memory"
)

// mustUser makes a user with a key, who may do something with a branch.
func mustUser(t *testing.T, fs *FS, name string, branch Ref, may ...Permission) *FS {
	t.Helper()
	ctx := t.Context()
	u, err := fs.CreateUser(ctx, User{Name: name})
	if err != nil {
		t.Fatal(err)
	}
	k, err := fs.CreateKey(ctx, Key{User: name})
	if err != nil {
		t.Fatal(err)
	}
	err = fs.ChangeSettings(ctx, branch, ActOwn, func(s *Settings) error {
		for _, p := range may {
			s.ACL.Grants = append(s.ACL.Grants, Grant{User: u.ID, Permission: p})
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return fs.sys.As(Holder(k.AccessKey))
}

// mustFiles makes n files with an ACL.
func mustFiles(t *testing.T, fs *FS, to Ref, n int, a *ACL) {
	t.Helper()
	ctx := t.Context()
	b, err := fs.NewBatch(ctx, to, WriteOptions{ACL: a})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	part := FilePart{Content: store(t, fs, "x")}
	for i := range n {
		if err := b.Add(ctx, fmt.Sprintf("f%05d", i), part, Attrs{}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := b.Finish(ctx); err != nil {
		t.Fatal(err)
	}
}

// TestTakenAwayMeanwhile: what takes many transactions ends when who asked for it
// may not any more, in whatever way that was taken away.
func TestTakenAwayMeanwhile(t *testing.T) {
	t.Parallel()
	from := Ref{Repo: "r", Branch: "from"}
	for how, takeAway := range map[string]func(root *FS) error{
		"the branch is deleted": func(root *FS) error {
			_, err := root.DeleteBranch(t.Context(), "r", "from", BranchDeletion{})
			return err
		},
		"the branch is reset": func(root *FS) error {
			_, err := root.ResetBranch(t.Context(), "r", "from", Ref{Repo: "r", Branch: "master"}, WriteOptions{}, false)
			return err
		},
		"the grant is gone": func(root *FS) error {
			return root.ChangeSettings(t.Context(), from, ActOwn, func(s *Settings) error {
				s.ACL.Grants = s.ACL.Grants[:1]
				return nil
			})
		},
		"the key is gone": func(root *FS) error {
			_, err := root.DeleteUser(t.Context(), "ann", false)
			return err
		},
	} {
		begin := func(t *testing.T) (root, ann *FS, hook *func()) {
			t.Helper()
			hook = new(func())
			root, err := openRoot(t.Context(), hooked{memory.New(), hook}, Options{manual: true})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { root.sys.Close() })
			mustRepo(t, root, "r")
			mustPut(t, root, Ref{Repo: "r"}, "one", "x")
			for _, name := range []string{"from", "to"} {
				if _, err := root.CreateBranch(t.Context(), "r", name, BranchOptions{From: &Ref{Repo: "r"}}); err != nil {
					t.Fatal(err)
				}
			}
			mustFiles(t, root, from, 3*allPage, &ACL{Owner: RootUser, Grants: []Grant{{Group: AllUsers, Permission: PermRead}}})
			ann = mustUser(t, root, "ann", from, PermRead)
			return root, ann, hook
		}
		t.Run("copy while "+how, func(t *testing.T) {
			t.Parallel()
			root, ann, hook := begin(t)
			to := Ref{Repo: "hers"}
			if _, err := ann.CreateRepo(t.Context(), Repo{Name: "hers"}); err != nil {
				t.Fatal(err)
			}
			if _, err := ann.CopyFiles(t.Context(), from, "f", to, "g", WriteOptions{}); err != nil {
				t.Fatal(err)
			}
			*hook = func() { // when the first files are staged
				*hook = nil
				if err := takeAway(root); err != nil {
					t.Error(err)
				}
			}
			_, err := ann.CopyFiles(t.Context(), from, "f", to, "f", WriteOptions{})
			if !errors.Is(err, ErrDenied) && !errors.Is(err, ErrKeyGone) {
				t.Errorf("the copy: %v", err)
			}
		})
		t.Run("diff while "+how, func(t *testing.T) {
			t.Parallel()
			root, ann, _ := begin(t)
			n := 0
			err := ann.EachDifference(t.Context(), Ref{Repo: "r", Branch: "from", Version: expr(t, "^")}, from, DiffOptions{}, func(Difference) error {
				if n++; n == 1 {
					return takeAway(root)
				}
				return nil
			})
			if n > diffPage || !errors.Is(err, ErrDenied) && !errors.Is(err, ErrKeyGone) {
				t.Errorf("the diff: %d files, %v", n, err)
			}
		})
	}
}

// TestAmbiguousHead: which commits a shortened id fits is for who may list, also
// where it is to be the head's.
func TestAmbiguousHead(t *testing.T) {
	t.Parallel()
	rand := io.MultiReader(strings.NewReader("aaaaaabbbbbbbbbb"+"aaaaaacccccccccc"), strings.NewReader(strings.Repeat("0123456789abcdef", 100)))
	root, err := openRoot(t.Context(), memory.New(), Options{Rand: rand})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.sys.Close() })
	mustRepo(t, root, "r")
	mustPut(t, root, Ref{Repo: "r"}, "f", "1")
	id := mustPut(t, root, Ref{Repo: "r"}, "f", "2").String()
	ann := mustUser(t, root, "ann", Ref{Repo: "r"}, PermWrite)
	for fs, want := range map[*FS]error{ann: ErrDenied, root: ErrAmbiguous} {
		_, err := fs.Put(t.Context(), Ref{Repo: "r"}, "g", store(t, root, "x"), Attrs{}, WriteOptions{IfHead: id[:12]})
		if !errors.Is(err, want) || errors.Is(want, ErrDenied) && strings.Contains(err.Error(), id) {
			t.Errorf("%v, want %v", err, want)
		}
	}
}

// TestCopyOverStaged: what is copied over a file that somebody staged with an ACL
// has none of that.
func TestCopyOverStaged(t *testing.T) {
	t.Parallel()
	root, ctx := newFS(t), t.Context()
	mustRepo(t, root, "r")
	mustPut(t, root, Ref{Repo: "r"}, "secret/k", "secret")
	ann := mustUser(t, root, "ann", Ref{Repo: "r"}, PermWrite)
	o, err := root.StartCommit(ctx, Ref{Repo: "r"}, WriteOptions{})
	if err != nil {
		t.Fatal(err)
	}
	on := openRef("r", o.ID)
	public := &ACL{Owner: RootUser, Grants: []Grant{{Group: AllUsers, Permission: PermRead}}}
	if _, err := ann.Put(ctx, on, "k", store(t, ann, "hers"), Attrs{}, WriteOptions{ACL: public}); err != nil {
		t.Fatal(err)
	}
	if _, err := root.CopyFiles(ctx, Ref{Repo: "r"}, "secret/", on, "", WriteOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := root.FinishCommit(ctx, on, FinishOptions{}); err != nil {
		t.Fatal(err)
	}
	anybody := root.sys.As(Anonymous)
	if _, err := anybody.Open(ctx, Ref{Repo: "r"}, ActRead, "k"); !errors.Is(err, ErrDenied) {
		t.Errorf("anybody reads the copy: %v", err)
	}
}

// TestWriterOwns: who writes to somebody else's branch owns the version there,
// through batches, copies, open commits and other tags, and nowhere else. An
// ACL takes it from him, and what others write over it is theirs.
func TestWriterOwns(t *testing.T) {
	t.Parallel()
	root := newFS(t)
	mustRepo(t, root, "r")
	mustPut(t, root, Ref{Repo: "r"}, "roots", "x")
	ann := mustUser(t, root, "ann", Ref{Repo: "r"}, PermRead, PermWrite)
	bob := mustUser(t, root, "bob", Ref{Repo: "r"}, PermRead, PermWrite)
	id := func(name string) string {
		t.Helper()
		u, err := root.User(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		return u.ID
	}
	owner := func(at Ref, path, want string) {
		t.Helper()
		s, err := root.Open(t.Context(), at, ActRead, path)
		if err != nil {
			t.Fatal(err)
		}
		if a, err := s.FileACL(t.Context(), path); err != nil || a.Owner != want {
			t.Errorf("%s of %v is %q's, want %q; %v", path, at, a.Owner, want, err)
		}
	}
	branch := Ref{Repo: "r"}
	mustPut(t, ann, branch, "put", "1")
	mustFiles(t, ann, branch, 2, nil)
	mustRepo(t, ann, "hers")
	mustPut(t, ann, Ref{Repo: "hers"}, "from/x", "1")
	if _, err := ann.CopyFiles(t.Context(), Ref{Repo: "hers"}, "from/", branch, "to/", WriteOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := ann.SetTags(t.Context(), branch, "put", nil, map[string]string{"a": "b"}, WriteOptions{}); err != nil {
		t.Fatal(err)
	}
	open, err := ann.StartCommit(t.Context(), branch, WriteOptions{})
	if err != nil {
		t.Fatal(err)
	}
	mustPut(t, ann, openRef("r", open.ID), "staged", "1")
	if _, err := ann.FinishCommit(t.Context(), openRef("r", open.ID), FinishOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := root.CreateBranch(t.Context(), "r", "fork", BranchOptions{From: &branch}); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"put", "f00000", "to/x", "staged"} {
		owner(branch, path, id("ann"))
		owner(Ref{Repo: "r", Branch: "fork"}, path, RootUser)
	}
	owner(branch, "roots", RootUser)
	if err := ann.SetFileACL(t.Context(), branch, "put", []Grant{{Group: AllUsers, Permission: PermRead}}); err != nil {
		t.Fatal(err)
	}
	owner(branch, "put", id("ann"))
	mustPut(t, bob, branch, "put", "2")
	owner(branch, "put", id("bob"))
	mustPut(t, root, branch, "put", "3")
	owner(branch, "put", RootUser)
}

// TestCopyDecidesAgain: a copy reads its source with the right that there is when it is
// made.
func TestCopyDecidesAgain(t *testing.T) {
	t.Parallel()
	root, ctx := newFS(t), t.Context()
	mustRepo(t, root, "r")
	mustFiles(t, root, Ref{Repo: "r"}, 1, &ACL{Owner: RootUser, Grants: []Grant{{Group: AllUsers, Permission: PermRead}}})
	ann := mustUser(t, root, "ann", Ref{Repo: "r"})
	if _, err := ann.CreateRepo(ctx, Repo{Name: "hers"}); err != nil {
		t.Fatal(err)
	}
	copied := func() error {
		var s *Snapshot
		var info Info
		err := ann.View(ctx, func(v *View) (err error) {
			if s, err = v.Open(Ref{Repo: "r"}, ActRead, "f00000"); err == nil {
				info, err = s.Stat(ctx, "f00000")
			}
			return err
		})
		if err != nil {
			return err
		}
		if root != nil {
			if err := root.SetFileACL(ctx, Ref{Repo: "r"}, "f00000", []Grant{}); err != nil {
				t.Fatal(err)
			}
		}
		_, err = ann.Copy(ctx, info, Ref{Repo: "hers"}, "copy", nil, WriteOptions{Source: s})
		return err
	}
	if err := copied(); !errors.Is(err, ErrDenied) {
		t.Errorf("a copy of what was taken away meanwhile: %v", err)
	}
	if err := root.SetFileACL(ctx, Ref{Repo: "r"}, "f00000", []Grant{{Group: AllUsers, Permission: PermRead}}); err != nil {
		t.Fatal(err)
	}
	root = nil
	if err := copied(); err != nil {
		t.Errorf("a copy: %v", err)
	}
}

// TestPresent: who may list as everybody may hears of no change to what is gone, by a diff,
// the changes of a commit, the log of a path, its history or a watch; who was granted it
// by name does.
func TestPresent(t *testing.T) {
	t.Parallel()
	root, ctx, on := newFS(t), t.Context(), Ref{Repo: "r"}
	mustRepo(t, root, "r")
	first := mustPut(t, root, on, "gone", "1")
	mustPut(t, root, on, "here", "1")
	removed := mustPut(t, root, on, "here", "2")
	mustPut(t, root, on, "here", "3")
	version := openRef("r", removed).Base
	for _, d := range []Deletion{{Path: "gone"}, {Path: "here", Version: &version}} {
		if _, err := root.Delete(ctx, on, []Deletion{d}, WriteOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	ann, bob := mustUser(t, root, "ann", on, PermRead), mustUser(t, root, "bob", on)
	err := root.ChangeSettings(ctx, on, ActOwn, func(s *Settings) error {
		s.ACL.Grants = append(s.ACL.Grants, Grant{Group: AuthenticatedUsers, Permission: PermRead})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for who, fs := range map[string]*FS{"ann": ann, "bob": bob} {
		var seen []string
		note := func(what string, n int, err error) {
			if err != nil {
				t.Errorf("%s, %s: %v", who, what, err)
			}
			if n > 0 {
				seen = append(seen, what)
			}
		}
		changes, err := fs.Changes(ctx, openRef("r", first), "", 0)
		note("changes", len(changes), err)
		changes, err = fs.Changes(ctx, openRef("r", removed), "", 0)
		note("removed", len(changes), err)
		diff, err := fs.Diff(ctx, openRef("r", first), on, DiffOptions{Prefix: "gone"})
		note("diff", len(diff), err)
		err = fs.View(ctx, func(v *View) error {
			s, err := v.Open(on, ActList, "")
			if err != nil {
				return err
			}
			log, err := s.Log(ctx, LogOptions{Path: "gone"})
			note("log", len(log), err)
			history, err := s.History(ctx, "gone", 0)
			note("history", len(history), err)
			here, err := s.History(ctx, "here", 0)
			note("the rest", len(here), err)
			return nil
		})
		note("a view", 0, err)
		w, err := fs.Watch(ctx, on, WatchOptions{FromStart: true, Path: "gone"})
		if err != nil {
			t.Fatal(err)
		}
		list, _, err := w.look(ctx)
		note("watch", len(list), err)
		want := "[the rest]"
		if who == "ann" {
			want = "[changes removed diff log history the rest watch]"
		}
		if fmt.Sprint(seen) != want {
			t.Errorf("%s sees %v, want %s", who, seen, want)
		}
	}
}
