package txn

import (
	"errors"
	"hash/maphash"
	"sync"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"caret/objstore"
)

// recent remembers rows that Views read lately: every request reads the same
// few, and to ask the store takes longer than all the rest of it. It is for an
// Engine to which nobody else commits; nil remembers nothing.
//
// A View may use it if no commit was under way while its snapshot was taken.
// Then the snapshot is exactly what the commits until then have left, which a
// number says, the epoch. What a row is remembered to be holds from the epoch of
// the View that read it until a commit writes it: that forgets the row before it
// can be seen, and until it is over nothing is remembered.
type recent struct {
	mu    sync.Mutex
	epoch uint64 // grows when a commit begins, to an odd number, and when it ends
	rows  *simplelru.LRU[string, recentRow]
	// once has a bit for the hash of each row that was read lately: most rows
	// are read once, and are remembered only when they are read again.
	seed  maphash.Seed
	once  [onceBits / 64]uint64
	added int // bits that were set since they were all cleared
}

type recentRow struct {
	value []byte // nil is no row
	epoch uint64
}

const (
	// maxRecent is how many rows are remembered, of at most maxRecentRow bytes
	// each with their keys.
	maxRecent    = 16384
	maxRecentRow = 1024
	onceBits     = 1 << 16
	// fewKeys is how many rows a GetMany asks for that are worth remembering.
	fewKeys = 4
)

func newRecent() *recent {
	rows, err := simplelru.NewLRU[string, recentRow](maxRecent, nil)
	if err != nil {
		panic(err) // a size that is not positive
	}
	return &recent{rows: rows, seed: maphash.MakeSeed()}
}

// now is the epoch.
func (c *recent) now() uint64 {
	if c == nil {
		return 0
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.epoch
}

// begin forgets what a commit is about to write, and remembers nothing until end.
func (c *recent) begin(writes *Tree) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.epoch++
	for k := range writes.All() {
		c.rows.Remove(string(k))
	}
}

func (c *recent) end() {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.epoch++
}

// get looks for a row as it was at an epoch.
func (c *recent) get(key []byte, epoch uint64) (value []byte, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	row, ok := c.rows.Get(string(key))
	if !ok || row.epoch > epoch {
		return nil, false
	}
	return row.value, true
}

// add remembers a row that was read at an epoch, unless that is over.
func (c *recent) add(key, value []byte, epoch uint64) {
	if len(key)+len(value) > maxRecentRow {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.epoch == epoch && c.again(key) {
		c.rows.Add(string(key), recentRow{value, epoch})
	}
}

// again says whether a row was read lately, as far as is known.
func (c *recent) again(key []byte) bool {
	bit := maphash.Bytes(c.seed, key) % onceBits
	word, mask := &c.once[bit/64], uint64(1)<<(bit%64)
	if *word&mask != 0 {
		return true
	}
	if c.added++; c.added > onceBits/4 {
		clear(c.once[:])
		c.added = 0
	}
	*word |= mask
	return false
}

// remembering is a snapshot that asks recent first.
type remembering struct {
	Snapshot
	recent *recent
	epoch  uint64
}

// remember is a snapshot with what is remembered, if before, the epoch before it
// was taken, is that behind it, and no commit is under way.
func (c *recent) remember(s Snapshot, before uint64) Snapshot {
	if c == nil || before%2 == 1 || c.now() != before {
		return s
	}
	return &remembering{s, c, before}
}

// Get implements objstore.Reader.
func (r *remembering) Get(key []byte) ([]byte, error) {
	if v, ok := r.recent.get(key, r.epoch); ok {
		return found(v)
	}
	v, err := r.Snapshot.Get(key)
	if err == nil || errors.Is(err, objstore.ErrNotFound) {
		r.recent.add(key, v, r.epoch)
	}
	return v, err
}

// GetMany implements objstore.Reader.
func (r *remembering) GetMany(keys [][]byte) ([][]byte, error) {
	if len(keys) > fewKeys {
		return r.Snapshot.GetMany(keys)
	}
	values := make([][]byte, len(keys))
	var unknown [][]byte
	var at []int // where in values these go
	for i, k := range keys {
		v, ok := r.recent.get(k, r.epoch)
		if values[i] = v; !ok {
			unknown, at = append(unknown, k), append(at, i)
		}
	}
	if len(unknown) == 0 {
		return values, nil
	}
	got, err := r.Snapshot.GetMany(unknown)
	if err != nil {
		return nil, err
	}
	for i, v := range got {
		values[at[i]] = v
		r.recent.add(unknown[i], v, r.epoch)
	}
	return values, nil
}

var _ objstore.Reader = (*remembering)(nil)
