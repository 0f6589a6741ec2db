package commits

import (
	"errors"
	"fmt"
	"math"

	"caret/objstore"
)

// View reads the state at one position in one transaction.
type View struct {
	tx    objstore.Reader
	forks *ForkCache
	open  ID        // the open commit whose staged changes lie on top
	segs  []segment // the nearest lineage's first; see segments
	under *stretch  // what lies beneath segs[0], if it is known
}

// segment is a lineage as far as a view reaches into it.
type segment struct {
	Lineage
	n    uint64 // states beyond it do not count
	head bool   // n is the lineage's newest commit
}

// View reads at p, with the changes staged in open (zero: none) on top.
func (x *ForkCache) View(tx objstore.Reader, p Pos, open ID) (*View, error) {
	v := &View{tx: tx, forks: x, open: open}
	for p.N > 0 && p.Lineage != 0 {
		g, err := readSegment(tx, p)
		if err != nil {
			return nil, err
		}
		if p.N > g.Fork.N {
			v.segs = []segment{g}
			v.under, err = x.beneath(tx, g.Fork)
			return v, err
		}
		p.Lineage = g.Fork.Lineage
	}
	return v, nil
}

func readSegment(tx objstore.Reader, p Pos) (segment, error) {
	l, err := ReadLineage(tx, p.Lineage)
	if err != nil || p.N <= l.Fork.N {
		return segment{Lineage: l}, err
	}
	h, err := ReadHead(tx, p.Lineage)
	return segment{Lineage: l, n: p.N, head: p.N == h.N}, err
}

// segments are those of the view's lineage and of all beneath, the nearest first.
func (v *View) segments() ([]segment, error) {
	for len(v.segs) > 0 {
		fork := v.segs[len(v.segs)-1].Fork
		if fork.N == 0 {
			break
		}
		g, err := readSegment(v.tx, fork)
		if err != nil {
			return nil, err
		}
		v.segs = append(v.segs, g)
	}
	return v.segs, nil
}

// Lookup is the state of path: an entry, or a deletion. ErrNoPath if the
// path never was. N is 0 for what is staged.
func (v *View) Lookup(path string) (State, error) {
	if !v.open.IsZero() {
		s, err := ReadStaged(v.tx, v.open, path)
		if !errors.Is(err, ErrNoPath) {
			return s, err
		}
	}
	row, n, err := v.find(path)
	if err != nil {
		return State{}, err
	}
	if n == 0 {
		return State{}, fmt.Errorf("%w: %q", ErrNoPath, path)
	}
	s, err := decodeState(row)
	s.N = n
	return s, err
}

// Newest is the state that the last commit which changed path left, a deletion
// perhaps; nil if there was none.
func (v *View) Newest(path string) (*State, error) {
	s, err := v.Lookup(path)
	if !errors.Is(err, ErrNoPath) {
		return &s, err
	}
	// What is gone from the head has left only what it replaced.
	var found *State
	err = v.History(path, func(s State) (bool, error) {
		found = &s
		return false, nil
	})
	return found, err
}

// find is the newest encoded state of path; n 0 if none.
func (v *View) find(path string) (row []byte, n uint64, err error) {
	segs := v.segs
	if v.under == nil {
		if segs, err = v.segments(); err != nil {
			return nil, 0, err
		}
		for i := range segs {
			if row, n, err = segs[i].lookup(v.tx, path); err != nil || n > 0 {
				break
			}
		}
		return row, n, err
	}
	if row, n, err = segs[0].lookup(v.tx, path); err != nil || n > 0 {
		return row, n, err
	}
	hash := v.forks.hash(path)
	for s := v.under; s != nil; s = s.under {
		if !s.mayHave(hash) {
			continue
		}
		g, err := readSegment(v.tx, s.end)
		if err != nil {
			return nil, 0, err
		}
		if row, n, err = g.lookup(v.tx, path); err != nil || n > 0 {
			return row, n, err
		}
	}
	return nil, 0, nil
}

// lookup is the newest encoded state of path in the segment; n 0 if none.
func (g *segment) lookup(tx objstore.Reader, path string) (state []byte, n uint64, err error) {
	row, err := tx.Get(entryKey(g.ID, path))
	if err != nil && !errors.Is(err, objstore.ErrNotFound) {
		return nil, 0, err
	}
	if err == nil {
		if n, state, err = cutN(row); err != nil {
			return nil, 0, err
		}
	}
	if n > g.n || n == 0 && !g.head {
		if state, n, err = g.replaced(tx, path, g.n); err != nil {
			return nil, 0, err
		}
	}
	for _, y := range g.Layers {
		if y.N > g.n || y.N <= n {
			continue
		}
		b, err := tx.Get(changeKey(y.ID, path))
		if err != nil && !errors.Is(err, objstore.ErrNotFound) {
			return nil, 0, err
		}
		if len(b) > 0 {
			state, n = b, y.N
		}
	}
	return state, n, nil
}

// replaced is the newest of the replaced states of path at or before n.
func (g *segment) replaced(tx objstore.Reader, path string, n uint64) (state []byte, at uint64, err error) {
	c := objstore.Scan(tx, objstore.Range{Start: versionKey(g.ID, path, n), End: versionEnd(g.ID, path)})
	if !c.Next() {
		return nil, 0, c.Err()
	}
	at, state, err = cutN(c.Value())
	return append([]byte(nil), state...), at, err
}

// versionEnd is behind the last version key of path. versionKey(0) cannot
// occur, as commits count from 1.
func versionEnd(lineage LineageID, path string) []byte { return versionKey(lineage, path, 0) }

// stagedN makes what is staged newer than every commit.
const stagedN = math.MaxUint64
