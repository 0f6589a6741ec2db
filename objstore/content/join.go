package content

import (
	"context"
	"fmt"
	"io"

	"github.com/zeebo/blake3"

	"caret/objstore"
	"caret/objstore/budget"
	"caret/objstore/content/treehash"
)

// Concat joins parts, in order, to one content. It stores lists only; the
// bytes stay where they are. The hash is joined from the parts' Subtrees
// where a part lies at the Offset it was hashed for; one that does not is
// read once more, with memory of b.
func Concat(ctx context.Context, blobs objstore.Blobs, b *budget.Budget, parts []Part) (Content, error) {
	var refs []Ref
	var full []Part
	for _, p := range parts {
		if p.Root.Size > 0 {
			refs = append(refs, p.Root)
			full = append(full, p)
		}
	}
	switch len(full) {
	case 0:
		return Content{Hash: objstore.Sum(nil)}, nil
	case 1:
		return full[0].Content, nil
	}
	h, err := joinHashes(ctx, blobs, b, full)
	if err != nil {
		return Content{}, err
	}
	root, err := putTree(ctx, blobs, refs)
	return Content{Hash: h, Root: root}, err
}

// joinHashes is the hash over all of two or more parts that are not empty.
func joinHashes(ctx context.Context, blobs objstore.Blobs, b *budget.Budget, parts []Part) (objstore.Hash, error) {
	for _, p := range parts[:len(parts)-1] {
		if p.Root.Size%treehash.Align != 0 {
			return rehash(ctx, blobs, b, parts)
		}
	}
	var j treehash.Joiner
	for _, p := range parts {
		values := p.Subtrees
		if p.Offset != j.Pos() || len(values) == 0 {
			h := treehash.New(j.Pos())
			if err := copyContent(ctx, blobs, b, p.Root, h); err != nil {
				return objstore.Hash{}, err
			}
			values = h.Values()
		}
		if err := j.Add(values, p.Root.Size); err != nil {
			return objstore.Hash{}, fmt.Errorf("%w: %w", objstore.ErrCorrupt, err)
		}
	}
	return j.Sum()
}

// rehash reads all parts: chunks of the hash's tree lie across their borders.
func rehash(ctx context.Context, blobs objstore.Blobs, b *budget.Budget, parts []Part) (objstore.Hash, error) {
	whole := blake3.New()
	for _, p := range parts {
		if err := copyContent(ctx, blobs, b, p.Root, whole); err != nil {
			return objstore.Hash{}, err
		}
	}
	var h objstore.Hash
	whole.Sum(h[:0])
	return h, nil
}

func copyContent(ctx context.Context, blobs objstore.Blobs, b *budget.Budget, root Ref, w io.Writer) error {
	r, err := NewReader(ctx, blobs, b, root, 0, -1)
	if err != nil {
		return err
	}
	defer r.Close()
	_, err = r.WriteTo(w)
	return err
}
