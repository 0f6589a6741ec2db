package local

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/dgraph-io/badger/v4"

	"caret/objstore"
)

// The first byte of every key in badger.
const (
	keyRow   = 'r' // then the row's own key
	keyIndex = 'x' // then a blob's hash
)

func rowKey(key []byte) []byte { return append([]byte{keyRow}, key...) }

type rows struct{ *Store }

// View implements objstore.Rows.
func (s rows) View(ctx context.Context, fn func(objstore.Reader) error) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.leave()
	if err := ctx.Err(); err != nil {
		return err
	}
	txn := s.db.NewTransaction(false)
	defer txn.Discard()
	return fn(&reader{txn: txn})
}

// Update implements objstore.Rows.
func (s rows) Update(ctx context.Context, _ objstore.Subject, fn func(objstore.Writer) error) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.leave()
	r := &request{ctx: ctx, fn: fn, done: make(chan error, 1)}
	select {
	case s.requests <- r:
	case <-ctx.Done():
		return ctx.Err()
	}
	err := <-r.done
	var p panicked
	if errors.As(err, &p) {
		panic(p.value)
	}
	if err == nil {
		s.bell.Ring()
	}
	return err
}

// Number implements objstore.Rows.
func (s rows) Number(ctx context.Context, sequence string, floor uint64) (uint64, error) {
	key, n := append([]byte{0}, sequence...), uint64(0)
	return n, s.Update(ctx, "", func(tx objstore.Writer) error {
		b, err := tx.Get(key)
		if err != nil && !errors.Is(err, objstore.ErrNotFound) {
			return err
		}
		n, _ = binary.Uvarint(b)
		n = max(n, floor) + 1
		return tx.Set(key, binary.AppendUvarint(nil, n))
	})
}

// Changed implements objstore.Rows.
func (s rows) Changed() <-chan struct{} { return s.bell.Next() }

// reader reads rows: own over below over the transaction, where nil deletes.
type reader struct {
	txn        *badger.Txn
	own, below map[string][]byte
	// seen, if not nil, remembers what was read from the transaction: the
	// transactions of a group read the same few rows over and over.
	seen map[string]lookup
}

// lookup is the outcome of a read.
type lookup struct {
	value []byte
	err   error
}

// Get implements objstore.Reader.
func (r *reader) Get(key []byte) ([]byte, error) {
	k := rowKey(key)
	for _, over := range []map[string][]byte{r.own, r.below} {
		if v, ok := over[string(k)]; ok {
			if v == nil {
				return nil, objstore.ErrNotFound
			}
			return bytes.Clone(v), nil
		}
	}
	if r.seen == nil {
		l := r.read(k)
		return l.value, l.err
	}
	l, ok := r.seen[string(k)]
	if !ok {
		l = r.read(k)
		r.seen[string(k)] = l
	}
	return bytes.Clone(l.value), l.err
}

// GetMany implements objstore.Reader.
func (r *reader) GetMany(keys [][]byte) ([][]byte, error) {
	values := make([][]byte, len(keys))
	for i, k := range keys {
		v, err := r.Get(k)
		if err != nil && !errors.Is(err, objstore.ErrNotFound) {
			return nil, err
		}
		if err == nil {
			values[i] = append([]byte{}, v...)
		}
	}
	return values, nil
}

// Page implements objstore.Reader.
func (r *reader) Page(rg objstore.Range, limit int) ([]objstore.Row, error) {
	var page []objstore.Row
	if limit <= 0 || rg.End != nil && bytes.Compare(rg.Start, rg.End) >= 0 {
		return nil, nil
	}
	c := r.scan(rg)
	defer c.Close()
	for len(page) < limit && c.Next() {
		page = append(page, objstore.Row{Key: bytes.Clone(c.Key()), Value: append([]byte{}, c.Value()...)})
	}
	return page, c.Err()
}

// read reads a row from the transaction.
func (r *reader) read(key []byte) lookup {
	item, err := r.txn.Get(key)
	if err != nil {
		return lookup{nil, rowError(err)}
	}
	v, err := item.ValueCopy(nil)
	return lookup{v, rowError(err)}
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

// writer collects what a transaction writes.
type writer struct {
	reader
	bytes int
}

// call runs fn and keeps a panic from the committer.
func (w *writer) call(fn func(objstore.Writer) error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = panicked{v}
		}
	}()
	return fn(w)
}

// Set implements objstore.Writer.
func (w *writer) Set(key, value []byte) error {
	return w.put(key, append(make([]byte, 0, len(value)), value...))
}

// Full implements objstore.Writer.
func (w *writer) Full() bool { return w.filled(2) }

// filled says whether more than an n-th of a transaction is written.
func (w *writer) filled(n int) bool {
	return w.bytes > maxTxnBytes/n || len(w.own) > maxTxnRows/n
}

// Delete implements objstore.Writer.
func (w *writer) Delete(key []byte) error { return w.put(key, nil) }

func (w *writer) put(key, value []byte) error {
	if len(key) == 0 || len(key) > objstore.MaxKey {
		return fmt.Errorf("row key of %d bytes; it may have 1 to %d", len(key), objstore.MaxKey)
	}
	w.own[string(rowKey(key))] = value
	w.bytes += len(key) + len(value) + rowOverhead
	return nil
}
