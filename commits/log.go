package commits

import (
	"fmt"
	"slices"
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

// Changes calls fn for the paths that the commit changed, behind the path
// after, in order, with the state it gave them, until fn returns false.
func Changes(tx objstore.Reader, c Commit, after string, fn func(Change) (bool, error)) error {
	lineage, err := ReadLineage(tx, c.Pos.Lineage)
	if err != nil {
		return err
	}
	if len(c.paths) > 0 {
		first := 0
		if after != "" {
			first, _ = slices.BinarySearch(c.paths, after+"\x00")
		}
		_, err := inPages(c.paths[first:], func(page []string) (bool, error) { return changes(tx, &lineage, &c, page, fn) })
		return err
	}
	rows := objstore.Scan(tx, changesAfter(c.ID, after))
	var page []string
	for size, more := firstPaths, true; more; size = min(size*pathsGrow, maxPaths) {
		for page = page[:0]; len(page) < size && more; {
			if more = rows.Next(); more {
				page = append(page, changedPath(rows.Key()))
			}
		}
		if err := rows.Err(); err != nil {
			return err
		}
		if goOn, err := changes(tx, &lineage, &c, page, fn); err != nil || !goOn {
			return err
		}
	}
	return nil
}

// changes calls fn for paths that commit c on lineage l changed, and says whether
// fn wants more. The state that c left is the newest, or was replaced, or is still
// in c's own rows, so that one call of the store finds all of them.
func changes(tx objstore.Reader, l *Lineage, c *Commit, paths []string, fn func(Change) (bool, error)) (bool, error) {
	const places = 3
	var keys [][]byte
	for _, p := range paths {
		keys = append(keys, entryKey(l.ID, p), versionKey(l.ID, p, c.Pos.N), changeKey(c.ID, p))
	}
	if len(keys) == 0 {
		return true, nil
	}
	rows, err := tx.GetMany(keys)
	if err != nil {
		return false, err
	}
	layered := slices.Contains(l.Layers, Layer{N: c.Pos.N, ID: c.ID})
	for i, p := range paths {
		s, err := stateOf(c, rows[i*places:(i+1)*places], layered)
		if err != nil {
			return false, fmt.Errorf("commit %s, path %q: %w", c.ID, p, err)
		}
		if more, err := fn(Change{Path: p, State: s}); err != nil || !more {
			return false, err
		}
	}
	return true, nil
}

// stateOf is the state that c left: one of the newest of the path, the one that
// was replaced, and the one in c's own rows, if it is a layer.
func stateOf(c *Commit, rows [][]byte, layered bool) (State, error) {
	if own := rows[2]; layered && len(own) > 0 {
		return encodedState{c.Pos.N, own}.decode()
	}
	for _, row := range rows[:2] {
		if row == nil {
			continue
		}
		e, err := parseRow(row)
		if err != nil {
			return State{}, err
		}
		if e.n == c.Pos.N {
			return e.decode()
		}
	}
	return State{}, fmt.Errorf("%w: it says that it changed the path, but no state of it is there", objstore.ErrCorrupt)
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
	page, err := tx.Page(objstore.Prefix(changeKey(c.ID, path)), 1)
	return len(page) > 0 && match(changedPath(page[0].Key)), err
}
