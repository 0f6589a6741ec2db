package commits

import (
	"errors"
	"fmt"
	"slices"

	"caret/objstore"
)

// View reads the state at one position in one transaction. It reads nothing
// before it is asked.
type View struct {
	tx    objstore.Reader
	forks *ForkCache
	open  ID // the open commit whose staged changes lie on top
	// chain is the lineages that the view's state is made of, the nearest first, as
	// far down as anybody had to look.
	chain []link
}

// link is a lineage of a view's chain.
type link struct {
	known    *stretch // what its commits changed, if that is remembered
	*segment          // nil if it is known, and nobody had to look there
}

// segment is a lineage as far as a view reaches into it.
type segment struct {
	Lineage
	end  Pos  // the newest commit that counts
	head bool // end is the lineage's newest commit
	read bool // Lineage and head are set
}

// View reads at p, with the changes staged in open (zero: none) on top.
func (x *ForkCache) View(tx objstore.Reader, p Pos, open ID) (*View, error) {
	v := &View{tx: tx, forks: x, open: open}
	if p.N > 0 && p.Lineage != 0 {
		v.chain = []link{{segment: &segment{end: p}}}
	}
	return v, nil
}

// at is a link's segment.
func (v *View) at(i int) *segment {
	k := &v.chain[i]
	if k.segment == nil {
		k.segment = &segment{end: k.known.end}
	}
	return k.segment
}

// read reads the rows of segments that have not been read, and those at keys, all in
// one call. It returns the values of keys.
func (v *View) read(segs []*segment, keys [][]byte) ([][]byte, error) {
	n := len(keys)
	for _, g := range segs {
		keys = append(keys, lineageKey(keyLineage, g.end.Lineage), lineageKey(keyHead, g.end.Lineage))
	}
	if len(keys) == 0 {
		return nil, nil
	}
	values, err := v.tx.GetMany(keys)
	if err != nil {
		return nil, err
	}
	for i, g := range segs {
		var head Head
		if g.Lineage, head, err = decodeTip(g.end.Lineage, values[n+2*i], values[n+2*i+1]); err != nil {
			return nil, err
		}
		g.head, g.read = g.end.N == head.N, true
	}
	return values[:n], nil
}

// inherited says whether the first segment, which has been read, turns out to be
// of a lineage that only inherits the view's commit. Then the one it is inherited
// from takes its place, still to be read.
func (v *View) inherited() bool {
	g := v.at(0)
	if g.end.N > g.Fork.N {
		return false
	}
	v.chain[0].segment = &segment{end: Pos{Lineage: g.Fork.Lineage, N: g.end.N}}
	return true
}

// extend adds what lies beneath the last link, whose segment has been read, and says
// whether there is anything.
func (v *View) extend() (bool, error) {
	if len(v.chain) == 0 {
		return false, nil
	}
	last := v.chain[len(v.chain)-1]
	if last.known != nil || last.Fork.N == 0 {
		return false, nil // what is known goes down to the first lineage
	}
	s, err := v.forks.beneath(v.tx, last.Fork)
	if err != nil {
		return false, err
	}
	if s == nil {
		v.chain = append(v.chain, link{segment: &segment{end: last.Fork}})
		return true, nil
	}
	v.chain = slices.Grow(v.chain, s.depth)
	for ; s != nil; s = s.under {
		v.chain = append(v.chain, link{known: s})
	}
	return true, nil
}

// segments are all of the view's, read: one call for those that are remembered,
// and otherwise one for each, as only a lineage tells which it has left.
func (v *View) segments() ([]*segment, error) {
	var all, unread []*segment
	for more := len(v.chain) > 0; more; {
		all, unread = all[:0], unread[:0]
		for i := range v.chain {
			g := v.at(i)
			all = append(all, g)
			if !g.read {
				unread = append(unread, g)
			}
		}
		if _, err := v.read(unread, nil); err != nil {
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
	return all, nil
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
	missing := make([]sought, 0, len(list))
	for i, s := range list {
		if s == nil {
			missing = append(missing, sought{path: paths[i], index: i})
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
			list[w.index] = &s
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
