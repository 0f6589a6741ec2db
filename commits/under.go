package commits

import (
	"maps"
	"slices"

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
	for effort := firstWalk; ; effort *= 2 {
		rest, err := walkUnder(tx, p, path, effort, fn)
		if err != nil || rest.N == 0 {
			return err
		}
		v, err := x.View(tx, p, ID{})
		if err != nil {
			return err
		}
		numbers, all, err := v.numbersUnder(path, effort)
		if err != nil {
			return err
		}
		if all {
			return readAll(tx, rest, numbers, fn)
		}
		p = rest
	}
}

// walkUnder goes through up to limit commits and says where to go on; N is 0
// if nowhere.
func walkUnder(tx objstore.Reader, p Pos, path string, limit int, fn func(Commit) (bool, error)) (rest Pos, err error) {
	seen := 0
	err = Log(tx, p, func(c Commit) (bool, error) {
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

// numbersUnder are the numbers of all commits that changed something under
// path, unless that takes more than limit rows.
func (v *View) numbersUnder(path string, limit int) (numbers map[uint64]bool, all bool, err error) {
	w := v.walk(path, true)
	numbers = make(map[uint64]bool)
	for i := range w.sources {
		s := &w.sources[i]
		for w.fail(s.advance()); w.err == nil && s.valid; w.fail(s.advance()) {
			if limit--; limit < 0 {
				return nil, false, nil
			}
			numbers[s.n] = true
		}
	}
	return numbers, true, w.err
}

// readAll calls fn for the commits up to p with those numbers, newest first.
func readAll(tx objstore.Reader, p Pos, numbers map[uint64]bool, fn func(Commit) (bool, error)) error {
	for _, n := range slices.Backward(slices.Sorted(maps.Keys(numbers))) {
		if n > p.N {
			continue
		}
		c, err := Read(tx, Pos{Lineage: p.Lineage, N: n})
		if err != nil {
			return err
		}
		if more, err := fn(c); err != nil || !more {
			return err
		}
	}
	return nil
}
