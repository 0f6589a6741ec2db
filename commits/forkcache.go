package commits

import (
	"hash/maphash"
	"math"
	"slices"
	"sync"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"caret/objstore"
)

// ForkCache remembers which paths were changed beneath fork points, which is settled for
// good. On a branch that was forked from one that was forked from another, a path is then
// looked for only on lineages that changed it. What was used last is kept, as far as there
// is memory set aside for it. A nil *ForkCache remembers nothing. All methods may be called
// concurrently.
type ForkCache struct {
	seed maphash.Seed
	most int // bytes to be remembered

	mu     sync.Mutex
	known  *simplelru.LRU[Pos, *stretch] // by end
	newest map[LineageID]*stretch        // the longest known of each lineage
	bytes  int                           // of all known
}

// stretch is the commits that a lineage made up to a fork point. If one is known, so is
// the one under it. All but above is constant.
type stretch struct {
	end   Pos
	paths []uint64 // sorted hashes of the paths that were changed; nil if there are too many
	under *stretch // ends where the lineage forked; nil if it did not
	depth int      // how many there are from this one down
	above int      // how many known ones it is under; ForkCache.mu guards it
}

const (
	// maxStretch is how many commits a stretch may have, and how many paths they may have
	// changed, for the paths to be remembered. Else every path is looked for.
	maxStretch = 4096
	// maxRemembered is how many bytes are remembered.
	maxRemembered = 64 << 20
	// stretchBytes is about what a stretch takes besides the hashes.
	stretchBytes = 256
)

// NewForkCache returns an empty memory.
func NewForkCache() *ForkCache { return newForkCache(maxRemembered) }

func newForkCache(most int) *ForkCache {
	known, err := simplelru.NewLRU[Pos, *stretch](math.MaxInt, nil) // evict counts bytes instead
	if err != nil {
		panic(err) // only a size below 1 is refused
	}
	return &ForkCache{seed: maphash.MakeSeed(), most: most, known: known, newest: make(map[LineageID]*stretch)}
}

func (s *stretch) bytes() int { return stretchBytes + 8*len(s.paths) }

// lookup returns the stretch that ends at p, nil if it is not known.
func (x *ForkCache) lookup(p Pos) *stretch {
	if x == nil {
		return nil
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	s, _ := x.known.Get(p)
	return s
}

// beneath returns the stretch that ends at the fork point p. In a transaction that writes
// it returns nil if that is not known: what is read there may never be committed.
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
	for _, end := range slices.Backward(chain) {
		s := x.lookup(end)
		if s == nil {
			if s, err = x.read(tx, end, under); err != nil {
				return nil, err
			}
			s = x.remember(s)
		}
		under = s
	}
	return under, nil
}

// read reads the stretch that ends at end, given the one under it.
func (x *ForkCache) read(tx objstore.Reader, end Pos, under *stretch) (*stretch, error) {
	s := &stretch{end: end, under: under, depth: 1}
	if under == nil { // where every path is looked for anyway, as nothing is under it
		return s, nil
	}
	s.depth += under.depth
	var err error
	s.paths, err = x.changed(tx, end)
	return s, err
}

// changed returns the sorted hashes of the paths that were changed by commits which end's
// lineage made up to end, perhaps with others; nil if there are too many. It builds on what
// is known of the lineage.
func (x *ForkCache) changed(tx objstore.Reader, end Pos) ([]uint64, error) {
	x.mu.Lock()
	was := x.newest[end.Lineage]
	x.mu.Unlock()
	var hashes []uint64
	var after uint64
	switch {
	case was == nil:
	case was.end.N < end.N && was.paths == nil:
		return nil, nil
	case was.end.N < end.N:
		hashes, after = was.paths, was.end.N
	case was.paths != nil:
		return was.paths, nil
	}
	paths := make(map[string]struct{})
	all, err := newAncestry(tx, x).changedOn(end, after, "", paths, maxStretch-len(hashes))
	if err != nil || !all {
		return nil, err
	}
	hashes = append(make([]uint64, 0, len(hashes)+len(paths)), hashes...)
	for p := range paths {
		hashes = append(hashes, x.hash(p))
	}
	slices.Sort(hashes)
	return slices.Compact(hashes), nil
}

// remember makes s known, unless one with its end is, and returns the one that is.
func (x *ForkCache) remember(s *stretch) *stretch {
	x.mu.Lock()
	defer x.mu.Unlock()
	s = x.add(s)
	x.evict()
	return s
}

// add is remember without making room.
func (x *ForkCache) add(s *stretch) *stretch {
	if was, ok := x.known.Get(s.end); ok {
		return was
	}
	if s.under != nil { // which may have been evicted since it was looked up
		if under := x.add(s.under); under != s.under {
			s = &stretch{end: s.end, paths: s.paths, under: under, depth: s.depth}
		}
		s.under.above++
	}
	x.known.Add(s.end, s)
	x.bytes += s.bytes()
	if was := x.newest[s.end.Lineage]; was == nil || was.end.N < s.end.N {
		x.newest[s.end.Lineage] = s
	}
	return s
}

// evict makes room by forgetting the stretches that were used least recently. One that is
// under known ones counts as used with them: it would stay in memory anyway.
func (x *ForkCache) evict() {
	for x.bytes > x.most {
		p, s, ok := x.known.RemoveOldest()
		if !ok {
			return
		}
		if s.above > 0 {
			x.known.Add(p, s)
			continue
		}
		x.bytes -= s.bytes()
		if s.under != nil {
			s.under.above--
		}
		if x.newest[p.Lineage] == s {
			delete(x.newest, p.Lineage)
		}
	}
}

func (x *ForkCache) hash(path string) uint64 { return maphash.String(x.seed, path) }

// mayHave reports whether the path with that hash may have been changed in the stretch.
func (s *stretch) mayHave(hash uint64) bool {
	if s.paths == nil {
		return true
	}
	_, found := slices.BinarySearch(s.paths, hash)
	return found
}
