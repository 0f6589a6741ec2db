package memory

import (
	"bytes"
	"context"
	"fmt"
	"sync"

	"caret/objstore"
	"caret/objstore/txn"
)

// blobs implements objstore.Blobs.
type blobs struct {
	store *Store
	gate  *txn.Gate

	mu   sync.RWMutex
	data map[objstore.Hash][]byte
}

// enter is followed by b.gate.Leave, unless it fails.
func (b *blobs) enter(ctx context.Context, point string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := b.gate.Enter(); err != nil {
		return err
	}
	if err := b.store.fault(point); err != nil {
		b.gate.Leave()
		return err
	}
	return nil
}

// Put implements objstore.Blobs.
func (b *blobs) Put(ctx context.Context, data []byte) (objstore.Hash, error) {
	if err := b.enter(ctx, "blob.put"); err != nil {
		return objstore.Hash{}, err
	}
	defer b.gate.Leave()
	if len(data) > objstore.MaxBlob {
		return objstore.Hash{}, fmt.Errorf("%w: blob of %d bytes", objstore.ErrTooLarge, len(data))
	}
	h := objstore.Sum(data)
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, ok := b.data[h]; !ok {
		b.data[h] = bytes.Clone(data)
	}
	return h, nil
}

// Get implements objstore.Blobs.
func (b *blobs) Get(ctx context.Context, h objstore.Hash, buf []byte) ([]byte, error) {
	if err := b.enter(ctx, "blob.get"); err != nil {
		return nil, err
	}
	defer b.gate.Leave()
	b.mu.RLock()
	defer b.mu.RUnlock()
	data, ok := b.data[h]
	if !ok {
		return nil, fmt.Errorf("blob %s: %w", h, objstore.ErrNotFound)
	}
	return append(buf[:0], data...), nil
}
