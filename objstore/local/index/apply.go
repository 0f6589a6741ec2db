package index

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"

	"github.com/dgraph-io/badger/v4"

	"caret/objstore"
)

// Limits of one transaction of badger: it takes 15 % of a memtable, and one
// entry for each 96 bytes of that.
const (
	maxBytes = MemTable * 15 / 100 * 9 / 10
	maxRows  = maxBytes / 110
)

// Apply writes rows, of which a nil value deletes, and the state that they lead
// to, at once: at most what txn lets a group write and 1 MiB. Nothing is synced.
func (x *Index) Apply(rows iter.Seq2[[]byte, []byte], s State) error {
	t := x.db.NewTransaction(true)
	defer t.Discard()
	for k, v := range rows {
		if err := put(t, k, v); err != nil {
			return err
		}
	}
	state := s.row()
	if err := put(t, state.Key, state.Value); err != nil {
		return err
	}
	return x.commit(t)
}

// put sets a row or deletes it.
func put(t *badger.Txn, key, v []byte) error {
	if v == nil {
		return t.Delete(key)
	}
	b := append(make([]byte, 0, len(v)+sumSize), v...)
	return t.Set(key, binary.LittleEndian.AppendUint32(b, sum(key, v)))
}

func (x *Index) commit(t *badger.Txn) error {
	if err := x.Damage(); err != nil {
		return err
	}
	if err := x.fault("index.commit"); err != nil {
		return x.fail(fmt.Errorf("%w: %w", objstore.ErrCorrupt, err))
	}
	if err := x.Stuck(); err != nil {
		return err
	}
	done := make(chan error, 1)
	t.CommitWith(func(err error) { done <- err })
	select {
	case err := <-done:
		if err != nil {
			// It may have no memtable any more, and would end the process at the next
			// commit.
			err = x.fail(fmt.Errorf("%w: badger: %w", objstore.ErrCorrupt, rowError(err)))
		}
		return err
	case <-x.stuck.failed:
		return x.Stuck()
	}
}

func (x *Index) fault(point string) error {
	if x.opts.Fault == nil {
		return nil
	}
	return x.opts.Fault(point)
}

// Loader writes many rows, in transactions of its own: some are seen before
// others.
type Loader struct {
	x           *Index
	t           *badger.Txn
	rows, bytes int
}

// Load begins to write many rows. The caller ends it by Close.
func (x *Index) Load() *Loader { return &Loader{x: x, t: x.db.NewTransaction(true)} }

// Put sets a row, or deletes it if v is nil.
func (l *Loader) Put(key, v []byte) error {
	if l.rows++; l.rows > maxRows || l.bytes > 0 && l.bytes+len(key)+len(v) > maxBytes {
		if err := l.flush(); err != nil {
			return err
		}
	}
	l.bytes += len(key) + len(v) + 32
	return put(l.t, bytes.Clone(key), v)
}

func (l *Loader) flush() error {
	err := l.x.commit(l.t)
	l.t, l.rows, l.bytes = l.x.db.NewTransaction(true), 1, 0
	return err
}

// Close writes the rest, and then the state that all of it leads to.
func (l *Loader) Close(s State) error {
	err := l.flush()
	l.t.Discard()
	if err != nil {
		return err
	}
	return l.x.Apply(func(func(_, _ []byte) bool) {}, s)
}

// Discard ends a Loader that failed; after Close it does nothing.
func (l *Loader) Discard() { l.t.Discard() }

// rowError gives badger's errors their names here.
func rowError(err error) error {
	switch {
	case errors.Is(err, badger.ErrKeyNotFound):
		return objstore.ErrNotFound
	case errors.Is(err, badger.ErrDBClosed), errors.Is(err, badger.ErrBlockedWrites):
		return objstore.ErrClosed
	}
	return err
}
