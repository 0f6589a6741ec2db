package commits

import (
	"slices"

	"caret/objstore"
)

// Walker walks the states of a view in the order of their paths, deletions
// left out.
//
//	w := v.Walk("logs/")
//	for w.Next() { use(w.Path()); s, err := w.State() }
//	err := w.Err()
type Walker struct {
	sources      []source
	path         string
	encodedState // at path
	err          error
}

// source is one ordered run of states, of each path the newest first.
type source struct {
	rows    *objstore.Cursor
	kind    byte
	head    []byte // what the keys begin with, before the path
	lineage LineageID
	bound   uint64 // states with a greater N do not count
	layer   uint64 // the N of every row, if not 0: of a layer, or what is staged
	started bool
	// What advance moved to, if it is valid: else the source is at its end.
	valid bool
	path  []byte
	encodedState
}

// first is where the rows of path begin, and those of longer paths that begin with
// it.
func (s *source) first(path string) []byte {
	key := slices.Clip(s.head)
	if s.kind == keyVersion {
		return appendEscaped(key, path)
	}
	return append(key, path...)
}

// Walk begins before the first path with prefix.
func (v *View) Walk(prefix string) *Walker { return v.WalkHint(prefix, 0) }

// WalkHint is Walk for a caller that wants some n paths, from the beginning or from
// a first Seek; 0 is unknown.
func (v *View) WalkHint(prefix string, n int) *Walker { return v.walk(prefix, false, n) }

// walk walks the newest states, or with all what they replaced too.
func (v *View) walk(prefix string, all bool, hint int) *Walker {
	w := &Walker{}
	if !v.open.IsZero() {
		w.addLayer(0, v.open, stagedN)
	}
	segs, err := v.segments()
	w.fail(err)
	for _, g := range segs {
		w.sources = append(w.sources, source{kind: keyEntry, head: lineageKey(keyEntry, g.ID), lineage: g.ID, bound: g.end.N})
		if all || !g.head {
			w.sources = append(w.sources, source{kind: keyVersion, head: lineageKey(keyVersion, g.ID), lineage: g.ID, bound: g.end.N})
		}
		for _, y := range g.Layers {
			if y.N <= g.end.N {
				w.addLayer(g.ID, y.ID, y.N)
			}
		}
	}
	if n := len(w.sources); hint > 0 {
		if n > 2 {
			hint = 2 * hint / n // each has a part of them
		}
		hint++ // sources are one row ahead
	}
	for i := range w.sources {
		s := &w.sources[i]
		first := s.first(prefix)
		s.rows = objstore.ScanHint(v.tx, objstore.Range{Start: first, End: objstore.PrefixEnd(first)}, hint)
	}
	return w
}

// addLayer adds the rows that stand under the id of a commit.
func (w *Walker) addLayer(lineage LineageID, id ID, n uint64) {
	w.sources = append(w.sources, source{kind: keyChange, head: changeKey(id, ""), lineage: lineage, bound: n, layer: n})
}

// Seek makes the following Next move to the first path at or after path.
func (w *Walker) Seek(path string) {
	for i := range w.sources {
		s := &w.sources[i]
		if s.started && s.valid && string(s.path) >= path || s.started && !s.valid {
			continue
		}
		s.rows.Seek(s.first(path))
		s.started = true
		w.fail(s.advance())
	}
	// What Next would step over is behind already.
	w.path = ""
}

// seekBelow moves on from path's states of n and later. It follows a Seek to
// path.
func (w *Walker) seekBelow(path string, n uint64) {
	for i := range w.sources {
		s := &w.sources[i]
		if !s.valid || string(s.path) != path || s.n < n {
			continue
		}
		if s.kind == keyVersion {
			s.rows.Seek(versionKey(s.lineage, path, n-1))
		}
		w.fail(s.advance())
	}
}

// Next moves to the next path that has an entry.
func (w *Walker) Next() bool {
	for w.err == nil {
		best := w.least()
		if best == nil {
			return false
		}
		w.path, w.encodedState = string(best.path), best.encodedState
		for i := range w.sources {
			s := &w.sources[i]
			if s.valid && string(s.path) == w.path {
				w.fail(s.skipPath())
			}
		}
		if w.flags()&flagDeleted == 0 {
			return w.err == nil
		}
	}
	return false
}

// least is the source whose next state comes first: least path, then
// greatest N.
func (w *Walker) least() *source {
	var best *source
	for i := range w.sources {
		s := &w.sources[i]
		if !s.started {
			s.started = true
			w.fail(s.advance())
		}
		if !s.valid {
			continue
		}
		if best == nil || string(s.path) < string(best.path) || string(s.path) == string(best.path) && s.n > best.n {
			best = s
		}
	}
	return best
}

func (w *Walker) fail(err error) {
	if w.err == nil {
		w.err = err
	}
}

// Path is the path Next moved to.
func (w *Walker) Path() string { return w.path }

// State decodes the state Next moved to.
func (w *Walker) State() (State, error) { return w.decode() }

// Err is what ended the walk early.
func (w *Walker) Err() error { return w.err }

// advance moves to the next row that counts.
func (s *source) advance() error {
	for skipped := 1; s.rows.Next(); skipped++ {
		ok, err := s.load()
		if err != nil || ok {
			s.valid = ok
			return err
		}
		if s.kind == keyVersion && skipped%nearRows == 0 {
			// A long history of what came later: go to where it counts.
			s.rows.Seek(versionKey(s.lineage, string(s.path), s.bound))
		}
	}
	s.valid = false
	return s.rows.Err()
}

// load reads the row under the cursor and says whether it counts.
func (s *source) load() (bool, error) {
	key, row := s.rows.Key(), s.rows.Value()
	s.path = key[len(s.head):]
	if s.layer > 0 {
		s.encodedState = encodedState{s.layer, row}
		return len(row) > 0, nil // an empty row has been folded in
	}
	if s.kind == keyVersion {
		path, n, err := parseVersionKey(key)
		s.path = path
		if err != nil || n > s.bound {
			return false, err
		}
	}
	e, err := parseRow(row)
	if err != nil || e.n > s.bound {
		return false, err
	}
	s.encodedState = e
	return true, nil
}

// nearRows is how many rows are stepped over before a seek pays.
const nearRows = 8

// skipPath moves to the next path.
func (s *source) skipPath() error {
	if s.kind != keyVersion {
		return s.advance()
	}
	at := string(s.path)
	for range nearRows {
		if err := s.advance(); err != nil || !s.valid || string(s.path) != at {
			return err
		}
	}
	s.rows.Seek(append(s.first(at), 0, 1)) // behind all versions of the path, before every longer one
	return s.advance()
}
