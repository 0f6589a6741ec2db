package commits

import (
	"cmp"
	"math"
	"slices"

	"caret/objstore"
)

// History calls fn for the states of path as of the view's commit, newest first,
// deletions included, until it returns false. What is staged does not count.
func (v *View) History(path string, fn func(State) (bool, error)) error {
	return v.HistoryHint(path, 0, fn)
}

// HistoryHint is History for a caller that wants some n states; 0 is unknown.
func (v *View) HistoryHint(path string, n int, fn func(State) (bool, error)) error {
	return v.history(path, n, func(_ *segment, e encodedState) (bool, error) {
		s, err := e.decode()
		if err != nil {
			return false, err
		}
		return fn(s)
	})
}

// history calls fn for what History would, with the segment that has it.
func (v *View) history(path string, hint int, fn func(*segment, encodedState) (bool, error)) error {
	for w := (&sought{path: path}); ; {
		if more, err := v.descend(w); err != nil || !more {
			return err
		}
		g := w.seg
		var unread []*segment
		if !g.read {
			unread = append(unread, g)
		}
		rows, err := v.read(unread, [][]byte{entryKey(g.end.Lineage, path)})
		if err != nil {
			return err
		}
		if v.inherited() {
			continue
		}
		h, err := g.history(v.tx, path, rows[0], hint)
		if err != nil {
			return err
		}
		for h.next() {
			if more, err := fn(g, h.state); err != nil || !more {
				return err
			}
		}
		if h.err != nil {
			return h.err
		}
		w.link++
	}
}

// lineageHistory merges the three places where a lineage keeps states of a path:
// the newest one and those in layers are few and known from the start, all others
// were replaced and are read as they are wanted.
type lineageHistory struct {
	few      []encodedState   // newest first
	newest   uint64           // nothing that was replaced has this number or a greater one
	replaced *objstore.Cursor // nil if nothing is left there
	ahead    *encodedState    // what was read from replaced and has not had its turn
	state    encodedState     // what next has moved to
	err      error
}

// history begins before the newest state of path; row is that of the newest on the
// lineage, nil if there is none.
func (g *segment) history(tx objstore.Reader, path string, row []byte, hint int) (*lineageHistory, error) {
	few, err := g.inLayers(tx, path)
	if err != nil {
		return nil, err
	}
	h := &lineageHistory{few: few, newest: math.MaxUint64}
	if row != nil {
		s, err := parseRow(row)
		if err != nil {
			return nil, err
		}
		if s.n <= g.end.N {
			h.few, h.newest = append(h.few, s), s.n
		}
	}
	if row != nil || g.Fork.N == 0 { // else the path never was; see insert
		h.replaced = objstore.ScanHint(tx, replacedFrom(g.ID, path, g.end.N), hint)
	}
	slices.SortFunc(h.few, func(a, b encodedState) int { return cmp.Compare(b.n, a.n) })
	return h, nil
}

// inLayers are the states of path in the layers that count.
func (g *segment) inLayers(tx objstore.Reader, path string) ([]encodedState, error) {
	var keys [][]byte
	var states []encodedState
	for _, y := range g.Layers {
		if y.N <= g.end.N {
			keys, states = append(keys, changeKey(y.ID, path)), append(states, encodedState{n: y.N})
		}
	}
	if len(keys) == 0 {
		return nil, nil
	}
	rows, err := tx.GetMany(keys)
	if err != nil {
		return nil, err
	}
	for i := range states {
		states[i].state = rows[i]
	}
	folded := func(s encodedState) bool { return len(s.state) == 0 }
	return slices.DeleteFunc(states, folded), nil
}

// next moves to the next older state.
func (h *lineageHistory) next() bool {
	if h.ahead == nil && h.replaced != nil && (len(h.few) == 0 || h.few[0].n < h.newest) {
		if h.err = h.read(); h.err != nil {
			return false
		}
	}
	switch {
	case len(h.few) > 0 && (h.ahead == nil || h.few[0].n > h.ahead.n):
		h.state, h.few = h.few[0], h.few[1:]
	case h.ahead != nil:
		h.state, h.ahead = *h.ahead, nil
	default:
		return false
	}
	return true
}

// read reads one more of the replaced states.
func (h *lineageHistory) read() error {
	if !h.replaced.Next() {
		err := h.replaced.Err()
		h.replaced = nil
		return err
	}
	s, err := parseRow(h.replaced.Value())
	h.ahead = &s
	return err
}
