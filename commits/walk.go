package commits

import (
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

// source is one ordered run of states, each path once, newest N that counts.
// valid is false at its end.
type source struct {
	c            *objstore.Cursor
	kind         byte
	lineage      LineageID
	key          func(path string) []byte // the first key of path
	strip        int                      // bytes in front of the path
	bound        uint64                   // states with a greater N do not count
	fixed        uint64                   // the N of every row, if not 0
	started      bool
	valid        bool
	path         []byte
	encodedState // at path
}

// Walk begins before the first path with prefix.
func (v *View) Walk(prefix string) *Walker { return v.walk(prefix, false) }

// walk walks the newest states, or with all what they replaced too.
func (v *View) walk(prefix string, all bool) *Walker {
	w := &Walker{}
	add := func(s source, first []byte, end []byte) {
		s.c = objstore.Scan(v.tx, objstore.Range{Start: first, End: end})
		w.sources = append(w.sources, s)
	}
	layer := func(id ID, n uint64) {
		key := func(path string) []byte { return changeKey(id, path) }
		add(source{kind: keyChange, key: key, strip: 1 + len(id), bound: n, fixed: n}, key(prefix), objstore.PrefixEnd(key(prefix)))
	}
	if !v.open.IsZero() {
		layer(v.open, stagedN)
	}
	segs, err := v.segments()
	w.fail(err)
	for i := range segs {
		g := &segs[i]
		entry := func(path string) []byte { return entryKey(g.ID, path) }
		add(source{kind: keyEntry, lineage: g.ID, key: entry, strip: 9, bound: g.end.N}, entry(prefix), objstore.PrefixEnd(entry(prefix)))
		if all || !g.head {
			// Without its two end bytes a version prefix covers all paths that
			// begin with prefix.
			version := func(path string) []byte {
				k := versionPrefix(g.ID, path)
				return k[:len(k)-2]
			}
			add(source{kind: keyVersion, lineage: g.ID, key: version, strip: 9, bound: g.end.N}, version(prefix), objstore.PrefixEnd(version(prefix)))
		}
		for _, y := range g.Layers {
			if y.N <= g.end.N {
				layer(y.ID, y.N)
			}
		}
	}
	return w
}

// Seek makes the following Next move to the first path at or after path.
func (w *Walker) Seek(path string) {
	for i := range w.sources {
		s := &w.sources[i]
		if s.started && s.valid && string(s.path) >= path || s.started && !s.valid {
			continue
		}
		s.c.Seek(s.key(path))
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
			s.c.Seek(versionKey(s.lineage, path, n-1))
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

// advance moves to the next row that counts; rows of one path come newest
// first.
func (s *source) advance() error {
	for skipped := 1; s.c.Next(); skipped++ {
		ok, err := s.load()
		if err != nil || ok {
			s.valid = ok
			return err
		}
		if s.kind == keyVersion && skipped%nearRows == 0 {
			// A long history of what came later: go to where it counts.
			s.c.Seek(versionKey(s.lineage, string(s.path), s.bound))
		}
	}
	s.valid = false
	return s.c.Err()
}

// load reads the row under the cursor and says whether it counts.
func (s *source) load() (bool, error) {
	key, row := s.c.Key(), s.c.Value()
	if s.kind == keyVersion {
		path, n, err := parseVersionKey(key)
		if err != nil {
			return false, err
		}
		s.path = append(s.path[:0], path...)
		if n > s.bound {
			return false, nil
		}
	} else {
		s.path = append(s.path[:0], key[s.strip:]...)
	}
	if s.fixed > 0 {
		s.encodedState = encodedState{s.fixed, row}
		return len(row) > 0, nil // an empty row has been folded in
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
	k := append(s.key(at), 0, 1) // behind all versions of the path, before every longer one
	s.c.Seek(k)
	return s.advance()
}
