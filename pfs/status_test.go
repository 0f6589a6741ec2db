package pfs

import (
	"errors"
	"fmt"
	"testing"

	"caret/objstore/memory"
)

// TestJobs: what goes on is counted, until it no longer does, for administrators.
func TestJobs(t *testing.T) {
	t.Parallel()
	fs, err := openRoot(t.Context(), memory.New(), Options{LayerAbove: 1, manual: true, Exclusive: true})
	if err != nil {
		t.Fatal(err)
	}
	defer fs.sys.Close()
	is := func(want Jobs) {
		t.Helper()
		if got, err := fs.Jobs(t.Context()); got != want || err != nil {
			t.Errorf("%+v, %v\nwant %+v", got, err, want)
		}
	}
	is(Jobs{})
	master := Ref{Repo: "r"}
	if _, err := fs.CreateRepo(t.Context(), Repo{Name: "r"}); err != nil {
		t.Fatal(err)
	}
	start := func() Ref {
		t.Helper()
		o, err := fs.StartCommit(t.Context(), master, WriteOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for i := range 3 {
			mustPut(t, fs, openRef("r", o.ID), fmt.Sprint("f", i), "x")
		}
		return openRef("r", o.ID)
	}
	first, second := start(), start()
	upload, err := fs.CreateUpload(t.Context(), master, "big", Attrs{}, WriteOptions{})
	if err != nil {
		t.Fatal(err)
	}
	is(Jobs{OpenCommits: 2, Uploads: 1})
	if _, err := fs.FinishCommit(t.Context(), first, FinishOptions{}); err != nil {
		t.Fatal(err)
	}
	is(Jobs{OpenCommits: 1, Uploads: 1, Folding: 1})
	if err := fs.AbortCommit(t.Context(), second); err != nil {
		t.Fatal(err)
	}
	is(Jobs{Uploads: 1, Folding: 1, Dropping: 1})
	if err := fs.AbortUpload(t.Context(), master, "big", upload.ID); err != nil {
		t.Fatal(err)
	}
	work(t, fs)
	is(Jobs{})
	for _, who := range []Caller{Anonymous, Holder("absent")} {
		if _, err := fs.sys.As(who).Jobs(t.Context()); !errors.Is(err, ErrDenied) && !errors.Is(err, ErrKeyGone) {
			t.Errorf("told to others: %v", err)
		}
	}
}
