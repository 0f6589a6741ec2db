package commits

import (
	"errors"
	"fmt"

	"caret/objstore"
)

// View shows the state at one position, in one transaction. It reads what it is asked
// for, and nothing before that.
type View struct {
	tx    objstore.Reader
	forks *ForkCache
	open  ID // the open commit whose staged changes are shown on top; zero is none
	// chain is the lineages whose states the view shows, the nearest first, as far down
	// as anybody had to look.
	chain []link
	down  descent // to the lineage that made the view's commit
}

// View shows the state at p, with what is staged in open, if that is not zero, on top.
// It returns no error: those of reading are returned by what reads.
func (x *ForkCache) View(tx objstore.Reader, p Pos, open ID) (*View, error) {
	v := &View{tx: tx, forks: x, open: open}
	if p.N > 0 && p.Lineage != 0 {
		v.chain = []link{{segment: &segment{end: p}}}
	}
	return v, nil
}

// Lookup returns the state of path, which may be a deletion, or ErrNoPath if it has
// none.
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

// LookupMany is Lookup of many paths. It returns their states in the same order, nil for
// those that have none.
//
// It takes one call of the store for each lineage that may have a path, one more if such
// a lineage has layers, and one for an open commit, however many paths there are. But it
// takes another for each path whose newest state on a lineage is newer than the view, and,
// if the view shows the first lineage as it was before its head, for each path without a
// state there: which states were replaced can only be found by looking for them. So
// callers ask for some hundred paths at a time.
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

// complete fills in the states of those paths that have none in list. With deleted it
// also finds deletions that left no newest state; see insertState.
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

// Newest returns the state that the last commit to change path left, nil if none did.
// Unlike Lookup it always finds deletions.
func (v *View) Newest(path string) (*State, error) {
	list, err := v.NewestMany([]string{path})
	if err != nil {
		return nil, err
	}
	return list[0], nil
}

// NewestMany is Newest of many paths. It takes as many calls of the store as LookupMany,
// and as many again for paths without a state, with one for each of these.
func (v *View) NewestMany(paths []string) ([]*State, error) {
	list, err := v.LookupMany(paths)
	if err != nil {
		return nil, err
	}
	return list, v.complete(list, paths, true)
}

// File returns the file at path, nil if there is none.
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
