package pfs

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"caret/commits"
)

func pathsAt(t *testing.T, fs *FS, ref Ref) (paths []string) {
	t.Helper()
	s, err := fs.Open(t.Context(), ref, ActRead, "")
	if err != nil {
		t.Fatal(err)
	}
	page, err := s.List(t.Context(), ListOptions{Limit: 10_000})
	if err != nil {
		t.Fatal(err)
	}
	for _, it := range page.Items {
		paths = append(paths, it.Path)
	}
	return paths
}

// TestMove: files go from one path to the other in one commit, whatever was
// there; many of them, up and down the folders, and in open commits too.
func TestMove(t *testing.T) {
	t.Parallel()
	fs := newFS(t)
	ctx, on := t.Context(), Ref{Repo: "r"}
	mustRepo(t, fs, "r")
	for _, p := range []string{"a", "d/a", "d/d/a", "d/e"} {
		mustPut(t, fs, on, p, p)
	}
	before := mustPut(t, fs, on, "z", "z")
	if _, err := fs.MoveFile(ctx, on, "a", "z", WriteOptions{Message: "over"}); err != nil {
		t.Fatal(err)
	}
	if got, err := read(fs, on, "z"); err != nil || got != "a" {
		t.Errorf("z is %q, %v", got, err)
	}
	if _, err := fs.MoveFiles(ctx, on, "d/d/", "d/", WriteOptions{}); err != nil {
		t.Fatal(err)
	}
	if got, err := read(fs, on, "d/a"); err != nil || got != "d/d/a" {
		t.Errorf("d/a is %q, %v", got, err)
	}
	if got, want := pathsAt(t, fs, on), []string{"d/a", "d/e", "z"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	log, err := fs.Open(ctx, on, ActList, "")
	if err != nil {
		t.Fatal(err)
	}
	if log.N != 7 { // each move is one commit
		t.Errorf("%d commits", log.N)
	}
	old := Ref{Repo: "r", Base: expr(t, before.String())}
	for _, err := range []error{
		second(fs.MoveFile(ctx, on, "absent", "b", WriteOptions{})), second(fs.MoveFiles(ctx, on, "absent/", "b/", WriteOptions{})),
	} {
		if !errors.Is(err, ErrNoSuchPath) {
			t.Errorf("what is not there: %v", err)
		}
	}
	if _, err := fs.MoveFile(ctx, old, "z", "b", WriteOptions{}); !errors.Is(err, ErrReadOnly) {
		t.Errorf("in history: %v", err)
	}
	if _, err := fs.MoveFiles(ctx, on, "d/", "d/", WriteOptions{}); !errors.Is(err, ErrInvalidArgument) {
		t.Errorf("onto itself: %v", err)
	}
	o, err := fs.StartCommit(ctx, on, WriteOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fs.MoveFiles(ctx, openRef("r", o.ID), "d/", "", WriteOptions{}); err != nil {
		t.Fatal(err)
	}
	if got := pathsAt(t, fs, openRef("r", o.ID)); !slices.Equal(got, []string{"a", "e", "z"}) {
		t.Errorf("staged: %q", got)
	}
	if got := pathsAt(t, fs, on); !slices.Equal(got, []string{"d/a", "d/e", "z"}) {
		t.Errorf("of a move that is staged the branch shows: %q", got)
	}
}

func second[T any](_ T, err error) error { return err }

// TestMoveMany: a move of more files than a transaction holds is one commit.
func TestMoveMany(t *testing.T) {
	t.Parallel()
	fs := newFS(t)
	mustRepo(t, fs, "r")
	on := Ref{Repo: "r"}
	putMany(t, fs, on, 1500, "x")
	was := pathsAt(t, fs, on)
	done, err := fs.MoveFiles(t.Context(), on, "", "sub/", WriteOptions{})
	if err != nil || done.Files != len(was) {
		t.Fatalf("%d of %d, %v", done.Files, len(was), err)
	}
	for i := range was {
		was[i] = "sub/" + was[i]
	}
	if got := pathsAt(t, fs, on); !slices.Equal(got, was) {
		t.Errorf("%d files, want %d", len(got), len(was))
	}
}

// TestMoveAccess: who may write but not read a file does not get it by moving it.
func TestMoveAccess(t *testing.T) {
	t.Parallel()
	root := newFS(t)
	mustRepo(t, root, "r")
	on := Ref{Repo: "r", Branch: "master"}
	mustPut(t, root, on, "d/secret", "x")
	ann := mustUser(t, root, "ann", on, PermWrite)
	if _, err := ann.MoveFile(t.Context(), on, "d/secret", "mine", WriteOptions{}); !errors.Is(err, ErrDenied) {
		t.Errorf("a file: %v", err)
	}
	if _, err := ann.MoveFiles(t.Context(), on, "d/", "mine/", WriteOptions{}); !errors.Is(err, ErrDenied) {
		t.Errorf("a folder: %v", err)
	}
	bob := mustUser(t, root, "bob", on, PermRead)
	if _, err := bob.MoveFile(t.Context(), on, "d/secret", "mine", WriteOptions{}); !errors.Is(err, ErrDenied) {
		t.Errorf("by who only reads: %v", err)
	}
}

// TestIfHead: of all writes that are made for the same head one is made, however
// they race, and the others are told of the head that there is.
func TestIfHead(t *testing.T) {
	t.Parallel()
	fs := newFS(t)
	ctx, on := t.Context(), Ref{Repo: "r", Branch: "master"}
	mustRepo(t, fs, "r")
	first := mustPut(t, fs, on, "d/a", "1")
	if _, err := fs.CreateBranch(ctx, "r", "dev", BranchOptions{From: &on}); err != nil {
		t.Fatal(err)
	}
	dev := Ref{Repo: "r", Branch: "dev"}
	mustPut(t, fs, dev, "other", "2")
	at := func(id CommitID) Ref { return Ref{Repo: "r", Base: expr(t, id.String())} }
	for round := range 5 {
		head := mustPut(t, fs, on, "d/a", fmt.Sprint(round))
		many := make([]string, 1200)
		for i := range many {
			many[i] = fmt.Sprintf("many/%d", i)
		}
		writes := ifHeadWrites(ctx, t, fs, on, dev, at(first), at(head), many)
		opt := WriteOptions{IfHead: head.String()}
		results := make(map[string]error)
		var wg sync.WaitGroup
		var mu sync.Mutex
		for name, write := range writes {
			wg.Go(func() {
				err := write(opt)
				mu.Lock()
				defer mu.Unlock()
				results[name] = err
			})
		}
		wg.Wait()
		won := 0
		for _, name := range slices.Sorted(maps.Keys(results)) {
			switch err := results[name]; {
			case err == nil:
				won++
				t.Logf("%s won", name)
			case !errors.Is(err, ErrPrecondition):
				t.Errorf("%s: %v", name, err)
			case !strings.Contains(err.Error(), "not "+head.String()) || !strings.Contains(err.Error(), "the head of branch master is "):
				t.Errorf("%s does not say what the head is: %v", name, err)
			}
		}
		if won != 1 {
			t.Errorf("round %d: %d writes were made for one head", round, won)
		}
	}
}

// ifHeadWrites are writes of every kind to a branch.
func ifHeadWrites(ctx context.Context, t *testing.T, fs *FS, on, dev, first, head Ref, many []string) map[string]func(WriteOptions) error {
	c := store(t, fs, "x")
	o, err := fs.StartCommit(ctx, on, WriteOptions{})
	if err != nil {
		t.Fatal(err)
	}
	mustPut(t, fs, openRef("r", o.ID), "staged", "x")
	return map[string]func(WriteOptions) error{
		"put":    func(opt WriteOptions) error { return second(fs.Put(ctx, on, "p", c, commits.Attrs{}, opt)) },
		"delete": func(opt WriteOptions) error { return second(fs.Delete(ctx, on, Files("d/a"), opt)) },
		"copy":   func(opt WriteOptions) error { return second(fs.CopyFiles(ctx, on, "d/", on, "e/", opt)) },
		"move":   func(opt WriteOptions) error { return second(fs.MoveFiles(ctx, on, "d/", "m/", opt)) },
		"revert": func(opt WriteOptions) error {
			return second(fs.Revert(ctx, on, head, UndoOptions{WriteOptions: opt}))
		},
		"restore": func(opt WriteOptions) error {
			return second(fs.RestoreFiles(ctx, on, first, "", UndoOptions{WriteOptions: opt}))
		},
		"merge": func(opt WriteOptions) error {
			return second(fs.Merge(ctx, on, dev, MergeOptions{WriteOptions: opt, NoFastForward: true, Squash: true}))
		},
		"finish": func(opt WriteOptions) error {
			return second(fs.FinishCommit(ctx, openRef("r", o.ID), FinishOptions{IfHead: opt.IfHead, Strategy: Theirs}))
		},
		"batch": func(opt WriteOptions) error {
			b, err := fs.NewBatch(ctx, on, opt)
			if err != nil {
				return err
			}
			defer b.Close()
			for _, p := range many {
				if err := b.Add(ctx, p, FilePart{Content: c}, Attrs{}); err != nil {
					return err
				}
			}
			return second(b.Finish(ctx))
		},
	}
}

// TestIfHeadNames: only who may list a branch is told its head; a branch is
// deleted, and an open commit finished, at a head alone.
func TestIfHeadNames(t *testing.T) {
	t.Parallel()
	root := newFS(t)
	ctx, on := t.Context(), Ref{Repo: "r", Branch: "master"}
	mustRepo(t, root, "r")
	first := mustPut(t, root, on, "f", "1")
	ann := mustUser(t, root, "ann", on, PermWrite)
	bob := mustUser(t, root, "bob", on, PermWrite, PermRead)
	head := mustPut(t, root, on, "f", "2")
	c := store(t, root, "x")
	for fs, told := range map[*FS]bool{ann: false, bob: true} {
		_, err := fs.Put(ctx, on, "g", c, commits.Attrs{}, WriteOptions{IfHead: first.String()})
		if !errors.Is(err, ErrPrecondition) || strings.Contains(err.Error(), head.String()) != told {
			t.Errorf("told %v: %v", told, err)
		}
	}
	if _, err := root.DeleteBranch(ctx, "r", "master", BranchDeletion{IfHead: first.String()}); !errors.Is(err, ErrPrecondition) {
		t.Errorf("delete: %v", err)
	}
	o, err := root.StartCommit(ctx, on, WriteOptions{})
	if err != nil {
		t.Fatal(err)
	}
	head = mustPut(t, root, on, "h", "3")
	if _, err := root.FinishCommit(ctx, openRef("r", o.ID), FinishOptions{IfHead: "HEAD^"}); !errors.Is(err, ErrPrecondition) {
		t.Errorf("finish: %v", err)
	}
	if _, err := root.FinishCommit(ctx, openRef("r", o.ID), FinishOptions{IfHead: head.String()}); err != nil {
		t.Errorf("finish at the head, which is younger than the commit's start: %v", err)
	}
}
