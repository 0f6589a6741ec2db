package commits

import (
	"maps"
	"slices"

	"caret/objstore"
)

// Merge is a three-way merge of two commits, path by path.
//
// Of a path that the two do not have in the same state, the one counts that differs from
// their merge base; if both do, that is a conflict. Several merge bases, which are left by
// crosswise merges, are merged themselves first, as git's recursive strategy does.
type Merge struct {
	Ours, Theirs Pos
	Bases        []Pos // see [Bases]
	// FastForward says that ours leads to theirs by first parents, so that a branch can be
	// moved on to theirs instead. It is false if the branch would then stand on too many
	// lineages, each forked from the next.
	FastForward bool
	forks       *ForkCache
}

// maxForks is how many lineages a branch may come to stand on by being moved on. What
// goes through all of them, such as a listing, takes some 10 us for each.
const maxForks = 1000

// NewMerge prepares to merge theirs into ours. Both are on the lineages that made them.
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

// UpToDate reports whether theirs leads to ours, so that there is nothing to merge.
func (m *Merge) UpToDate() bool { return len(m.Bases) == 1 && m.Bases[0] == m.Theirs }

// Candidates returns the paths, in order, that the merge may change: those that were
// changed on their side since the two parted.
func (m *Merge) Candidates(tx objstore.Reader) ([]string, error) {
	paths := make(map[string]struct{})
	if err := newAncestry(tx, m.forks).changedOutside(m.Theirs, m.Ours, "", paths); err != nil {
		return nil, err
	}
	return slices.Sorted(maps.Keys(paths)), nil
}

// MergedPath is a path that a merge has to change, or to decide about.
type MergedPath struct {
	Path               string
	Base, Ours, Theirs *State // files; nil is none
	Conflict           bool   // both sides changed it
	// Left is set in a conflict: the state that the last commit of ours to change the path
	// left, which is Ours or a deletion.
	Left *State
}

// Resolve calls fn for those of the candidates, in their order, that theirs changed and
// that ours does not have in the same state. All are looked up in pages.
func (m *Merge) Resolve(tx objstore.Reader, candidates []string, fn func(MergedPath) error) error {
	ours, err := m.forks.View(tx, m.Ours, ID{})
	if err != nil {
		return err
	}
	theirs, err := m.forks.View(tx, m.Theirs, ID{})
	if err != nil {
		return err
	}
	base, err := newVirtualBase(m.forks, tx, m.Bases)
	if err != nil {
		return err
	}
	for page := range slices.Chunk(candidates, maxPage) {
		merged, err := differing(ours, theirs, page)
		if err != nil {
			return err
		}
		if merged, err = base.classify(merged); err != nil {
			return err
		}
		if err := setLeft(ours, merged); err != nil {
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

// differing returns those of paths that the two sides do not have in the same state.
func differing(ours, theirs *View, paths []string) ([]MergedPath, error) {
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

// setLeft sets Left of the paths that are in conflict.
func setLeft(ours *View, list []MergedPath) error {
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

// virtualBase is what two sides are compared with: their merge base, or the outcome of
// merging their merge bases in turn.
type virtualBase struct {
	forks *ForkCache
	tx    objstore.Reader
	bases []Pos
	views []*View // of bases
	// shared is what bases are compared with when they are merged: [i] is for base i+1 and
	// the outcome of merging those in front of it. It is nil until it is needed.
	shared []*virtualBase
}

func newVirtualBase(forks *ForkCache, tx objstore.Reader, bases []Pos) (*virtualBase, error) {
	b := &virtualBase{forks: forks, tx: tx, bases: bases}
	for _, p := range bases {
		v, err := forks.View(tx, p, ID{})
		if err != nil {
			return nil, err
		}
		b.views = append(b.views, v)
	}
	return b, nil
}

// classify sets Base and Conflict of paths, and drops those that theirs did not change.
func (b *virtualBase) classify(list []MergedPath) ([]MergedPath, error) {
	paths := make([]string, len(list))
	for i := range list {
		paths[i] = list[i].Path
	}
	was, err := b.files(paths)
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

// baseFile is a path in a virtualBase.
type baseFile struct {
	state    *State // nil is no file
	conflict bool   // the bases are in conflict, which is the same as no state
}

func (f baseFile) matches(s *State) bool { return !f.conflict && SameFile(f.state, s) }

func (f baseFile) equals(g baseFile) bool { return !g.conflict && f.matches(g.state) }

// files returns the files at paths. The bases are merged one after the other.
func (b *virtualBase) files(paths []string) ([]baseFile, error) {
	merged := make([]baseFile, len(paths))
	for i, v := range b.views {
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
		was, err := b.sharedFiles(i-1, paths, unlike)
		if err != nil {
			return nil, err
		}
		for j, k := range unlike {
			switch next := (baseFile{state: states[k]}); {
			case was[j].equals(merged[k]):
				merged[k] = next
			case !was[j].equals(next):
				merged[k] = baseFile{conflict: true}
			}
		}
	}
	return merged, nil
}

// sharedFiles returns the files at some of paths in shared[i].
func (b *virtualBase) sharedFiles(i int, paths []string, which []int) ([]baseFile, error) {
	if b.shared == nil {
		inTurn, err := newAncestry(b.tx, b.forks).basesInTurn(b.bases)
		if err != nil {
			return nil, err
		}
		for _, bases := range inTurn {
			shared, err := newVirtualBase(b.forks, b.tx, bases)
			if err != nil {
				return nil, err
			}
			b.shared = append(b.shared, shared)
		}
	}
	some := make([]string, len(which))
	for j, k := range which {
		some[j] = paths[k]
	}
	return b.shared[i].files(some)
}
