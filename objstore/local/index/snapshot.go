package index

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/dgraph-io/badger/v4"

	"caret/objstore"
)

// Snapshot is the rows of one moment whose keys begin with a prefix, which is
// no part of the keys here. It implements txn.Snapshot.
type Snapshot struct {
	x         *Index
	txn       *badger.Txn
	prefix    []byte
	iterators iterators
	key       [2][]byte // room for keys
}

// Snapshot returns what is committed at this moment. The caller discards it.
func (x *Index) Snapshot(prefix []byte) *Snapshot {
	return &Snapshot{x: x, txn: x.db.NewTransaction(false), prefix: prefix}
}

// Discard implements txn.Snapshot.
func (s *Snapshot) Discard() {
	defer func() {
		// So badger does if it panicked before, when it had begun to make an iterator.
		if p := recover(); p != nil {
			s.x.fail(fmt.Errorf("%w: badger panics: %v", objstore.ErrCorrupt, p)) //nolint:errcheck // it is remembered
		}
	}()
	s.iterators.close()
	s.txn.Discard()
}

// guard makes an error of what badger drops, or panics with, when a block is
// damaged.
func (s *Snapshot) guard(err *error) {
	if p := recover(); p != nil {
		*err = s.x.fail(fmt.Errorf("%w: badger panics: %v", objstore.ErrCorrupt, p))
		return
	}
	if errors.Is(*err, objstore.ErrCorrupt) {
		*err = s.x.fail(*err)
	}
	if damage := s.x.Damage(); damage != nil {
		*err = damage
	}
}

// Get implements objstore.Reader.
func (s *Snapshot) Get(key []byte) (v []byte, err error) {
	defer s.guard(&err)
	s.key[0] = s.appendKey(s.key[0][:0], key)
	item, err := s.txn.Get(s.key[0])
	if err != nil {
		return nil, rowError(err)
	}
	err = item.Value(func(stored []byte) error {
		stored, err := value(s.key[0], stored)
		v = append(make([]byte, 0, len(stored)), stored...)
		return err
	})
	if err != nil {
		return nil, rowError(err)
	}
	return v, nil
}

func (s *Snapshot) appendKey(b, key []byte) []byte { return append(append(b, s.prefix...), key...) }

// GetMany implements objstore.Reader.
func (s *Snapshot) GetMany(keys [][]byte) ([][]byte, error) {
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
func (s *Snapshot) Page(r objstore.Range, limit int) (_ []objstore.Row, err error) {
	defer s.guard(&err)
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
	p := page{skip: len(s.prefix)}
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

// bounds are those of a range in badger, until the next call. Without a prefix a
// range needs an end.
func (s *Snapshot) bounds(r objstore.Range) (start, end []byte) {
	start = s.appendKey(s.key[0][:0], r.Start)
	end = s.key[1][:0]
	if r.End != nil {
		end = s.appendKey(end, r.End)
	} else {
		end = append(end, objstore.PrefixEnd(s.prefix)...)
	}
	s.key = [2][]byte{start, end}
	return start, end
}

// page is rows copied from badger, several into one piece of memory.
type page struct {
	skip int // of each key
	rows []objstore.Row
	size int    // of the last piece
	free []byte // what is left of it
}

// maxPiece is how much memory whoever keeps one small row of a page may keep
// with it.
const maxPiece = 8 << 10

func (p *page) add(item *badger.Item) error {
	return item.Value(func(stored []byte) error {
		stored, err := value(item.Key(), stored)
		if err != nil {
			return err
		}
		key := item.Key()[p.skip:]
		need := len(key) + len(stored)
		if len(p.free) < need {
			p.size = max(need, min(4*p.size, maxPiece))
			p.free = make([]byte, p.size)
		}
		k, v := p.free[:len(key):len(key)], p.free[len(key):need:need]
		copy(k, key)
		copy(v, stored)
		p.free = p.free[need:]
		p.rows = append(p.rows, objstore.Row{Key: k, Value: v})
		return nil
	})
}
