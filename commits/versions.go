package commits

import "errors"

// Version is a version of a path that is listed: a file, or a deletion.
type Version struct {
	Path string
	State
	Latest bool // the newest of the path that is listed
}

// Versions walks the versions of the paths of a view: by path, and those of one path from
// the newest to the oldest. A version that several commits left is listed once, as the
// last of them left it. Versions that were removed are not listed.
//
//	x := v.Versions("logs/")
//	for x.Next() { use(x.Version()) }
//	err := x.Err()
type Versions struct {
	view *View
	w    *Walker
	cur  Version
	// What is known of the path that the walk has come to.
	path string
	done map[ID]bool // versions that were listed, or are removed
	any  bool        // one was listed
	skip uint64      // states of this N and newer ones are not listed, if not 0
}

// Versions begins before the first path that begins with prefix.
func (v *View) Versions(prefix string) *Versions { return v.VersionsHint(prefix, 0) }

// VersionsHint is Versions for a caller that wants about n of them, from the beginning or
// from a first Seek; 0 means that it is not known.
func (v *View) VersionsHint(prefix string, n int) *Versions {
	return &Versions{view: v, w: v.walk(prefix, true, n), done: make(map[ID]bool)}
}

// Err is what ended the walk early, nil at its regular end.
func (x *Versions) Err() error { return x.w.err }

// Version is the version that Next moved to.
func (x *Versions) Version() Version { return x.cur }

// Seek makes the following Next move to the newest version of the first path that is path
// or sorts after it. It goes forward only.
func (x *Versions) Seek(path string) {
	x.w.Seek(path)
	x.begin("", 0)
}

// begin begins a path, of which states of skip and newer ones are not listed, if that is
// not 0.
func (x *Versions) begin(path string, skip uint64) {
	clear(x.done)
	x.path, x.any, x.skip = path, false, skip
}

// SeekBehind makes the following Next move to what follows version id of path, which may
// have been removed since it was listed. It returns ErrNoCommit if the view does not
// descend from that commit.
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
	x.any, x.done[id] = true, true
	if !edited {
		x.w.seekOlder(path, n)
	}
	// Else the newer states have to be read for what they say of the older ones.
	return x.Err()
}

// lastLeft returns the N of the newest state of path that is version id, n if there is
// none.
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

// Lists reports whether version id of path is one that Versions lists, if it leads to the
// view. It reads the path's newer states only if versions of it may have been removed.
func (v *View) Lists(path string, id ID) (bool, error) {
	edited, err := v.edited(path)
	if err != nil || !edited {
		return err == nil, err
	}
	x := v.Versions(path)
	for x.Next() && x.Version().Path == path {
		if x.Version().Commit == id {
			return true, nil
		}
	}
	return false, x.Err()
}

// number returns the N of a commit that leads to the view by first parents.
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

// edited reports whether the versions of path may not be just its rows.
func (v *View) edited(path string) (bool, error) {
	segs, err := v.segments()
	if err != nil {
		return false, err
	}
	var layers []ID // and the open commit
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
	rows, err := v.tx.GetMany(append(keys, MarkingKey()))
	if err != nil {
		return false, err
	}
	if marking := rows[len(keys)]; marking != nil {
		return true, nil // a row without the mark says nothing yet
	}
	rows = rows[:len(keys)]
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
		if ch := (Change{Path: path, State: s}); err != nil || ch.editsVersions(layers[i]) {
			return true, err
		}
	}
	return false, nil
}

// Next moves to the next version and reports whether there is one.
func (x *Versions) Next() bool {
	w := x.w
	for w.err == nil {
		first := w.firstSource()
		if first == nil {
			return false
		}
		path, n := string(first.path), first.n
		w.encodedState = first.encodedState
		for i := range w.sources {
			s := &w.sources[i]
			if s.valid && s.n == n && string(s.path) == path {
				w.fail(s.advance())
			}
		}
		if path != x.path {
			x.begin(path, 0)
		}
		if x.list(path, n) {
			return w.err == nil
		}
	}
	return false
}

// list makes the state that the walker has come to the current version, if it is listed.
func (x *Versions) list(path string, n uint64) bool {
	s, err := x.w.decode()
	if err != nil {
		x.w.fail(err)
		return false
	}
	for _, id := range s.Removed {
		x.done[id] = true
	}
	if s.Unlisted || x.done[s.Commit] {
		return false
	}
	if x.skip > 0 && n >= x.skip {
		// The version was listed before, unless a removal has made it current again
		// since: then its own row is still to come.
		if len(s.Removed) == 0 {
			x.done[s.Commit] = true
		}
		return false
	}
	x.done[s.Commit] = true
	x.cur = Version{Path: path, State: s, Latest: !x.any}
	x.any = true
	return true
}
