package objstoretest

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"caret/objstore"
)

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

func testGetMany(t *testing.T, s objstore.Store, _ Reopen) {
	set(t, s, "a", "1", "b", "", "c", "3")
	check := func(tx objstore.Reader, want ...string) {
		t.Helper()
		got, err := tx.GetMany(bytesOf("c", "none", "b", "a", "c"))
		if err != nil || len(got) != len(want) {
			t.Errorf("%d values, %v", len(got), err)
			return
		}
		for i, v := range got {
			if (v == nil) != (want[i] == "nil") || v != nil && string(v) != want[i] {
				t.Errorf("value %d is %q, want %s", i, v, want[i])
			}
		}
		if got, err := tx.GetMany(nil); len(got) != 0 || err != nil {
			t.Errorf("no keys: %q, %v", got, err)
		}
	}
	view(t, s, func(tx objstore.Reader) {
		check(tx, "3", "nil", "", "1", "3")
		check(tx, "3", "nil", "", "1", "3")
	})
	if err := s.Rows().Update(t.Context(), "", func(tx objstore.Writer) error {
		check(tx, "3", "nil", "", "1", "3")
		if err := errors.Join(tx.Set([]byte("none"), nil), tx.Set([]byte("a"), []byte("own")), tx.Delete([]byte("c"))); err != nil {
			return err
		}
		check(tx, "nil", "", "", "own", "nil")
		if err := errors.Join(tx.Delete([]byte("none")), tx.Set([]byte("c"), []byte("again"))); err != nil {
			return err
		}
		check(tx, "again", "nil", "", "own", "again")
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	view(t, s, func(tx objstore.Reader) { check(tx, "again", "nil", "", "own", "again") })
}

// testKept: what was read stays as it was, though the rows change and the
// transaction ends, and appending to it changes nothing.
func testKept(t *testing.T, s objstore.Store, _ Reopen) {
	set(t, s, "a", "1", "b", "2", "c", "3")
	var kept [][]byte
	read := func(tx objstore.Reader) error {
		kept = nil
		v, err := tx.Get([]byte("a"))
		if err != nil {
			return err
		}
		many, err := tx.GetMany(bytesOf("b", "c"))
		if err != nil {
			return err
		}
		rows, err := tx.Page(objstore.Range{}, 10)
		kept = append([][]byte{v}, many...)
		for _, r := range rows {
			kept = append(kept, r.Key, r.Value)
		}
		return err
	}
	check := func(when string) {
		for _, b := range kept {
			_ = append(b, "xxxxxxxx"...)
		}
		if got := fmt.Sprintf("%s", kept); got != "[1 2 3 a 1 b 2 c 3]" {
			t.Errorf("%s: %s", when, got)
		}
	}
	view(t, s, func(tx objstore.Reader) {
		if err := read(tx); err != nil {
			t.Error(err)
		}
		check("in a view")
		for _, r := range []objstore.Range{{Reverse: true}, {Start: []byte("b")}} {
			if _, err := tx.Page(r, 2); err != nil {
				t.Error(err)
			}
		}
		check("after other pages")
	})
	check("after a view")
	if err := s.Rows().Update(t.Context(), "", func(tx objstore.Writer) error {
		err := read(tx)
		check("in an update")
		for _, k := range bytesOf("a", "b", "c") {
			err = errors.Join(err, tx.Set(k, []byte("new")))
		}
		check("after own writes")
		return errors.Join(err, tx.Delete([]byte("b")))
	}); err != nil {
		t.Error(err)
	}
	set(t, s, "a", "newer", "c", "newer")
	check("after an update")
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
	if _, err := s.Rows().Number(ctx, "n", 0); !errors.Is(err, context.Canceled) {
		t.Errorf("number: %v", err)
	}
	if _, err := s.Blobs().Put(ctx, []byte("x")); !errors.Is(err, context.Canceled) {
		t.Errorf("put: %v", err)
	}
}
