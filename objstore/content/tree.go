package content

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"caret/objstore"
)

// A list of refs is a blob: a version byte, then for each ref its level (1
// byte), hash (32 bytes) and size (varint).
const (
	listVersion = 1
	refSize     = 1 + 32 + binary.MaxVarintLen64
	// fanOut is how many refs a list holds at most.
	fanOut = 4096
	// maxLevel bounds how deep lists can lie in lists: far more than the
	// largest file needs, and a damaged list cannot lead on for ever.
	maxLevel = 16
)

func appendList(b []byte, refs []Ref) []byte {
	b = append(b, listVersion)
	for _, r := range refs {
		b = append(append(b, r.Level), r.Hash[:]...)
		b = binary.AppendUvarint(b, uint64(r.Size))
	}
	return b
}

// parseList reads the list that parent points at and checks that they agree.
func parseList(b []byte, parent Ref) ([]Ref, error) {
	bad := func(why string) error {
		return fmt.Errorf("list %s: %w: %s", parent.Hash, objstore.ErrCorrupt, why)
	}
	if len(b) == 0 || b[0] != listVersion {
		return nil, bad("unknown version")
	}
	if parent.Size < 0 {
		return nil, bad("its size is negative")
	}
	b = b[1:]
	refs := make([]Ref, 0, min(len(b)/34, fanOut))
	left := parent.Size
	for len(b) > 0 {
		if len(b) < 34 || len(refs) == fanOut {
			return nil, bad("wrong length")
		}
		r := Ref{Level: b[0]}
		copy(r.Hash[:], b[1:])
		size, n := binary.Uvarint(b[33:])
		if n <= 0 || size == 0 || size > uint64(left) || r.Level >= parent.Level {
			return nil, bad("sizes or levels do not fit")
		}
		r.Size = int64(size)
		left -= r.Size
		refs = append(refs, r)
		b = b[33+n:]
	}
	if left != 0 {
		return nil, bad("sizes do not add up")
	}
	return refs, nil
}

// putTree stores lists over refs until one is left.
func putTree(ctx context.Context, blobs objstore.Blobs, refs []Ref) (Ref, error) {
	if len(refs) == 0 {
		return Ref{}, nil
	}
	for len(refs) > 1 {
		var above []Ref
		for len(refs) > 0 {
			n := min(len(refs), fanOut)
			list := Ref{}
			for _, r := range refs[:n] {
				list.Size += r.Size
				list.Level = max(list.Level, r.Level+1)
			}
			if list.Level > maxLevel {
				return Ref{}, fmt.Errorf("%w: content of %d levels", objstore.ErrTooLarge, list.Level)
			}
			var err error
			if list.Hash, err = blobs.Put(ctx, appendList(make([]byte, 0, 1+n*refSize), refs[:n])); err != nil {
				return Ref{}, err
			}
			above = append(above, list)
			refs = refs[n:]
		}
		refs = above
	}
	return refs[0], nil
}

// getBlob reads a blob that must be there.
func getBlob(ctx context.Context, blobs objstore.Blobs, r Ref, buf []byte) ([]byte, error) {
	b, err := blobs.Get(ctx, r.Hash, buf)
	if errors.Is(err, objstore.ErrNotFound) {
		return nil, fmt.Errorf("%w: blob %s is missing", objstore.ErrCorrupt, r.Hash)
	}
	return b, err
}

// getList reads the refs of a list.
func getList(ctx context.Context, blobs objstore.Blobs, r Ref) ([]Ref, error) {
	if r.Level > maxLevel {
		return nil, fmt.Errorf("list %s: %w: level %d", r.Hash, objstore.ErrCorrupt, r.Level)
	}
	b, err := getBlob(ctx, blobs, r, nil)
	if err != nil {
		return nil, err
	}
	return parseList(b, r)
}

// Walk calls fn for root and every ref below it, lists before what they
// list.
func Walk(ctx context.Context, blobs objstore.Blobs, root Ref, fn func(Ref) error) error {
	if root.Size == 0 {
		return nil
	}
	if err := fn(root); err != nil {
		return err
	}
	if root.Level == 0 {
		return nil
	}
	refs, err := getList(ctx, blobs, root)
	if err != nil {
		return err
	}
	for _, r := range refs {
		if err := Walk(ctx, blobs, r, fn); err != nil {
			return err
		}
	}
	return nil
}
