package memory

import (
	"context"
	"fmt"

	"caret/objstore"
	"caret/objstore/txn"
)

// engine implements txn.Engine.
type engine struct{ *Store }

// View implements txn.Engine.
func (e engine) View(context.Context) (txn.Snapshot, error) {
	if err := e.fault("rows.view"); err != nil {
		return nil, err
	}
	return snapshot{e.table.Load()}, nil
}

// Begin implements txn.Engine.
func (e engine) Begin() (txn.Tx, error) {
	if err := e.fault("rows.update"); err != nil {
		return nil, err
	}
	return tx{snapshot{e.table.Load()}, e.Store}, nil
}

// Reserve implements txn.Engine.
func (e engine) Reserve(_ context.Context, sequence string, floor, n uint64) (uint64, error) {
	if err := e.fault("sequence.reserve"); err != nil {
		return 0, err
	}
	e.numbers.Lock()
	defer e.numbers.Unlock()
	last := max(e.numbers.last[sequence], floor) + n
	e.numbers.last[sequence] = last
	return last, nil
}

// snapshot implements txn.Snapshot.
type snapshot struct{ table *txn.Tree }

// Discard implements txn.Snapshot.
func (s snapshot) Discard() {}

// Get implements objstore.Reader.
func (s snapshot) Get(key []byte) ([]byte, error) {
	v, ok := s.table.Get(key)
	if !ok {
		return nil, objstore.ErrNotFound
	}
	return v, nil
}

// GetMany implements objstore.Reader.
func (s snapshot) GetMany(keys [][]byte) ([][]byte, error) {
	values := make([][]byte, len(keys))
	for i, k := range keys {
		values[i], _ = s.table.Get(k)
	}
	return values, nil
}

// Page implements objstore.Reader.
func (s snapshot) Page(r objstore.Range, limit int) ([]objstore.Row, error) {
	return s.table.Page(r, limit), nil
}

// tx implements txn.Tx.
type tx struct {
	snapshot
	store *Store
}

// Commit implements txn.Tx.
func (t tx) Commit(b txn.Batch) error {
	if b.Writes.Len() == 0 {
		return nil
	}
	if err := t.store.fault("rows.commit"); err != nil {
		return err
	}
	var unknown error
	if ask := t.store.opts.Outcome; ask != nil {
		committed, err := ask()
		if err != nil {
			unknown = fmt.Errorf("%w: %w", objstore.ErrUnknownOutcome, err)
		}
		if err != nil && !committed {
			return unknown
		}
	}
	next := t.table.Copy()
	for k, v := range b.Writes.All() {
		if v == nil {
			next.Delete(k)
		} else {
			next.Set(objstore.Row{Key: k, Value: v})
		}
	}
	t.store.table.Store(next)
	return unknown
}
