package pfs

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"caret/objstore/memory"
)

// TestDeleteInStepsCondition: conditions of files hold against others where one
// transaction cannot hold all that is deleted.
func TestDeleteInStepsCondition(t *testing.T) {
	t.Parallel()
	var hook func()
	fs, err := openRoot(t.Context(), hooked{memory.New(), &hook}, Options{manual: true})
	if err != nil {
		t.Fatal(err)
	}
	mustRepo(t, fs, "r")
	to, c := Ref{Repo: "r"}, store(t, fs, "old")
	long := Attrs{Meta: map[string]string{"k": strings.Repeat("v", 2000)}}
	b, err := fs.NewBatch(t.Context(), to, WriteOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	var list []Deletion
	for i := range 1000 {
		p := fmt.Sprintf("%04d", i) + strings.Repeat("x", 1000)
		if err := b.Add(t.Context(), p, FilePart{Content: c}, long); err != nil {
			t.Fatal(err)
		}
		list = append(list, Deletion{Path: p, If: Condition{IfMatch: &Match{Hashes: []Hash{c.Hash}}}})
	}
	if _, err := b.Finish(t.Context()); err != nil {
		t.Fatal(err)
	}
	work(t, fs)
	updates := 0
	hook = func() {
		if updates++; updates == 4 { // behind the first steps
			again := hook
			hook = nil
			mustPut(t, fs, to, list[0].Path, "new")
			hook = again
		}
	}
	_, err = fs.Delete(t.Context(), to, list, WriteOptions{})
	hook = nil
	if updates < 4 || !errors.Is(err, ErrConflict) {
		t.Errorf("deleted with what another one wrote: %v, %d updates", err, updates)
	}
	if got, err := read(fs, to, list[0].Path); got != "new" {
		t.Errorf("what was written meanwhile reads %q, %v", got, err)
	}
	if done, err := fs.Delete(t.Context(), to, list, WriteOptions{}); err != nil || !errors.Is(done.Items[0].Err, ErrPrecondition) {
		t.Errorf("once more: %v", err)
	}
}

// TestBatchIntoOpenWithACL: what belongs to files counts in the steps that they are
// staged in.
func TestBatchIntoOpenWithACL(t *testing.T) {
	t.Parallel()
	fs := newFS(t)
	mustRepo(t, fs, "r")
	o, err := fs.StartCommit(t.Context(), Ref{Repo: "r"}, WriteOptions{})
	if err != nil {
		t.Fatal(err)
	}
	a := &ACL{Owner: RootUser}
	for i := range 100 {
		a.Grants = append(a.Grants, Grant{User: fmt.Sprintf("%064d", i), Permission: PermRead})
	}
	b, err := fs.NewBatch(t.Context(), openRef("r", o.ID), WriteOptions{ACL: a})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	c := store(t, fs, "x")
	for i := range 600 {
		if err := b.Add(t.Context(), fmt.Sprint(i), FilePart{Content: c}, Attrs{}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := b.Finish(t.Context()); err != nil {
		t.Error(err)
	}
}
