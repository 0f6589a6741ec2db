package commits

import "slices"

// sought is a path whose newest state is looked for.
type sought struct {
	path  string
	index int      // among the paths that were asked for
	hash  uint64   // of the path; 0 if it was not needed so far
	link  int      // of the view's chain, where to look next
	seg   *segment // of the link
	// older says that the segment does not show the newest state on its lineage, but
	// may show one that was replaced.
	older        bool
	encodedState // the newest that was found; its n is 0 if there is none
}

// find finds the newest states of paths. Each round looks for those still missing, all
// at once, each in the next segment that may have it. With deleted it also finds
// deletions that left no newest state; see insertState.
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

// descend goes on to the next segment that may have the path, and reports whether there
// is one.
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

// findIn looks for each path in the segment it has come to.
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
	if inherited, err := v.inherited(); err != nil || inherited {
		return err // nil is to look for all of them again
	}
	for i, w := range todo {
		if err := w.setNewest(rows[i], deleted); err != nil {
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

// setNewest is given the row of the newest state on the segment's lineage, nil if there
// is none.
func (w *sought) setNewest(row []byte, deleted bool) error {
	if row == nil {
		// See insertState.
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
	for i, p := range places { // from the oldest layer of a path to the newest
		if len(rows[i]) > 0 { // else the state has been folded in
			p.encodedState = encodedState{p.layer, rows[i]}
		}
	}
	return nil
}

// findReplaced looks for newer states among those that were replaced, for one path after
// the other.
func (v *View) findReplaced(todo []*sought) error {
	for _, w := range todo {
		g := w.seg
		if !w.older || w.n == g.end.N {
			continue // there is none, or none can be newer
		}
		page, err := v.tx.Page(replacedStates(g.ID, w.path, g.end.N), 1)
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
