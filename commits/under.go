package commits

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"caret/objstore"
)

// firstWalk is how many commits LogUnder looks at before it looks elsewhere.
const firstWalk = 512

// LogUnder is Log of the commits that changed path, or, if it ends in a slash,
// anything under it.
//
// Where such commits are rare among others, going through all of them takes
// long; where there are very many paths, so does going through their states.
// So both are tried in turns, with twice the effort each time, and the whole
// takes no more than a few times what the better way would.
func (x *ForkCache) LogUnder(tx objstore.Reader, p Pos, path string, fn func(Commit) (bool, error)) error {
	if !strings.HasSuffix(path, "/") {
		v, err := x.View(tx, p, ID{})
		if err != nil {
			return err
		}
		return v.logOfPath(path, fn)
	}
	for effort := firstWalk; ; effort *= 2 {
		rest, err := walkUnder(tx, p, path, effort, fn)
		if err != nil || rest.N == 0 {
			return err
		}
		v, err := x.View(tx, p, ID{})
		if err != nil {
			return err
		}
		found, all, err := v.commitsUnder(path, effort)
		if err != nil {
			return err
		}
		if all {
			return readFrom(tx, rest, found, fn)
		}
		p = rest
	}
}

// walkUnder goes through up to limit commits and says where to go on; N is 0
// if nowhere.
func walkUnder(tx objstore.Reader, p Pos, path string, limit int, fn func(Commit) (bool, error)) (rest Pos, err error) {
	seen := 0
	hint := 0
	if limit > firstWalk { // there was little so far
		hint = limit
	}
	err = LogHint(tx, p, hint, func(c Commit) (bool, error) {
		if seen++; seen > limit {
			rest = c.Pos
			return false, nil
		}
		if ok, err := Touches(tx, c, path); err != nil || !ok {
			return true, err
		}
		return fn(c)
	})
	return rest, err
}

// commitsUnder are all commits that changed something under path, each named by the
// lineage that made it, unless finding them takes more than limit rows.
func (v *View) commitsUnder(path string, limit int) (found map[Pos]bool, all bool, err error) {
	w := v.walk(path, true, limit)
	found = make(map[Pos]bool)
	for i := range w.sources {
		s := &w.sources[i]
		for w.fail(s.advance()); w.err == nil && s.valid; w.fail(s.advance()) {
			if limit--; limit < 0 {
				return nil, false, nil
			}
			found[Pos{Lineage: s.lineage, N: s.n}] = true
		}
	}
	return found, true, w.err
}

// readFrom calls fn for those of the commits that are no younger than p, newest
// first. They all lead to p.
func readFrom(tx objstore.Reader, p Pos, commits map[Pos]bool, fn func(Commit) (bool, error)) error {
	maps.DeleteFunc(commits, func(q Pos, _ bool) bool { return q.N > p.N })
	list := slices.SortedFunc(maps.Keys(commits), func(a, b Pos) int { return cmp.Compare(b.N, a.N) })
	r := newRecordReader(tx)
	_, err := inPages(list, 0, func(page []Pos) (bool, error) { return r.each(page, fn) })
	return err
}

// logOfPath is LogUnder of one path: its states know their commits.
func (v *View) logOfPath(path string, fn func(Commit) (bool, error)) error {
	r := newRecordReader(v.tx)
	var page []Pos
	size, more := pageOf(0), true
	err := v.history(path, 0, func(g *segment, e encodedState) (bool, error) {
		if page = append(page, Pos{Lineage: g.ID, N: e.n}); len(page) < size {
			return true, nil
		}
		var err error
		more, err = r.each(page, fn)
		page, size = page[:0], nextPage(size)
		return more, err
	})
	if err == nil && more {
		_, err = r.each(page, fn)
	}
	return err
}

// each calls fn for the commits at list, and says whether it wants more.
func (r *recordReader) each(list []Pos, fn func(Commit) (bool, error)) (bool, error) {
	commits, err := r.read(list)
	if err != nil {
		return false, err
	}
	for _, c := range commits {
		if more, err := fn(c); err != nil || !more {
			return false, err
		}
	}
	return true, nil
}
