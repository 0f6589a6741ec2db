package commits

import (
	"errors"
	"fmt"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"caret/objstore"
)

// Errors of this package.
var (
	// ErrNoCommit: no commit has that id or number.
	ErrNoCommit = errors.New("no such commit")
	// ErrNoPath: the snapshot has no entry at that path.
	ErrNoPath = errors.New("no such path")
	// ErrAmbiguous: several commits have that prefix.
	ErrAmbiguous = errors.New("ambiguous commit id")
)

// Lineage is the row of a lineage.
type Lineage struct {
	ID   LineageID
	Repo uint64 // the repo it belongs to
	Fork Pos    // where it left another lineage; zero if it did not
	// Layers are commits whose rows have not been folded in yet, oldest
	// first.
	Layers []Layer
}

// Layer is a commit at N whose states still stand in rows under its own id.
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

// ReadLineage reads the row of a lineage.
func ReadLineage(tx objstore.Reader, id LineageID) (Lineage, error) {
	b, err := tx.Get(lineageKey(keyLineage, id))
	if err != nil {
		return Lineage{ID: id}, fmt.Errorf("lineage %d: %w", id, err)
	}
	return decodeLineage(id, b)
}

// readLineages reads the rows of some lineages, in their order, in one call.
func readLineages(tx objstore.Reader, ids []LineageID) ([]Lineage, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	keys, list := make([][]byte, len(ids)), make([]Lineage, len(ids))
	for i, id := range ids {
		keys[i] = lineageKey(keyLineage, id)
	}
	rows, err := tx.GetMany(keys)
	if err != nil {
		return nil, err
	}
	for i, id := range ids {
		if rows[i] == nil {
			return nil, fmt.Errorf("lineage %d: %w", id, objstore.ErrNotFound)
		}
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
	if err != nil {
		return l, fmt.Errorf("%w: row of lineage %d: %w", objstore.ErrCorrupt, id, err)
	}
	return l, nil
}

// decodeTip reads the row of a lineage and that of its head, nil where there is
// none.
func decodeTip(id LineageID, lineage, head []byte) (Lineage, Head, error) {
	if lineage == nil || head == nil {
		return Lineage{}, Head{}, fmt.Errorf("lineage %d: %w", id, objstore.ErrNotFound)
	}
	l, err := decodeLineage(id, lineage)
	if err != nil {
		return l, Head{}, err
	}
	h, err := decodeHead(head)
	return l, h, err
}

// readTip reads the rows of a lineage and of its head, and those at keys, nil where
// there is none, in one call.
func readTip(tx objstore.Reader, id LineageID, keys ...[]byte) (Lineage, Head, [][]byte, error) {
	rows, err := tx.GetMany(append([][]byte{lineageKey(keyLineage, id), lineageKey(keyHead, id)}, keys...))
	if err != nil {
		return Lineage{}, Head{}, nil, err
	}
	l, h, err := decodeTip(id, rows[0], rows[1])
	return l, h, rows[2:], err
}

// CreateLineage writes a new lineage that leaves another one at fork, or begins
// empty if fork is zero. The id must be new.
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

// ReadHead reads the newest commit of a lineage; for a lineage that has none of
// its own that is its fork point. N is 0 when there is no commit at all.
func ReadHead(tx objstore.Reader, id LineageID) (Head, error) {
	b, err := tx.Get(lineageKey(keyHead, id))
	if err != nil {
		return Head{}, fmt.Errorf("head of lineage %d: %w", id, err)
	}
	return decodeHead(b)
}

// Owner is the same commit named by the lineage that made it: a lineage inherits
// the commits up to its fork point from the lineage it left.
func Owner(tx objstore.Reader, p Pos) (Pos, error) {
	for p.Lineage != 0 && p.N > 0 {
		l, err := ReadLineage(tx, p.Lineage)
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
