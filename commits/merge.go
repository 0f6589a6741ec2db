package commits

import (
	"maps"
	"slices"

	"caret/objstore"
)

// Merge is a three-way merge of two commits, path by path.
//
// Of a path that is not the same in both, the side that differs from their
// newest common commit counts; if both do, that is a conflict. Where several
// commits are equally new, because branches were merged crosswise, they are
// first merged themselves, as git's recursive strategy does.
type Merge struct {
	Ours, Theirs Pos
	Bases        []Pos
	// FastForward says that ours leads to theirs by first parents, so that
	// theirs is the outcome: a branch that is moved there has all it had. A
	// branch that was moved on a thousand times already is not again.
	FastForward bool
	forks       *ForkCache
}

// maxForks is on how many lineages, each forked from the one before, a branch may
// come to stand by being moved on: whatever goes through all of them, such as a
// listing, takes some 10 us for each.
const maxForks = 1000

// NewMerge prepares to merge theirs into ours.
func (x *ForkCache) NewMerge(tx objstore.Reader, ours, theirs Pos) (*Merge, error) {
	a := newAncestry(tx, x)
	bases, err := a.bases(ours, theirs)
	if err != nil {
		return nil, err
	}
	chain, err := a.chain(theirs)
	if err != nil {
		return nil, err
	}
	leads := onChain(chain, min(ours.N, theirs.N)) == ours
	return &Merge{Ours: ours, Theirs: theirs, Bases: bases, FastForward: leads && len(chain) < maxForks, forks: x}, nil
}

// UpToDate says that theirs leads to ours: there is nothing to merge.
func (m *Merge) UpToDate() bool { return len(m.Bases) == 1 && m.Bases[0] == m.Theirs }

// Candidates are the paths, in order, that the merge may change: what was
// changed on their side since it parted from ours.
func (m *Merge) Candidates(tx objstore.Reader) ([]string, error) {
	paths := make(map[string]struct{})
	if err := newAncestry(tx, m.forks).changedOutside(m.Theirs, m.Ours, "", paths); err != nil {
		return nil, err
	}
	return slices.Sorted(maps.Keys(paths)), nil
}

// MergedPath is a path that the merge has to change or to decide about; nil
// is no file.
type MergedPath struct {
	Path               string
	Base, Ours, Theirs *State
	Conflict           bool // both sides changed it
	// Left is what the last commit of ours left, if there is a conflict: Ours,
	// or how it was deleted.
	Left *State
}

// Resolve calls fn for those of the candidates, in their order, that the sides do
// not have in the same state, and that theirs changed.
func (m *Merge) Resolve(tx objstore.Reader, candidates []string, fn func(MergedPath) error) error {
	ours, err := m.forks.View(tx, m.Ours, ID{})
	if err != nil {
		return err
	}
	theirs, err := m.forks.View(tx, m.Theirs, ID{})
	if err != nil {
		return err
	}
	base, err := newAncestor(m.forks, tx, m.Bases)
	if err != nil {
		return err
	}
	for page := range slices.Chunk(candidates, maxPage) {
		merged, err := unequal(ours, theirs, page)
		if err != nil {
			return err
		}
		if merged, err = base.sort(merged); err != nil {
			return err
		}
		if err := findLeft(ours, merged); err != nil {
			return err
		}
		for _, p := range merged {
			if err := fn(p); err != nil {
				return err
			}
		}
	}
	return nil
}

// unequal are those of paths that the sides do not have in the same state.
func unequal(ours, theirs *View, paths []string) ([]MergedPath, error) {
	a, err := ours.Files(paths)
	if err != nil {
		return nil, err
	}
	b, err := theirs.Files(paths)
	if err != nil {
		return nil, err
	}
	var list []MergedPath
	for i, path := range paths {
		if !SameFile(a[i], b[i]) {
			list = append(list, MergedPath{Path: path, Ours: a[i], Theirs: b[i]})
		}
	}
	return list, nil
}

// findLeft sets what ours left of the paths in conflict.
func findLeft(ours *View, list []MergedPath) error {
	var paths []string
	var conflicts []*MergedPath
	for i := range list {
		if p := &list[i]; p.Conflict {
			paths, conflicts = append(paths, p.Path), append(conflicts, p)
		}
	}
	if len(paths) == 0 {
		return nil
	}
	left, err := ours.NewestMany(paths)
	for i, s := range left {
		conflicts[i].Left = s
	}
	return err
}

// ancestor is the state that two commits have in common: that of their one
// base, or what merging their bases gives.
type ancestor struct {
	forks  *ForkCache
	tx     objstore.Reader
	bases  []Pos
	views  []*View     // of the bases
	shared []*ancestor // [i]: what base i+1 and those before it have in common; nil until it is needed
}

func newAncestor(forks *ForkCache, tx objstore.Reader, bases []Pos) (*ancestor, error) {
	a := &ancestor{forks: forks, tx: tx, bases: bases}
	for _, p := range bases {
		v, err := forks.View(tx, p, ID{})
		if err != nil {
			return nil, err
		}
		a.views = append(a.views, v)
	}
	return a, nil
}

// sort sets the bases of paths and says which are in conflict. Those that theirs
// did not change drop out.
func (a *ancestor) sort(list []MergedPath) ([]MergedPath, error) {
	paths := make([]string, len(list))
	for i := range list {
		paths[i] = list[i].Path
	}
	was, err := a.files(paths)
	if err != nil {
		return nil, err
	}
	changed := list[:0]
	for i, p := range list {
		if was[i].matches(p.Theirs) {
			continue
		}
		p.Base, p.Conflict = was[i].state, !was[i].matches(p.Ours)
		changed = append(changed, p)
	}
	return changed, nil
}

// common is a path as an ancestor has it; mixed is a conflict there, which
// matches no state.
type common struct {
	state *State // nil is no file
	mixed bool
}

func (c common) matches(s *State) bool { return !c.mixed && SameFile(c.state, s) }

func (c common) equals(d common) bool { return !d.mixed && c.matches(d.state) }

// files are paths as the ancestor has them: the bases are merged one after the
// other, each against what it has in common with those before it.
func (a *ancestor) files(paths []string) ([]common, error) {
	merged := make([]common, len(paths))
	for i, v := range a.views {
		states, err := v.Files(paths)
		if err != nil {
			return nil, err
		}
		var unlike []int
		for k, s := range states {
			if i == 0 {
				merged[k].state = s
			} else if !merged[k].matches(s) {
				unlike = append(unlike, k)
			}
		}
		if len(unlike) == 0 {
			continue
		}
		was, err := a.sharedFiles(i-1, paths, unlike)
		if err != nil {
			return nil, err
		}
		for j, k := range unlike {
			switch next := (common{state: states[k]}); {
			case was[j].equals(merged[k]):
				merged[k] = next
			case !was[j].equals(next):
				merged[k] = common{mixed: true}
			}
		}
	}
	return merged, nil
}

// sharedFiles are those of paths that which says, as base i+1 and those before it
// have them in common.
func (a *ancestor) sharedFiles(i int, paths []string, which []int) ([]common, error) {
	if a.shared == nil {
		below, err := newAncestry(a.tx, a.forks).basesInTurn(a.bases)
		if err != nil {
			return nil, err
		}
		for _, bases := range below {
			b, err := newAncestor(a.forks, a.tx, bases)
			if err != nil {
				return nil, err
			}
			a.shared = append(a.shared, b)
		}
	}
	some := make([]string, len(which))
	for j, k := range which {
		some[j] = paths[k]
	}
	return a.shared[i].files(some)
}
