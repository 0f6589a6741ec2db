package commits

import (
	"errors"
)

// Version is a path as one commit left it, as far as it is listed.
type Version struct {
	Path string
	State
	Latest bool // nothing newer is listed
}

// Versions walks the versions of a view: by path, of each the newest first.
// A version that several commits left counts once, as the last of them left
// it; what was removed is left out.
//
//	x := v.Versions("logs/")
//	for x.Next() { use(x.Version()) }
//	err := x.Err()
type Versions struct {
	view *View
	w    *Walker
	cur  Version
	// What is known of the path that the walk is at.
	path  string
	known map[ID]bool // versions that were listed or removed
	any   bool        // one was listed
	skip  uint64      // if not 0, states from this N on are not listed
}

// Versions begins before the first path with prefix.
func (v *View) Versions(prefix string) *Versions { return v.VersionsHint(prefix, 0) }

// VersionsHint is Versions for a caller that wants some n of them, from the beginning
// or from a first Seek; 0 is unknown.
func (v *View) VersionsHint(prefix string, n int) *Versions {
	return &Versions{view: v, w: v.walk(prefix, true, n), known: make(map[ID]bool)}
}

// Err is what ended the walk early.
func (x *Versions) Err() error { return x.w.err }

// Version is what Next moved to.
func (x *Versions) Version() Version { return x.cur }

// Seek makes the following Next move to the newest version of the first path
// at or after path.
func (x *Versions) Seek(path string) {
	x.w.Seek(path)
	x.begin("", 0)
}

// begin forgets what was known of another path.
func (x *Versions) begin(path string, skip uint64) {
	clear(x.known)
	x.path, x.any, x.skip = path, false, skip
}

// SeekBehind makes the following Next move behind version id of path, which
// may have been removed meanwhile. ErrNoCommit if id does not lead to the view.
func (x *Versions) SeekBehind(path string, id ID) error {
	n, err := x.number(id)
	if err != nil {
		return err
	}
	edited, err := x.view.edited(path)
	if err != nil {
		return err
	}
	if edited { // a later commit may have left the version again
		if n, err = x.view.lastLeft(path, id, n); err != nil {
			return err
		}
	}
	x.Seek(path)
	x.begin(path, n)
	x.any, x.known[id] = true, true
	if !edited {
		x.w.seekBelow(path, n)
	}
	// Otherwise what the newer states say of the older ones is read on the way.
	return x.Err()
}

// lastLeft is the N of the newest state of path that is the version id; n if
// there is none.
func (v *View) lastLeft(path string, id ID, n uint64) (uint64, error) {
	if !v.open.IsZero() {
		s, err := ReadStaged(v.tx, v.open, path)
		if err == nil && s.Commit == id {
			return stagedN, nil
		}
		if err != nil && !errors.Is(err, ErrNoPath) {
			return 0, err
		}
	}
	err := v.History(path, func(s State) (bool, error) {
		if s.Commit != id {
			return true, nil
		}
		n = s.N
		return false, nil
	})
	return n, err
}

// number is the N of a commit that leads to the view.
func (x *Versions) number(id ID) (uint64, error) {
	if id == x.view.open && !id.IsZero() {
		return stagedN, nil
	}
	p, err := Find(x.view.tx, id)
	if err != nil {
		return 0, err
	}
	segs, err := x.view.segments()
	if err != nil {
		return 0, err
	}
	for _, g := range segs {
		if g.ID == p.Lineage && p.N <= g.end.N {
			return p.N, nil
		}
	}
	return 0, ErrNoCommit
}

// edited says whether path has versions that are not simply its rows.
func (v *View) edited(path string) (bool, error) {
	segs, err := v.segments()
	if err != nil {
		return false, err
	}
	var layers []ID // and what is staged
	if !v.open.IsZero() {
		layers = append(layers, v.open)
	}
	var keys [][]byte
	for _, g := range segs {
		keys = append(keys, entryKey(g.ID, path))
		for _, y := range g.Layers {
			layers = append(layers, y.ID)
		}
	}
	for _, id := range layers {
		keys = append(keys, changeKey(id, path))
	}
	if len(keys) == 0 {
		return false, nil
	}
	rows, err := v.tx.GetMany(keys)
	if err != nil {
		return false, err
	}
	for _, row := range rows[:len(segs)] {
		if row == nil {
			continue
		}
		e, err := parseRow(row)
		if err != nil || e.flags()&flagEdited != 0 {
			return true, err
		}
	}
	for i, row := range rows[len(segs):] {
		if len(row) == 0 {
			continue
		}
		s, err := decodeState(row)
		if ch := (Change{Path: path, State: s}); err != nil || ch.edits(layers[i]) {
			return true, err
		}
	}
	return false, nil
}

// Next moves to the next version.
func (x *Versions) Next() bool {
	w := x.w
	for w.err == nil {
		best := w.least()
		if best == nil {
			return false
		}
		path, n := string(best.path), best.n
		w.encodedState = best.encodedState
		for i := range w.sources {
			s := &w.sources[i]
			if s.valid && s.n == n && string(s.path) == path {
				w.fail(s.advance())
			}
		}
		if path != x.path {
			x.begin(path, 0)
		}
		if x.take(path, n) {
			return w.err == nil
		}
	}
	return false
}

// take makes the walker's row the current version, if it is listed.
func (x *Versions) take(path string, n uint64) bool {
	s, err := x.w.decode()
	if err != nil {
		x.w.fail(err)
		return false
	}
	for _, id := range s.Removed {
		x.known[id] = true
	}
	if s.Unlisted || x.known[s.Commit] {
		return false
	}
	if x.skip > 0 && n >= x.skip {
		// It was listed, but where a removal since has made it current again:
		// then its own row is still to come.
		if len(s.Removed) == 0 {
			x.known[s.Commit] = true
		}
		return false
	}
	x.known[s.Commit] = true
	x.cur = Version{Path: path, State: s, Latest: !x.any}
	x.any = true
	return true
}
