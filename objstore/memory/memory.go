// Package memory is a store in memory. It keeps nothing and is for tests: as
// the fast store under them, and as the second implementation that shows what
// of a store is contract and what is an accident of the first.
package memory

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"sort"
	"sync"

	"caret/objstore"
	"caret/objstore/txn"
)

// Store is an objstore.Store. Make one with New.
type Store struct {
	mu     sync.RWMutex // of what follows
	closed bool
	rows   table
	write  sync.Mutex // held by the one Update under way
	bell   txn.Bell

	numbers map[string]uint64 // the last of each sequence

	blobMu sync.RWMutex
	blobs  map[objstore.Hash][]byte
}

// New returns an empty store.
func New() *Store {
	return &Store{blobs: make(map[objstore.Hash][]byte), numbers: make(map[string]uint64)}
}

// Blobs returns the blobs.
func (s *Store) Blobs() objstore.Blobs { return blobs{s} }

// Rows returns the rows.
func (s *Store) Rows() objstore.Rows { return rows{s} }

// Close makes later calls fail.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	return nil
}

func (s *Store) check(ctx context.Context) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return objstore.ErrClosed
	}
	return ctx.Err()
}

type blobs struct{ *Store }

func (b blobs) Put(ctx context.Context, data []byte) (objstore.Hash, error) {
	if err := b.check(ctx); err != nil {
		return objstore.Hash{}, err
	}
	if len(data) > objstore.MaxBlob {
		return objstore.Hash{}, fmt.Errorf("%w: blob of %d bytes", objstore.ErrTooLarge, len(data))
	}
	h := objstore.Sum(data)
	b.blobMu.Lock()
	defer b.blobMu.Unlock()
	if _, ok := b.blobs[h]; !ok {
		b.blobs[h] = bytes.Clone(data)
	}
	return h, nil
}

func (b blobs) Get(ctx context.Context, h objstore.Hash, buf []byte) ([]byte, error) {
	if err := b.check(ctx); err != nil {
		return nil, err
	}
	b.blobMu.RLock()
	defer b.blobMu.RUnlock()
	data, ok := b.blobs[h]
	if !ok {
		return nil, fmt.Errorf("blob %s: %w", h, objstore.ErrNotFound)
	}
	return append(buf[:0], data...), nil
}

// row is one key and value; neither is changed once it is in a table.
type row struct{ key, value []byte }

// table is sorted by key and never changed in place, so a copy of the slice
// header is a snapshot.
type table []row

func (t table) find(key []byte) (int, bool) {
	return sort.Find(len(t), func(i int) int { return bytes.Compare(key, t[i].key) })
}

func (t table) Get(key []byte) ([]byte, error) {
	i, ok := t.find(key)
	if !ok {
		return nil, objstore.ErrNotFound
	}
	return bytes.Clone(t[i].value), nil
}

func (t table) GetMany(keys [][]byte) ([][]byte, error) {
	values := make([][]byte, len(keys))
	for i, k := range keys {
		if at, ok := t.find(k); ok {
			values[i] = append([]byte{}, t[at].value...)
		}
	}
	return values, nil
}

func (t table) Page(r objstore.Range, limit int) ([]objstore.Row, error) {
	lo, _ := t.find(r.Start)
	hi := len(t)
	if r.End != nil {
		hi, _ = t.find(r.End)
	}
	var page []objstore.Row
	for i := range min(max(hi-lo, 0), limit) {
		at := lo + i
		if r.Reverse {
			at = hi - 1 - i
		}
		page = append(page, objstore.Row{Key: bytes.Clone(t[at].key), Value: append([]byte{}, t[at].value...)})
	}
	return page, nil
}

type rows struct{ *Store }

func (r rows) View(ctx context.Context, fn func(objstore.Reader) error) error {
	if err := r.check(ctx); err != nil {
		return err
	}
	r.mu.RLock()
	snapshot := r.rows
	r.mu.RUnlock()
	return fn(snapshot)
}

// Limits of a transaction.
const (
	maxRows  = 30000
	maxBytes = 3 << 20
)

// Number implements objstore.Rows.
func (r rows) Number(ctx context.Context, sequence string, floor uint64) (uint64, error) {
	if err := r.check(ctx); err != nil {
		return 0, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	n := max(r.numbers[sequence], floor) + 1
	r.numbers[sequence] = n
	return n, nil
}

// Changed implements objstore.Rows.
func (r rows) Changed() <-chan struct{} { return r.bell.Next() }

func (r rows) Update(ctx context.Context, _ objstore.Subject, fn func(objstore.Writer) error) error {
	r.write.Lock()
	defer r.write.Unlock()
	if err := r.check(ctx); err != nil {
		return err
	}
	// Each transaction is run twice, as the contract allows: who keeps
	// something from the first run is found out.
	if err := fn(&writer{table: slices.Clone(r.rows)}); err != nil {
		return err
	}
	tx := &writer{table: slices.Clone(r.rows)}
	if err := fn(tx); err != nil {
		return err
	}
	if tx.filled(1) {
		return fmt.Errorf("%w: %d rows, %d bytes", objstore.ErrTooLarge, tx.written, tx.bytes)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rows = tx.table
	r.bell.Ring()
	return nil
}

type writer struct {
	table
	written, bytes int
}

func (w *writer) filled(n int) bool { return w.written > maxRows/n || w.bytes > maxBytes/n }

func (w *writer) Full() bool { return w.filled(2) }

func (w *writer) Set(key, value []byte) error {
	if len(key) == 0 || len(key) > objstore.MaxKey {
		return fmt.Errorf("key of %d bytes", len(key))
	}
	w.written++
	w.bytes += len(key) + len(value)
	e := row{key: bytes.Clone(key), value: bytes.Clone(value)}
	i, ok := w.find(key)
	if ok {
		w.table[i] = e
	} else {
		w.table = slices.Insert(w.table, i, e)
	}
	return nil
}

func (w *writer) Delete(key []byte) error {
	w.written++
	w.bytes += len(key)
	if i, ok := w.find(key); ok {
		w.table = slices.Delete(w.table, i, i+1)
	}
	return nil
}
