package commits

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"caret/objstore"
)

// Frontier is all commits that lead to one, by first parents and by merges,
// itself included: of each lineage those up to a number.
type Frontier map[LineageID]uint64

// Has says whether the commit at p, named by the lineage that made it, is one.
func (f Frontier) Has(p Pos) bool { return p.N <= f[p.Lineage] }

func (f Frontier) add(p Pos) { f[p.Lineage] = max(f[p.Lineage], p.N) }

// join adds what leads to another commit.
func (f Frontier) join(g Frontier) {
	for lineage, n := range g {
		f.add(Pos{Lineage: lineage, N: n})
	}
}

// ReadFrontier finds what leads to p, in time proportional to the lineages and
// merges on the way.
func ReadFrontier(tx objstore.Reader, p Pos) (Frontier, error) {
	f := make(Frontier)
	chain, err := lineages(tx, p)
	if err != nil {
		return nil, err
	}
	for _, q := range chain {
		f.add(q)
		if err := merges(tx, q, f); err != nil {
			return nil, err
		}
	}
	return f, nil
}

// lineages are p and the fork points on the way from it to the first commit,
// each named by the lineage that made it.
func lineages(tx objstore.Reader, p Pos) ([]Pos, error) {
	var list []Pos
	for p.N > 0 && p.Lineage != 0 {
		l, err := ReadLineage(tx, p.Lineage)
		if err != nil {
			return nil, err
		}
		if p.N > l.Fork.N {
			list = append(list, p)
		}
		p = Pos{Lineage: l.Fork.Lineage, N: min(p.N, l.Fork.N)}
	}
	return list, nil
}

// merges adds to f what the merges on p's lineage up to p brought.
func merges(tx objstore.Reader, p Pos, f Frontier) error {
	c := objstore.Scan(tx, objstore.Range{Start: lineageKey(keyMerge, p.Lineage), End: mergeKey(Pos{Lineage: p.Lineage, N: p.N + 1})})
	for c.Next() {
		for b := c.Value(); len(b) > 0; {
			var q Pos
			var err error
			if q, b, err = cutPos(b); err != nil {
				return err
			}
			f.add(q)
		}
	}
	return c.Err()
}

// setMerge writes what a merge commit brought: the commits that lead to its
// further parents and not to its first.
func setMerge(tx objstore.Writer, c *Commit) error {
	if len(c.Parents) < 2 {
		return nil
	}
	known := make(Frontier)
	if c.Pos.N > 1 {
		first, err := Owner(tx, Pos{Lineage: c.Pos.Lineage, N: c.Pos.N - 1})
		if err != nil {
			return err
		}
		if known, err = ReadFrontier(tx, first); err != nil {
			return err
		}
	}
	brought := make(Frontier)
	for _, id := range c.Parents[1:] {
		p, err := Find(tx, id)
		if err != nil {
			return err
		}
		f, err := ReadFrontier(tx, p)
		if err != nil {
			return err
		}
		brought.join(f)
	}
	var row []byte
	for _, lineage := range slices.Sorted(maps.Keys(brought)) {
		if p := (Pos{Lineage: lineage, N: brought[lineage]}); !known.Has(p) {
			row = append(row, encodePos(p)...)
		}
	}
	return tx.Set(mergeKey(c.Pos), row)
}

// Bases are the newest commits that lead to both a and b, as git has its merge
// bases: none of them leads to another. There is one but for branches that
// were merged crosswise, and none for those without common history.
//
// https://git-scm.com/docs/git-merge-base
func Bases(tx objstore.Reader, a, b Pos) ([]Pos, error) {
	toA, err := ReadFrontier(tx, a)
	if err != nil {
		return nil, err
	}
	toB, err := ReadFrontier(tx, b)
	if err != nil {
		return nil, err
	}
	return basesOf(tx, toA, toB, a, b)
}

// basesInTurn are, for each of list but the first, the Bases of it and a
// commit that would merge all before it.
func basesInTurn(tx objstore.Reader, list []Pos) ([][]Pos, error) {
	var all [][]Pos
	before := make(Frontier)
	for i, p := range list {
		f, err := ReadFrontier(tx, p)
		if err != nil {
			return nil, err
		}
		if i > 0 {
			bases, err := basesOf(tx, before, f, p)
			if err != nil {
				return nil, err
			}
			all = append(all, bases)
		}
		before.join(f)
	}
	return all, nil
}

// basesOf are the newest commits that both frontiers have, oldest first; near
// is where to look first.
func basesOf(tx objstore.Reader, toA, toB Frontier, near ...Pos) ([]Pos, error) {
	order, err := likely(tx, toB, near)
	if err != nil {
		return nil, err
	}
	var found []Pos
	var leads []Frontier // to each that was found
	covered := make(Frontier)
	for _, lineage := range order {
		p := Pos{Lineage: lineage, N: min(toA[lineage], toB[lineage])}
		if p.N == 0 || covered.Has(p) {
			continue
		}
		f, err := ReadFrontier(tx, p)
		if err != nil {
			return nil, err
		}
		found, leads = append(found, p), append(leads, f)
		covered.join(f)
	}
	var bases []Pos
	for i, p := range found {
		leadsOn := false
		for k, f := range leads {
			leadsOn = leadsOn || k != i && f.Has(p)
		}
		if !leadsOn {
			bases = append(bases, p)
		}
	}
	return bases, byTime(tx, bases)
}

// byTime puts commits in the order in which they were made, so that what
// merging them gives does not depend on who asks.
func byTime(tx objstore.Reader, list []Pos) error {
	if len(list) < 2 {
		return nil
	}
	made := make(map[Pos]time.Time, len(list))
	for _, p := range list {
		c, err := readRecord(tx, p)
		if err != nil {
			return err
		}
		made[p] = c.Time
	}
	slices.SortFunc(list, func(p, q Pos) int {
		return cmp.Or(made[p].Compare(made[q]), cmp.Compare(p.Lineage, q.Lineage))
	})
	return nil
}

// likely are the lineages of f, those that near have grown from first: the newest
// common commit is mostly on one of them.
func likely(tx objstore.Reader, f Frontier, near []Pos) ([]LineageID, error) {
	var order []LineageID
	seen := make(map[LineageID]bool)
	for _, p := range near {
		chain, err := lineages(tx, p)
		if err != nil {
			return nil, err
		}
		for _, q := range chain {
			if !seen[q.Lineage] {
				seen[q.Lineage] = true
				order = append(order, q.Lineage)
			}
		}
	}
	for _, lineage := range slices.Backward(slices.Sorted(maps.Keys(f))) {
		if !seen[lineage] {
			order = append(order, lineage)
		}
	}
	return order, nil
}
