package txn

import (
	"bytes"

	"caret/objstore"
)

// Where many rows of the store are deleted by the transaction, pages that are
// asked of it grow up to this.
const (
	moreRows = 64
	mostRows = 1024
)

// merge returns the first limit rows of a range, where what is written stands
// over what is stored.
func (r *reader) merge(rg objstore.Range, limit int) ([]objstore.Row, error) {
	over := r.over.walk(rg)
	if !over.ok {
		return r.from.Page(rg, limit)
	}
	m := merged{over: over, reverse: rg.Reverse, limit: limit}
	for ask := limit; ; ask = min(max(ask, moreRows)*4, max(ask, mostRows)) {
		rows, err := r.from.Page(rg, ask)
		if err != nil {
			return nil, err
		}
		m.add(rows)
		if len(rows) < ask {
			m.rest()
			return m.page, nil
		}
		if m.full() {
			return m.page, nil
		}
		rg = rg.Behind(rows[len(rows)-1].Key)
	}
}

// merged is a page in the making.
type merged struct {
	page    []objstore.Row
	over    *walk
	reverse bool
	limit   int
}

func (m *merged) full() bool { return len(m.page) == m.limit }

// add adds rows of the store, in their order, with all that is written before
// and over them.
func (m *merged) add(rows []objstore.Row) {
	for _, row := range rows {
		written := false
		for m.over.ok && !m.full() && !written {
			c := bytes.Compare(m.over.row.Key, row.Key)
			if m.reverse {
				c = -c
			}
			if c > 0 {
				break
			}
			written = c == 0
			m.take()
		}
		if m.full() {
			return
		}
		if !written {
			m.page = append(m.page, row)
		}
	}
}

// rest adds what is written behind all rows of the store.
func (m *merged) rest() {
	for m.over.ok && !m.full() {
		m.take()
	}
}

// take adds what is written next, unless it deletes.
func (m *merged) take() {
	if m.over.row.Value != nil {
		m.page = append(m.page, m.over.row)
	}
	m.over.next()
}

// Over is what a snapshot has with rows written over it, of which a nil value
// deletes. The tree is not changed any more.
func Over(s Snapshot, writes *Tree) Snapshot {
	return &overlaid{reader{from: s, over: writes, seen: make(seen)}}
}

type overlaid struct{ reader }

// Discard implements Snapshot.
func (o *overlaid) Discard() { o.from.Discard() }
