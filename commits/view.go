package commits

import (
	"errors"
	"fmt"

	"caret/objstore"
)

// View reads the state at one position in one transaction. It reads nothing
// before it is asked.
type View struct {
	tx    objstore.Reader
	forks *ForkCache
	open  ID // the open commit whose staged changes lie on top
	// segs are the lineages that the view's state is made of, the nearest first,
	// as far down as anybody had to look.
	segs []segment
}

// segment is a lineage as far as a view reaches into it.
type segment struct {
	Lineage
	end   Pos      // the newest commit that counts
	known *stretch // what its commits changed, if that is remembered
	head  bool     // end is the lineage's newest commit
	read  bool     // Lineage and head are set
}

// View reads at p, with the changes staged in open (zero: none) on top.
func (x *ForkCache) View(tx objstore.Reader, p Pos, open ID) (*View, error) {
	v := &View{tx: tx, forks: x, open: open}
	if p.N > 0 && p.Lineage != 0 {
		v.segs = []segment{{end: p}}
	}
	return v, nil
}

// read reads the rows of the segments that which says, unless they were read
// before, and those at keys, all in one call. It returns the values of keys.
func (v *View) read(which []int, keys [][]byte) ([][]byte, error) {
	all := keys
	var missing []*segment
	for _, i := range which {
		if g := &v.segs[i]; !g.read {
			missing = append(missing, g)
			all = append(all, lineageKey(keyLineage, g.end.Lineage), lineageKey(keyHead, g.end.Lineage))
		}
	}
	if len(all) == 0 {
		return nil, nil
	}
	values, err := v.tx.GetMany(all)
	if err != nil {
		return nil, err
	}
	rows := values[len(keys):]
	for i, g := range missing {
		var head Head
		if g.Lineage, head, err = decodeTip(g.end.Lineage, rows[2*i], rows[2*i+1]); err != nil {
			return nil, err
		}
		g.head, g.read = g.end.N == head.N, true
	}
	return values[:len(keys)], nil
}

// inherited says whether the first segment, which has been read, turns out to be
// of a lineage that only inherits the view's commit. Then the one it is inherited
// from takes its place, still to be read.
func (v *View) inherited() bool {
	g := &v.segs[0]
	if g.end.N > g.Fork.N {
		return false
	}
	v.segs[0] = segment{end: Pos{Lineage: g.Fork.Lineage, N: g.end.N}}
	return true
}

// extend adds what lies beneath the last segment, which has been read, and says
// whether there is anything.
func (v *View) extend() (bool, error) {
	if len(v.segs) == 0 {
		return false, nil
	}
	last := &v.segs[len(v.segs)-1]
	if last.known != nil || last.Fork.N == 0 {
		return false, nil // what is known goes down to the first lineage
	}
	s, err := v.forks.beneath(v.tx, last.Fork)
	if err != nil {
		return false, err
	}
	if s == nil {
		v.segs = append(v.segs, segment{end: last.Fork})
	}
	for ; s != nil; s = s.under {
		v.segs = append(v.segs, segment{end: s.end, known: s})
	}
	return true, nil
}

// segments are all of the view's, read: one call for those that are remembered,
// and otherwise one for each, as only a lineage tells which it has left.
func (v *View) segments() ([]segment, error) {
	for more := len(v.segs) > 0; more; {
		all := make([]int, len(v.segs))
		for i := range all {
			all[i] = i
		}
		if _, err := v.read(all, nil); err != nil {
			return nil, err
		}
		if v.inherited() {
			continue
		}
		var err error
		if more, err = v.extend(); err != nil {
			return nil, err
		}
	}
	return v.segs, nil
}

// Lookup is the state of path: an entry, or a deletion. ErrNoPath if the
// path never was. N is 0 for what is staged.
func (v *View) Lookup(path string) (State, error) {
	list, err := v.LookupMany([]string{path})
	if err != nil {
		return State{}, err
	}
	if list[0] == nil {
		return State{}, fmt.Errorf("%w: %q", ErrNoPath, path)
	}
	return *list[0], nil
}

// LookupMany is Lookup of many paths: their states in the same order, nil for
// a path that never was.
//
// It takes one or two calls of the store for each lineage on which a path may be,
// however many paths there are. Only a path whose newest state on a lineage is
// younger than the view takes one more of its own there, as does one that has no
// state at all on the first lineage, if the view is not of its head: which states
// were replaced is known by looking. So callers ask for some hundred at a time.
func (v *View) LookupMany(paths []string) ([]*State, error) {
	list := make([]*State, len(paths))
	if !v.open.IsZero() {
		var err error
		if list, err = StagedMany(v.tx, v.open, paths); err != nil {
			return nil, err
		}
	}
	return list, v.complete(list, paths, false)
}

// complete looks for the states of those paths that have none in list; with
// deleted also for deletions that have left nothing at the head.
func (v *View) complete(list []*State, paths []string, deleted bool) error {
	var missing []sought
	var at []int
	for i, s := range list {
		if s == nil {
			missing, at = append(missing, sought{path: paths[i]}), append(at, i)
		}
	}
	if err := v.find(missing, deleted); err != nil {
		return err
	}
	for i := range missing {
		if w := &missing[i]; w.n > 0 {
			s, err := w.decode()
			if err != nil {
				return err
			}
			list[at[i]] = &s
		}
	}
	return nil
}

// Newest is the state that the last commit which changed path left, a deletion
// perhaps; nil if there was none.
func (v *View) Newest(path string) (*State, error) {
	list, err := v.NewestMany([]string{path})
	if err != nil {
		return nil, err
	}
	return list[0], nil
}

// NewestMany is Newest of many paths. A path without a state takes one more call
// of the store than LookupMany does.
func (v *View) NewestMany(paths []string) ([]*State, error) {
	list, err := v.LookupMany(paths)
	if err != nil {
		return nil, err
	}
	return list, v.complete(list, paths, true)
}

// File is the file at path, nil if there is none.
func (v *View) File(path string) (*State, error) {
	s, err := v.Lookup(path)
	if errors.Is(err, ErrNoPath) {
		return nil, nil
	}
	return s.File(), err
}

// Files is File of many paths; see LookupMany for what it takes.
func (v *View) Files(paths []string) ([]*State, error) {
	list, err := v.LookupMany(paths)
	for i, s := range list {
		if s != nil {
			list[i] = s.File()
		}
	}
	return list, err
}
