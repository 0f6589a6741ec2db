package upload

import (
	"encoding/json"
	"errors"
	"reflect"
	"testing"
	"time"

	"caret/commits"
	"caret/objstore"
	"caret/objstore/content"
	"caret/pfs/rows"
)

// FuzzRows: what can be read of a row of an upload, of a part or of a completed one is read
// again as it is written, and anything else is ErrCorrupt.
func FuzzRows(f *testing.F) {
	at := time.UnixMilli(1_700_000_000_123).UTC()
	part := Part{Part: content.Part{Content: content.Content{Root: content.Ref{Size: 5, Level: 1}}, Offset: 7, Subtrees: []byte{1}}, Modified: at}
	for _, v := range []any{
		part, Upload{ID: "0", Path: "p\x00", Started: at, Attrs: commits.Attrs{Meta: map[string]string{"k": "v"}}, Owner: "o"},
		Completed{Commit: commits.ID{1}, Path: "p", Lineage: 3, At: at},
	} {
		b, err := json.Marshal(v)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte(`{"part":{"Root":{"Size":-1}}}`))
	f.Add([]byte(`{"part":{"Root":{"Size":9223372036854775807}}}`))
	f.Add([]byte(`{"part":{"Offset":-1}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		key := []byte("k")
		again(t, b, func(b []byte, p *Part) error {
			err := decodePart(key, b, p)
			if err == nil && (p.Part.Root.Size < 0 || p.Part.Root.Size > maxPart || p.Part.Offset < 0) {
				t.Fatalf("a part of %d bytes at %d", p.Part.Root.Size, p.Part.Offset)
			}
			return err
		})
		again(t, b, func(b []byte, u *Upload) error { return rows.Decode(key, b, u) })
		again(t, b, func(b []byte, c *Completed) error { return rows.Decode(key, b, c) })
	})
}

func again[T any](t *testing.T, b []byte, decode func([]byte, *T) error) {
	t.Helper()
	var first, second T
	if err := decode(b, &first); err != nil {
		if !errors.Is(err, objstore.ErrCorrupt) {
			t.Fatalf("%q: %v", b, err)
		}
		return
	}
	once, err := json.Marshal(first)
	if err != nil {
		return // a time that cannot be written, in a year of five digits
	}
	if err := decode(once, &second); err != nil {
		t.Fatalf("%q is not read again: %v", once, err)
	}
	if twice, err := json.Marshal(second); err != nil || !reflect.DeepEqual(twice, once) {
		t.Fatalf("%q is read again as %q, %v", once, twice, err)
	}
}

// TestScopeOf: the scope in a key is what its row was written under, or damage.
func TestScopeOf(t *testing.T) {
	t.Parallel()
	u := Upload{ID: "0123456789abcdef0123456789abcdef", Path: "a\x00b"}
	scope := IntoOpen(commits.ID{1})
	key := scope.key(u.Path, u.ID)
	if got, err := scopeOf(key, u); err != nil || !reflect.DeepEqual(got, scope) {
		t.Errorf("%q, %v", got, err)
	}
	for _, bad := range []Upload{{ID: u.ID, Path: "other"}, {ID: "x", Path: u.Path}, {ID: string(key) + u.ID, Path: u.Path}, {ID: u.ID, Path: string(key)}} {
		if got, err := scopeOf(key, bad); !errors.Is(err, objstore.ErrCorrupt) {
			t.Errorf("%+v: %q, %v", bad, got, err)
		}
	}
}
