package pfs

import (
	"testing"
	"time"

	"caret/objstore/memory"
	"caret/pfs/rows"
)

// TestDeletedLast: the branch that was deleted last is the one that is restored,
// whatever the clocks of processes say, and none takes the place of another.
func TestDeletedLast(t *testing.T) {
	t.Parallel()
	now := time.UnixMilli(1_700_000_000_000)
	fs, err := openRoot(t.Context(), memory.New(), Options{manual: true, Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	mustRepo(t, fs, "r")
	dev := Ref{Repo: "r", Branch: "dev"}
	for _, data := range []string{"first", "at the same time", "earlier"} {
		if data == "earlier" {
			now = now.Add(-2 * time.Second)
		}
		if _, err := fs.CreateBranch(t.Context(), "r", "dev", BranchOptions{}); err != nil {
			t.Fatal(err)
		}
		mustPut(t, fs, dev, "f", data)
		if err := deleteBranch(t.Context(), fs, "r", "dev", BranchDeletion{}); err != nil {
			t.Fatal(err)
		}
	}
	if n := rowsOf(t, fs, rows.DroppedBranch); n != 3 {
		t.Errorf("%d deleted branches are kept, want 3", n)
	}
	if _, err := fs.RestoreBranch(t.Context(), "r", "dev"); err != nil {
		t.Fatal(err)
	}
	if got, err := read(fs, dev, "f"); got != "earlier" {
		t.Errorf("restored the branch with %q, %v", got, err)
	}
}

// TestFinishWithOlderClock: files are not older than the commit that made them.
func TestFinishWithOlderClock(t *testing.T) {
	t.Parallel()
	now := time.UnixMilli(1_700_000_000_000)
	fs, err := openRoot(t.Context(), memory.New(), Options{manual: true, Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	mustRepo(t, fs, "r")
	mustPut(t, fs, Ref{Repo: "r"}, "f", "1")
	o, err := fs.StartCommit(t.Context(), Ref{Repo: "r"}, WriteOptions{})
	if err != nil {
		t.Fatal(err)
	}
	now = now.Add(-time.Hour)
	mustPut(t, fs, openRef("r", o.ID), "a", "1")
	c, err := fs.FinishCommit(t.Context(), openRef("r", o.ID), FinishOptions{})
	if err != nil {
		t.Fatal(err)
	}
	s, err := fs.Open(t.Context(), Ref{Repo: "r"}, ActList, "")
	if err != nil {
		t.Fatal(err)
	}
	if i, err := s.Stat(t.Context(), "a"); err != nil || !i.Modified.Equal(c.Time) {
		t.Errorf("modified at %s in a commit of %s, %v", i.Modified, c.Time, err)
	}
}
