package local

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/dgraph-io/badger/v4"

	"caret/objstore"
)

// Reserve implements txn.Engine. A row of each sequence has the last number
// that was reserved.
func (e engine) Reserve(_ context.Context, sequence string, floor, n uint64) (uint64, error) {
	if err := e.writable(); err != nil {
		return 0, err
	}
	e.numbers.Lock()
	defer e.numbers.Unlock()
	t := e.db.NewTransaction(true)
	defer t.Discard()
	key := append([]byte{keyNumber}, sequence...)
	stored, err := lastNumber(t, key)
	if err != nil {
		return 0, err
	}
	last := max(stored, floor) + n
	if err := t.Set(key, binary.BigEndian.AppendUint64(nil, last)); err != nil {
		return 0, err
	}
	if err := e.commit(t); err != nil {
		err = noSpace(err)
		e.fail(err)
		return 0, err
	}
	return last, nil
}

// lastNumber reads the row of a sequence; 0 if there is none.
func lastNumber(t *badger.Txn, key []byte) (last uint64, err error) {
	item, err := t.Get(key)
	if errors.Is(err, badger.ErrKeyNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, rowError(err)
	}
	err = item.Value(func(v []byte) error {
		if len(v) != 8 {
			return fmt.Errorf("%w: row of a sequence with %d bytes", objstore.ErrCorrupt, len(v))
		}
		last = binary.BigEndian.Uint64(v)
		return nil
	})
	return last, err
}
