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
