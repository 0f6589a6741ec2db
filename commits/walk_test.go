package commits_test

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"caret/commits"
	"caret/objstore"
)

// TestWalk: a walk lists the files that the model has, from wherever it begins, and
// however many are wanted.
func TestWalk(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		h := newHistory(t)
		h.grow(h.int("steps", 1, 30))
		at := h.pos()
		open, shows := commits.ID{}, h.at(at)
		if rapid.Bool().Draw(t, "open") {
			open, shows = h.open(at)
		}
		prefix := rapid.SampledFrom([]string{"", "d/", "p", "p\x00", "x"}).Draw(t, "prefix")
		seek := rapid.SampledFrom(append([]string{"", "e"}, h.paths...)).Draw(t, "seek")
		hint := h.int("hint", 0, 6)
		for _, x := range []*commits.ForkCache{nil, commits.NewForkCache()} {
			h.view(func(tx objstore.Reader) error {
				v, err := x.View(tx, at, open)
				if err != nil {
					return err
				}
				w := v.WalkHint(prefix, hint)
				return h.walk(w, shows, prefix, seek)
			})
		}
	})
}

// walk compares what w lists from seek on, which is "" for its beginning.
func (h *history) walk(w *commits.Walker, shows snapshot, prefix, seek string) error {
	var want, got []string
	for _, path := range h.paths {
		if s, ok := shows[path]; ok && !s.Deleted && path >= seek && len(path) >= len(prefix) && path[:len(prefix)] == prefix {
			want = append(want, path)
		}
	}
	if seek != "" {
		w.Seek(seek)
	}
	for w.Next() {
		s, err := w.State()
		if err == nil {
			err = same(&s, shows, w.Path())
		}
		if err != nil {
			return err
		}
		got = append(got, w.Path())
	}
	if !slices.Equal(got, want) {
		return fmt.Errorf("under %q from %q are %q, want %q", prefix, seek, got, want)
	}
	return w.Err()
}

// TestWalkLongHistories: paths that were changed very often are listed as they were at
// any time, with as many calls as are worth it.
func TestWalkLongHistories(t *testing.T) {
	t.Parallel()
	f := newFar(t)
	const versions = 230
	f.commit(1, versions, false, "a", "b", "c", "c\x00", "d")
	f.commit(1, 1, false, "e")
	for _, n := range []uint64{1, 2, versions / 2, versions - 1, versions, versions + 1} {
		f.takes(fmt.Sprint("a walk at commit ", n), 25, func(tx objstore.Reader) error {
			v, err := f.forks.View(tx, commits.Pos{Lineage: 1, N: n}, commits.ID{})
			if err != nil {
				return err
			}
			var got []string
			w := v.Walk("")
			for w.Next() {
				if s, err := w.State(); err != nil || s.N != min(n, versions) && w.Path() != "e" {
					t.Errorf("at commit %d, %q is of commit %d, %v", n, w.Path(), s.N, err)
				}
				got = append(got, w.Path())
			}
			want := []string{"a", "b", "c", "c\x00", "d", "e"}
			if n <= versions {
				want = want[:5]
			}
			if !slices.Equal(got, want) {
				t.Errorf("at commit %d are %q", n, got)
			}
			return w.Err()
		})
	}
}
