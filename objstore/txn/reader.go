package txn

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"caret/objstore"
)

// reader reads in one transaction.
type reader struct {
	ctx   context.Context // of who waits; nil if that is looked at elsewhere
	from  Snapshot
	over  *Tree  // written over that, where a nil value deletes; nil in a View
	seen  seen   // nil in a View
	read  *spent // nil but in an Update
	ended bool
}

// spent is how much a transaction has read.
type spent struct{ rows, bytes int }

// Limits of what a transaction that writes may read, as others wait for it.
const (
	// MaxReadRows is the most rows, those that are not there included.
	MaxReadRows = 20000
	// MaxReadBytes is the most bytes in their values.
	MaxReadBytes = 48 << 20
	// readAtOnce is how many rows are asked for before it is looked whether that is too much.
	readAtOnce = 64
)

// count counts rows that were read.
func (s *spent) count(rows int, values ...[]byte) error {
	if s == nil {
		return nil
	}
	s.rows += rows
	for _, v := range values {
		s.bytes += len(v)
	}
	if s.rows > MaxReadRows || s.bytes > MaxReadBytes {
		return fmt.Errorf("%w: a transaction that writes reads up to %d rows and %d MiB", objstore.ErrTooLarge, MaxReadRows, MaxReadBytes>>20)
	}
	return nil
}

// seen remembers what a group read from its snapshot, as its transactions read
// the same few rows over and over; nil is no row.
type seen map[string][]byte

// alive finds out who keeps a transaction beyond its end, when what it reads
// from is gone.
func (r *reader) alive() {
	if r.ended {
		panic("objstore: a Reader or Writer was used after its transaction had ended")
	}
}

// begin is called before anything is read: a transaction that nobody waits for any more
// ends, so that others get their turn.
func (r *reader) begin() error {
	r.alive()
	if r.ctx == nil {
		return nil
	}
	return r.ctx.Err()
}

// found is what Get returns for a value, of which nil is none.
func found(value []byte) ([]byte, error) {
	if value == nil {
		return nil, objstore.ErrNotFound
	}
	return value, nil
}

// known looks at what need not be read; nil, if it is there, is no row.
func (r *reader) known(key []byte) (value []byte, ok bool) {
	if v, ok := r.over.Get(key); ok {
		return v, true
	}
	v, ok := r.seen[string(key)]
	return v, ok
}

// Get implements objstore.Reader.
func (r *reader) Get(key []byte) ([]byte, error) {
	if err := r.begin(); err != nil {
		return nil, err
	}
	if r.over == nil {
		return r.from.Get(key)
	}
	if v, ok := r.known(key); ok {
		if err := r.read.count(1); err != nil {
			return nil, err
		}
		return found(v)
	}
	v, err := r.from.Get(key)
	if err != nil && !errors.Is(err, objstore.ErrNotFound) {
		return nil, err
	}
	if err := r.read.count(1, v); err != nil {
		return nil, err
	}
	r.seen[string(key)] = v
	return v, err
}

// GetMany implements objstore.Reader. The store is asked once for all that is
// not known.
func (r *reader) GetMany(keys [][]byte) ([][]byte, error) {
	if err := r.begin(); err != nil {
		return nil, err
	}
	if r.over == nil {
		return r.from.GetMany(keys)
	}
	values := make([][]byte, 0, len(keys))
	for page := range slices.Chunk(keys, readAtOnce) {
		some, err := r.some(page)
		if err == nil {
			err = r.read.count(len(some), some...)
		}
		if err != nil {
			return nil, err
		}
		values = append(values, some...)
	}
	return values, nil
}

// some is GetMany in an Update.
func (r *reader) some(keys [][]byte) ([][]byte, error) {
	values := make([][]byte, len(keys))
	var unknown [][]byte
	var at []int // where in values these go
	for i, k := range keys {
		v, ok := r.known(k)
		if ok {
			values[i] = v
			continue
		}
		unknown, at = append(unknown, k), append(at, i)
	}
	if len(unknown) == 0 {
		return values, nil
	}
	got, err := r.from.GetMany(unknown)
	if err != nil {
		return nil, err
	}
	for i, v := range got {
		values[at[i]] = v
		r.seen[string(unknown[i])] = v
	}
	return values, nil
}

// Page implements objstore.Reader.
func (r *reader) Page(rg objstore.Range, limit int) ([]objstore.Row, error) {
	if err := r.begin(); err != nil {
		return nil, err
	}
	if limit <= 0 || rg.Empty() {
		return nil, nil
	}
	if r.over == nil {
		return r.from.Page(rg, limit)
	}
	read := r.merge
	if r.over.Len() == 0 {
		read = r.from.Page
	}
	if r.read != nil { // one that would be too much is not read whole
		limit = min(limit, MaxReadRows-r.read.rows+1)
	}
	page, err := read(rg, limit)
	if err != nil {
		return nil, err
	}
	for _, row := range page {
		if err := r.read.count(1, row.Value); err != nil {
			return nil, err
		}
	}
	return page, r.read.count(1) // as looking for it costs something, too
}
