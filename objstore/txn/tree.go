package txn

import (
	"bytes"
	"iter"

	"github.com/tidwall/btree"

	"caret/objstore"
)

// Tree is rows in memory, in order of their keys. Keys and values that were
// set are not changed afterwards, by nobody. Reading may go on in many
// goroutines while one takes copies; changing a tree is for one alone.
type Tree struct{ rows *btree.BTreeG[objstore.Row] }

// NewTree returns an empty tree.
func NewTree() *Tree {
	return &Tree{btree.NewBTreeGOptions(
		func(a, b objstore.Row) bool { return bytes.Compare(a.Key, b.Key) < 0 },
		btree.Options{NoLocks: true})}
}

// Copy returns a tree with the same rows. It takes constant time, as the two
// share what neither changes later.
func (t *Tree) Copy() *Tree { return &Tree{t.rows.Copy()} }

// Len is the number of rows.
func (t *Tree) Len() int { return t.rows.Len() }

// Set puts a row in and returns the one it replaces.
func (t *Tree) Set(row objstore.Row) (old objstore.Row, replaced bool) { return t.rows.Set(row) }

// Delete takes the row of key out.
func (t *Tree) Delete(key []byte) { t.rows.Delete(objstore.Row{Key: key}) }

// Get returns the value of key.
func (t *Tree) Get(key []byte) (value []byte, ok bool) {
	row, ok := t.rows.Get(objstore.Row{Key: key})
	return row.Value, ok
}

// All goes through keys and values in order.
func (t *Tree) All() iter.Seq2[[]byte, []byte] {
	return func(yield func(key, value []byte) bool) {
		t.rows.Scan(func(row objstore.Row) bool { return yield(row.Key, row.Value) })
	}
}

// Page returns the first limit rows of a range.
func (t *Tree) Page(r objstore.Range, limit int) []objstore.Row {
	var page []objstore.Row
	for w := t.walk(r); w.ok && len(page) < limit; w.next() {
		page = append(page, w.row)
	}
	return page
}

// walk is a place in a range of a tree, which must not change meanwhile.
type walk struct {
	it  btree.IterG[objstore.Row]
	r   objstore.Range
	row objstore.Row // if ok; else the range has ended
	ok  bool
}

// walk begins at the first row of r.
func (t *Tree) walk(r objstore.Range) *walk {
	w := &walk{r: r}
	if t.rows.Len() == 0 {
		return w
	}
	w.it.Init(t.rows, false)
	switch {
	case !r.Reverse:
		w.check(w.it.Seek(objstore.Row{Key: r.Start}))
	case r.End != nil && w.it.Seek(objstore.Row{Key: r.End}):
		w.check(w.it.Prev())
	default:
		w.check(w.it.Last())
	}
	return w
}

func (w *walk) next() {
	if w.r.Reverse {
		w.check(w.it.Prev())
	} else {
		w.check(w.it.Next())
	}
}

// check takes the row under the iterator if there is one in the range.
func (w *walk) check(ok bool) {
	if w.ok = ok; !ok {
		return
	}
	w.row = w.it.Item()
	if w.r.Reverse {
		w.ok = bytes.Compare(w.row.Key, w.r.Start) >= 0
	} else {
		w.ok = w.r.End == nil || bytes.Compare(w.row.Key, w.r.End) < 0
	}
}
