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
	bases, err := Bases(tx, ours, theirs)
	if err != nil {
		return nil, err
	}
	chain, err := lineages(tx, theirs)
	if err != nil {
		return nil, err
	}
	own, err := Owner(tx, Pos{Lineage: theirs.Lineage, N: min(ours.N, theirs.N)})
	return &Merge{Ours: ours, Theirs: theirs, Bases: bases, FastForward: own == ours && len(chain) < maxForks, forks: x}, err
}

// UpToDate says that theirs leads to ours: there is nothing to merge.
func (m *Merge) UpToDate() bool { return len(m.Bases) == 1 && m.Bases[0] == m.Theirs }

// Candidates are the paths, in order, that the merge may change: what was
// changed on their side since it parted from ours.
func (m *Merge) Candidates(tx objstore.Reader) ([]string, error) {
	paths := make(map[string]struct{})
	if err := changedOutside(tx, m.Theirs, m.Ours, "", paths); err != nil {
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

// Resolve calls fn for those of the candidates that the sides do not have in
// the same state, and that theirs changed.
func (m *Merge) Resolve(tx objstore.Reader, candidates []string, fn func(MergedPath) error) error {
	ours, err := m.forks.View(tx, m.Ours, ID{})
	if err != nil {
		return err
	}
	theirs, err := m.forks.View(tx, m.Theirs, ID{})
	if err != nil {
		return err
	}
	base := ancestor{forks: m.forks, tx: tx}
	if err := base.open(m.Bases); err != nil {
		return err
	}
	for _, path := range candidates {
		p := MergedPath{Path: path}
		if p.Ours, err = ours.File(path); err != nil {
			return err
		}
		if p.Theirs, err = theirs.File(path); err != nil {
			return err
		}
		if SameFile(p.Ours, p.Theirs) {
			continue
		}
		was, err := base.file(path)
		if err != nil {
			return err
		}
		if was.is(p.Theirs) {
			continue
		}
		p.Base, p.Conflict = was.state, !was.is(p.Ours)
		if p.Conflict {
			if p.Left, err = ours.Newest(path); err != nil {
				return err
			}
		}
		if err := fn(p); err != nil {
			return err
		}
	}
	return nil
}

// ancestor is the state that two commits have in common: that of their one
// base, or what merging their bases gives.
type ancestor struct {
	forks *ForkCache
	tx    objstore.Reader
	bases []Pos
	views []*View
	below [][]Pos     // [i]: the bases of base i+1 and all before it, found when they are needed
	under []*ancestor // [i]: what they have in common
}

func (a *ancestor) open(bases []Pos) error {
	a.bases, a.under = bases, make([]*ancestor, len(bases))
	for _, p := range bases {
		v, err := a.forks.View(a.tx, p, ID{})
		if err != nil {
			return err
		}
		a.views = append(a.views, v)
	}
	return nil
}

// common is a path as an ancestor has it; mixed is a conflict there, which is
// like no state.
type common struct {
	state *State
	mixed bool
}

func (c common) is(s *State) bool { return !c.mixed && SameFile(c.state, s) }

func (c common) same(d common) bool { return !d.mixed && c.is(d.state) }

func (a *ancestor) file(path string) (common, error) {
	var acc common
	for i, v := range a.views {
		s, err := v.File(path)
		if err != nil {
			return acc, err
		}
		if i == 0 {
			acc.state = s
			continue
		}
		if acc.is(s) {
			continue
		}
		was, err := a.beneath(i-1, path)
		switch next := (common{state: s}); {
		case err != nil:
			return acc, err
		case was.same(acc):
			acc = next
		case !was.same(next):
			acc = common{mixed: true}
		}
	}
	return acc, nil
}

// beneath is the path in what base i+1 has in common with those before it.
func (a *ancestor) beneath(i int, path string) (common, error) {
	if a.below == nil {
		var err error
		if a.below, err = basesInTurn(a.tx, a.bases); err != nil {
			return common{}, err
		}
	}
	if a.under[i] == nil {
		a.under[i] = &ancestor{forks: a.forks, tx: a.tx}
		if err := a.under[i].open(a.below[i]); err != nil {
			return common{}, err
		}
	}
	return a.under[i].file(path)
}
