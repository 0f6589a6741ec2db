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
)

// Store is an objstore.Store. Make one with New.
type Store struct {
	mu     sync.RWMutex // of what follows
	closed bool
	rows   table
	write  sync.Mutex // held by the one Update under way

	blobMu sync.RWMutex
	blobs  map[objstore.Hash][]byte
}

// New returns an empty store.
func New() *Store {
	return &Store{blobs: make(map[objstore.Hash][]byte)}
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

func (t table) Scan(r objstore.Range) objstore.Cursor {
	lo, _ := t.find(r.Start)
	hi := len(t)
	if r.End != nil {
		hi, _ = t.find(r.End)
	}
	c := &cursor{rows: t[lo:max(lo, hi)], reverse: r.Reverse, i: -1}
	if r.Reverse {
		c.i = len(c.rows)
	}
	return c
}

type cursor struct {
	rows    table
	reverse bool
	i       int // of the current row
}

func (c *cursor) Next() bool {
	if c.reverse {
		c.i = max(c.i-1, -1)
	} else {
		c.i = min(c.i+1, len(c.rows))
	}
	return c.i >= 0 && c.i < len(c.rows)
}

func (c *cursor) Seek(key []byte) {
	i, ok := c.rows.find(key)
	switch {
	case !c.reverse:
		c.i = i - 1
	case ok:
		c.i = i + 1
	default:
		c.i = i
	}
}

func (c *cursor) Key() []byte   { return c.rows[c.i].key }
func (c *cursor) Value() []byte { return c.rows[c.i].value }
func (c *cursor) Err() error    { return nil }
func (c *cursor) Close()        {}

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

func (r rows) Update(ctx context.Context, fn func(objstore.Writer) error) error {
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
	return nil
}

type writer struct {
	table
	written, bytes int
}

func (w *writer) filled(n int) bool { return w.written > maxRows/n || w.bytes > maxBytes/n }

func (w *writer) Full() bool { return w.filled(2) }

func (w *writer) Scan(r objstore.Range) objstore.Cursor {
	return slices.Clone(w.table).Scan(r)
}

func (w *writer) Set(key, value []byte) error {
	if len(key) == 0 || len(key) > 4096 {
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
