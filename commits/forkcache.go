package commits

import (
	"hash/maphash"
	"math"
	"slices"
	"sync"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"caret/objstore"
)

// ForkCache remembers what lies beneath fork points, which never changes: on a
// branch that left one that left one ..., the state of a path is then found
// by looking only where the path was changed. It keeps what was used last, as far
// as memory is set aside for it. A nil *ForkCache remembers nothing. All methods may
// be called concurrently.
type ForkCache struct {
	seed maphash.Seed
	most int // bytes, about

	mu     sync.Mutex
	known  *simplelru.LRU[Pos, *stretch] // by their ends
	newest map[LineageID]*stretch        // of those known, the longest of each lineage
	bytes  int                           // of all that are known
}

// stretch is the part of a lineage up to a fork point, without the commits that it
// inherited. Each that is known stands on one that is.
type stretch struct {
	end   Pos
	paths []uint64 // sorted hashes of what its commits changed; nil if that is too much
	under *stretch // nil at the first lineage
	depth int      // how many there are from here down
	above int      // how many known ones stand on it; of ForkCache.mu
}

const (
	// maxStretch is how many paths, or commits, of a stretch are remembered:
	// in one of more the path is looked for.
	maxStretch = 4096
	// maxRemembered is how many bytes are remembered, about.
	maxRemembered = 64 << 20
	// stretchBytes is what a stretch takes besides its hashes.
	stretchBytes = 256
)

// NewForkCache returns an empty memory.
func NewForkCache() *ForkCache { return newForkCache(maxRemembered) }

func newForkCache(most int) *ForkCache {
	known, err := simplelru.NewLRU[Pos, *stretch](math.MaxInt, nil) // bytes are what limits it
	if err != nil {
		panic(err) // it refuses sizes below 1 alone
	}
	return &ForkCache{seed: maphash.MakeSeed(), most: most, known: known, newest: make(map[LineageID]*stretch)}
}

func (s *stretch) bytes() int { return stretchBytes + 8*len(s.paths) }

// lookup is what is known to end at p, nil if nothing is.
func (x *ForkCache) lookup(p Pos) *stretch {
	if x == nil {
		return nil
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	s, _ := x.known.Get(p)
	return s
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

// read reads a stretch.
func (x *ForkCache) read(tx objstore.Reader, end Pos, under *stretch) (*stretch, error) {
	s := &stretch{end: end, under: under, depth: 1}
	if under == nil { // in the first lineage every path has to be looked for anyway
		return s, nil
	}
	s.depth += under.depth
	var err error
	s.paths, err = x.changed(tx, end)
	return s, err
}

// changed are the hashes of what the commits of end's lineage up to it changed, and
// maybe of more; nil if it is too much. What is known of another part of the
// lineage is not read again.
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
	all, err := changedOn(tx, end, after, "", paths, maxStretch-len(hashes))
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

// remember makes s known, unless its end is, and returns what is known then.
func (x *ForkCache) remember(s *stretch) *stretch {
	x.mu.Lock()
	defer x.mu.Unlock()
	s = x.add(s)
	x.forget()
	return s
}

func (x *ForkCache) add(s *stretch) *stretch {
	if was, ok := x.known.Get(s.end); ok {
		return was
	}
	if s.under != nil { // which may have been forgotten since it was looked up
		if under := x.add(s.under); under != s.under {
			s = &stretch{end: s.end, paths: s.paths, under: under, depth: s.depth} // others may be reading s
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

// forget makes room, the least recently used first. What others stand on is in use
// as long as they are known: it would not leave the memory either.
func (x *ForkCache) forget() {
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

// mayHave says whether a commit of the stretch may have changed path.
func (s *stretch) mayHave(hash uint64) bool {
	if s.paths == nil {
		return true
	}
	_, found := slices.BinarySearch(s.paths, hash)
	return found
}
