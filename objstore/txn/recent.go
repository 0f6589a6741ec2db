package txn

import (
	"errors"
	"hash/maphash"
	"sync"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"caret/objstore"
)

// recent remembers rows that were read lately: every request reads the same few,
// and to ask the store takes longer than all the rest of it. It is for an Engine
// to which nobody else commits; nil remembers nothing.
//
// The epoch counts commits. What a row is remembered to be holds from the epoch
// in which it was read until a commit writes it: that forgets the row before it
// can be seen. So what is remembered since before a snapshot was taken, and still
// is, the snapshot has too, even if a commit was under way just then. What the
// snapshot has is remembered only if there was none, up to that moment: then it
// is exactly what the commits until then have left.
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
	epoch uint64 // in which it was read
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

// get looks for a row as a snapshot has it that was taken in an epoch or later.
func (c *recent) get(key []byte, epoch uint64) (value []byte, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	row, ok := c.rows.Get(string(key))
	if !ok || row.epoch > epoch {
		return nil, false
	}
	return row.value, true
}

// add remembers a row of a snapshot that was taken in an epoch or later, if that
// is not over, and no commit is under way.
func (c *recent) add(key, value []byte, epoch uint64) {
	if len(key)+len(value) > maxRecentRow {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if epoch%2 == 0 && c.epoch == epoch && c.again(key) {
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

// remember is a snapshot with what is remembered; epoch is that before it was
// taken.
func (c *recent) remember(s Snapshot, epoch uint64) Snapshot {
	if c == nil {
		return s
	}
	return &remembering{s, c, epoch}
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
