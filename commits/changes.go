package commits

import (
	"fmt"
	"slices"
	"strings"

	"caret/objstore"
)

// Changes calls fn for the changes of a commit whose paths sort after the given one, in
// order, until fn returns false.
func Changes(tx objstore.Reader, c Commit, after string, fn func(Change) (bool, error)) error {
	return ChangesHint(tx, c, after, 0, fn)
}

// ChangesHint is Changes for a caller that wants about n changes; 0 means that it is
// not known.
func ChangesHint(tx objstore.Reader, c Commit, after string, n int, fn func(Change) (bool, error)) error {
	if len(c.paths) > 0 {
		var list []storedChange
		for _, p := range c.paths {
			if p > after {
				list = append(list, storedChange{path: p})
			}
		}
		_, err := inPages(list, n, func(page []storedChange) (bool, error) { return eachChange(tx, &c, page, fn) })
		return err
	}
	if !c.hasRows() {
		return nil
	}
	rows := objstore.ScanHint(tx, changesAfter(c.ID, after), n)
	for size, more := pageOf(n), true; more; size = nextPage(size) {
		var page []storedChange
		for len(page) < size && more {
			if more = rows.Next(); more {
				page = append(page, storedChange{changeKeyPath(rows.Key()), rows.Value()})
			}
		}
		if err := rows.Err(); err != nil {
			return err
		}
		if wanted, err := eachChange(tx, &c, page, fn); err != nil || !wanted {
			return err
		}
	}
	return nil
}

// storedChange is a path that a commit changed, with the encoded state if that is in
// the row of the path under the commit's id.
type storedChange struct {
	path  string
	state []byte
}

// eachChange calls fn for changes of c until it returns false, and reports whether it
// never did. A state that is not under the commit's id is either the newest of the path
// or was replaced, so that one call of the store finds all of them.
func eachChange(tx objstore.Reader, c *Commit, list []storedChange, fn func(Change) (bool, error)) (bool, error) {
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
			if e, err = writtenBy(c, rows[:2]); err != nil {
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

// writtenBy returns the state that c left, given two rows of which one has it. A row
// that does not exist is nil.
func writtenBy(c *Commit, rows [][]byte) (encodedState, error) {
	for _, row := range rows {
		if row == nil {
			continue
		}
		if e, err := parseRow(row); err != nil || e.n == c.Pos.N {
			return e, err
		}
	}
	return encodedState{}, fmt.Errorf("%w: the commit says that it changed the path, but has left no state there", objstore.ErrCorrupt)
}

// Touches reports whether the commit changed path, or, if path ends in a slash,
// anything under it. It reads nothing if the record of the commit holds all paths.
func Touches(tx objstore.Reader, c Commit, path string) (bool, error) {
	folder := strings.HasSuffix(path, "/")
	match := func(p string) bool { return p == path || folder && strings.HasPrefix(p, path) }
	if !c.hasRows() {
		return slices.ContainsFunc(c.paths, match), nil
	}
	page, err := tx.Page(objstore.Prefix(changeKey(c.ID, path)), 1)
	return len(page) > 0 && match(changeKeyPath(page[0].Key)), err
}
