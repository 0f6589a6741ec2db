package commits

import (
	"slices"

	"caret/objstore"
)

// sought is a path whose newest state is looked for.
type sought struct {
	path         string
	hash         uint64 // of path, for what is remembered; 0 if it was not needed yet
	at           int    // the segment to look in next
	encodedState        // the newest that was found; n is 0 if there is none
	// older: the newest state of the path on the lineage does not count, so that
	// one which it replaced may.
	older bool
}

// find looks for the newest states of paths: in each round of those still
// missing, each in the next segment that may have it. With deleted it also finds
// deletions that have left no newest state; see insert.
func (v *View) find(paths []sought, deleted bool) error {
	todo := make([]*sought, len(paths))
	for i := range paths {
		todo[i] = &paths[i]
	}
	for {
		var err error
		if todo, err = v.descend(todo); err != nil || len(todo) == 0 {
			return err
		}
		if err = v.findIn(todo, deleted); err != nil {
			return err
		}
		todo = slices.DeleteFunc(todo, func(w *sought) bool { return w.n > 0 })
	}
}

// descend brings each path to the next segment that may have it. Those that no
// segment is left for drop out.
func (v *View) descend(todo []*sought) ([]*sought, error) {
	next := todo[:0]
	for _, w := range todo {
		for {
			if w.at == len(v.segs) {
				if more, err := v.extend(); err != nil || !more {
					if err != nil {
						return nil, err
					}
					break
				}
			}
			known := v.segs[w.at].known
			if known != nil && w.hash == 0 {
				w.hash = v.forks.hash(w.path)
			}
			if known == nil || known.mayHave(w.hash) {
				next = append(next, w)
				break
			}
			w.at++
		}
	}
	return next, nil
}

// findIn looks for each path in the segment it has come to, and moves those it
// does not find on to the one beneath.
func (v *View) findIn(todo []*sought, deleted bool) error {
	keys, which := make([][]byte, len(todo)), make([]int, len(todo))
	for i, w := range todo {
		keys[i], which[i] = entryKey(v.segs[w.at].end.Lineage, w.path), w.at
	}
	slices.Sort(which)
	rows, err := v.read(slices.Compact(which), keys)
	if err != nil {
		return err
	}
	if v.inherited() {
		return nil
	}
	for i, w := range todo {
		if err := w.take(&v.segs[w.at], rows[i], deleted); err != nil {
			return err
		}
	}
	if err := v.findInLayers(todo); err != nil {
		return err
	}
	if err := v.findReplaced(todo); err != nil {
		return err
	}
	for _, w := range todo {
		if w.n == 0 {
			w.at++
		}
	}
	return nil
}

// take is given the newest state of the path on the lineage of g, nil for none.
func (w *sought) take(g *segment, row []byte, deleted bool) error {
	if row == nil {
		// Only on a first lineage does a deletion leave no newest state.
		w.older = g.Fork.N == 0 && (deleted || !g.head)
		return nil
	}
	e, err := parseRow(row)
	if w.older = e.n > g.end.N; !w.older {
		w.encodedState = e
	}
	return err
}

// findInLayers looks for newer states in the layers of the segments.
func (v *View) findInLayers(todo []*sought) error {
	type place struct {
		*sought
		layer uint64
	}
	var keys [][]byte
	var places []place
	for _, w := range todo {
		g := &v.segs[w.at]
		for _, y := range g.Layers {
			if y.N > w.n && y.N <= g.end.N {
				keys, places = append(keys, changeKey(y.ID, w.path)), append(places, place{w, y.N})
			}
		}
	}
	if len(keys) == 0 {
		return nil
	}
	rows, err := v.tx.GetMany(keys)
	if err != nil {
		return err
	}
	for i, p := range places { // of a path, the oldest layer first
		if len(rows[i]) > 0 { // else it has been folded in
			p.encodedState = encodedState{p.layer, rows[i]}
		}
	}
	return nil
}

// findReplaced looks for newer states among those that later ones replaced, one
// path after the other.
func (v *View) findReplaced(todo []*sought) error {
	for _, w := range todo {
		g := &v.segs[w.at]
		if !w.older || w.n == g.end.N {
			continue // nothing that counts can be newer
		}
		page, err := v.tx.Page(replacedFrom(g.ID, w.path, g.end.N), 1)
		if err != nil {
			return err
		}
		if len(page) == 0 {
			continue
		}
		e, err := parseRow(page[0].Value)
		if err != nil {
			return err
		}
		if e.n > w.n {
			w.encodedState = e
		}
	}
	return nil
}

// replacedFrom is the range of the replaced states of path from that of n back to
// the first. No key has N 0, as commits count from 1.
func replacedFrom(lineage LineageID, path string, n uint64) objstore.Range {
	return objstore.Range{Start: versionKey(lineage, path, n), End: versionKey(lineage, path, 0)}
}
