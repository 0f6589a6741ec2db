package txn

import (
	"context"
	"errors"

	"caret/objstore"
)

// reader reads in one transaction.
type reader struct {
	ctx   context.Context // of who waits
	from  Snapshot
	over  *Tree // written over that, where a nil value deletes; nil in a View
	seen  seen  // nil in a View
	ended bool
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
		return found(v)
	}
	v, err := r.from.Get(key)
	if err != nil && !errors.Is(err, objstore.ErrNotFound) {
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
	if r.over == nil || r.over.Len() == 0 {
		return r.from.Page(rg, limit)
	}
	return r.merge(rg, limit)
}
