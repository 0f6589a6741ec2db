package local

import (
	"bytes"
	"slices"

	"github.com/dgraph-io/badger/v4"

	"caret/objstore"
)

func (r *reader) scan(rg objstore.Range) *cursor {
	c := &cursor{reverse: rg.Reverse, start: rowKey(rg.Start), end: []byte{keyRow + 1}}
	if rg.End != nil {
		c.end = rowKey(rg.End)
	}
	opts := badger.IteratorOptions{Reverse: rg.Reverse, Prefix: shared(c.start, c.end, rg.Reverse)}
	c.it = r.txn.NewIterator(opts)
	c.overlay(r.below, nil)
	c.overlay(r.own, r.below)
	if c.over != nil {
		slices.SortFunc(c.over, func(a, b overRow) int {
			if c.reverse {
				a, b = b, a
			}
			return bytes.Compare(a.key, b.key)
		})
		c.over = slices.CompactFunc(c.over, func(a, b overRow) bool { return bytes.Equal(a.key, b.key) })
	}
	if c.reverse {
		c.seek(c.end)
	} else {
		c.seek(c.start)
	}
	return c
}

// shared is what all keys from start to end begin with; going backwards the
// end itself too, as that is where badger begins.
func shared(start, end []byte, reverse bool) []byte {
	if !reverse && bytes.Equal(end, objstore.PrefixEnd(start)) {
		return start
	}
	n := 0
	for n < len(start) && n < len(end) && start[n] == end[n] {
		n++
	}
	return start[:n]
}

// overRow is a row that is not in badger yet; a nil value deletes.
type overRow struct{ key, value []byte }

// cursor merges badger's rows with those a group has not committed yet.
type cursor struct {
	it         *badger.Iterator
	over       []overRow // in the direction of the walk
	next       int       // of over
	reverse    bool
	start, end []byte
	item       *badger.Item // the current row, if it is badger's
	key, value []byte
	err        error
}

// overlay adds the rows of m that lie in the range; those in older are
// replaced.
func (c *cursor) overlay(m, older map[string][]byte) {
	if len(m) > 0 && len(older) > 0 {
		c.over = slices.DeleteFunc(c.over, func(r overRow) bool {
			_, ok := m[string(r.key)]
			return ok
		})
	}
	for k, v := range m {
		if k >= string(c.start) && k < string(c.end) {
			c.over = append(c.over, overRow{[]byte(k), v})
		}
	}
}

// before says whether a comes before b in the direction of the walk.
func (c *cursor) before(a, b []byte) bool {
	if c.reverse {
		a, b = b, a
	}
	return bytes.Compare(a, b) < 0
}

// Seek implements objstore.Cursor.
func (c *cursor) Seek(key []byte) {
	k := rowKey(key)
	switch {
	case c.reverse && bytes.Compare(k, c.end) >= 0:
		c.seek(c.end)
	case !c.reverse && bytes.Compare(k, c.start) < 0:
		c.seek(c.start)
	default:
		c.seek(k)
	}
}

func (c *cursor) seek(k []byte) {
	c.item = nil
	c.it.Seek(k)
	if c.reverse && c.it.Valid() && bytes.Equal(c.it.Item().Key(), c.end) {
		c.it.Next() // the end is not in the range
	}
	c.next, _ = slices.BinarySearchFunc(c.over, k, func(r overRow, k []byte) int {
		if c.reverse {
			return bytes.Compare(k, r.key)
		}
		return bytes.Compare(r.key, k)
	})
}

// Next implements objstore.Cursor.
func (c *cursor) Next() bool {
	if c.item != nil {
		c.item = nil
		c.it.Next()
	}
	for {
		var base []byte
		if c.it.Valid() {
			if k := c.it.Item().Key(); c.reverse && bytes.Compare(k, c.start) >= 0 || !c.reverse && bytes.Compare(k, c.end) < 0 {
				base = k
			}
		}
		if c.next == len(c.over) {
			if base == nil {
				return false
			}
			c.item = c.it.Item()
			c.key, c.value = base, nil
			return true
		}
		o := c.over[c.next]
		if base != nil && c.before(base, o.key) {
			c.item = c.it.Item()
			c.key, c.value = base, nil
			return true
		}
		c.next++
		if base != nil && bytes.Equal(base, o.key) {
			c.it.Next()
		}
		if o.value != nil {
			c.key, c.value = o.key, o.value
			return true
		}
	}
}

// Key implements objstore.Cursor.
func (c *cursor) Key() []byte { return c.key[1:] }

// Value implements objstore.Cursor.
func (c *cursor) Value() []byte {
	if c.item != nil && c.value == nil {
		err := c.item.Value(func(v []byte) error {
			c.value = v
			return nil
		})
		if err != nil && c.err == nil {
			c.err = err
		}
	}
	return c.value
}

// Err implements objstore.Cursor.
func (c *cursor) Err() error { return c.err }

// Close implements objstore.Cursor.
func (c *cursor) Close() { c.it.Close() }
