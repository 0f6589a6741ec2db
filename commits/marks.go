package commits

import (
	"errors"
	"fmt"
	"math"

	"caret/objstore"
)

// The newest row of a path whose versions are not simply its rows is marked as edited:
// see flagEdited. Carets before that mark, or that forgot it where a layer was folded in
// beneath a later state, have left rows without it. A store that may have such rows has a
// row that says so. As long as that is there no row's lack of a mark is relied on.

// MarkingKey is the key of that row, whose value is for who works on it.
func MarkingKey() []byte { return []byte{keyMarking} }

// Marking says where a walk through all states has come to, which looks for paths
// whose newest row lacks the mark. The zero value is the beginning.
type Marking struct {
	after []byte
	Done  bool
}

// Unmarked is a path of a lineage that needs the mark.
type Unmarked struct {
	Lineage LineageID
	Path    string
}

// markPage is how many rows one step of a Marking looks at, fewer if they are long.
const markPage = 500

// Unmarked looks at a few states more, and returns the paths that need the mark, maybe
// some that have it.
func (m Marking) Unmarked(tx objstore.Reader) ([]Unmarked, Marking, error) {
	c := objstore.Scan(tx, objstore.Range{Start: m.start(), End: []byte{keyVersion + 1}})
	var found []Unmarked
	var states []placed
	for size := 0; ; {
		if len(states) == markPage || size > objstore.PageBytes {
			break
		}
		if !c.Next() {
			m.Done = c.Err() == nil
			break
		}
		m.after = c.Key()
		if kind := m.after[0]; kind != keyEntry && kind != keyVersion {
			c.Seek([]byte{keyVersion}) // nothing of what is between the two
			continue
		}
		s, err := placeOf(c.Key(), c.Value())
		if err != nil {
			return nil, m, err
		}
		size += len(c.Value())
		if s.marked {
			continue
		}
		if s.removes {
			found = append(found, s.Unmarked)
			continue
		}
		states = append(states, s)
	}
	if err := c.Err(); err != nil {
		return nil, m, err
	}
	more, err := leftAgain(tx, states)
	return append(found, more...), m, err
}

func (m Marking) start() []byte {
	if m.after == nil {
		return []byte{keyEntry}
	}
	return append(m.after[:len(m.after):len(m.after)], 0)
}

// placed is a state with where it stands.
type placed struct {
	Unmarked
	n       uint64
	version ID
	removes bool // it says that versions are no longer listed
	marked  bool // it is the newest row of its path, and has the mark
}

// placeOf decodes the row of a newest state or of one that was replaced.
func placeOf(key, row []byte) (s placed, err error) {
	e, err := parseRow(row)
	if err != nil {
		return s, err
	}
	state, err := e.decode()
	if err != nil {
		return s, err
	}
	s = placed{n: e.n, version: state.Commit, removes: len(state.Removed) > 0}
	if s.Lineage, err = keyLineageID(key); err != nil {
		return s, err
	}
	if key[0] == keyEntry {
		s.Path, s.marked = string(key[lineageKeyLen:]), e.flags()&flagEdited != 0
		return s, nil
	}
	path, _, err := parseVersionKey(key)
	s.Path = string(path)
	return s, err
}

// leftAgain returns the paths of those states that are versions which an earlier commit
// made.
func leftAgain(tx objstore.Reader, states []placed) ([]Unmarked, error) {
	if len(states) == 0 {
		return nil, nil
	}
	keys := make([][]byte, len(states))
	for i, s := range states {
		keys[i] = idKey(s.version)
	}
	rows, err := tx.GetMany(keys)
	if err != nil {
		return nil, err
	}
	var found []Unmarked
	for i, s := range states {
		if rows[i] != nil {
			at, err := decodePos(rows[i])
			if err != nil {
				return nil, err
			}
			if at == (Pos{Lineage: s.Lineage, N: s.n}) {
				continue
			}
		}
		found = append(found, s.Unmarked)
	}
	return found, nil
}

// Mark marks the newest row of a path, if it is not marked. A deletion that left no
// newest row gets one.
func (u Unmarked) Mark(tx objstore.Writer) error {
	key := entryKey(u.Lineage, u.Path)
	row, err := tx.Get(key)
	if err == nil {
		e, err := parseRow(row)
		if err != nil || e.flags()&flagEdited != 0 {
			return err
		}
		return tx.Set(key, markEdited(row))
	}
	if !errors.Is(err, objstore.ErrNotFound) {
		return err
	}
	page, err := tx.Page(replacedStates(u.Lineage, u.Path, math.MaxUint64), 1)
	if err != nil || len(page) == 0 {
		return err
	}
	e, err := parseRow(page[0].Value)
	if err == nil && e.flags()&flagDeleted == 0 {
		err = fmt.Errorf("%w: path %q of lineage %d has no newest state, and the last of the others is a file", objstore.ErrCorrupt, u.Path, u.Lineage)
	}
	if err != nil {
		return err
	}
	return errors.Join(tx.Delete(page[0].Key), tx.Set(key, markEdited(page[0].Value)))
}
