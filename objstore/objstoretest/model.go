package objstoretest

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"pgregory.net/rapid"

	"caret/objstore"
)

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
	err := m.s.Rows().Update(context.Background(), "", func(tx objstore.Writer) error {
		c := objstore.Scan(tx, objstore.Range{})
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
	err := m.s.Rows().Update(context.Background(), "", func(tx objstore.Writer) error {
		next = maps.Clone(m.rows) // it may run more than once
		for i, o := range ops {
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
			if i%2 == 1 || i == len(ops)-1 {
				compare(t, tx, next)
			}
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

// Fill writes so many rows that they are read in several pages.
func (m *model) Fill(t *rapid.T) {
	next := maps.Clone(m.rows)
	names := rapid.SliceOfN(key, 20, 60).Draw(t, "keys")
	if err := m.s.Rows().Update(context.Background(), "", func(tx objstore.Writer) error {
		for _, k := range names {
			next[k] = "filled"
			if err := tx.Set([]byte(k), []byte("filled")); err != nil {
				return err
			}
		}
		compare(t, tx, next)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	m.rows = next
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
	if err := m.s.Rows().Update(context.Background(), "", func(tx objstore.Writer) error { return tx.Delete([]byte("none")) }); err != nil {
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

// compare looks at the rows in every way and compares with the map.
func compare(t *rapid.T, tx objstore.Reader, rows map[string]string) {
	r := objstore.Range{Reverse: rapid.Bool().Draw(t, "reverse")}
	if rapid.Bool().Draw(t, "bounded") {
		r.Start, r.End = []byte(key.Draw(t, "start")), []byte(key.Draw(t, "end"))
	}
	want := within(rows, r)
	if got := dump(tx, r); got != strings.Join(want, " ") {
		t.Fatalf("%+v: %q, want %q", r, got, want)
	}
	limit := rapid.IntRange(0, len(want)+1).Draw(t, "limit")
	page, err := tx.Page(r, limit)
	if got := pairs(page); err != nil || !slices.Equal(got, want[:min(limit, len(want))]) {
		t.Fatalf("%+v, the first %d: %q, %v, want %q", r, limit, got, err, want)
	}
	compareValues(t, tx, rows)
	compareCursor(t, tx, r, want)
}

// within is the rows of a range in its direction, each as key=value.
func within(rows map[string]string, r objstore.Range) []string {
	var list []string
	for _, k := range slices.Sorted(maps.Keys(rows)) {
		if k >= string(r.Start) && (r.End == nil || k < string(r.End)) {
			list = append(list, k+"="+rows[k])
		}
	}
	if r.Reverse {
		slices.Reverse(list)
	}
	return list
}

func pairs(page []objstore.Row) []string {
	var list []string
	for _, row := range page {
		list = append(list, string(row.Key)+"="+string(row.Value))
	}
	return list
}

// compareValues reads some keys, one after another and at once.
func compareValues(t *rapid.T, tx objstore.Reader, rows map[string]string) {
	names := rapid.SliceOfN(key, 0, 5).Draw(t, "keys")
	values, err := tx.GetMany(bytesOf(names...))
	if err != nil || len(values) != len(names) {
		t.Fatalf("%d of %d values, %v", len(values), len(names), err)
	}
	for i, name := range names {
		want, ok := rows[name]
		if got := values[i]; (got != nil) != ok || string(got) != want {
			t.Fatalf("GetMany of %q: %q, want %q, %t", name, got, want, ok)
		}
		got, err := tx.Get([]byte(name))
		if ok && err != nil || !ok && !errors.Is(err, objstore.ErrNotFound) || string(got) != want {
			t.Fatalf("Get of %q: %q, %v, want %q, %t", name, got, err, want, ok)
		}
	}
}

// compareCursor walks and jumps about in a range that holds want.
func compareCursor(t *rapid.T, tx objstore.Reader, r objstore.Range, want []string) {
	c, at := objstore.Scan(tx, r), 0
	for range rapid.IntRange(0, 8).Draw(t, "moves") {
		if rapid.Bool().Draw(t, "seek") {
			to := key.Draw(t, "to")
			c.Seek([]byte(to))
			at = 0
			for at < len(want) {
				k, _, _ := strings.Cut(want[at], "=")
				if k == to || (k > to) != r.Reverse {
					break
				}
				at++
			}
		}
		for range rapid.IntRange(0, 3).Draw(t, "steps") {
			ok := c.Next()
			if ok != (at < len(want)) || c.Err() != nil {
				t.Fatalf("%+v: row %d of %q: %t, %v", r, at, want, ok, c.Err())
			}
			if !ok {
				break
			}
			if got := string(c.Key()) + "=" + string(c.Value()); got != want[at] {
				t.Fatalf("%+v: row %d of %q: %q", r, at, want, got)
			}
			at++
		}
	}
}
