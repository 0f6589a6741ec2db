package commits

import (
	"bytes"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"caret/objstore"
)

// Side is one of two states that are compared: that of the commit at Pos, with what is
// staged in Open, if that is not zero, on top.
type Side struct {
	Pos  Pos
	Open ID
}

// Difference is a path at which two sides do not have the same file; nil is no file.
type Difference struct {
	Path     string
	Old, New *State
}

// ChangedPaths returns the paths that begin with prefix and may differ between old and
// now, in order. It takes time in proportion to what was changed by the commits that lead
// to one of the two and not to the other, whatever else there is.
func (x *ForkCache) ChangedPaths(tx objstore.Reader, old, now Side, prefix string) ([]string, error) {
	changed := make(map[string]struct{})
	a := newAncestry(tx, x)
	for _, s := range [2][2]Side{{old, now}, {now, old}} {
		if err := a.changedOutside(s[0].Pos, s[1].Pos, prefix, changed); err != nil {
			return nil, err
		}
		if !s[0].Open.IsZero() {
			if _, err := addPaths(tx, s[0].Open, prefix, changed, 0); err != nil {
				return nil, err
			}
		}
	}
	return slices.Sorted(maps.Keys(changed)), nil
}

// Compare calls fn for those of paths that differ between old and now, in their order,
// until fn returns false. All are looked up at once, so a caller with very many passes
// some hundred at a time; each call may be in a transaction of its own.
func (x *ForkCache) Compare(tx objstore.Reader, old, now Side, paths []string, fn func(Difference) (bool, error)) error {
	a, err := x.files(tx, old, paths)
	if err != nil {
		return err
	}
	b, err := x.files(tx, now, paths)
	if err != nil {
		return err
	}
	for i, path := range paths {
		if SameFile(a[i], b[i]) {
			continue // changed, and changed back
		}
		if more, err := fn(Difference{Path: path, Old: a[i], New: b[i]}); err != nil || !more {
			return err
		}
	}
	return nil
}

func (x *ForkCache) files(tx objstore.Reader, s Side, paths []string) ([]*State, error) {
	v, err := x.View(tx, s.Pos, s.Open)
	if err != nil {
		return nil, err
	}
	return v.Files(paths)
}

// changedOutside adds to paths those that begin with prefix and were changed by commits
// that lead to p and not to q.
//
// If one of p and q leads to the other by first parents, only first parents are followed,
// as what a merge changed is relative to its first parent. Otherwise the merged commits
// count too: a path may have its state from one of them without a change by the merge.
func (a *ancestry) changedOutside(p, q Pos, prefix string, paths map[string]struct{}) error {
	reached, err := a.firstParents(p)
	if err != nil {
		return err
	}
	known, err := a.firstParents(q)
	if err != nil {
		return err
	}
	if !reached.Has(q) && !known.Has(p) {
		if reached, err = a.frontier(p); err != nil {
			return err
		}
		if known, err = a.frontier(q); err != nil {
			return err
		}
	}
	for lineage, n := range reached {
		if n > known[lineage] {
			if _, err := a.changedOn(Pos{Lineage: lineage, N: n}, known[lineage], prefix, paths, math.MaxInt); err != nil {
				return err
			}
		}
	}
	return nil
}

// firstParents returns the commits that lead to p by first parents.
func (a *ancestry) firstParents(p Pos) (Frontier, error) {
	chain, err := a.chain(p)
	f := make(Frontier)
	for _, q := range chain {
		f.add(q)
	}
	return f, err
}

// changedOn adds to paths those that begin with prefix and were changed by commits that
// end's lineage made, from the one with number after, not included, up to end. It gives
// up, and returns false, if that is more than limit commits or paths.
func (a *ancestry) changedOn(end Pos, after uint64, prefix string, paths map[string]struct{}, limit int) (all bool, err error) {
	rows := scanRecords(a.tx, end, after, int(min(end.N-after, 1<<20))+1)
	for commits := 1; rows.next(); commits++ {
		c := &rows.commit
		if commits > limit || len(paths) > limit-c.Files {
			return false, nil
		}
		if c.hasRows() {
			n, err := addPaths(a.tx, c.ID, prefix, paths, min(c.Files, math.MaxInt-1)+1)
			if err == nil && prefix == "" {
				err = c.checkCount(n)
			}
			if err != nil {
				return false, err
			}
		}
		for _, p := range c.paths {
			if strings.HasPrefix(p, prefix) {
				paths[p] = struct{}{}
			}
		}
	}
	if err := rows.Err(); err != nil || rows.expected.N == after {
		return true, err
	}
	fork, err := a.fork(end.Lineage)
	if err == nil {
		err = rows.checkEnd(fork.N)
	}
	return true, err
}

// ChangedSince returns the paths that were changed by the commits which end's lineage made
// behind number after, which is not below the lineage's fork point. If these or their
// paths are more than most it returns false.
func ChangedSince(tx objstore.Reader, end Pos, after uint64, most int) (paths map[string]struct{}, all bool, err error) {
	paths = make(map[string]struct{})
	all, err = newAncestry(tx, nil).changedOn(end, after, "", paths, most)
	return paths, all, err
}

// addPaths adds the paths that begin with prefix and have rows under the id of a commit,
// which are about hint, and says how many these are.
func addPaths(tx objstore.Reader, id ID, prefix string, paths map[string]struct{}, hint int) (n int, err error) {
	rows := objstore.ScanHint(tx, objstore.Prefix(changeKey(id, prefix)), hint)
	for ; rows.Next(); n++ {
		paths[changeKeyPath(rows.Key())] = struct{}{}
	}
	return n, rows.Err()
}

// checkCount finds out whether there are as many paths as the commit has changed.
func (c *Commit) checkCount(n int) error {
	if n == c.Files {
		return nil
	}
	return fmt.Errorf("%w: commit %s says that it changed %d paths, and there are rows of %d", objstore.ErrCorrupt, c.ID, c.Files, n)
}

// File returns the state if it is a file, nil if it is a deletion.
func (s *State) File() *State {
	if s.Deleted {
		return nil
	}
	return s
}

// SameFile reports whether two files, nil being none, have the same content, metadata and
// tags, whichever commit they are of.
func SameFile(a, b *State) bool {
	if a == nil || b == nil {
		return a == b
	}
	content, metadata, tags := Differs(a, b)
	return !content && !metadata && !tags
}

// Differs reports what of two files is not the same.
func Differs(a, b *State) (content, metadata, tags bool) {
	said := func(s *State) []byte {
		attrs := s.Attrs
		attrs.Tags = nil
		return appendState(nil, &State{Entry: Entry{Attrs: attrs}})
	}
	return a.Content.Hash != b.Content.Hash, !bytes.Equal(said(a), said(b)), !maps.Equal(a.Attrs.Tags, b.Attrs.Tags)
}
