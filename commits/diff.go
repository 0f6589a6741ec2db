package commits

import (
	"bytes"
	"maps"
	"math"
	"slices"
	"strings"

	"caret/objstore"
)

// Side is one of two states that are compared: that of the commit at Pos, with
// the changes staged in Open (zero: none) on top.
type Side struct {
	Pos  Pos
	Open ID
}

// Difference is a path that two positions have in different states; nil is
// no file.
type Difference struct {
	Path     string
	Old, New *State
}

// Diff calls fn for the paths under prefix and behind after that differ
// between old and now, in order, until it returns false: ChangedPaths and Compare
// in one.
func (x *ForkCache) Diff(tx objstore.Reader, old, now Side, prefix, after string, fn func(Difference) (bool, error)) error {
	paths, err := x.ChangedPaths(tx, old, now, prefix)
	if err != nil {
		return err
	}
	if after != "" {
		first, _ := slices.BinarySearch(paths, after+"\x00")
		paths = paths[first:]
	}
	c, err := x.newComparison(tx, old, now)
	if err != nil {
		return err
	}
	_, err = inPages(paths, 0, func(page []string) (bool, error) { return c.each(page, fn) })
	return err
}

// ChangedPaths are the paths under prefix, in order, that may differ between old
// and now. It takes time in proportion to what was changed by commits that lead
// to one of the two and not to the other, whatever there is besides.
func (x *ForkCache) ChangedPaths(tx objstore.Reader, old, now Side, prefix string) ([]string, error) {
	changed := make(map[string]struct{})
	a := newAncestry(tx, x)
	for _, s := range [2][2]Side{{old, now}, {now, old}} {
		if err := a.changedOutside(s[0].Pos, s[1].Pos, prefix, changed); err != nil {
			return nil, err
		}
		if !s[0].Open.IsZero() {
			if err := addPaths(tx, s[0].Open, prefix, changed, 0); err != nil {
				return nil, err
			}
		}
	}
	return slices.Sorted(maps.Keys(changed)), nil
}

// Compare calls fn for those of paths that differ between old and now, in their
// order, until it returns false. It looks up all paths at once, so a caller that
// has very many gives some hundred at a time, each perhaps in a transaction of its
// own.
func (x *ForkCache) Compare(tx objstore.Reader, old, now Side, paths []string, fn func(Difference) (bool, error)) error {
	c, err := x.newComparison(tx, old, now)
	if err != nil {
		return err
	}
	_, err = c.each(paths, fn)
	return err
}

// comparison is of two views.
type comparison struct{ old, now *View }

func (x *ForkCache) newComparison(tx objstore.Reader, old, now Side) (c comparison, err error) {
	if c.old, err = x.View(tx, old.Pos, old.Open); err == nil {
		c.now, err = x.View(tx, now.Pos, now.Open)
	}
	return c, err
}

// each calls fn for those of paths that differ, and says whether it wants more.
func (c *comparison) each(paths []string, fn func(Difference) (bool, error)) (bool, error) {
	old, err := c.old.Files(paths)
	if err != nil {
		return false, err
	}
	now, err := c.now.Files(paths)
	if err != nil {
		return false, err
	}
	for i, path := range paths {
		if SameFile(old[i], now[i]) {
			continue // changed, and changed back
		}
		if more, err := fn(Difference{Path: path, Old: old[i], New: now[i]}); err != nil || !more {
			return false, err
		}
	}
	return true, nil
}

// changedOutside adds to paths those under prefix that commits which lead to p
// and not to q changed. If q leads to p by first parents they are the commits
// between them: what each has changed is relative to its first parent.
// Otherwise all those that were merged count too, as a path may have got its
// state from one of them without that a merge had to change it.
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
			if _, err := changedOn(a.tx, Pos{Lineage: lineage, N: n}, known[lineage], prefix, paths, math.MaxInt); err != nil {
				return err
			}
		}
	}
	return nil
}

// firstParents is all that leads to p by first parents.
func (a *ancestry) firstParents(p Pos) (Frontier, error) {
	chain, err := a.chain(p)
	f := make(Frontier)
	for _, q := range chain {
		f.add(q)
	}
	return f, err
}

// changedOn adds to paths those under prefix that commits of end's lineage behind
// number after and up to end changed. It gives up, and says so, at more than
// limit commits or paths.
func changedOn(tx objstore.Reader, end Pos, after uint64, prefix string, paths map[string]struct{}, limit int) (all bool, err error) {
	rows := scanRecords(tx, end, after, int(min(end.N-after, 1<<20))+1)
	for commits := 1; rows.next(); commits++ {
		c := &rows.commit
		if commits > limit || len(paths) > limit-c.Files {
			return false, nil
		}
		if len(c.paths) == 0 {
			if err := addPaths(tx, c.ID, prefix, paths, c.Files+1); err != nil {
				return false, err
			}
		}
		for _, p := range c.paths {
			if strings.HasPrefix(p, prefix) {
				paths[p] = struct{}{}
			}
		}
	}
	return true, rows.Err()
}

// addPaths adds the paths under prefix that have rows under the id of a commit, some
// hint of them.
func addPaths(tx objstore.Reader, id ID, prefix string, paths map[string]struct{}, hint int) error {
	rows := objstore.ScanHint(tx, objstore.Prefix(changeKey(id, prefix)), hint)
	for rows.Next() {
		paths[changeKeyPath(rows.Key())] = struct{}{}
	}
	return rows.Err()
}

// File is the file that the state is, nil if it is a deletion.
func (s *State) File() *State {
	if s.Deleted {
		return nil
	}
	return s
}

// SameFile says whether a and b, nil being no file, have the same content and
// the same was said of it, whenever and by whatever commit.
func SameFile(a, b *State) bool {
	if a == nil || b == nil {
		return a == b
	}
	content, metadata, tags := Differs(a, b)
	return !content && !metadata && !tags
}

// Differs says what of two files is not the same.
func Differs(a, b *State) (content, metadata, tags bool) {
	said := func(s *State) []byte {
		attrs := s.Attrs
		attrs.Tags = nil
		return appendState(nil, &State{Entry: Entry{Attrs: attrs}})
	}
	return a.Content.Hash != b.Content.Hash, !bytes.Equal(said(a), said(b)), !maps.Equal(a.Attrs.Tags, b.Attrs.Tags)
}
