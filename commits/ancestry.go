package commits

import (
	"maps"
	"slices"

	"caret/objstore"
)

// Frontier is a set of commits that has all ancestors of each: for each lineage, the number
// up to which it has those that the lineage made. A commit is said to lead to another, by
// first parents or by any, if it is the same or an ancestor of it.
type Frontier map[LineageID]uint64

// Has reports whether f has the commit at p, which is on the lineage that made it.
func (f Frontier) Has(p Pos) bool { return p.N <= f[p.Lineage] }

func (f Frontier) add(p Pos) { f[p.Lineage] = max(f[p.Lineage], p.N) }

// join adds all that g has.
func (f Frontier) join(g Frontier) {
	for lineage, n := range g {
		f.add(Pos{Lineage: lineage, N: n})
	}
}

// ReadFrontier returns the commits that lead to p. It takes time in proportion to the
// lineages that p's grew from and to the merges on them.
func ReadFrontier(tx objstore.Reader, p Pos) (Frontier, error) {
	return newAncestry(tx, nil).frontier(p)
}

// ancestry reads how lineages forked from one another and were merged. It is for one
// transaction, in which it reads no row twice.
type ancestry struct {
	tx     objstore.Reader
	cache  *ForkCache
	forks  map[LineageID]Pos
	merges map[LineageID]*mergeRows
}

// mergeRows is the merges on a lineage, as far as they were read.
type mergeRows struct {
	end  uint64 // all up to this number were
	list []mergeRow
}

// mergeRow is what commit n, a merge, brought in: of some lineages, all commits up to a
// position.
type mergeRow struct {
	n       uint64
	brought []Pos
}

func newAncestry(tx objstore.Reader, cache *ForkCache) *ancestry {
	return &ancestry{tx: tx, cache: cache, forks: make(map[LineageID]Pos), merges: make(map[LineageID]*mergeRows)}
}

// fork returns where a lineage forked from another one, zero if it did not.
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

// chain returns p and the fork points on the way from it back to the first commit, each
// on the lineage that made it.
func (a *ancestry) chain(p Pos) ([]Pos, error) {
	var list []Pos
	var down descent
	for p.N > 0 && p.Lineage != 0 {
		if s := a.cache.lookup(p); s != nil {
			for ; s != nil; s = s.under {
				list = append(list, s.end)
			}
			break
		}
		fork, err := a.fork(p.Lineage)
		if err == nil {
			err = down.to(&Lineage{ID: p.Lineage, Fork: fork})
		}
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

// onChain returns the position of commit n, on the lineage that made it, of those on a
// chain. It is not newer than the first of them.
func onChain(chain []Pos, n uint64) Pos {
	for _, p := range slices.Backward(chain) {
		if n > 0 && n <= p.N {
			return Pos{Lineage: p.Lineage, N: n}
		}
	}
	return Pos{}
}

// frontier returns the commits that lead to p.
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

// addMerges adds to f what the merges on p's lineage up to p brought in.
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
	m.addTo(f, p.N)
	return nil
}

// addTo adds to f what merges up to number n brought in.
func (m *mergeRows) addTo(f Frontier, n uint64) {
	for _, row := range m.list {
		if row.n > n {
			break
		}
		for _, q := range row.brought {
			f.add(q)
		}
	}
}

// read goes on reading merges, up to p.
func (m *mergeRows) read(tx objstore.Reader, p Pos) error {
	rows := objstore.Scan(tx, objstore.Range{
		Start: mergeKey(Pos{Lineage: p.Lineage, N: m.end + 1}),
		End:   mergeKey(Pos{Lineage: p.Lineage, N: p.N + 1}),
	})
	for rows.Next() {
		row := mergeRow{n: keyN(rows.Key())}
		if err := row.decode(rows.Value()); err != nil {
			return err
		}
		m.list = append(m.list, row)
	}
	m.end = p.N
	return rows.Err()
}

// decode decodes what a merge brought in.
func (r *mergeRow) decode(b []byte) error {
	for len(b) > 0 {
		var q Pos
		var err error
		if q, b, err = cutPos(b); err != nil {
			return err
		}
		r.brought = append(r.brought, q)
	}
	return nil
}

// Brought is what a merge is to bring into a commit, read ahead of the transaction that makes
// it: it takes time in proportion to all merges that lead to either.
type Brought struct {
	into          Pos
	known, theirs Frontier // commits that lead to into, and to what is merged
}

// ReadBrought reads what merged is to bring into a commit, which may be none yet.
func ReadBrought(tx objstore.Reader, into Pos, merged ...Pos) (*Brought, error) {
	a := newAncestry(tx, nil)
	b := &Brought{into: into, theirs: make(Frontier)}
	var err error
	if b.known, err = a.frontier(into); err != nil {
		return nil, err
	}
	for _, p := range merged {
		f, err := a.frontier(p)
		if err != nil {
			return nil, err
		}
		b.theirs.join(f)
	}
	return b, nil
}

// setMerge writes what a commit with several parents brought in: the commits that lead to
// another parent and not to the first. brought was read for an earlier commit of the
// lineage, or is nil.
func setMerge(tx objstore.Writer, c *Commit, brought *Brought) error {
	if len(c.Parents) < 2 {
		return nil
	}
	first := firstParent(c.Pos)
	if brought == nil {
		merged := make([]Pos, len(c.Parents)-1)
		for i, id := range c.Parents[1:] {
			var err error
			if merged[i], err = Find(tx, id); err != nil {
				return err
			}
		}
		var err error
		if brought, err = ReadBrought(tx, first, merged...); err != nil {
			return err
		}
	}
	known := maps.Clone(brought.known)
	if first.N > brought.into.N { // what has come since
		known.add(first)
		since := &mergeRows{end: brought.into.N}
		if err := since.read(tx, first); err != nil {
			return err
		}
		since.addTo(known, first.N)
	}
	var row []byte
	for _, lineage := range slices.Sorted(maps.Keys(brought.theirs)) {
		if p := (Pos{Lineage: lineage, N: brought.theirs[lineage]}); !known.Has(p) {
			row = append(row, encodePos(p)...)
		}
	}
	return tx.Set(mergeKey(c.Pos), row)
}

// MergedSince reports whether a lineage has merges with numbers above after.
func MergedSince(tx objstore.Reader, lineage LineageID, after uint64) (bool, error) {
	one, err := tx.Page(objstore.Range{
		Start: mergeKey(Pos{Lineage: lineage, N: after + 1}),
		End:   mergeKey(Pos{Lineage: lineage + 1}),
	}, 1)
	return len(one) > 0, err
}
