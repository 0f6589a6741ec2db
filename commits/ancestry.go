package commits

import (
	"maps"
	"slices"

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
	return newAncestry(tx, nil).frontier(p)
}

// ancestry reads how lineages grew from one another and were merged, and no row of
// that twice. It is for one transaction.
type ancestry struct {
	tx     objstore.Reader
	cache  *ForkCache
	forks  map[LineageID]Pos
	merges map[LineageID]*mergeRows
}

// mergeRows are the merges on a lineage as far as they were read.
type mergeRows struct {
	end  uint64 // the number of the last commit that was looked at
	list []mergeRow
}

// mergeRow says what the merge commit n brought.
type mergeRow struct {
	n       uint64
	brought []Pos
}

func newAncestry(tx objstore.Reader, cache *ForkCache) *ancestry {
	return &ancestry{tx: tx, cache: cache, forks: make(map[LineageID]Pos), merges: make(map[LineageID]*mergeRows)}
}

func (a *ancestry) fork(id LineageID) (Pos, error) {
	if p, ok := a.forks[id]; ok {
		return p, nil
	}
	l, err := ReadLineage(a.tx, id)
	if err == nil {
		a.forks[id] = l.Fork
	}
	return l.Fork, err
}

// chain is p and the fork points on the way from it to the first commit, each
// named by the lineage that made it.
func (a *ancestry) chain(p Pos) ([]Pos, error) {
	var list []Pos
	for p.N > 0 && p.Lineage != 0 {
		if s := a.cache.lookup(p); s != nil {
			for ; s != nil; s = s.under {
				list = append(list, s.end)
			}
			break
		}
		fork, err := a.fork(p.Lineage)
		if err != nil {
			return nil, err
		}
		if p.N > fork.N {
			list = append(list, p)
		}
		p = Pos{Lineage: fork.Lineage, N: min(p.N, fork.N)}
	}
	return list, nil
}

// origin is the commit at p named by the lineage that made it; zero for N 0.
func (a *ancestry) origin(p Pos) (Pos, error) {
	chain, err := a.chain(p)
	return onChain(chain, p.N), err
}

// onChain is the commit n, which is no younger than the first of chain.
func onChain(chain []Pos, n uint64) Pos {
	for _, p := range slices.Backward(chain) {
		if n > 0 && n <= p.N {
			return Pos{Lineage: p.Lineage, N: n}
		}
	}
	return Pos{}
}

// frontier is all that leads to p.
func (a *ancestry) frontier(p Pos) (Frontier, error) {
	f := make(Frontier)
	chain, err := a.chain(p)
	if err != nil {
		return nil, err
	}
	for _, q := range chain {
		f.add(q)
		if err := a.addMerges(q, f); err != nil {
			return nil, err
		}
	}
	return f, nil
}

// addMerges adds to f what the merges on p's lineage up to p brought.
func (a *ancestry) addMerges(p Pos, f Frontier) error {
	m := a.merges[p.Lineage]
	if m == nil {
		m = &mergeRows{}
		a.merges[p.Lineage] = m
	}
	if m.end < p.N {
		if err := m.read(a.tx, p); err != nil {
			return err
		}
	}
	for _, row := range m.list {
		if row.n > p.N {
			break
		}
		for _, q := range row.brought {
			f.add(q)
		}
	}
	return nil
}

// read reads on to the merges up to p.
func (m *mergeRows) read(tx objstore.Reader, p Pos) error {
	rows := objstore.Scan(tx, objstore.Range{
		Start: mergeKey(Pos{Lineage: p.Lineage, N: m.end + 1}),
		End:   mergeKey(Pos{Lineage: p.Lineage, N: p.N + 1}),
	})
	for rows.Next() {
		row := mergeRow{n: keyN(rows.Key())}
		for b := rows.Value(); len(b) > 0; {
			var q Pos
			var err error
			if q, b, err = cutPos(b); err != nil {
				return err
			}
			row.brought = append(row.brought, q)
		}
		m.list = append(m.list, row)
	}
	m.end = p.N
	return rows.Err()
}

// setMerge writes what a merge commit brought: the commits that lead to its
// further parents and not to its first.
func setMerge(tx objstore.Writer, c *Commit) error {
	if len(c.Parents) < 2 {
		return nil
	}
	a := newAncestry(tx, nil)
	known := make(Frontier)
	if c.Pos.N > 1 {
		first, err := a.origin(firstParent(c.Pos))
		if err != nil {
			return err
		}
		if known, err = a.frontier(first); err != nil {
			return err
		}
	}
	brought := make(Frontier)
	for _, id := range c.Parents[1:] {
		p, err := Find(tx, id)
		if err != nil {
			return err
		}
		f, err := a.frontier(p)
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
