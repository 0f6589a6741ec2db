package commits

import (
	"cmp"
	"math"
	"slices"

	"caret/objstore"
)

// History calls fn for the states that commits left of path, up to the view's, from the
// newest to the oldest and with deletions, until fn returns false. What is staged is
// not part of it.
func (v *View) History(path string, fn func(State) (bool, error)) error {
	return v.HistoryHint(path, 0, fn)
}

// HistoryHint is History for a caller that wants about n states; 0 means that it is not
// known.
func (v *View) HistoryHint(path string, n int, fn func(State) (bool, error)) error {
	return v.history(path, n, func(_ *segment, e encodedState) (bool, error) {
		s, err := e.decode()
		if err != nil {
			return false, err
		}
		return fn(s)
	})
}

// history calls fn for the states of path, and says of each which segment has it.
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
		if inherited, err := v.inherited(); err != nil {
			return err
		} else if inherited {
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

// lineageHistory merges the states of a path that a lineage keeps in different places:
// the newest one and those in layers, which are read at the start, and those that were
// replaced, which are read as they are wanted.
type lineageHistory struct {
	few      []encodedState   // that were read at the start and not returned, newest first
	newest   uint64           // those that were replaced have lesser numbers
	replaced *objstore.Cursor // nil at its end
	ahead    *encodedState    // read from replaced, and not returned
	state    encodedState     // returned last
	err      error
}

// history begins before the newest state of path, given the row of the newest one on
// the lineage, nil if there is none.
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
	if row != nil || g.Fork.N == 0 { // else there is no other; see insertState
		h.replaced = objstore.ScanHint(tx, replacedStates(g.ID, path, g.end.N), hint)
	}
	slices.SortFunc(h.few, func(a, b encodedState) int { return cmp.Compare(b.n, a.n) })
	return h, nil
}

// inLayers returns the states of path that are in layers.
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

// read reads the next of the replaced states.
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
