package pfs

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"caret/commits/revision"
	"caret/objstore/memory"
)

// TestMergeOfManyBases merges branches that have three newest common commits:
// what those have in common is that of each with all before it, whoever is
// merged into whom.
func TestMergeOfManyBases(t *testing.T) {
	t.Parallel()
	fs := newFS(t)
	mustRepo(t, fs, "r")
	branch := func(name string) Ref { return Ref{Repo: "r", Branch: name} }
	create := func(name, from string) {
		t.Helper()
		ref := branch(from)
		if _, err := fs.CreateBranch(t.Context(), "r", name, BranchOptions{From: &ref}); err != nil {
			t.Fatal(err)
		}
	}
	merge := func(into, from string) Merged {
		t.Helper()
		done, err := fs.Merge(t.Context(), branch(into), branch(from), MergeOptions{NoFastForward: true})
		if err != nil {
			t.Fatalf("merge %s into %s: %v", from, into, err)
		}
		return done
	}
	mustPut(t, fs, branch("master"), "first", "")
	create("add", "master")
	mustPut(t, fs, branch("add"), "x", "again")
	create("keeps", "add")
	create("other", "master") // never had x
	create("deletes", "add")
	mustPut(t, fs, branch("keeps"), "a", "")
	mustPut(t, fs, branch("other"), "b", "")
	if _, err := fs.Delete(t.Context(), branch("deletes"), Files("x"), WriteOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, order := range [][3]string{
		{"keeps", "other", "deletes"}, {"keeps", "deletes", "other"}, {"other", "keeps", "deletes"},
		{"other", "deletes", "keeps"}, {"deletes", "keeps", "other"}, {"deletes", "other", "keeps"},
	} {
		name := order[0] + "-" + order[1] + "-" + order[2]
		create(name, order[0])
		merge(name, order[1])
		merge(name, order[2])
		create("back-"+name, "other")
		merge("back-"+name, "keeps")
		merge("back-"+name, "deletes")
		// x is gone from all, and comes back on one of the two.
		mustPut(t, fs, branch(name), "x", "again")
		if done := merge(name, "back-"+name); len(done.Bases) != 3 {
			t.Errorf("%s: bases %v, want 3", name, done.Bases)
		}
		if got, err := read(fs, branch(name), "x"); got != "again" || err != nil {
			t.Errorf("%s: what was written on it alone is %q after a merge: %v", name, got, err)
		}
	}
}

// TestRules has patterns that are taken and ones that are refused.
func TestRules(t *testing.T) {
	t.Parallel()
	fs := newFS(t)
	mustRepo(t, fs, "r")
	ref := Ref{Repo: "r", Branch: "master"}
	mustPut(t, fs, ref, "a", "")
	for pattern, ok := range map[string]bool{
		"": true, "dir/": true, "**/*.{csv,tsv}": true, "[a": false, "{a": false,
		"{" + strings.Repeat("a,", 500) + "b}/*": true,
		strings.Repeat("{a,a}", 30) + "b":        false, // would be tried 2^30 times
	} {
		_, err := fs.Merge(t.Context(), ref, ref, MergeOptions{Rules: []Rule{{Pattern: pattern, Strategy: Ours}}})
		if ok && err != nil || !ok && !errors.Is(err, ErrInvalidArgument) {
			t.Errorf("a rule for %q: %v", pattern, err)
		}
	}
}

// TestMergeAmongWriters: a merge that decides about a path comes to its end
// though another writer changes that path all the while.
func TestMergeAmongWriters(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	fs, err := openRoot(ctx, memory.New(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer fs.sys.Close()
	if _, err := fs.CreateRepo(ctx, Repo{Name: "r"}); err != nil {
		t.Fatal(err)
	}
	on := Ref{Repo: "r"}
	mustPut(t, fs, on, "hot", "first")
	content := mustPutContent(t, fs, "hotter").Content
	stop, stopped := make(chan struct{}), make(chan error)
	go func() {
		var err error
		for n := 0; err == nil; n++ {
			select {
			case <-stop:
				stopped <- nil
				return
			default:
				_, err = fs.Put(ctx, on, "hot", content, Attrs{ContentType: fmt.Sprint(n)}, WriteOptions{})
			}
		}
		stopped <- err
	}()
	for i := range 20 {
		name := fmt.Sprint("b", i)
		if _, err := fs.CreateBranch(ctx, "r", name, BranchOptions{From: &on}); err != nil {
			t.Fatal(err)
		}
		mustPut(t, fs, Ref{Repo: "r", Branch: name}, "hot", name)
		mustPut(t, fs, Ref{Repo: "r", Branch: name}, name, name)
		done, err := fs.Merge(ctx, on, Ref{Repo: "r", Branch: name}, MergeOptions{Rules: []Rule{{Strategy: Ours}}, NoFastForward: true})
		if err != nil || done.Files == 0 {
			t.Fatalf("merge %d: %+v, %v", i, done, err)
		}
		c, err := fs.Commit(ctx, Ref{Repo: "r", Base: revision.Expr{Base: done.Commit.String()}})
		if err != nil || len(c.Parents) != 2 {
			t.Errorf("the merge commit: %+v, %v", c, err)
		}
	}
	close(stop)
	if err := <-stopped; err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		if got, err := read(fs, on, fmt.Sprint("b", i)); err != nil || got != fmt.Sprint("b", i) {
			t.Errorf("merged %q, %v", got, err)
		}
	}
}
