package local

import (
	"bytes"
	"context"
	"errors"

	"github.com/dgraph-io/badger/v4"

	"caret/objstore"
	"caret/objstore/txn"
)

// The first byte of every key in badger.
const (
	keyRow    = 'r' // then the row's own key
	keyIndex  = 'x' // then a blob's hash
	keyNumber = 'n' // then a sequence's name
)

// rowKey is the key in badger of a row.
func rowKey(key []byte) []byte { return appendRowKey(make([]byte, 0, 1+len(key)), key) }

func appendRowKey(b, key []byte) []byte { return append(append(b, keyRow), key...) }

// engine implements txn.Engine.
type engine struct{ *Store }

// View implements txn.Engine.
func (e engine) View(context.Context) (txn.Snapshot, error) {
	return &snapshot{txn: e.db.NewTransaction(false)}, nil
}

// Begin implements txn.Engine.
func (e engine) Begin() (txn.Tx, error) {
	if err := e.writable(); err != nil {
		return nil, err
	}
	return &tx{snapshot{txn: e.db.NewTransaction(false)}, e.Store}, nil
}

// snapshot implements txn.Snapshot.
type snapshot struct {
	txn       *badger.Txn
	iterators iterators
	key       [2][]byte // room for keys
}

// Discard implements txn.Snapshot.
func (s *snapshot) Discard() {
	s.iterators.close()
	s.txn.Discard()
}

// Get implements objstore.Reader.
func (s *snapshot) Get(key []byte) ([]byte, error) {
	s.key[0] = appendRowKey(s.key[0][:0], key)
	item, err := s.txn.Get(s.key[0])
	if err != nil {
		return nil, rowError(err)
	}
	var value []byte
	if err := item.Value(func(v []byte) error {
		value = append(make([]byte, 0, len(v)), v...)
		return nil
	}); err != nil {
		return nil, rowError(err)
	}
	return value, nil
}

// GetMany implements objstore.Reader.
func (s *snapshot) GetMany(keys [][]byte) ([][]byte, error) {
	values := make([][]byte, len(keys))
	for i, k := range keys {
		v, err := s.Get(k)
		if err != nil && !errors.Is(err, objstore.ErrNotFound) {
			return nil, err
		}
		values[i] = v
	}
	return values, nil
}

// Page implements objstore.Reader.
func (s *snapshot) Page(r objstore.Range, limit int) ([]objstore.Row, error) {
	start, end := s.bounds(r)
	it := s.iterators.get(s.txn, shared(start, end, r.Reverse), r.Reverse)
	if r.Reverse {
		it.Seek(end)
		if it.Valid() && bytes.Equal(it.Item().Key(), end) {
			it.Next() // the end is not in the range
		}
	} else {
		it.Seek(start)
	}
	var p page
	for it.Valid() {
		key := it.Item().Key()
		if r.Reverse && bytes.Compare(key, start) < 0 || !r.Reverse && bytes.Compare(key, end) >= 0 {
			break
		}
		if err := p.add(it.Item()); err != nil {
			return nil, rowError(err)
		}
		if len(p.rows) == limit {
			break
		}
		it.Next()
	}
	return p.rows, nil
}

// bounds are those of a range in badger, until the next call.
func (s *snapshot) bounds(r objstore.Range) (start, end []byte) {
	start = appendRowKey(s.key[0][:0], r.Start)
	if end = append(s.key[1][:0], keyRow+1); r.End != nil {
		end = appendRowKey(s.key[1][:0], r.End)
	}
	s.key = [2][]byte{start, end}
	return start, end
}

// page is rows copied from badger, several into one piece of memory.
type page struct {
	rows []objstore.Row
	size int    // of the last piece
	free []byte // what is left of it
}

// maxPiece is how much memory whoever keeps one small row of a page may keep
// with it.
const maxPiece = 8 << 10

func (p *page) add(item *badger.Item) error {
	return item.Value(func(value []byte) error {
		key := item.Key()[1:]
		need := len(key) + len(value)
		if len(p.free) < need {
			p.size = max(need, min(4*p.size, maxPiece))
			p.free = make([]byte, p.size)
		}
		k, v := p.free[:len(key):len(key)], p.free[len(key):need:need]
		copy(k, key)
		copy(v, value)
		p.free = p.free[need:]
		p.rows = append(p.rows, objstore.Row{Key: k, Value: v})
		return nil
	})
}

// rowError gives badger's errors their names here.
func rowError(err error) error {
	switch {
	case errors.Is(err, badger.ErrKeyNotFound):
		return objstore.ErrNotFound
	case errors.Is(err, badger.ErrDBClosed):
		return objstore.ErrClosed
	}
	return err
}
