package run

import (
	"cmp"
	"slices"
)

// Gap is where the runs that follow each other from 0 end although there are
// others behind: what was written after After, and not after Until, is in none.
type Gap struct {
	After, Until uint64
	// Beyond are the runs that the chain does not lead to. One that begins
	// before After has a part of what the chain has, and goes beyond.
	Beyond []Info
}

// Cover picks of the runs of one log the chain that follows from 0 without a
// gap: the one that leads farthest, and of those the one whose runs are widest,
// the oldest first. The rows of superseded ones are in it, as of a merge whose
// inputs were not removed. A gap says that there are others: rows are missing.
func Cover(runs []Info) (chain, superseded []Info, gap *Gap) {
	sorted := slices.Clone(runs)
	slices.SortFunc(sorted, func(a, b Info) int {
		return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(a.To, b.To))
	})
	// best[n] is the run that begins at n and leads farthest, the widest of those.
	type step struct {
		run Info
		end uint64
	}
	best := make(map[uint64]step)
	for _, r := range slices.Backward(sorted) {
		end := r.To
		if next, ok := best[r.To]; ok {
			end = next.end
		}
		// What is met first is the widest.
		if b, ok := best[r.From]; r.From < r.To && (!ok || end > b.end) {
			best[r.From] = step{r, end}
		}
	}
	type ends struct{ from, to uint64 }
	at, in := uint64(0), make(map[ends]bool)
	for {
		next, ok := best[at]
		if !ok {
			break
		}
		chain = append(chain, next.run)
		in[ends{next.run.From, next.run.To}] = true
		at = next.run.To
	}
	var beyond []Info
	for _, r := range sorted {
		switch {
		case in[ends{r.From, r.To}]:
		case r.To <= at:
			superseded = append(superseded, r)
		default:
			beyond = append(beyond, r)
		}
	}
	if len(beyond) == 0 {
		return chain, superseded, nil
	}
	return chain, superseded, &Gap{After: at, Until: max(at, beyond[0].From), Beyond: beyond}
}
