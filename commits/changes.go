package commits

import (
	"fmt"
	"strings"

	"caret/objstore"
)

// Changes calls fn for the paths that the commit changed, behind the path
// after, in order, with the state it gave them, until fn returns false.
func Changes(tx objstore.Reader, c Commit, after string, fn func(Change) (bool, error)) error {
	return ChangesHint(tx, c, after, 0, fn)
}

// ChangesHint is Changes for a caller that wants some n paths; 0 is unknown.
func ChangesHint(tx objstore.Reader, c Commit, after string, n int, fn func(Change) (bool, error)) error {
	if len(c.paths) > 0 {
		var list []changed
		for _, p := range c.paths {
			if p > after {
				list = append(list, changed{path: p})
			}
		}
		_, err := inPages(list, n, func(page []changed) (bool, error) { return changes(tx, &c, page, fn) })
		return err
	}
	rows := objstore.ScanHint(tx, changesAfter(c.ID, after), n)
	for size, more := pageOf(n), true; more; size = nextPage(size) {
		var page []changed
		for len(page) < size && more {
			if more = rows.Next(); more {
				page = append(page, changed{changedPath(rows.Key()), rows.Value()})
			}
		}
		if err := rows.Err(); err != nil {
			return err
		}
		if wants, err := changes(tx, &c, page, fn); err != nil || !wants {
			return err
		}
	}
	return nil
}

// changed is a path that a commit changed, with its state if that is still in the
// commit's own rows.
type changed struct {
	path  string
	state []byte
}

// changes calls fn for paths that c changed, and says whether it wants more. What c
// left there and is not in its own rows is the newest state or a replaced one, so that
// one call of the store finds all.
func changes(tx objstore.Reader, c *Commit, list []changed, fn func(Change) (bool, error)) (bool, error) {
	var keys [][]byte
	for _, ch := range list {
		if len(ch.state) == 0 {
			keys = append(keys, entryKey(c.Pos.Lineage, ch.path), versionKey(c.Pos.Lineage, ch.path, c.Pos.N))
		}
	}
	var rows [][]byte
	if len(keys) > 0 {
		var err error
		if rows, err = tx.GetMany(keys); err != nil {
			return false, err
		}
	}
	for _, ch := range list {
		e := encodedState{c.Pos.N, ch.state}
		if len(ch.state) == 0 {
			var err error
			if e, err = stateOf(c, rows[:2]); err != nil {
				return false, fmt.Errorf("commit %s, path %q: %w", c.ID, ch.path, err)
			}
			rows = rows[2:]
		}
		s, err := e.decode()
		if err != nil {
			return false, err
		}
		if more, err := fn(Change{Path: ch.path, State: s}); err != nil || !more {
			return false, err
		}
	}
	return true, nil
}

// stateOf is that of the rows, nil where there is none, which c wrote.
func stateOf(c *Commit, rows [][]byte) (encodedState, error) {
	for _, row := range rows {
		if row == nil {
			continue
		}
		if e, err := parseRow(row); err != nil || e.n == c.Pos.N {
			return e, err
		}
	}
	return encodedState{}, fmt.Errorf("%w: it says that it changed the path, but no state of it is there", objstore.ErrCorrupt)
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
