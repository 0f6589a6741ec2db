package content_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"testing"

	"caret/objstore"
	"caret/objstore/content"
)

// TestChecker: each blob is read once, whatever shares it; whichever is missing or
// damaged is found, with where it lies, whenever content with it is checked.
func TestChecker(t *testing.T) {
	t.Parallel()
	blobs := newCounting()
	data := random(20, 9<<20)
	one := write(t, blobs, bytes.NewReader(data), -1)
	two := write(t, blobs, bytes.NewReader(append(slices.Clone(data), 'x')), -1)
	var refs []content.Ref
	if err := content.Walk(t.Context(), blobs, one.Root, func(r content.Ref) error {
		refs = append(refs, r)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	gets := reading{Blobs: blobs}
	c := content.NewChecker(&gets, 1000)
	for range 2 {
		for _, p := range []content.Part{one, two} {
			if faults, err := c.Check(t.Context(), p.Root); err != nil || len(faults) > 0 {
				t.Errorf("whole content: %+v, %v", faults, err)
			}
		}
	}
	if gets.gets != len(blobs.seen) || c.Blobs != int64(len(blobs.seen)) {
		t.Errorf("%d reads of %d blobs", gets.gets, len(blobs.seen))
	}
	for i, r := range refs {
		for what, how := range map[string]func([]byte) ([]byte, error){
			"missing": func([]byte) ([]byte, error) { return nil, objstore.ErrNotFound },
			"damaged": func([]byte) ([]byte, error) { return nil, objstore.ErrCorrupt },
			"short":   func(b []byte) ([]byte, error) { return b[:len(b)-1], nil },
		} {
			c := content.NewChecker(damaged{blobs, r.Hash, how}, i) // few are remembered
			for range 2 {
				faults, err := c.Check(t.Context(), one.Root)
				if err != nil || len(faults) != 1 || faults[0].Blob != r.Hash || faults[0].Missing != (what == "missing") || faults[0].Size != r.Size {
					t.Fatalf("blob %d %s: %+v, %v", i, what, faults, err)
				}
				at := faults[0].Offset
				if r.Level == 0 && objstore.Sum(data[at:at+r.Size]) != r.Hash {
					t.Errorf("blob %d %s is said to lie at %d", i, what, at)
				}
			}
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	stopped := content.NewChecker(damaged{blobs, one.Root.Hash, func([]byte) ([]byte, error) { return nil, ctx.Err() }}, 10)
	if faults, err := stopped.Check(ctx, one.Root); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %+v, %v", faults, err)
	}
}
