package commits_test

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"caret/commits"
	"caret/objstore"
)

// TestVersionsFoldedLate: a page of versions begins where it should also if a layer
// has left an older version again, and is folded in under what came later.
func TestVersionsFoldedLate(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		h := newHistory(t)
		path := h.paths[0]
		for n := 1; n <= 5; n++ {
			ch := commits.Change{Path: path}
			meta := h.meta()
			if n == 4 {
				ch.Commit = commits.ID{3: 1} // of the first commit
			}
			h.update(func(tx objstore.Writer) error { return put(tx, 1, []commits.Change{ch}, meta, n == 4) })
		}
		if rapid.Bool().Draw(t, "folded") {
			h.fold(1)
		}
		h.view(func(tx objstore.Reader) error {
			v, err := (*commits.ForkCache)(nil).View(tx, commits.Pos{Lineage: 1, N: 5}, commits.ID{})
			if err != nil {
				return err
			}
			list := func(x *commits.Versions) (found []byte) {
				for x.Next() {
					found = append(found, x.Version().Commit[3])
				}
				return found
			}
			all := list(v.Versions(""))
			if want := []byte{5, 1, 3, 2}; !slices.Equal(all, want) {
				t.Fatalf("versions of commits %v, want %v", all, want)
			}
			for i, id := range all {
				x := v.Versions("")
				if err := x.SeekBehind(path, commits.ID{3: id}); err != nil {
					return err
				}
				if rest := list(x); !slices.Equal(rest, all[i+1:]) {
					t.Fatalf("behind the version of commit %d are those of %v, want %v", id, rest, all[i+1:])
				}
			}
			return nil
		})
	})
}
