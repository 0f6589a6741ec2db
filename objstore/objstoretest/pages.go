package objstoretest

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"caret/objstore"
)

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

// testPage: limits and bounds, in both directions, with and without what the
// transaction wrote itself.
func testPage(t *testing.T, s objstore.Store, _ Reopen) {
	set(t, s, "a", "", "b", "2", "c", "3", "d", "4", "e", "5")
	type pages []struct {
		start, end string
		reverse    bool
		limit      int
		want       string
	}
	check := func(what string, tx objstore.Reader, list pages) {
		t.Helper()
		for _, tt := range list {
			r := objstore.Range{Start: []byte(tt.start), Reverse: tt.reverse}
			if tt.end != "" {
				r.End = []byte(tt.end)
			}
			page, err := tx.Page(r, tt.limit)
			if got := keys(page, err); got != tt.want {
				t.Errorf("%s: %+v: %q", what, tt, got)
			}
			for _, row := range page {
				if row.Value == nil {
					t.Errorf("%s: %+v: the value of %q is nil", what, tt, row.Key)
				}
			}
		}
	}
	stored := pages{
		{"", "", false, 5, "a b c d e"}, {"", "", true, 5, "e d c b a"},
		{"", "", false, 6, "a b c d e"}, {"", "", true, 6, "e d c b a"},
		{"", "", false, 4, "a b c d"}, {"", "", true, 4, "e d c b"},
		{"", "", false, 1, "a"}, {"", "", true, 1, "e"},
		{"", "", false, 0, ""}, {"", "", true, 0, ""}, {"", "", false, -1, ""},
		{"b", "d", false, 9, "b c"}, {"b", "d", true, 9, "c b"},
		{"b", "d", false, 2, "b c"}, {"b", "d", true, 2, "c b"},
		{"b\x00", "c\x00", false, 2, "c"}, {"b\x00", "c\x00", true, 2, "c"},
		{"c", "c", false, 9, ""}, {"c", "c", true, 9, ""}, {"d", "b", false, 9, ""}, {"d", "b", true, 9, ""},
		{"bb", "bc", false, 9, ""}, {"bb", "bc", true, 9, ""}, {"f", "", false, 9, ""}, {"f", "", true, 9, ""},
		{"", "A", false, 9, ""}, {"", "A", true, 9, ""}, {"e", "", false, 9, "e"}, {"e", "", true, 9, "e"},
	}
	view(t, s, func(tx objstore.Reader) { check("view", tx, stored) })
	if err := s.Rows().Update(t.Context(), "", func(tx objstore.Writer) error {
		check("update", tx, stored)
		for _, k := range []string{"a0", "c0", "e0"} {
			if err := tx.Set([]byte(k), nil); err != nil {
				return err
			}
		}
		if err := errors.Join(tx.Delete([]byte("b")), tx.Delete([]byte("d")), tx.Delete([]byte("none")), tx.Set([]byte("c"), []byte("own"))); err != nil {
			return err
		}
		own := pages{
			{"", "", false, 9, "a a0 c c0 e e0"}, {"", "", true, 9, "e0 e c0 c a0 a"},
			{"", "", false, 6, "a a0 c c0 e e0"}, {"", "", true, 6, "e0 e c0 c a0 a"},
			{"", "", false, 5, "a a0 c c0 e"}, {"", "", true, 5, "e0 e c0 c a0"},
			{"", "", false, 3, "a a0 c"}, {"", "", true, 3, "e0 e c0"},
			{"", "", false, 2, "a a0"}, {"", "", true, 2, "e0 e"}, {"", "", false, 1, "a"}, {"", "", true, 1, "e0"},
			{"b", "", false, 1, "c"}, {"", "c", true, 1, "a0"}, {"b", "c", false, 9, ""}, {"b", "c", true, 9, ""},
			{"d", "e", false, 1, ""}, {"d", "e0", true, 1, "e"}, {"c0", "e", false, 9, "c0"}, {"c0", "e", true, 9, "c0"},
			{"e0", "", false, 1, "e0"}, {"e0\x00", "", false, 1, ""}, {"d", "b", true, 3, ""},
		}
		check("own writes", tx, own)
		if page, err := tx.Page(objstore.Prefix([]byte("c")), 1); err != nil || len(page) != 1 || string(page[0].Value) != "own" {
			t.Errorf("a row written over: %q, %v", page, err)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

// testLongKeys: the longest keys are written, read and walked past, in both
// directions.
func testLongKeys(t *testing.T, s objstore.Store, _ Reopen) {
	long := func(last byte) []byte {
		return append(bytes.Repeat([]byte{0xff}, objstore.MaxKey-1), last)
	}
	check := func(tx objstore.Reader) error {
		for _, reverse := range []bool{false, true} {
			c, n := objstore.Scan(tx, objstore.Range{Reverse: reverse}), 0
			for c.Next() {
				want := byte(n)
				if reverse {
					want = byte(255 - n)
				}
				if !bytes.Equal(c.Key(), long(want)) {
					return fmt.Errorf("reverse %t: row %d is ...%x", reverse, n, c.Key()[len(c.Key())-4:])
				}
				n++
			}
			if n != 256 || c.Err() != nil {
				return fmt.Errorf("reverse %t: %d rows, %w", reverse, n, c.Err())
			}
			c.Seek(long(77))
			if !c.Next() || !bytes.Equal(c.Key(), long(77)) {
				return fmt.Errorf("reverse %t: seek failed: %w", reverse, c.Err())
			}
		}
		many, err := tx.GetMany([][]byte{long(0), long(255)})
		if err == nil && (many[0] == nil || many[1] == nil) {
			err = errors.New("GetMany does not find the longest keys")
		}
		return err
	}
	if err := s.Rows().Update(t.Context(), "", func(tx objstore.Writer) error {
		for i := range 256 {
			if err := tx.Set(long(byte(i)), nil); err != nil {
				return err
			}
		}
		return check(tx)
	}); err != nil {
		t.Fatal(err)
	}
	view(t, s, func(tx objstore.Reader) {
		if err := check(tx); err != nil {
			t.Error(err)
		}
	})
}
