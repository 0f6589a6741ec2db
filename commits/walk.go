package commits

import (
	"slices"

	"caret/objstore"
)

// Walker walks the files of a view in the order of their paths.
//
//	w := v.Walk("logs/")
//	for w.Next() { use(w.Path()); s, err := w.State() }
//	err := w.Err()
type Walker struct {
	sources      []source
	path         string // that Next moved to
	encodedState        // of path
	err          error
}

// source is one of the ranges of rows that a Walker merges. They are in the order of
// their paths, and those of one path from the newest to the oldest.
type source struct {
	rows    *objstore.Cursor
	kind    byte   // of the keys
	head    []byte // what the keys begin with, in front of the path
	lineage LineageID
	last    uint64 // states with a greater N are not shown
	layer   uint64 // the N of all rows, if they are of a layer or staged; else 0
	started bool
	// The row that advance moved to. The source is at its end if it is not valid.
	valid bool
	path  []byte
	encodedState
}

// first is where the rows of path begin, followed by those of longer paths that begin
// with path.
func (s *source) first(path string) []byte {
	key := slices.Clip(s.head)
	if s.kind == keyVersion {
		return appendEscaped(key, path)
	}
	return append(key, path...)
}

// Walk begins before the first path that begins with prefix.
func (v *View) Walk(prefix string) *Walker { return v.WalkHint(prefix, 0) }

// WalkHint is Walk for a caller that wants about n paths, from the beginning or from a
// first Seek; 0 means that it is not known.
func (v *View) WalkHint(prefix string, n int) *Walker { return v.walk(prefix, false, n) }

// walk walks the states of all paths, and with all also those that they replaced. The
// caller wants about hint of them.
func (v *View) walk(prefix string, all bool, hint int) *Walker {
	w := &Walker{}
	if !v.open.IsZero() {
		w.addLayer(0, v.open, stagedN)
	}
	segs, err := v.segments()
	w.fail(err)
	for _, g := range segs {
		w.sources = append(w.sources, source{kind: keyEntry, head: lineageKey(keyEntry, g.ID), lineage: g.ID, last: g.end.N})
		if all || !g.head {
			w.sources = append(w.sources, source{kind: keyVersion, head: lineageKey(keyVersion, g.ID), lineage: g.ID, last: g.end.N})
		}
		for _, y := range g.Layers {
			if y.N <= g.end.N {
				w.addLayer(g.ID, y.ID, y.N)
			}
		}
	}
	if n := len(w.sources); hint > 0 {
		if n > 2 {
			hint = 2 * hint / n // each source has some of them
		}
		hint++ // a source is one row ahead
	}
	for i := range w.sources {
		s := &w.sources[i]
		first := s.first(prefix)
		s.rows = objstore.ScanHint(v.tx, objstore.Range{Start: first, End: objstore.PrefixEnd(first)}, hint)
	}
	return w
}

// addLayer adds the rows under the id of commit n, which is a layer of the lineage, or
// open.
func (w *Walker) addLayer(lineage LineageID, id ID, n uint64) {
	w.sources = append(w.sources, source{kind: keyChange, head: changeKey(id, ""), lineage: lineage, last: n, layer: n})
}

// Seek makes the following Next move to the first file whose path is path or sorts after
// it. It goes forward only.
func (w *Walker) Seek(path string) {
	for i := range w.sources {
		s := &w.sources[i]
		if s.started && (!s.valid || string(s.path) >= path) {
			continue
		}
		s.rows.Seek(s.first(path))
		s.started = true
		w.fail(s.advance())
	}
	w.path = ""
}

// seekOlder moves to the states of path that are older than n. It follows a Seek to path.
func (w *Walker) seekOlder(path string, n uint64) {
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

// Next moves to the next file and reports whether there is one.
func (w *Walker) Next() bool {
	for w.err == nil {
		first := w.firstSource()
		if first == nil {
			return false
		}
		w.path, w.encodedState = string(first.path), first.encodedState
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

// firstSource returns the source whose state is the newest of the least path, nil if all
// are at their ends.
func (w *Walker) firstSource() *source {
	var first *source
	for i := range w.sources {
		s := &w.sources[i]
		if !s.started {
			s.started = true
			w.fail(s.advance())
		}
		if !s.valid {
			continue
		}
		if first == nil || string(s.path) < string(first.path) || string(s.path) == string(first.path) && s.n > first.n {
			first = s
		}
	}
	return first
}

func (w *Walker) fail(err error) {
	if w.err == nil {
		w.err = err
	}
}

// Path is the path of the file that Next moved to.
func (w *Walker) Path() string { return w.path }

// State decodes the state of the file that Next moved to.
func (w *Walker) State() (State, error) { return w.decode() }

// Err is what ended the walk early, nil at its regular end.
func (w *Walker) Err() error { return w.err }

// advance moves to the next row that the view shows.
func (s *source) advance() error {
	for skipped := 1; s.rows.Next(); skipped++ {
		shown, err := s.load()
		if err != nil || shown {
			s.valid = shown
			return err
		}
		if s.kind == keyVersion && skipped%nearRows == 0 {
			s.rows.Seek(versionKey(s.lineage, string(s.path), s.last))
		}
	}
	s.valid = false
	return s.rows.Err()
}

// load takes the row at the cursor and reports whether the view shows it.
func (s *source) load() (bool, error) {
	key, row := s.rows.Key(), s.rows.Value()
	s.path = key[len(s.head):]
	if s.layer > 0 {
		s.encodedState = encodedState{s.layer, row}
		return len(row) > 0, nil // else it has been folded in
	}
	if s.kind == keyVersion {
		path, n, err := parseVersionKey(key)
		s.path = path
		if err != nil || n > s.last {
			return false, err
		}
	}
	e, err := parseRow(row)
	if err != nil || e.n > s.last {
		return false, err
	}
	s.encodedState = e
	return true, nil
}

// nearRows is how many rows are stepped over before a Seek, which may be a call of the
// store where stepping on needs none.
const nearRows = 64

// skipPath moves to the next path.
func (s *source) skipPath() error {
	if s.kind != keyVersion {
		return s.advance()
	}
	path := string(s.path)
	for range nearRows {
		if err := s.advance(); err != nil || !s.valid || string(s.path) != path {
			return err
		}
	}
	s.rows.Seek(append(s.first(path), 0, 1)) // behind the states of path, and before those of longer ones
	return s.advance()
}
