package txn_test

import (
	"context"
	"encoding/binary"
	"errors"
	"sync"
	"testing"

	"caret/objstore"
	"caret/objstore/txn"
)

// TestRecent: what is remembered is never older than a View's own moment. Two
// rows are always written together, and counters grow; readers that see them
// differ, or go back, have been told what was.
func TestRecent(t *testing.T) {
	t.Parallel()
	s := newStub()
	rows := txn.New(s, txn.Options{Sole: true})
	a, b, absent := []byte("a"), []byte("b"), []byte("absent")
	const writes = 500
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	var writers, readers sync.WaitGroup
	for range 2 {
		writers.Go(func() {
			defer stop()
			for range writes {
				err := rows.Update(t.Context(), "", func(tx objstore.Writer) error {
					v, err := tx.GetMany([][]byte{a})
					if err != nil {
						return err
					}
					n := uint64(1)
					if v[0] != nil {
						n += binary.BigEndian.Uint64(v[0])
					}
					next := binary.BigEndian.AppendUint64(nil, n)
					if err := tx.Set(a, next); err != nil {
						return err
					}
					return tx.Set(b, next)
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	for range 4 {
		readers.Go(func() {
			last := uint64(0)
			for ctx.Err() == nil {
				err := rows.View(t.Context(), func(tx objstore.Reader) error {
					one, err := tx.GetMany([][]byte{a, absent})
					if err != nil || one[0] == nil {
						return err
					}
					two, err := tx.Get(b)
					if err != nil {
						return err
					}
					n, m := binary.BigEndian.Uint64(one[0]), binary.BigEndian.Uint64(two)
					if n != m || n < last || one[1] != nil {
						t.Errorf("a is %d and b %d, after %d", n, m, last)
						stop()
					}
					last = n
					return nil
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	writers.Wait()
	readers.Wait()
	// With nobody writing, a row is asked for twice.
	asked := func() int {
		s.mu.Lock()
		defer s.mu.Unlock()
		return len(s.asked)
	}
	get := func() error {
		return rows.View(t.Context(), func(tx objstore.Reader) error {
			_, err := tx.Get(a)
			return err
		})
	}
	if err := errors.Join(get(), get()); err != nil {
		t.Fatal(err)
	}
	before := asked()
	if err := get(); err != nil || asked() != before {
		t.Errorf("the store was asked %d times more, %v", asked()-before, err)
	}
	rows.Close()
}
