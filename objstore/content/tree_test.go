package content

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"caret/objstore"
	"caret/objstore/memory"
)

func FuzzParseList(f *testing.F) {
	h := objstore.Sum([]byte("x"))
	f.Add(appendList(nil, []Ref{{Hash: h, Size: 5}, {Hash: h, Size: 7, Level: 1}}), int64(12), uint8(2))
	f.Add([]byte{listVersion}, int64(0), uint8(1))
	f.Add(appendList(nil, []Ref{{Hash: h, Size: 5}}), int64(-1), uint8(2))
	f.Add(append(appendList(nil, []Ref{{Hash: h, Size: 1<<63 - 1}}), 0), int64(1<<63-1), uint8(1))
	f.Fuzz(func(t *testing.T, b []byte, size int64, lvl uint8) {
		refs, err := parseList(b, Ref{Size: size, Level: lvl})
		if err != nil {
			if !errors.Is(err, objstore.ErrCorrupt) {
				t.Fatal(err)
			}
			return
		}
		var sum int64
		for _, r := range refs {
			if r.Size <= 0 || r.Level >= lvl {
				t.Fatalf("ref %+v in a list of level %d", r, lvl)
			}
			sum += r.Size
		}
		if sum != size {
			t.Fatalf("refs of %d bytes in a list of %d", sum, size)
		}
		again, err := parseList(appendList(nil, refs), Ref{Size: size, Level: lvl})
		if err != nil || !slices.Equal(again, refs) {
			t.Fatalf("%v is read again as %v, %v", refs, again, err)
		}
	})
}

// TestDeepTree: more refs than one list holds.
func TestDeepTree(t *testing.T) {
	t.Parallel()
	blobs := memory.New().Blobs()
	var refs []Ref
	for i := range 3*fanOut + 5 {
		h, err := blobs.Put(t.Context(), []byte{byte(i), byte(i >> 8)})
		if err != nil {
			t.Fatal(err)
		}
		refs = append(refs, Ref{Hash: h, Size: 2})
	}
	root, err := putTree(t.Context(), blobs, refs)
	if err != nil || root.Level != 2 || root.Size != int64(2*len(refs)) {
		t.Fatalf("%+v, %v", root, err)
	}
	r, err := NewReader(t.Context(), blobs, nil, root, 2*fanOut-2, 6)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var got bytes.Buffer
	if _, err := r.WriteTo(&got); err != nil {
		t.Fatal(err)
	}
	want := []byte{0xff, 0x0f, 0, 0x10, 1, 0x10}
	if !bytes.Equal(got.Bytes(), want) {
		t.Errorf("across a border: %x, want %x", got.Bytes(), want)
	}
}
