package commits

import (
	"hash/maphash"
	"maps"
	"sync"

	"caret/objstore"
)

// ForkCache remembers what lies beneath fork points, which never changes: on a
// branch that left one that left one ..., the state of a path is then found
// by looking only where the path was changed. A nil *ForkCache remembers nothing.
// All methods may be called concurrently.
type ForkCache struct {
	seed   maphash.Seed
	mu     sync.RWMutex
	known  map[Pos]*stretch
	newest map[LineageID]*stretch // of those known, the longest of each lineage
	weight int                    // of all that is known
}

// stretch is the part of a lineage up to a fork point, the commits it inherited
// from others not included.
type stretch struct {
	end   Pos
	paths map[uint64]struct{} // hashes of what its commits changed; nil if that is too much
	under *stretch            // nil at the first lineage
}

const (
	// maxStretch is how many paths, or commits, of a stretch are remembered:
	// in one of more the path is looked for.
	maxStretch = 4096
	// maxWeight is how much is remembered, of some 20 bytes each.
	maxWeight = 4 << 20
)

// NewForkCache returns an empty memory.
func NewForkCache() *ForkCache {
	return &ForkCache{seed: maphash.MakeSeed(), known: make(map[Pos]*stretch), newest: make(map[LineageID]*stretch)}
}

func (x *ForkCache) lookup(p Pos) *stretch {
	if x == nil {
		return nil
	}
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.known[p]
}

// beneath is what lies under the fork point p. Within a transaction that
// writes it is nil unless it is known, as what is read there may never be.
func (x *ForkCache) beneath(tx objstore.Reader, p Pos) (*stretch, error) {
	if x == nil || p.N == 0 {
		return nil, nil
	}
	if s := x.lookup(p); s != nil {
		return s, nil
	}
	if _, writes := tx.(objstore.Writer); writes {
		return nil, nil
	}
	chain, err := newAncestry(tx, x).chain(p)
	if err != nil {
		return nil, err
	}
	var under *stretch
	for i := len(chain) - 1; i >= 0; i-- {
		s := x.lookup(chain[i])
		if s == nil {
			if s, err = x.read(tx, chain[i], under); err != nil {
				return nil, err
			}
		}
		under = s
	}
	return under, nil
}

// read reads a stretch and remembers it.
func (x *ForkCache) read(tx objstore.Reader, end Pos, under *stretch) (*stretch, error) {
	s := &stretch{end: end, under: under}
	if under != nil { // in the first lineage every path has to be looked for anyway
		var err error
		if s.paths, err = x.changed(tx, end); err != nil {
			return nil, err
		}
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.weight += 10 + len(s.paths); x.weight > maxWeight {
		clear(x.known)
		clear(x.newest)
		x.weight = 10 + len(s.paths)
	}
	x.known[end] = s
	if was := x.newest[end.Lineage]; was == nil || was.end.N < end.N {
		x.newest[end.Lineage] = s
	}
	return s, nil
}

// changed are the hashes of what the commits of end's lineage up to it changed, and
// maybe of more; nil if it is too much. What is known of another part of the
// lineage is not read again.
func (x *ForkCache) changed(tx objstore.Reader, end Pos) (map[uint64]struct{}, error) {
	x.mu.RLock()
	was := x.newest[end.Lineage]
	x.mu.RUnlock()
	hashes, after := make(map[uint64]struct{}), uint64(0)
	switch {
	case was == nil:
	case was.end.N < end.N && was.paths == nil:
		return nil, nil
	case was.end.N < end.N:
		hashes, after = maps.Clone(was.paths), was.end.N
	case was.paths != nil:
		return was.paths, nil
	}
	paths := make(map[string]struct{})
	all, err := changedOn(tx, end, after, "", paths, maxStretch-len(hashes))
	if err != nil || !all {
		return nil, err
	}
	for p := range paths {
		hashes[x.hash(p)] = struct{}{}
	}
	return hashes, nil
}

func (x *ForkCache) hash(path string) uint64 { return maphash.String(x.seed, path) }

// mayHave says whether a commit of the stretch may have changed path.
func (s *stretch) mayHave(hash uint64) bool {
	if s.paths == nil {
		return true
	}
	_, ok := s.paths[hash]
	return ok
}
