package commits

import (
	"errors"
	"fmt"
	"math"

	"caret/objstore"
)

// View reads the state at one position in one transaction.
type View struct {
	tx   objstore.Reader
	segs []segment // the nearest line first
	open ID        // the open commit whose staged changes lie on top
}

// segment is a line as far as a view reaches into it.
type segment struct {
	Line
	n    uint64 // states beyond it do not count
	head bool   // n is the line's newest commit
}

// NewView reads at p, with the changes staged in open (zero: none) on top.
func NewView(tx objstore.Reader, p Pos, open ID) (*View, error) {
	v := &View{tx: tx, open: open}
	for p.N > 0 && p.Line != 0 {
		l, err := ReadLine(tx, p.Line)
		if err != nil {
			return nil, err
		}
		if p.N > l.Fork.N {
			h, err := ReadHead(tx, p.Line)
			if err != nil {
				return nil, err
			}
			v.segs = append(v.segs, segment{Line: l, n: p.N, head: p.N == h.N})
		}
		p = Pos{Line: l.Fork.Line, N: min(p.N, l.Fork.N)}
	}
	return v, nil
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
	for i := range v.segs {
		row, n, err := v.segs[i].lookup(v.tx, path)
		if err != nil {
			return State{}, err
		}
		if n > 0 {
			s, err := decodeState(row)
			s.N = n
			return s, err
		}
	}
	return State{}, fmt.Errorf("%w: %q", ErrNoPath, path)
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
	c := tx.Scan(objstore.Range{Start: versionKey(g.ID, path, n), End: versionEnd(g.ID, path)})
	defer c.Close()
	if !c.Next() {
		return nil, 0, c.Err()
	}
	at, state, err = cutN(c.Value())
	return append([]byte(nil), state...), at, err
}

// versionEnd is behind the last version key of path. versionKey(0) cannot
// occur, as commits count from 1.
func versionEnd(line LineID, path string) []byte { return versionKey(line, path, 0) }

// stagedN makes what is staged newer than every commit.
const stagedN = math.MaxUint64
