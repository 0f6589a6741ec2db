package local

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"

	"github.com/dgraph-io/badger/v4"

	"caret/objstore"
	"caret/objstore/txn"
)

// blobs implements objstore.Blobs.
type blobs struct {
	store *Store
	gate  *txn.Gate

	mu      sync.Mutex
	pending map[objstore.Hash]*pending // put, but not in the index yet
	waiting int                        // bytes of index rows in pending
}

// pending is a blob on its way into the index.
type pending struct {
	hash   objstore.Hash
	stored chan struct{} // closed when the following are set
	err    error
	at     place
	inline []byte // the blob itself, if it is that small
}

func indexKey(h objstore.Hash) []byte { return append([]byte{keyIndex}, h[:]...) }

// Kinds of index rows.
const (
	inlineRow = 0 // the blob follows
	packRow   = 1 // pack, offset and length follow as varints
)

func (b *pending) row() []byte {
	if b.inline != nil {
		return append([]byte{inlineRow}, b.inline...)
	}
	row := binary.AppendUvarint([]byte{packRow}, uint64(b.at.pack))
	row = binary.AppendUvarint(row, uint64(b.at.offset))
	return binary.AppendUvarint(row, uint64(b.at.length))
}

func parsePlace(row []byte) (place, error) {
	var v [3]uint64
	for i := range v {
		var n int
		if v[i], n = binary.Uvarint(row); n <= 0 {
			return place{}, fmt.Errorf("%w: index row", objstore.ErrCorrupt)
		}
		row = row[n:]
	}
	return place{pack: uint32(v[0]), offset: int64(v[1]), length: int(v[2])}, nil
}

// flushBytes of index rows make the committer write them without waiting for
// a transaction.
const flushBytes = 1 << 20

// Put implements objstore.Blobs.
func (b *blobs) Put(ctx context.Context, data []byte) (objstore.Hash, error) {
	s := b.store
	if err := b.gate.Enter(); err != nil {
		return objstore.Hash{}, err
	}
	defer b.gate.Leave()
	if err := ctx.Err(); err != nil {
		return objstore.Hash{}, err
	}
	if len(data) > objstore.MaxBlob {
		return objstore.Hash{}, fmt.Errorf("%w: blob of %d bytes", objstore.ErrTooLarge, len(data))
	}
	if err := s.writable(); err != nil {
		return objstore.Hash{}, err
	}
	h := objstore.Sum(data)
	for {
		p, mine := b.claim(h)
		if mine {
			return h, b.store1(p, data)
		}
		select {
		case <-p.stored:
		case <-ctx.Done():
			return objstore.Hash{}, ctx.Err()
		}
		if p.err == nil {
			s.stats.duplicates.Add(1)
			return h, nil
		}
		// Whoever was storing it failed; perhaps this caller will not.
	}
}

// claim finds a blob that is being put, or makes it the caller's to store.
func (b *blobs) claim(h objstore.Hash) (p *pending, mine bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if p := b.pending[h]; p != nil {
		return p, false
	}
	p = &pending{hash: h, stored: make(chan struct{})}
	b.pending[h] = p
	return p, true
}

// store1 stores a claimed blob unless the index has it.
func (b *blobs) store1(p *pending, data []byte) error {
	s := b.store
	_, err := b.lookup(p.hash)
	switch {
	case err == nil:
		s.stats.duplicates.Add(1)
		b.settle(p, nil, false)
		return nil
	case !errors.Is(err, objstore.ErrNotFound):
		b.settle(p, err, false)
		return err
	}
	if len(data) <= s.opts.InlineMax {
		p.inline = append(make([]byte, 0, len(data)), data...)
	} else if p.at, err = s.packs.append(p.hash, data); err != nil {
		b.settle(p, err, false)
		return err
	}
	s.stats.blobs.Add(1)
	s.stats.bytes.Add(int64(len(data)))
	s.space.wrote(int64(len(data)))
	if b.settle(p, nil, true) {
		s.rows.Flush()
	}
	return nil
}

// settle ends a claim; keep leaves the blob pending until it is indexed. It
// says whether the index rows that wait are many.
func (b *blobs) settle(p *pending, err error, keep bool) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	p.err = err
	close(p.stored)
	if !keep {
		delete(b.pending, p.hash)
		return false
	}
	before := b.waiting / flushBytes
	b.waiting += len(p.inline) + len(p.hash) + txn.RowOverhead
	return b.waiting/flushBytes > before
}

// take returns the pending blobs whose bytes are stored.
func (b *blobs) take() []*pending {
	b.mu.Lock()
	defer b.mu.Unlock()
	var list []*pending
	for _, p := range b.pending {
		select {
		case <-p.stored:
			list = append(list, p)
		default:
		}
	}
	return list
}

// indexed forgets blobs that the index has.
func (b *blobs) indexed(list []*pending) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, p := range list {
		delete(b.pending, p.hash)
		b.waiting -= len(p.inline) + len(p.hash) + txn.RowOverhead
	}
}

// lookup is the index row of a blob; objstore.ErrNotFound.
func (b *blobs) lookup(h objstore.Hash) (row []byte, err error) {
	err = b.store.db.View(func(t *badger.Txn) error {
		item, err := t.Get(indexKey(h))
		if err != nil {
			return err
		}
		row, err = item.ValueCopy(nil)
		return err
	})
	return row, rowError(err)
}

// Get implements objstore.Blobs.
func (b *blobs) Get(ctx context.Context, h objstore.Hash, buf []byte) ([]byte, error) {
	if err := b.gate.Enter(); err != nil {
		return nil, err
	}
	defer b.gate.Leave()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	at, inline, err := b.find(h)
	if err != nil {
		return nil, fmt.Errorf("blob %s: %w", h, err)
	}
	where := "its index row"
	if inline != nil {
		buf = append(buf[:0], inline...)
	} else {
		where = fmt.Sprintf("pack %d at %d", at.pack, at.offset)
		if buf, err = b.store.packs.read(at, buf[:0]); err != nil {
			return nil, fmt.Errorf("blob %s: %w", h, err)
		}
	}
	if objstore.Sum(buf) != h {
		return nil, fmt.Errorf("blob %s: %w: what %s holds has another hash", h, objstore.ErrCorrupt, where)
	}
	return buf, nil
}

// find says where a blob is: at a place, or inline if that is not nil.
func (b *blobs) find(h objstore.Hash) (place, []byte, error) {
	b.mu.Lock()
	p := b.pending[h]
	b.mu.Unlock()
	if p != nil {
		select {
		case <-p.stored:
			if p.err == nil && (p.inline != nil || p.at.pack != 0) {
				return p.at, p.inline, nil
			}
		default:
		}
	}
	row, err := b.lookup(h)
	if err != nil {
		return place{}, nil, err
	}
	switch {
	case len(row) > 0 && row[0] == inlineRow:
		return place{}, row[1:], nil
	case len(row) > 0 && row[0] == packRow:
		at, err := parsePlace(row[1:])
		return at, nil, err
	}
	return place{}, nil, fmt.Errorf("%w: index row", objstore.ErrCorrupt)
}
