package commits

import (
	"slices"

	"caret/objstore"
)

// sought is a path whose newest state is looked for.
type sought struct {
	path  string
	index int      // of the path among those that were asked for
	hash  uint64   // of the path, for what is remembered; 0 if it was not needed yet
	link  int      // the one to look in next
	seg   *segment // the link's
	// older: the newest state on the lineage does not count, so that one which it
	// replaced may.
	older        bool
	encodedState // the newest that was found; n is 0 if there is none
}

// find looks for the newest states of paths: in each round of those still
// missing, each in the next segment that may have it. With deleted it also finds
// deletions that have left no newest state; see insert.
func (v *View) find(paths []sought, deleted bool) error {
	todo := make([]*sought, 0, len(paths))
	for i := range paths {
		todo = append(todo, &paths[i])
	}
	for {
		rest := todo[:0]
		for _, w := range todo {
			if w.n > 0 {
				continue
			}
			if more, err := v.descend(w); err != nil {
				return err
			} else if more {
				rest = append(rest, w)
			}
		}
		if todo = rest; len(todo) == 0 {
			return nil
		}
		if err := v.findIn(todo, deleted); err != nil {
			return err
		}
	}
}

// descend brings w to the next segment that may have the path, and says whether
// there is one.
func (v *View) descend(w *sought) (bool, error) {
	for ; ; w.link++ {
		if w.link == len(v.chain) {
			if more, err := v.extend(); err != nil || !more {
				return false, err
			}
		}
		known := v.chain[w.link].known
		if known != nil && w.hash == 0 {
			w.hash = v.forks.hash(w.path)
		}
		if known == nil || known.mayHave(w.hash) {
			w.seg = v.at(w.link)
			return true, nil
		}
	}
}

// findIn looks for each path in the segment it has come to, and moves those it
// does not find on to the one beneath.
func (v *View) findIn(todo []*sought, deleted bool) error {
	keys := make([][]byte, 0, len(todo)+2) // and the rows of a segment
	var unread []*segment
	for _, w := range todo {
		keys = append(keys, entryKey(w.seg.end.Lineage, w.path))
		if !w.seg.read && !slices.Contains(unread, w.seg) {
			unread = append(unread, w.seg)
		}
	}
	rows, err := v.read(unread, keys)
	if err != nil {
		return err
	}
	if v.inherited() {
		return nil // all are looked for again
	}
	for i, w := range todo {
		if err := w.take(rows[i], deleted); err != nil {
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
		w.link++
	}
	return nil
}

// take is given the newest state of the path on the segment's lineage, nil for none.
func (w *sought) take(row []byte, deleted bool) error {
	if row == nil {
		// Only on a first lineage does a deletion leave no newest state.
		w.older = w.seg.Fork.N == 0 && (deleted || !w.seg.head)
		return nil
	}
	e, err := parseRow(row)
	if w.older = e.n > w.seg.end.N; !w.older {
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
		for _, y := range w.seg.Layers {
			if y.N > w.n && y.N <= w.seg.end.N {
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
		g := w.seg
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
