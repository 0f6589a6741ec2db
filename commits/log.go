package commits

import (
	"fmt"
	"strings"

	"caret/objstore"
)

// Log calls fn for the commits from p back to the first, until it returns
// false.
func Log(tx objstore.Reader, p Pos, fn func(Commit) (bool, error)) error {
	// A commit's first parent is the next one met, so each waits for that.
	var last *Commit
	for p.N > 0 {
		own, err := Owner(tx, p)
		if err != nil {
			return err
		}
		if own.N == 0 {
			break
		}
		lineage, err := ReadLineage(tx, own.Lineage)
		if err != nil {
			return err
		}
		c := objstore.Scan(tx, objstore.Range{
			Start: commitKey(Pos{Lineage: own.Lineage, N: lineage.Fork.N + 1}),
			End:   commitKey(Pos{Lineage: own.Lineage, N: own.N + 1}), Reverse: true,
		})
		for n := own.N; c.Next(); n-- {
			rec, err := decodeRecord(Pos{Lineage: own.Lineage, N: n}, c.Value())
			if err != nil {
				return err
			}
			if last != nil {
				last.setParent(rec.ID)
				if more, err := fn(*last); err != nil || !more {
					return err
				}
			}
			last = &rec
		}
		err = c.Err()
		if err != nil {
			return err
		}
		p = lineage.Fork
	}
	if last != nil {
		_, err := fn(*last)
		return err
	}
	return nil
}

// History calls fn for the states of path as of p, newest first, deletions
// included, until it returns false.
func (v *View) History(path string, fn func(State) (bool, error)) error {
	segs, err := v.segments()
	if err != nil {
		return err
	}
	for _, g := range segs {
		// At the head a deletion may have left nothing but replaced states,
		// which a plain read need not look for.
		g.head = false
		more, err := g.history(v.tx, path, fn)
		if err != nil || !more {
			return err
		}
	}
	return nil
}

// history merges the three places where a lineage keeps states of a path.
func (g *segment) history(tx objstore.Reader, path string, fn func(State) (bool, error)) (bool, error) {
	emit := func(state []byte, n uint64) (bool, error) {
		s, err := decodeState(state)
		if err != nil {
			return false, err
		}
		s.N = n
		return fn(s)
	}
	newest, n, err := g.lookup(tx, path)
	if err != nil || n == 0 {
		return err == nil, err
	}
	if more, err := emit(newest, n); err != nil || !more {
		return false, err
	}
	for n > 1 {
		older := segment{Lineage: g.Lineage, n: n - 1}
		// Layers are few and short-lived; the rest is one scan.
		if len(g.Layers) > 0 {
			state, at, err := older.lookup(tx, path)
			if err != nil || at == 0 {
				return err == nil, err
			}
			if more, err := emit(state, at); err != nil || !more {
				return false, err
			}
			n = at
			continue
		}
		return g.replacedBefore(tx, path, n-1, emit)
	}
	return true, nil
}

// replacedBefore walks the replaced states of path at or before n.
func (g *segment) replacedBefore(tx objstore.Reader, path string, n uint64, emit func([]byte, uint64) (bool, error)) (bool, error) {
	c := objstore.Scan(tx, objstore.Range{Start: versionKey(g.ID, path, n), End: versionEnd(g.ID, path)})
	for c.Next() {
		at, state, err := cutN(c.Value())
		if err != nil {
			return false, err
		}
		if more, err := emit(state, at); err != nil || !more {
			return false, err
		}
	}
	return true, c.Err()
}

// Changes calls fn for the paths that the commit changed, behind the path
// after, in order, with the state it gave them, until fn returns false.
func Changes(tx objstore.Reader, c Commit, after string, fn func(Change) (bool, error)) error {
	lineage, err := ReadLineage(tx, c.Pos.Lineage)
	if err != nil {
		return err
	}
	g := segment{Lineage: lineage, n: c.Pos.N}
	visit := func(path string) (bool, error) {
		row, n, err := g.lookup(tx, path)
		if err != nil {
			return false, err
		}
		s, err := decodeState(row)
		if err != nil {
			return false, err
		}
		s.N = n
		if s.N != c.Pos.N {
			return false, fmt.Errorf("%w: commit %s says it changed %q, but the state there is of commit %d", objstore.ErrCorrupt, c.ID, path, s.N)
		}
		return fn(Change{Path: path, State: s})
	}
	if len(c.paths) > 0 {
		for _, p := range c.paths {
			if p <= after && after != "" {
				continue
			}
			if more, err := visit(p); err != nil || !more {
				return err
			}
		}
		return nil
	}
	cur := objstore.Scan(tx, changesAfter(c.ID, after))
	for cur.Next() {
		if more, err := visit(changedPath(cur.Key())); err != nil || !more {
			return err
		}
	}
	return cur.Err()
}

// Touches says whether the commit changed path, or, if path ends in a slash,
// anything under it.
func Touches(tx objstore.Reader, c Commit, path string) (bool, error) {
	dir := strings.HasSuffix(path, "/")
	match := func(p string) bool { return p == path || dir && strings.HasPrefix(p, path) }
	if len(c.paths) > 0 {
		for _, p := range c.paths {
			if match(p) {
				return true, nil
			}
		}
		return false, nil
	}
	cur := objstore.Scan(tx, objstore.Prefix(changeKey(c.ID, path)))
	if !cur.Next() {
		return false, cur.Err()
	}
	return match(changedPath(cur.Key())), nil
}
