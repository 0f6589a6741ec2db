package commits

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"caret/objstore"
)

// Errors of this package.
var (
	// ErrNoCommit: no commit has that id or position.
	ErrNoCommit = errors.New("no such commit")
	// ErrNoPath: the path has no state there.
	ErrNoPath = errors.New("no such path")
	// ErrAmbiguous: several commit ids begin with that prefix.
	ErrAmbiguous = errors.New("ambiguous commit id")
)

// Lineage is what is stored of a lineage besides its commits.
type Lineage struct {
	ID   LineageID
	Repo uint64 // the number of the repo it belongs to
	Fork Pos    // the commit it forked from, on the lineage that made it; zero if it did not fork
	// Layers are the commits that have not been folded in, the oldest first.
	Layers []Layer
}

// Layer is commit N of a lineage, whose states are still in rows under its own id.
type Layer struct {
	N  uint64
	ID ID
}

const (
	lineageRepo protowire.Number = iota + 1
	lineageForkLineage
	lineageForkN
	lineageLayerN
	lineageLayerID
)

func (l *Lineage) encode() []byte {
	b := appendUint(nil, lineageRepo, l.Repo)
	b = appendUint(b, lineageForkLineage, uint64(l.Fork.Lineage))
	b = appendUint(b, lineageForkN, l.Fork.N)
	for _, y := range l.Layers {
		b = appendUint(b, lineageLayerN, y.N)
		b = appendString(b, lineageLayerID, y.ID[:])
	}
	return b
}

// Empty reports whether there is no lineage at all.
func Empty(tx objstore.Reader) (bool, error) {
	page, err := tx.Page(objstore.Prefix([]byte{keyLineage}), 1)
	return err == nil && len(page) == 0, err
}

// ReadLineage reads a lineage.
func ReadLineage(tx objstore.Reader, id LineageID) (Lineage, error) {
	b, err := tx.Get(lineageKey(keyLineage, id))
	if errors.Is(err, objstore.ErrNotFound) {
		err = missingLineage("lineage", id)
	}
	if err != nil {
		return Lineage{ID: id}, err
	}
	return decodeLineage(id, b)
}

// readLineages reads lineages, in their order, in one call of the store.
func readLineages(tx objstore.Reader, ids []LineageID) ([]Lineage, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	keys := make([][]byte, len(ids))
	for i, id := range ids {
		keys[i] = lineageKey(keyLineage, id)
	}
	rows, err := tx.GetMany(keys)
	if err != nil {
		return nil, err
	}
	return decodeLineages(ids, rows)
}

// decodeLineages decodes the rows of lineages, nil for those without one.
func decodeLineages(ids []LineageID, rows [][]byte) ([]Lineage, error) {
	list := make([]Lineage, len(ids))
	for i, id := range ids {
		if rows[i] == nil {
			return nil, missingLineage("lineage", id)
		}
		var err error
		if list[i], err = decodeLineage(id, rows[i]); err != nil {
			return nil, err
		}
	}
	return list, nil
}

func decodeLineage(id LineageID, b []byte) (Lineage, error) {
	l := Lineage{ID: id}
	var layer Layer
	err := fields(b, func(f protowire.Number, v uint64, data []byte) error {
		switch f {
		case lineageRepo:
			l.Repo = v
		case lineageForkLineage:
			l.Fork.Lineage = LineageID(v)
		case lineageForkN:
			l.Fork.N = v
		case lineageLayerN:
			layer.N = v
		case lineageLayerID:
			if err := setID(&layer.ID, data); err != nil {
				return err
			}
			l.Layers = append(l.Layers, layer)
		}
		return nil
	})
	switch {
	case err != nil:
	case (l.Fork.Lineage == 0) != (l.Fork.N == 0), l.Fork.Lineage == id && id != 0:
		err = errors.New("it forked from nowhere, or from itself")
	case !slices.IsSortedFunc(l.Layers, func(a, b Layer) int { return cmp.Compare(a.N, b.N) }):
		err = errors.New("layers in no order")
	}
	if err != nil {
		return l, fmt.Errorf("%w: row of lineage %d: %w", objstore.ErrCorrupt, id, err)
	}
	return l, nil
}

// descent is a walk from a lineage to the one it forked from, and on. The number of the
// fork point grows less with each, as a lineage has made the commit that another one
// forked from: damaged rows cannot make it go round for ever.
type descent struct{ fork uint64 } // of the last lineage, 0 before the first

// to takes the next lineage.
func (d *descent) to(l *Lineage) error {
	if d.fork > 0 && l.Fork.N >= d.fork {
		return fmt.Errorf("%w: lineage %d forked at number %d, and another one from it at %d", objstore.ErrCorrupt, l.ID, l.Fork.N, d.fork)
	}
	d.fork = l.Fork.N
	return nil
}

// missingLineage is an error about a lineage that something names and that has no row,
// of the lineage itself or of its head.
func missingLineage(what string, id LineageID) error {
	return fmt.Errorf("%w: the row of %s %d is missing", objstore.ErrCorrupt, what, id)
}

// decodeTip decodes the row of a lineage and that of its head, which are nil if the
// store has none.
func decodeTip(id LineageID, lineage, head []byte) (Lineage, Head, error) {
	if lineage == nil || head == nil {
		return Lineage{}, Head{}, missingLineage("lineage", id)
	}
	l, err := decodeLineage(id, lineage)
	if err != nil {
		return l, Head{}, err
	}
	h, err := decodeHead(head)
	return l, h, err
}

// readTip reads a lineage, its head, and the values of keys, nil for those without a
// row, all in one call of the store.
func readTip(tx objstore.Reader, id LineageID, keys ...[]byte) (Lineage, Head, [][]byte, error) {
	rows, err := tx.GetMany(append([][]byte{lineageKey(keyLineage, id), lineageKey(keyHead, id)}, keys...))
	if err != nil {
		return Lineage{}, Head{}, nil, err
	}
	l, h, err := decodeTip(id, rows[0], rows[1])
	return l, h, rows[2:], err
}

// CreateLineage writes a lineage that forks from another one at fork, or has no
// commits if fork is zero. Its id must be new.
func CreateLineage(tx objstore.Writer, id LineageID, repo uint64, fork Pos) error {
	l := Lineage{ID: id, Repo: repo}
	head := Head{Time: time.UnixMilli(0)}
	if fork.N > 0 && fork.Lineage != 0 {
		c, err := Read(tx, fork)
		if err != nil {
			return err
		}
		l.Fork = c.Pos
		head = Head{N: c.Pos.N, ID: c.ID, Time: c.Time, Hash: c.Hash}
	}
	if err := tx.Set(lineageKey(keyLineage, id), l.encode()); err != nil {
		return err
	}
	return tx.Set(lineageKey(keyHead, id), head.encode())
}

// ReadHead reads the newest commit of a lineage, which is the one it forked from if it
// has none of its own. N is 0 if there is no commit at all.
func ReadHead(tx objstore.Reader, id LineageID) (Head, error) {
	b, err := tx.Get(lineageKey(keyHead, id))
	if errors.Is(err, objstore.ErrNotFound) {
		err = missingLineage("the head of lineage", id)
	}
	if err != nil {
		return Head{}, err
	}
	return decodeHead(b)
}

// ReadHeads reads the heads of lineages, in their order, in one call of the store.
func ReadHeads(tx objstore.Reader, lineages []LineageID) ([]Head, error) {
	keys := make([][]byte, len(lineages))
	for i, id := range lineages {
		keys[i] = lineageKey(keyHead, id)
	}
	values, err := tx.GetMany(keys)
	if err != nil {
		return nil, err
	}
	heads := make([]Head, len(lineages))
	for i, v := range values {
		if v == nil {
			return nil, missingLineage("the head of lineage", lineages[i])
		}
		if heads[i], err = decodeHead(v); err != nil {
			return nil, err
		}
	}
	return heads, nil
}

// Owner returns the position of the same commit on the lineage that made it; zero if
// N is 0. A commit that a lineage inherits was made by one that it forked from.
func Owner(tx objstore.Reader, p Pos) (Pos, error) {
	var down descent
	for p.Lineage != 0 && p.N > 0 {
		l, err := ReadLineage(tx, p.Lineage)
		if err == nil {
			err = down.to(&l)
		}
		if err != nil {
			return Pos{}, err
		}
		if p.N > l.Fork.N {
			return p, nil
		}
		p.Lineage = l.Fork.Lineage
	}
	return Pos{}, nil
}
