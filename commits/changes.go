package commits

import (
	"fmt"
	"slices"
	"strings"

	"github.com/zeebo/blake3"

	"caret/objstore"
)

// Changes calls fn for the changes of a commit whose paths sort after the given one, in
// order, until fn returns false.
func Changes(tx objstore.Reader, c Commit, after string, fn func(Change) (bool, error)) error {
	return ChangesHint(tx, c, after, 0, fn)
}

// ChangesHint is Changes for a caller that wants about n changes; 0 means that it is
// not known.
//
// Who goes through all of them, from the first, gets ErrCorrupt behind the last if they
// are not those that the commit's record has the number and the hash of.
func ChangesHint(tx objstore.Reader, c Commit, after string, n int, fn func(Change) (bool, error)) error {
	sum := &changesSum{commit: &c, hash: changesHash{h: blake3.New()}}
	more, err := true, error(nil)
	if len(c.paths) > 0 {
		var list []storedChange
		for _, p := range c.paths {
			if p > after {
				list = append(list, storedChange{path: p})
			}
		}
		more, err = inPages(list, n, func(page []storedChange) (bool, error) { return sum.each(tx, page, fn) })
	} else if c.hasRows() {
		more, err = sum.eachRow(tx, after, n, fn)
	}
	if err != nil || !more || after != "" {
		return err
	}
	return sum.check()
}

// changesSum goes through the changes of a commit and compares them with its record.
type changesSum struct {
	commit *Commit
	hash   changesHash
	n      int
}

// eachRow is each of what has rows under the commit's id.
func (x *changesSum) eachRow(tx objstore.Reader, after string, n int, fn func(Change) (bool, error)) (bool, error) {
	rows := objstore.ScanHint(tx, changesAfter(x.commit.ID, after), n)
	for size, more := pageOf(n), true; more; size = nextPage(size) {
		var page []storedChange
		for len(page) < size && more {
			if more = rows.Next(); more {
				page = append(page, storedChange{changeKeyPath(rows.Key()), rows.Value()})
			}
		}
		if err := rows.Err(); err != nil {
			return false, err
		}
		if wanted, err := x.each(tx, page, fn); err != nil || !wanted {
			return wanted, err
		}
	}
	return true, nil
}

// check is about all changes of the commit.
func (x *changesSum) check() error {
	if err := x.commit.checkCount(x.n); err != nil {
		return err
	}
	if got := x.hash.sum(); got != x.commit.ChangesHash {
		return fmt.Errorf("%w: commit %s says that its changes have the hash %s, and they have %s",
			objstore.ErrCorrupt, x.commit.ID, x.commit.ChangesHash, got)
	}
	return nil
}

// storedChange is a path that a commit changed, with the encoded state if that is in
// the row of the path under the commit's id.
type storedChange struct {
	path  string
	state []byte
}

// each calls fn for changes until it returns false, and reports whether it never did. A state that is not under the commit's id is either the newest of the path
// or was replaced, so that one call of the store finds all of them.
func (x *changesSum) each(tx objstore.Reader, list []storedChange, fn func(Change) (bool, error)) (bool, error) {
	c := x.commit
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
			return false, fmt.Errorf("commit %s, path %q: %w", c.ID, ch.path, err)
		}
		x.n++
		x.hash.add(ch.path, withoutMark(e.state))
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
