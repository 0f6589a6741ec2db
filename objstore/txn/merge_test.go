package txn_test

import (
	"encoding/binary"
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"caret/objstore"
	"caret/objstore/txn"
)

// TestTree: a tree is a sorted map, and its copies are others.
func TestTree(t *testing.T) {
	t.Parallel()
	key := rapid.SliceOfN(rapid.SampledFrom([]byte("ab\x00\xff")), 1, 3)
	rapid.Check(t, func(t *rapid.T) {
		tree, rows := txn.NewTree(), map[string]string{}
		type copied struct {
			tree *txn.Tree
			want string
		}
		var copies []copied
		list := func(tree *txn.Tree) string { return fmt.Sprintf("%q", tree.Page(objstore.Range{}, 1000)) }
		for i := range rapid.IntRange(0, 100).Draw(t, "writes") {
			k, v := key.Draw(t, "key"), fmt.Append(nil, i)
			had, has := rows[string(k)]
			switch rapid.IntRange(0, 9).Draw(t, "what") {
			case 0:
				copies = append(copies, copied{tree.Copy(), list(tree)})
			case 1, 2, 3:
				tree.Delete(k)
				delete(rows, string(k))
			default:
				if old, replaced := tree.Set(objstore.Row{Key: k, Value: v}); replaced != has || string(old.Value) != had {
					t.Fatalf("set %q: %q, %t", k, old.Value, replaced)
				}
				rows[string(k)] = string(v)
			}
			had, has = rows[string(k)]
			if got, ok := tree.Get(k); ok != has || string(got) != had || tree.Len() != len(rows) {
				t.Fatalf("get %q: %q, %t, %d rows", k, got, ok, tree.Len())
			}
		}
		for _, c := range copies {
			if got := list(c.tree); got != c.want {
				t.Fatalf("a copy changed from %s to %s", c.want, got)
			}
		}
	})
}

// TestDeletedRows: rows of the store that the transaction deleted are read in
// few pages, however small the page that is asked for.
func TestDeletedRows(t *testing.T) {
	t.Parallel()
	const stored = 5000
	s := newStub()
	for i := range stored {
		s.table.Set(objstore.Row{Key: number(i), Value: []byte{}})
	}
	rows := open(t, s, txn.Options{})
	err := rows.Update(t.Context(), "", func(tx objstore.Writer) error {
		for i := range stored - 1 {
			if err := tx.Delete(number(i)); err != nil {
				return err
			}
		}
		page, err := tx.Page(objstore.Range{}, 1)
		if err == nil && (len(page) != 1 || string(page[0].Key) != string(number(stored-1))) {
			err = fmt.Errorf("found %q", page)
		}
		return err
	})
	if err != nil || s.pages > 10 {
		t.Errorf("%d pages, %v", s.pages, err)
	}
}

func number(i int) []byte { return binary.BigEndian.AppendUint32(nil, uint32(i)) }

// BenchmarkPage reads pages in a transaction that has written much.
func BenchmarkPage(b *testing.B) {
	for _, written := range []int{10, 1000, 20_000} {
		b.Run(fmt.Sprint(written), func(b *testing.B) {
			s := newStub()
			for i := range 20_000 {
				s.table.Set(objstore.Row{Key: number(2 * i), Value: []byte{}})
			}
			rows := open(b, s, txn.Options{})
			if err := rows.Update(b.Context(), "", func(tx objstore.Writer) error {
				for i := range written {
					if err := tx.Set(number(2*i+1), nil); err != nil {
						return err
					}
				}
				b.ResetTimer()
				for i := 0; b.Loop(); i++ {
					if page, err := tx.Page(objstore.Range{Start: number(i * 7919 % 20_000)}, 16); len(page) != 16 {
						return err
					}
				}
				return nil
			}); err != nil {
				b.Fatal(err)
			}
		})
	}
}
