package commits_test

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"caret/commits"
	"caret/objstore"
)

// TestChanges: what a commit changed and the history of a path are as the model
// has them, whether commits are folded in or not.
func TestChanges(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		h := newHistory(t)
		forks := commits.NewForkCache()
		for range h.int("rounds", 1, 3) {
			h.grow(h.int("steps", 1, 30))
			at := h.pos()
			after := rapid.SampledFrom(append([]string{"", "d/"}, h.paths...)).Draw(t, "after")
			path := rapid.SampledFrom(h.paths).Draw(t, "path")
			want := rapid.IntRange(1, 10).Draw(t, "limit")
			h.view(func(tx objstore.Reader) error { return h.changedBy(tx, at, after, want) })
			for _, x := range []*commits.ForkCache{nil, forks} {
				h.view(func(tx objstore.Reader) error { return h.historyOf(tx, x, at, path, want) })
			}
		}
	})
}

// changedBy compares the first changes of the commit at p behind after.
func (h *history) changedBy(tx objstore.Reader, p commits.Pos, after string, limit int) error {
	if p.N == 0 {
		return nil
	}
	c, err := commits.Read(tx, p)
	if err != nil {
		return err
	}
	var want, got []string
	for _, path := range h.paths {
		if h.at(p)[path].N == p.N && path > after && len(want) < limit {
			want = append(want, path)
		}
	}
	err = commits.ChangesHint(tx, c, after, limit%3, func(ch commits.Change) (bool, error) {
		got = append(got, ch.Path)
		return len(got) < limit, same(&ch.State, h.at(p), ch.Path)
	})
	if err == nil && !slices.Equal(got, want) {
		err = fmt.Errorf("commit %v changed %q behind %q, want %q", p, got, after, want)
	}
	return err
}

// historyOf compares the newest states of path as of p.
func (h *history) historyOf(tx objstore.Reader, x *commits.ForkCache, p commits.Pos, path string, limit int) error {
	v, err := x.View(tx, p, commits.ID{})
	if err != nil {
		return err
	}
	n := p.N
	next := func() snapshot { // that of the next older state of path
		for ; n > 0; n-- {
			if s := h.at(commits.Pos{Lineage: p.Lineage, N: n}); s[path].N == n {
				n--
				return s
			}
		}
		return snapshot{}
	}
	met := 0
	err = v.History(path, func(s commits.State) (bool, error) {
		met++
		return met < limit, same(&s, next(), path)
	})
	if err == nil && met < limit {
		err = same(nil, next(), path)
	}
	return err
}
