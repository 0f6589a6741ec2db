package commits

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"caret/objstore"
)

// Bases returns the merge bases of a and b, as git defines them: of the commits that lead
// to both, those that lead to no other such commit. There is one, unless branches were
// merged crosswise, or none if the two have no common history.
//
// https://git-scm.com/docs/git-merge-base
func Bases(tx objstore.Reader, a, b Pos) ([]Pos, error) {
	return newAncestry(tx, nil).bases(a, b)
}

func (a *ancestry) bases(p, q Pos) ([]Pos, error) {
	toP, err := a.frontier(p)
	if err != nil {
		return nil, err
	}
	toQ, err := a.frontier(q)
	if err != nil {
		return nil, err
	}
	return a.mergeBases(toP, toQ, p, q)
}

// basesInTurn returns for each commit of list but the first its merge bases with a commit
// that would merge all in front of it.
func (a *ancestry) basesInTurn(list []Pos) ([][]Pos, error) {
	var all [][]Pos
	before := make(Frontier)
	for i, p := range list {
		f, err := a.frontier(p)
		if err != nil {
			return nil, err
		}
		if i > 0 {
			bases, err := a.mergeBases(before, f, p)
			if err != nil {
				return nil, err
			}
			all = append(all, bases)
		}
		before.join(f)
	}
	return all, nil
}

// mergeBases returns the merge bases of two sets of commits, the oldest first. It looks
// near some commits first.
func (a *ancestry) mergeBases(f, g Frontier, near ...Pos) ([]Pos, error) {
	order, err := a.nearestFirst(g, near)
	if err != nil {
		return nil, err
	}
	var found []Pos
	var leads []Frontier // what leads to each that was found
	covered := make(Frontier)
	for _, lineage := range order {
		p := Pos{Lineage: lineage, N: min(f[lineage], g[lineage])}
		if p.N == 0 || covered.Has(p) {
			continue
		}
		to, err := a.frontier(p)
		if err != nil {
			return nil, err
		}
		found, leads = append(found, p), append(leads, to)
		covered.join(to)
	}
	var bases []Pos
	for i, p := range found {
		leadsOn := false
		for k, to := range leads {
			leadsOn = leadsOn || k != i && to.Has(p)
		}
		if !leadsOn {
			bases = append(bases, p)
		}
	}
	return bases, byTime(a.tx, bases)
}

// byTime sorts commits by the time at which they were made, so that the outcome of merging
// them in turn does not depend on who asks.
func byTime(tx objstore.Reader, list []Pos) error {
	if len(list) < 2 {
		return nil
	}
	commits, err := ReadMany(tx, list)
	if err != nil {
		return err
	}
	made := make(map[Pos]time.Time, len(list))
	for i, p := range list {
		made[p] = commits[i].Time
	}
	slices.SortFunc(list, func(p, q Pos) int {
		return cmp.Or(made[p].Compare(made[q]), cmp.Compare(p.Lineage, q.Lineage))
	})
	return nil
}

// nearestFirst returns the lineages of f, beginning with those that the commits near are
// on or their lineages grew from: a merge base is mostly on one of them.
func (a *ancestry) nearestFirst(f Frontier, near []Pos) ([]LineageID, error) {
	var order []LineageID
	seen := make(map[LineageID]bool)
	for _, p := range near {
		chain, err := a.chain(p)
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
