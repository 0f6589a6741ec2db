package content

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"caret/objstore"
	"caret/objstore/memory"
)

// lossy is blobs of which one is lost.
type lossy struct {
	objstore.Blobs
	lost objstore.Hash
}

func (l *lossy) Get(ctx context.Context, h objstore.Hash, buf []byte) ([]byte, error) {
	if h == l.lost {
		return nil, objstore.ErrNotFound
	}
	return l.Blobs.Get(ctx, h, buf)
}

// TestMissingBlob: a blob that content names and that is not there is damage, which names
// it, and not something that was not found; wherever in the content it is.
func TestMissingBlob(t *testing.T) {
	t.Parallel()
	blobs := &lossy{Blobs: memory.New().Blobs()}
	data := make([]byte, 5*MaxChunk)
	random := rand.NewChaCha8([32]byte{1})
	random.Read(data)
	w := NewWriter(t.Context(), blobs, Options{SizeHint: int64(len(data))})
	if _, err := w.ReadFrom(bytes.NewReader(data)); err != nil {
		t.Fatal(err)
	}
	part, err := w.Close()
	if err != nil {
		t.Fatal(err)
	}
	var all []Ref
	if err := Walk(t.Context(), blobs, part.Root, func(r Ref) error {
		all = append(all, r)
		return nil
	}); err != nil || len(all) < 4 {
		t.Fatalf("%d blobs, %v", len(all), err)
	}
	for _, ref := range all {
		blobs.lost = ref.Hash
		check := func(what string, err error) {
			t.Helper()
			if !errors.Is(err, objstore.ErrCorrupt) || errors.Is(err, objstore.ErrNotFound) || !strings.Contains(err.Error(), ref.Hash.String()) {
				t.Errorf("%s without %s: %v", what, ref.Hash, err)
			}
		}
		r, err := NewReader(t.Context(), blobs, nil, part.Root, 0, -1)
		if err != nil {
			t.Fatal(err)
		}
		n, err := io.Copy(io.Discard, r)
		r.Close()
		check("read", err)
		if n >= int64(len(data)) {
			t.Errorf("%d bytes were read", n)
		}
		other := part
		other.Offset++ // so that it is read to be joined
		_, err = Concat(t.Context(), blobs, nil, []Part{other, part})
		check("join", err)
		if ref.Level > 0 {
			check("walk", Walk(t.Context(), blobs, part.Root, func(Ref) error { return nil }))
		}
	}
}
