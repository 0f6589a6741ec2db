package commits

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"caret/commits/revision"

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

// CreateLineage writes a new lineage that leaves another one at fork, or begins
// empty if fork is zero. The id must be new.
func CreateLineage(tx objstore.Writer, id LineageID, repo uint64, fork Pos) error {
	fork, err := Owner(tx, fork)
	if err != nil {
		return err
	}
	l := Lineage{ID: id, Repo: repo, Fork: fork}
	head := Head{N: fork.N, Time: time.UnixMilli(0)}
	if fork.N > 0 {
		c, err := Read(tx, fork)
		if err != nil {
			return err
		}
		head.ID, head.Time, head.Hash = c.ID, c.Time, c.Hash
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

// Read reads the commit at p, inherited ones included, with its parents.
func Read(tx objstore.Reader, p Pos) (Commit, error) {
	own, err := Owner(tx, p)
	if err != nil {
		return Commit{}, err
	}
	if own.N == 0 {
		return Commit{}, fmt.Errorf("%w: number %d", ErrNoCommit, p.N)
	}
	c, err := readRecord(tx, own)
	if err != nil {
		return Commit{}, err
	}
	if own.N > 1 {
		prev, err := Owner(tx, Pos{Lineage: own.Lineage, N: own.N - 1})
		if err != nil {
			return Commit{}, err
		}
		parent, err := readRecord(tx, prev)
		if err != nil {
			return Commit{}, err
		}
		c.setParent(parent.ID)
	}
	return c, nil
}

func (c *Commit) setParent(id ID) {
	if len(c.Parents) == 0 {
		c.Parents = make([]ID, 1)
	}
	c.Parents[0] = id
}

func readRecord(tx objstore.Reader, own Pos) (Commit, error) {
	b, err := tx.Get(commitKey(own))
	if errors.Is(err, objstore.ErrNotFound) {
		return Commit{}, fmt.Errorf("%w: number %d", ErrNoCommit, own.N)
	}
	if err != nil {
		return Commit{}, err
	}
	return decodeRecord(own, b)
}

// Find says where the commit id is.
func Find(tx objstore.Reader, id ID) (Pos, error) {
	b, err := tx.Get(idKey(id))
	if errors.Is(err, objstore.ErrNotFound) {
		return Pos{}, fmt.Errorf("%w: %s", ErrNoCommit, id)
	}
	if err != nil {
		return Pos{}, err
	}
	return decodePos(b)
}

func encodePos(p Pos) []byte {
	return binary.AppendUvarint(binary.AppendUvarint(nil, uint64(p.Lineage)), p.N)
}

func decodePos(b []byte) (Pos, error) {
	p, _, err := cutPos(b)
	return p, err
}

// cutPos takes what encodePos made off the front of b.
func cutPos(b []byte) (p Pos, rest []byte, err error) {
	for _, to := range []*uint64{(*uint64)(&p.Lineage), &p.N} {
		v, k := binary.Uvarint(b)
		if k <= 0 {
			return Pos{}, nil, fmt.Errorf("%w: the place of a commit", objstore.ErrCorrupt)
		}
		*to, b = v, b[k:]
	}
	return p, b, nil
}

// FindPrefix says which commit of the repo has an id that begins with prefix
// (hex digits); ErrAmbiguous if several have.
func FindPrefix(tx objstore.Reader, repo uint64, prefix string) (ID, Pos, error) {
	lo, err := revision.LowestID(prefix)
	if err != nil {
		return ID{}, Pos{}, err
	}
	c := objstore.Scan(tx, objstore.Range{Start: idKey(lo), End: []byte{keyID + 1}})
	var found ID
	var at Pos
	for c.Next() {
		var id ID
		if err := setID(&id, c.Key()[1:]); err != nil {
			return ID{}, Pos{}, fmt.Errorf("%w: commit id row: %w", objstore.ErrCorrupt, err)
		}
		if id.String()[:len(prefix)] != prefix {
			break
		}
		pos, err := decodePos(c.Value())
		if err != nil {
			return ID{}, Pos{}, err
		}
		lineage, err := ReadLineage(tx, pos.Lineage)
		if err != nil {
			return ID{}, Pos{}, err
		}
		if lineage.Repo != repo {
			continue
		}
		if !found.IsZero() {
			return ID{}, Pos{}, fmt.Errorf("%w: %s fits %s and %s", ErrAmbiguous, prefix, found, id)
		}
		found, at = id, pos
	}
	if err := c.Err(); err != nil {
		return ID{}, Pos{}, err
	}
	if found.IsZero() {
		return ID{}, Pos{}, fmt.Errorf("%w: %s", ErrNoCommit, prefix)
	}
	return found, at, nil
}

// FindTime is the newest commit at or before t among those up to p; N 0 if
// there is none.
func FindTime(tx objstore.Reader, p Pos, t time.Time) (Pos, error) {
	lo, hi := uint64(0), p.N // the answer is in [lo, hi]
	for lo < hi {
		mid := lo + (hi-lo+1)/2
		own, err := Owner(tx, Pos{Lineage: p.Lineage, N: mid})
		if err != nil {
			return Pos{}, err
		}
		c, err := readRecord(tx, own)
		if err != nil {
			return Pos{}, err
		}
		if c.Time.After(t) {
			hi = mid - 1
		} else {
			lo = mid
		}
	}
	return Pos{Lineage: p.Lineage, N: lo}, nil
}
