package pfs

import (
	"testing"

	"caret/commits"
)

// TestPages: listings read no more than they are asked for, and go on behind
// what they end with.
func TestPages(t *testing.T) {
	t.Parallel()
	fs := newFS(t)
	mustRepo(t, fs, "r")
	on, ctx := Ref{Repo: "r"}, t.Context()
	mustPut(t, fs, on, "f", "one")
	const n = 5
	for range n {
		if _, err := fs.CreateKey(ctx, Key{User: RootUser}); err != nil {
			t.Fatal(err)
		}
		if _, err := fs.StartCommit(ctx, on, WriteOptions{}); err != nil {
			t.Fatal(err)
		}
		if _, err := resetBranch(ctx, fs, "r", "master", on, WriteOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	var key string
	var open commits.ID
	var move uint64
	for what, page := range map[string]func(limit int) (int, error){
		"keys": func(limit int) (int, error) {
			list, err := fs.Keys(ctx, RootUser, key, limit)
			if len(list) > 0 {
				key = list[len(list)-1].AccessKey
			}
			return len(list), err
		},
		"open commits": func(limit int) (int, error) {
			list, err := fs.OpenCommits(ctx, "r", open, limit)
			if len(list) > 0 {
				open = list[len(list)-1].ID
			}
			return len(list), err
		},
		"moves but the first": func(limit int) (int, error) {
			list, err := fs.Moves(ctx, "r", "master", move, limit)
			if len(list) > 0 {
				move = list[len(list)-1].N
			}
			if len(list) > 0 && list[len(list)-1].Action == "create" {
				return len(list) - 1, err
			}
			return len(list), err
		},
	} {
		for i, want := range []int{2, 2, 1, 0} {
			if got, err := page(2); err != nil || got != want {
				t.Errorf("page %d of %s: %d, %v, want %d", i, what, got, err, want)
			}
		}
	}
}
