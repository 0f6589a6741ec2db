// Package objstoretest is the conformance suite of objstore: what every store
// has to do, whatever it is made of.
package objstoretest

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"caret/objstore"
)

// Reopen closes the store and opens it again; nil for stores that keep
// nothing.
type Reopen func(objstore.Store) objstore.Store

// Run runs the suite on stores that open makes, each empty.
func Run(t *testing.T, open func(testing.TB) (objstore.Store, Reopen)) {
	for name, test := range map[string]func(*testing.T, objstore.Store, Reopen){
		"Rows": testRows, "Scan": testScan, "Isolation": testIsolation, "Atomicity": testAtomicity, "Panic": testPanic,
		"Counters": testCounters, "Limits": testLimits, "Refusals": testRefusals, "Cancel": testCancel, "Blobs": testBlobs, "SameBlob": testSameBlob,
		"Durable": testDurable, "Closed": testClosed,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, reopen := open(t)
			test(t, s, reopen)
		})
	}
	t.Run("Model", func(t *testing.T) {
		t.Parallel()
		m := &model{}
		m.s, m.reopen = open(t)
		rapid.Check(t, func(rt *rapid.T) {
			m.clear(rt)
			rt.Repeat(rapid.StateMachineActions(m))
		})
	})
}

func set(t testing.TB, s objstore.Store, pairs ...string) {
	t.Helper()
	err := s.Rows().Update(context.Background(), "", func(tx objstore.Writer) error {
		for i := 0; i < len(pairs); i += 2 {
			if err := tx.Set([]byte(pairs[i]), []byte(pairs[i+1])); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// dump walks a range and joins what it finds, "k=v k=v".
func dump(tx objstore.Reader, r objstore.Range) string {
	c := objstore.Scan(tx, r)
	var out []string
	for c.Next() {
		out = append(out, string(c.Key())+"="+string(c.Value()))
	}
	if err := c.Err(); err != nil {
		return err.Error()
	}
	return strings.Join(out, " ")
}

func view(t testing.TB, s objstore.Store, fn func(tx objstore.Reader)) {
	t.Helper()
	if err := s.Rows().View(context.Background(), func(tx objstore.Reader) error {
		fn(tx)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

func testRows(t *testing.T, s objstore.Store, _ Reopen) {
	set(t, s, "a", "1", "b", "", "\x00\xff", "x")
	view(t, s, func(tx objstore.Reader) {
		if _, writes := tx.(objstore.Writer); writes {
			t.Error("what a View reads from can be written to")
		}
		for k, want := range map[string]string{"a": "1", "b": "", "\x00\xff": "x"} {
			if v, err := tx.Get([]byte(k)); string(v) != want || err != nil {
				t.Errorf("%q: %q, %v", k, v, err)
			}
		}
		if _, err := tx.Get([]byte("c")); !errors.Is(err, objstore.ErrNotFound) {
			t.Errorf("missing row: %v", err)
		}
	})
	err := s.Rows().Update(t.Context(), "", func(tx objstore.Writer) error {
		key, value := []byte("k"), []byte("v")
		if err := tx.Set(key, value); err != nil {
			return err
		}
		key[0], value[0] = 'X', 'X'
		if v, err := tx.Get([]byte("k")); string(v) != "v" || err != nil {
			t.Errorf("own write: %q, %v", v, err)
		}
		if err := errors.Join(tx.Delete([]byte("a")), tx.Delete([]byte("nosuch"))); err != nil {
			return err
		}
		if _, err := tx.Get([]byte("a")); !errors.Is(err, objstore.ErrNotFound) {
			t.Errorf("own deletion: %v", err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	view(t, s, func(tx objstore.Reader) {
		if got := dump(tx, objstore.Range{Start: []byte("a")}); got != "b= k=v" {
			t.Errorf("rows: %s", got)
		}
	})
}

func testScan(t *testing.T, s objstore.Store, _ Reopen) {
	set(t, s, "a", "1", "b", "2", "ba", "3", "bb", "4", "c", "5", "\xff", "6", "\xff\xff", "7")
	check := func(tx objstore.Reader, extra string) {
		for _, tt := range []struct {
			r    objstore.Range
			want string
		}{
			{objstore.Range{}, "a=1 b=2 ba=3 bb=4 " + extra + "c=5 \xff=6 \xff\xff=7"},
			{objstore.Range{Reverse: true}, "\xff\xff=7 \xff=6 c=5 " + extra + "bb=4 ba=3 b=2 a=1"},
			{objstore.Range{Start: []byte("b"), End: []byte("bb")}, "b=2 ba=3"},
			{objstore.Range{Start: []byte("b"), End: []byte("bb"), Reverse: true}, "ba=3 b=2"},
			{objstore.Range{Start: []byte("aa"), End: []byte("b")}, ""},
			{objstore.Range{Start: []byte("c"), End: []byte("b")}, ""},
			{objstore.Range{Start: []byte("c"), End: []byte("b"), Reverse: true}, ""},
			{objstore.Prefix([]byte("b")), strings.TrimSpace("b=2 ba=3 bb=4 " + extra)},
			{objstore.Prefix([]byte("\xff")), "\xff=6 \xff\xff=7"},
			{objstore.Range{Start: []byte("b"), End: []byte("c"), Reverse: true}, strings.TrimSpace(extra + "bb=4 ba=3 b=2")},
		} {
			if got := dump(tx, tt.r); got != tt.want {
				t.Errorf("%+v: %q, want %q", tt.r, got, tt.want)
			}
		}
	}
	seek := func(tx objstore.Reader, r objstore.Range, keys ...string) string {
		c := objstore.Scan(tx, r)
		var out []string
		for _, k := range keys {
			c.Seek([]byte(k))
			if c.Next() {
				out = append(out, string(c.Key()))
			} else {
				out = append(out, "-")
			}
		}
		return strings.Join(out, " ")
	}
	seeks := func(tx objstore.Reader) {
		if got := seek(tx, objstore.Range{}, "b", "aa", "d", "\xff\xff\xff", "", "bb"); got != "b b \xff - a bb" {
			t.Errorf("seeks: %q", got)
		}
		if got := seek(tx, objstore.Range{Start: []byte("b"), End: []byte("c")}, "a", "ba", "c"); got != "b ba -" {
			t.Errorf("seeks in a range: %q", got)
		}
		if got := seek(tx, objstore.Range{Start: []byte("b"), End: []byte("c"), Reverse: true}, "z", "c", "ba", "b", "a"); got != "bb bb ba b -" {
			t.Errorf("seeks backwards: %q", got)
		}
	}
	view(t, s, func(tx objstore.Reader) { check(tx, ""); seeks(tx) })
	err := s.Rows().Update(t.Context(), "", func(tx objstore.Writer) error {
		seeks(tx)
		// A transaction sees its own writes between those that are there.
		if err := errors.Join(tx.Set([]byte("bc"), []byte("own")), tx.Delete([]byte("a")), tx.Set([]byte("a"), []byte("1"))); err != nil {
			return err
		}
		check(tx, "bc=own ")
		if err := errors.Join(tx.Delete([]byte("bc")), tx.Delete([]byte("ba")), tx.Delete([]byte("c"))); err != nil {
			return err
		}
		if got := dump(tx, objstore.Range{}); got != "a=1 b=2 bb=4 \xff=6 \xff\xff=7" {
			t.Errorf("after own deletions: %q", got)
		}
		if got := dump(tx, objstore.Range{Reverse: true}); got != "\xff\xff=7 \xff=6 bb=4 b=2 a=1" {
			t.Errorf("backwards after own deletions: %q", got)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func testIsolation(t *testing.T, s objstore.Store, _ Reopen) {
	set(t, s, "a", "old", "b", "old")
	view(t, s, func(tx objstore.Reader) {
		c := objstore.Scan(tx, objstore.Range{})
		if !c.Next() {
			t.Fatal("no rows")
		}
		set(t, s, "a", "new", "b", "new", "c", "new")
		if v, err := tx.Get([]byte("b")); string(v) != "old" {
			t.Errorf("a view saw a later write: %q, %v", v, err)
		}
		if !c.Next() || string(c.Value()) != "old" || c.Next() {
			t.Error("a scan saw a later write")
		}
	})
	view(t, s, func(tx objstore.Reader) {
		if got := dump(tx, objstore.Range{}); got != "a=new b=new c=new" {
			t.Errorf("a later view: %s", got)
		}
	})
}

func testAtomicity(t *testing.T, s objstore.Store, _ Reopen) {
	boom := errors.New("boom")
	err := s.Rows().Update(t.Context(), "", func(tx objstore.Writer) error {
		return errors.Join(tx.Set([]byte("a"), nil), boom)
	})
	if !errors.Is(err, boom) {
		t.Errorf("the function's error: %v", err)
	}
	view(t, s, func(tx objstore.Reader) {
		if got := dump(tx, objstore.Range{}); got != "" {
			t.Errorf("a failed transaction left %s", got)
		}
	})
}

func testPanic(t *testing.T, s objstore.Store, _ Reopen) {
	func() {
		defer func() {
			if v := recover(); v != "boom" {
				t.Errorf("recovered %v", v)
			}
		}()
		s.Rows().Update(t.Context(), "", func(tx objstore.Writer) error { //nolint:errcheck // it panics
			tx.Set([]byte("a"), nil) //nolint:errcheck // it is thrown away
			panic("boom")
		})
	}()
	set(t, s, "b", "fine")
	view(t, s, func(tx objstore.Reader) {
		if got := dump(tx, objstore.Range{}); got != "b=fine" {
			t.Errorf("after a panic: %s", got)
		}
	})
}

// testCounters: no update is lost, and each sees all before it.
func testCounters(t *testing.T, s objstore.Store, _ Reopen) {
	const writers, rounds = 8, 25
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for range rounds {
				err := s.Rows().Update(context.Background(), "", func(tx objstore.Writer) error {
					var n uint64
					v, err := tx.Get([]byte("n"))
					if err == nil {
						n = binary.BigEndian.Uint64(v)
					} else if !errors.Is(err, objstore.ErrNotFound) {
						return err
					}
					n++
					key := binary.BigEndian.AppendUint64([]byte("log"), n)
					if _, err := tx.Get(key); err == nil {
						return fmt.Errorf("number %d was given out twice", n)
					}
					return errors.Join(tx.Set(key, nil), tx.Set([]byte("n"), binary.BigEndian.AppendUint64(nil, n)))
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	view(t, s, func(tx objstore.Reader) {
		v, err := tx.Get([]byte("n"))
		if err != nil || binary.BigEndian.Uint64(v) != writers*rounds {
			t.Errorf("counted %x, %v", v, err)
		}
	})
}

func testLimits(t *testing.T, s objstore.Store, _ Reopen) {
	update := func(fn func(tx objstore.Writer) error) error { return s.Rows().Update(t.Context(), "", fn) }
	for _, n := range []int{0, objstore.MaxKey + 1} {
		if err := update(func(tx objstore.Writer) error { return tx.Set(make([]byte, n), nil) }); err == nil {
			t.Errorf("a key of %d bytes was taken", n)
		}
	}
	if err := update(func(tx objstore.Writer) error { return tx.Set(bytes.Repeat([]byte("k"), objstore.MaxKey), nil) }); err != nil {
		t.Errorf("the longest key: %v", err)
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
	if err := fill("bytes", 8, 1<<20, always); !errors.Is(err, objstore.ErrTooLarge) {
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

// testRefusals: who is refused because of what another transaction wrote
// finds that there, though a store may make many durable at once.
func testRefusals(t *testing.T, s objstore.Store, _ Reopen) {
	exists := errors.New("exists")
	for round := range 10 {
		key := binary.BigEndian.AppendUint32([]byte("once"), uint32(round))
		gate := make(chan struct{})
		var wg sync.WaitGroup
		update := func(fn func(objstore.Writer) error) {
			if err := s.Rows().Update(t.Context(), "", fn); err != nil && !errors.Is(err, exists) {
				t.Errorf("update: %v", err)
			} else if err == nil {
				return
			}
			if err := s.Rows().View(t.Context(), func(tx objstore.Reader) error {
				_, err := tx.Get(key)
				return err
			}); err != nil {
				t.Errorf("what was said to exist: %v", err)
			}
		}
		// While one waits at the gate the others gather behind it; slow ones
		// among them keep what they share from becoming durable too soon.
		wg.Go(func() { update(func(objstore.Writer) error { <-gate; return nil }) })
		for i := range 24 {
			wg.Go(func() {
				update(func(tx objstore.Writer) error {
					if i%8 == 7 {
						for n := range 2000 {
							if err := tx.Set(binary.BigEndian.AppendUint32([]byte("slow"), uint32(n)), nil); err != nil {
								return err
							}
						}
						return nil
					}
					if _, err := tx.Get(key); !errors.Is(err, objstore.ErrNotFound) {
						return errors.Join(err, exists)
					}
					return tx.Set(key, []byte("there"))
				})
			})
		}
		for range 100 {
			runtime.Gosched()
		}
		close(gate)
		wg.Wait()
	}
}

func testCancel(t *testing.T, s objstore.Store, _ Reopen) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Rows().Update(ctx, "", func(tx objstore.Writer) error { return tx.Set([]byte("a"), nil) }); !errors.Is(err, context.Canceled) {
		t.Errorf("update: %v", err)
	}
	if err := s.Rows().View(ctx, func(objstore.Reader) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("view: %v", err)
	}
	if _, err := s.Blobs().Put(ctx, []byte("x")); !errors.Is(err, context.Canceled) {
		t.Errorf("put: %v", err)
	}
}
