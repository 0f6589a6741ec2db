// Package objstoretest is the conformance suite of objstore: what every store
// has to do, whatever it is made of.
package objstoretest

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"
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
	err := s.Rows().Update(context.Background(), func(tx objstore.Writer) error {
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
	c := tx.Scan(r)
	defer c.Close()
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
		for k, want := range map[string]string{"a": "1", "b": "", "\x00\xff": "x"} {
			if v, err := tx.Get([]byte(k)); string(v) != want || err != nil {
				t.Errorf("%q: %q, %v", k, v, err)
			}
		}
		if _, err := tx.Get([]byte("c")); !errors.Is(err, objstore.ErrNotFound) {
			t.Errorf("missing row: %v", err)
		}
		v, _ := tx.Get([]byte("a"))
		v[0] = 'X'
		if again, _ := tx.Get([]byte("a")); string(again) != "1" {
			t.Error("a value that was changed by its reader changed for others")
		}
	})
	err := s.Rows().Update(t.Context(), func(tx objstore.Writer) error {
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
		c := tx.Scan(r)
		defer c.Close()
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
	err := s.Rows().Update(t.Context(), func(tx objstore.Writer) error {
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
		c := tx.Scan(objstore.Range{})
		defer c.Close()
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
	err := s.Rows().Update(t.Context(), func(tx objstore.Writer) error {
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
		s.Rows().Update(t.Context(), func(tx objstore.Writer) error { //nolint:errcheck // it panics
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
				err := s.Rows().Update(context.Background(), func(tx objstore.Writer) error {
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
	update := func(fn func(tx objstore.Writer) error) error { return s.Rows().Update(t.Context(), fn) }
	for _, n := range []int{0, 4097} {
		if err := update(func(tx objstore.Writer) error { return tx.Set(make([]byte, n), nil) }); err == nil {
			t.Errorf("a key of %d bytes was taken", n)
		}
	}
	if err := update(func(tx objstore.Writer) error { return tx.Set(bytes.Repeat([]byte("k"), 4096), nil) }); err != nil {
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
			if err := s.Rows().Update(t.Context(), fn); err != nil && !errors.Is(err, exists) {
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
	if err := s.Rows().Update(ctx, func(tx objstore.Writer) error { return tx.Set([]byte("a"), nil) }); !errors.Is(err, context.Canceled) {
		t.Errorf("update: %v", err)
	}
	if err := s.Rows().View(ctx, func(objstore.Reader) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("view: %v", err)
	}
	if _, err := s.Blobs().Put(ctx, []byte("x")); !errors.Is(err, context.Canceled) {
		t.Errorf("put: %v", err)
	}
}

func testBlobs(t *testing.T, s objstore.Store, _ Reopen) {
	for _, n := range []int{0, 1, 100, 4096, 1 << 20, objstore.MaxBlob} {
		data := bytes.Repeat([]byte{byte(n), 7}, n/2+1)[:n]
		h, err := s.Blobs().Put(t.Context(), data)
		if err != nil || h != objstore.Sum(data) {
			t.Fatalf("put %d bytes: %s, %v", n, h, err)
		}
		want := bytes.Clone(data)
		for i := range data {
			data[i] = 0 // it is the caller's again
		}
		for range 2 {
			got, err := s.Blobs().Get(t.Context(), h, []byte("reused"))
			if err != nil || !bytes.Equal(got, want) {
				t.Fatalf("get %d bytes: %d bytes, %v", n, len(got), err)
			}
			set(t, s, "k", "v") // makes it durable
		}
	}
	if _, err := s.Blobs().Put(t.Context(), make([]byte, objstore.MaxBlob+1)); !errors.Is(err, objstore.ErrTooLarge) {
		t.Errorf("too large: %v", err)
	}
	if _, err := s.Blobs().Get(t.Context(), objstore.Sum([]byte("unknown")), nil); !errors.Is(err, objstore.ErrNotFound) {
		t.Errorf("unknown: %v", err)
	}
}

func testSameBlob(t *testing.T, s objstore.Store, _ Reopen) {
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 20 {
				data := bytes.Repeat([]byte{byte(j)}, 5000)
				h, err := s.Blobs().Put(context.Background(), data)
				if err != nil {
					t.Error(err)
					return
				}
				if got, err := s.Blobs().Get(context.Background(), h, nil); err != nil || !bytes.Equal(got, data) {
					t.Errorf("writer %d: %d bytes, %v", i, len(got), err)
				}
				set(t, s, fmt.Sprintf("%d/%d", i, j), "")
			}
		})
	}
	wg.Wait()
}

func testDurable(t *testing.T, s objstore.Store, reopen Reopen) {
	if reopen == nil {
		t.Skip("the store keeps nothing")
	}
	var hashes []objstore.Hash
	for i := range 20 {
		h, err := s.Blobs().Put(t.Context(), bytes.Repeat([]byte{byte(i)}, i*1000))
		if err != nil {
			t.Fatal(err)
		}
		hashes = append(hashes, h)
	}
	set(t, s, "a", "1")
	s = reopen(s)
	view(t, s, func(tx objstore.Reader) {
		if got := dump(tx, objstore.Range{}); got != "a=1" {
			t.Errorf("rows: %s", got)
		}
	})
	for i, h := range hashes {
		if got, err := s.Blobs().Get(t.Context(), h, nil); err != nil || len(got) != i*1000 {
			t.Errorf("blob %d: %d bytes, %v", i, len(got), err)
		}
	}
	set(t, s, "b", "2")
}

func testClosed(t *testing.T, s objstore.Store, _ Reopen) {
	if err := errors.Join(s.Close(), s.Close()); err != nil {
		t.Errorf("close: %v", err)
	}
	if err := s.Rows().Update(t.Context(), func(objstore.Writer) error { return nil }); !errors.Is(err, objstore.ErrClosed) {
		t.Errorf("update: %v", err)
	}
	if err := s.Rows().View(t.Context(), func(objstore.Reader) error { return nil }); !errors.Is(err, objstore.ErrClosed) {
		t.Errorf("view: %v", err)
	}
	if _, err := s.Blobs().Put(t.Context(), nil); !errors.Is(err, objstore.ErrClosed) {
		t.Errorf("put: %v", err)
	}
	if _, err := s.Blobs().Get(t.Context(), objstore.Hash{}, nil); !errors.Is(err, objstore.ErrClosed) {
		t.Errorf("get: %v", err)
	}
}

// model drives a store and a map side by side.
type model struct {
	s      objstore.Store
	reopen Reopen
	rows   map[string]string
	blobs  [][]byte
}

// clear empties the store for the next run.
func (m *model) clear(t *rapid.T) {
	m.rows, m.blobs = map[string]string{}, nil
	err := m.s.Rows().Update(context.Background(), func(tx objstore.Writer) error {
		c := tx.Scan(objstore.Range{})
		defer c.Close()
		var keys [][]byte
		for c.Next() {
			keys = append(keys, bytes.Clone(c.Key()))
		}
		for _, k := range keys {
			if err := tx.Delete(k); err != nil {
				return err
			}
		}
		return c.Err()
	})
	if err != nil {
		t.Fatal(err)
	}
}

var key = rapid.StringOfN(rapid.RuneFrom([]rune("ab\x00ÿ")), 1, 4, -1)

// Update writes several rows, and sometimes fails at the end.
func (m *model) Update(t *rapid.T) {
	var next map[string]string
	type op struct {
		key, value string
		del        bool
	}
	var ops []op
	for range rapid.IntRange(1, 6).Draw(t, "writes") {
		ops = append(ops, op{key.Draw(t, "key"), rapid.StringN(0, 3, 6).Draw(t, "value"), rapid.Bool().Draw(t, "delete")})
	}
	fail := rapid.IntRange(0, 3).Draw(t, "fail") == 0
	boom := errors.New("boom")
	err := m.s.Rows().Update(context.Background(), func(tx objstore.Writer) error {
		next = maps.Clone(m.rows) // it may run more than once
		for _, o := range ops {
			var err error
			if o.del {
				delete(next, o.key)
				err = tx.Delete([]byte(o.key))
			} else {
				next[o.key] = o.value
				err = tx.Set([]byte(o.key), []byte(o.value))
			}
			if err != nil {
				return err
			}
			compare(t, tx, next)
		}
		if fail {
			return boom
		}
		return nil
	})
	switch {
	case fail && !errors.Is(err, boom), !fail && err != nil:
		t.Fatalf("update: %v", err)
	case !fail:
		m.rows = next
	}
}

// Blob puts a blob, old or new.
func (m *model) Blob(t *rapid.T) {
	data := bytes.Repeat([]byte{byte(rapid.IntRange(0, 9).Draw(t, "byte"))}, rapid.IntRange(0, 3000).Draw(t, "size"))
	if _, err := m.s.Blobs().Put(context.Background(), data); err != nil {
		t.Fatal(err)
	}
	m.blobs = append(m.blobs, data)
}

// Reopen closes and opens the store; blobs need an update to be durable.
func (m *model) Reopen(t *rapid.T) {
	if m.reopen == nil || rapid.IntRange(0, 9).Draw(t, "seldom") > 0 {
		t.Skip("not now")
	}
	if err := m.s.Rows().Update(context.Background(), func(tx objstore.Writer) error { return tx.Delete([]byte("none")) }); err != nil {
		t.Fatal(err)
	}
	m.s = m.reopen(m.s)
}

// Check runs after every action.
func (m *model) Check(t *rapid.T) {
	if err := m.s.Rows().View(context.Background(), func(tx objstore.Reader) error {
		compare(t, tx, m.rows)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	for _, want := range m.blobs {
		got, err := m.s.Blobs().Get(context.Background(), objstore.Sum(want), nil)
		if err != nil || !bytes.Equal(got, want) {
			t.Fatalf("blob of %d bytes: %d bytes, %v", len(want), len(got), err)
		}
	}
}

// compare checks a random range in a random direction against the map.
func compare(t *rapid.T, tx objstore.Reader, rows map[string]string) {
	r := objstore.Range{Reverse: rapid.Bool().Draw(t, "reverse")}
	if rapid.Bool().Draw(t, "bounded") {
		r.Start, r.End = []byte(key.Draw(t, "start")), []byte(key.Draw(t, "end"))
	}
	var want []string
	for _, k := range slices.Sorted(maps.Keys(rows)) {
		if k >= string(r.Start) && (r.End == nil || k < string(r.End)) {
			want = append(want, k+"="+rows[k])
		}
	}
	if r.Reverse {
		slices.Reverse(want)
	}
	if got := dump(tx, r); got != strings.Join(want, " ") {
		t.Fatalf("%+v: %q, want %q", r, got, want)
	}
}
