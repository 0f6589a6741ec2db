package commits

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"caret/objstore"
)

// Log calls fn for the commits from p back to the first, until fn returns false.
func Log(tx objstore.Reader, p Pos, fn func(Commit) (bool, error)) error {
	return LogHint(tx, p, 0, fn)
}

// LogHint is Log for a caller that wants about n commits; 0 means that it is not known.
func LogHint(tx objstore.Reader, p Pos, n int, fn func(Commit) (bool, error)) error {
	if n > 0 {
		n++ // for the parent of the last one
	}
	// A commit is passed on once the next older one is read, which is its first parent.
	var last *Commit
	var newest objstore.Hash // of its record
	var down descent
	begin := p
	for p.N > 0 && p.Lineage != 0 {
		rows := scanRecords(tx, p, 0, n)
		for rows.next() {
			c := rows.commit
			if last != nil {
				if err := last.checkParent(&c); err != nil {
					return err
				}
				last.setParent(c.ID)
				if more, err := fn(*last); err != nil || !more {
					return err
				}
			}
			last = &c
			if newest.IsZero() {
				newest = c.Hash
			}
			n = max(n-1, 0)
		}
		if err := rows.Err(); err != nil {
			return err
		}
		l, head, _, err := readTip(tx, p.Lineage)
		if err == nil {
			err = errors.Join(down.to(&l), rows.checkEnd(l.Fork.N))
		}
		if err == nil && p == begin && last != nil && p.N == head.N && newest != head.Hash {
			err = fmt.Errorf("%w: the record of commit %d of lineage %d has the hash %s, and its head says %s", objstore.ErrCorrupt, p.N, p.Lineage, newest, head.Hash)
		}
		if err != nil {
			return err
		}
		p = Pos{Lineage: l.Fork.Lineage, N: min(p.N, l.Fork.N)}
	}
	if last == nil {
		return nil
	}
	if err := last.checkParent(nil); err != nil {
		return err
	}
	_, err := fn(*last)
	return err
}

// firstWalk is how many commits LogUnder goes through before it looks at states.
const firstWalk = 512

// LogUnder is Log of those commits that changed path, or, if path ends in a slash,
// anything under it. The log of a path is read from its states, which know their
// commits.
//
// For a folder there are two ways: going through all commits, which takes long if few
// of them changed the folder, and going through all states under it, which takes long
// if there are many. Both are tried in turns, with twice the effort each time, so that
// the whole takes a few times as long as the better way at most.
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
			return logOf(tx, rest, found, fn)
		}
		p = rest
	}
}

// logOfPath is the log of one path, which is not a folder.
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

// walkUnder goes through up to limit commits from p back, and calls fn for those that
// changed something under path. It returns the commit to go on with, N 0 if there is
// none or fn has returned false.
func walkUnder(tx objstore.Reader, p Pos, path string, limit int, fn func(Commit) (bool, error)) (rest Pos, err error) {
	hint := 0
	if limit > firstWalk { // there was little to find so far
		hint = limit
	}
	seen := 0
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

// commitsUnder finds all commits that changed something under path, on the lineages
// that made them. It gives up, and returns false, if that takes more than limit rows.
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

// logOf calls fn for those of the given commits that are not newer than p, newest
// first, until fn returns false. p is one of them or descends from all of them.
func logOf(tx objstore.Reader, p Pos, commits map[Pos]bool, fn func(Commit) (bool, error)) error {
	maps.DeleteFunc(commits, func(q Pos, _ bool) bool { return q.N > p.N })
	list := slices.SortedFunc(maps.Keys(commits), func(a, b Pos) int { return cmp.Compare(b.N, a.N) })
	r := newRecordReader(tx)
	_, err := inPages(list, 0, func(page []Pos) (bool, error) { return r.each(page, fn) })
	return err
}
