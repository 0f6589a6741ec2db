package pfs

import (
	"errors"
	"testing"
)

// TestUpdateRepo: the bare name means another branch at once, and what is not
// said stays.
func TestUpdateRepo(t *testing.T) {
	t.Parallel()
	fs := newFS(t)
	mustRepo(t, fs, "r")
	mustPut(t, fs, Ref{Repo: "r"}, "f", "on master")
	if _, err := fs.CreateBranch(t.Context(), "r", "main", BranchOptions{}); err != nil {
		t.Fatal(err)
	}
	text, main, absent := "figures", "main", "absent"
	if _, err := fs.UpdateRepo(t.Context(), "r", RepoUpdate{Description: &text, DefaultBranch: &absent}); !errors.Is(err, ErrNoSuchBranch) {
		t.Errorf("an absent branch: %v", err)
	}
	if r, err := fs.Repo(t.Context(), "r"); err != nil || r.Description != "" || r.DefaultBranch != "master" {
		t.Errorf("after a refusal: %+v, %v", r, err)
	}
	for _, u := range []RepoUpdate{{DefaultBranch: &main}, {Description: &text}, {}} {
		if _, err := fs.UpdateRepo(t.Context(), "r", u); err != nil {
			t.Fatal(err)
		}
	}
	if r, err := fs.Repo(t.Context(), "r"); err != nil || r.Description != text || r.DefaultBranch != main {
		t.Errorf("%+v, %v", r, err)
	}
	if _, err := read(fs, Ref{Repo: "r"}, "f"); !errors.Is(err, ErrNoSuchPath) {
		t.Errorf("the bare name still reads master: %v", err)
	}
	if _, err := fs.UpdateRepo(t.Context(), "absent", RepoUpdate{}); !errors.Is(err, ErrNoSuchRepo) {
		t.Errorf("an absent repo: %v", err)
	}
}
