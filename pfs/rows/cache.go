package rows

import (
	"errors"

	lru "github.com/hashicorp/golang-lru/v2"

	"caret/objstore"
)

// Cache remembers what rows decode to, by their values: every request reads the
// rows of its repo, branch, key and user, and decoding them takes longer than
// reading them. As a value decodes to the same whoever wrote it, nothing ever has
// to be forgotten because it changed.
//
// What comes out of it is shared: maps and slices in it must not be changed.
type Cache struct {
	decoded *lru.Cache[cacheKey, any]
}

type cacheKey struct {
	kind  byte
	value string
}

const (
	// maxCached is how many values are remembered, of some hundred bytes each.
	maxCached = 8192
	// maxValue is how long such a value may be, in bytes.
	maxValue = 4096
)

// NewCache returns an empty cache.
func NewCache() (*Cache, error) {
	decoded, err := lru.New[cacheKey, any](maxCached)
	return &Cache{decoded}, err
}

// cached says which kinds of rows are read over and over.
func cached(kind byte) bool {
	return kind == Repo || kind == Branch || kind == AccessKey || kind == User || kind == Settings || kind == FileACL
}

// View is tx with the cache. It also reads a row once that is asked for several
// times: a view does not change.
func (c *Cache) View(tx objstore.Reader) objstore.Reader {
	return &view{Reader: tx, cache: c, seen: make([]lookup, 0, fewRows)}
}

// Update is tx with the cache.
func (c *Cache) Update(tx objstore.Writer) objstore.Writer { return &update{Writer: tx, cache: c} }

type update struct {
	objstore.Writer
	cache *Cache
}

func (u *update) rowCache() *Cache { return u.cache }

type view struct {
	objstore.Reader
	cache *Cache
	seen  []lookup
}

func (v *view) rowCache() *Cache { return v.cache }

// lookup is the outcome of a Get.
type lookup struct {
	key   string
	value []byte
	err   error
}

const (
	// maxSeen is how many rows a view remembers: those that all begin with.
	maxSeen = 16
	// fewRows is how many most of them read.
	fewRows = 8
)

// Get implements objstore.Reader.
func (v *view) Get(key []byte) ([]byte, error) {
	for i := range v.seen {
		if v.seen[i].key == string(key) {
			return v.seen[i].value, v.seen[i].err
		}
	}
	value, err := v.Reader.Get(key)
	if len(v.seen) < maxSeen && (err == nil || errors.Is(err, objstore.ErrNotFound)) {
		v.seen = append(v.seen, lookup{string(key), value, err})
	}
	return value, err
}

// decodeCached is Decode by way of the cache of tx, if that has one.
func decodeCached[T any](tx objstore.Reader, key, value []byte, v *T) error {
	t, ok := tx.(interface{ rowCache() *Cache })
	if !ok || !cached(key[0]) || len(value) > maxValue {
		return Decode(key, value, v)
	}
	k := cacheKey{key[0], string(value)}
	c := t.rowCache()
	if known, ok := c.decoded.Get(k); ok {
		if same, ok := known.(T); ok {
			*v = same
			return nil
		}
	}
	if err := Decode(key, value, v); err != nil {
		return err
	}
	c.decoded.Add(k, *v)
	return nil
}
