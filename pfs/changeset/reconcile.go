package changeset

import (
	"maps"
	"slices"

	"caret/commits"
	"caret/objstore"
	"caret/pfs/catalog"
)

// reconcileSince is reconcile in the transaction that makes the set visible, from the
// commit that was looked at last. errBehind if the branch has changed too much since.
func (p *publication) reconcileSince(tx objstore.Reader, at *catalog.Snapshot) (losing []string, err error) {
	leads, err := leadsTo(tx, p.checked, at)
	if err == nil && !leads {
		err = errBehind
	}
	if err != nil {
		return nil, err
	}
	return p.reconcile(tx, p.checked, at.Pos, true)
}

// reconcile merges the set with what the branch has changed between two of its
// commits, path by path, against the commit that the set is based on. It returns
// the paths of the set that lose, in order; a ConflictError if there are some
// that nothing decides. With near, errBehind if there are too many to look at.
func (p *publication) reconcile(tx objstore.Reader, from, head commits.Pos, near bool) (losing []string, err error) {
	if from == head || p.spec.Policy.overwrites() && p.spec.About == nil {
		return nil, nil
	}
	candidates := p.candidates
	if near {
		candidates = p.nearCandidates
	}
	paths, err := candidates(tx, from, head)
	if err != nil {
		return nil, err
	}
	conflicts := ConflictError{What: "changed on the branch since the commit was started"}
	for page := range slices.Chunk(paths, stepRows) {
		sides, err := p.sides(tx, head, page)
		if err != nil {
			return nil, err
		}
		for i, path := range page {
			base, ours, theirs := sides.base[i], sides.ours[i], sides.theirs[i]
			if theirs == nil && (p.spec.About == nil || !p.spec.About(path)) {
				continue
			}
			switch p.spec.Policy.settle(path, base, ours, fileOf(theirs), theirs == nil) {
			case loses:
				losing = append(losing, path)
			case undecided:
				conflicts.Add(Conflict{Path: path, Base: named(path, base), Ours: named(path, ours), Theirs: named(path, fileOf(theirs))})
			}
		}
	}
	if conflicts.Total > 0 {
		return nil, &conflicts
	}
	return losing, nil
}

// candidates are the paths to compare, in order: those of the set, if it is small,
// or those that the branch has changed.
func (p *publication) candidates(tx objstore.Reader, from, head commits.Pos) ([]string, error) {
	if p.spec.About == nil && p.held != nil {
		return p.paths, nil
	}
	if p.spec.About == nil && head.N > from.N+nearCommits {
		if few, err := p.fewStaged(tx); err != nil || few != nil {
			return few, err
		}
	}
	prefix := ""
	if p.spec.About != nil {
		prefix = p.spec.AboutPrefix
	}
	return p.e.Forks.ChangedPaths(tx, commits.Side{Pos: from}, commits.Side{Pos: head}, prefix)
}

// nearCandidates are candidates as far as a transaction may look. from leads to head.
func (p *publication) nearCandidates(tx objstore.Reader, from, head commits.Pos) ([]string, error) {
	if p.spec.About == nil && p.held != nil {
		return p.paths, nil
	}
	lineage, err := commits.ReadLineage(tx, head.Lineage)
	if err != nil {
		return nil, err
	}
	if from.N < lineage.Fork.N {
		return nil, errBehind // there are commits on other lineages between them
	}
	changed, all, err := commits.ChangedSince(tx, head, from.N, nearChanges)
	if err == nil && !all {
		err = errBehind
	}
	return slices.Sorted(maps.Keys(changed)), err
}

// fewStaged are the paths that are staged; nil if they are many.
func (p *publication) fewStaged(tx objstore.Reader) ([]string, error) {
	paths := []string{}
	err := commits.Staged(tx, p.id, "", func(ch commits.Change) (bool, error) {
		paths = append(paths, ch.Path)
		return len(paths) <= stepRows, nil
	})
	if len(paths) > stepRows {
		paths = nil
	}
	return paths, err
}

// sides are what three states have of some paths: base and ours files, theirs
// what the set has, a deletion perhaps; nil if nothing.
type sides struct{ base, ours, theirs []*commits.State }

func (p *publication) sides(tx objstore.Reader, head commits.Pos, paths []string) (s sides, err error) {
	files := func(at commits.Pos) ([]*commits.State, error) {
		v, err := p.e.Forks.View(tx, at, commits.ID{})
		if err != nil {
			return nil, err
		}
		return v.Files(paths)
	}
	if s.base, err = files(p.spec.Base); err != nil {
		return s, err
	}
	if s.ours, err = files(head); err != nil {
		return s, err
	}
	if p.held == nil {
		s.theirs, err = commits.StagedMany(tx, p.id, paths)
		return s, err
	}
	s.theirs = make([]*commits.State, len(paths))
	for i, path := range paths {
		if ch, ok := p.held[path]; ok {
			s.theirs[i] = &ch.State
		}
	}
	return s, nil
}

func fileOf(s *commits.State) *commits.State {
	if s == nil {
		return nil
	}
	return s.File()
}

// named is a file with its path; nil is none.
func named(path string, s *commits.State) *commits.Change {
	if s == nil {
		return nil
	}
	return &commits.Change{Path: path, State: *s}
}
