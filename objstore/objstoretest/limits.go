package objstoretest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"

	"caret/objstore"
)

func testLimits(t *testing.T, s objstore.Store, _ Reopen) {
	update := func(fn func(tx objstore.Writer) error) error { return s.Rows().Update(t.Context(), "", fn) }
	for _, n := range []int{0, objstore.MaxKey + 1} {
		if err := update(func(tx objstore.Writer) error { return tx.Set(make([]byte, n), nil) }); err == nil {
			t.Errorf("a key of %d bytes was taken", n)
		}
		if err := update(func(tx objstore.Writer) error { return tx.Delete(make([]byte, n)) }); err == nil {
			t.Errorf("a key of %d bytes was deleted", n)
		}
	}
	if err := update(func(tx objstore.Writer) error { return tx.Set(bytes.Repeat([]byte("k"), objstore.MaxKey), nil) }); err != nil {
		t.Errorf("the longest key: %v", err)
	}
	for size, want := range map[int]error{objstore.MaxValue: nil, objstore.MaxValue + 1: objstore.ErrTooLarge} {
		if err := update(func(tx objstore.Writer) error { return tx.Set([]byte("value"), make([]byte, size)) }); !errors.Is(err, want) {
			t.Errorf("a value of %d bytes: %v", size, err)
		}
	}
	fill := func(name string, rows, size int, more func(objstore.Writer) bool) error {
		return update(func(tx objstore.Writer) error {
			for i := range rows {
				if !more(tx) {
					return nil
				}
				if err := tx.Set(binary.BigEndian.AppendUint32([]byte(name), uint32(i)), make([]byte, size)); err != nil {
					return err
				}
			}
			return nil
		})
	}
	always := func(objstore.Writer) bool { return true }
	if err := fill("rows", 60_000, 0, always); !errors.Is(err, objstore.ErrTooLarge) {
		t.Errorf("60,000 rows: %v", err)
	}
	if err := fill("bytes", 8, 1_000_000, always); !errors.Is(err, objstore.ErrTooLarge) {
		t.Errorf("8 MiB: %v", err)
	}
	if err := fill("ok", 20_000, 5, always); err != nil {
		t.Errorf("20,000 rows: %v", err)
	}
	for _, size := range []int{0, 100, 64 << 10} {
		full := false
		if err := fill("full", 60_000, size, func(tx objstore.Writer) bool {
			full = tx.Full()
			return !full
		}); err != nil || !full {
			t.Errorf("rows of %d bytes until the transaction is full (%t): %v", size, full, err)
		}
	}
}
