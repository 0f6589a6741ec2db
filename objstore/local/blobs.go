package local

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"caret/objstore"
	"caret/objstore/local/disk"
	"caret/objstore/local/journal"
	"caret/objstore/local/pack"
	"caret/objstore/txn"
)

// blobs implements objstore.Blobs.
type blobs struct {
	store *Store
	gate  *txn.Gate

	mu       sync.Mutex
	less     chan struct{}              // closed when waiting has become less
	ended    chan struct{}              // closed when nothing is committed any more
	pending  map[objstore.Hash]*pending // put, and not in the log yet
	stored   []*pending                 // of these, those whose bytes are there
	waiting  int                        // bytes of what these need in the log
	inLog    map[objstore.Hash]inLog    // in the log, and not in a pack yet
	own      map[objstore.Hash]bool     // in the log, and have a row of their own, which counts
	damaged  map[objstore.Hash]bool     // to be stored again by who puts them
	unmarked []objstore.Hash            // damaged, of which the log does not say so yet
}

// pending is a blob on its way into the log.
type pending struct {
	hash   objstore.Hash
	stored chan struct{} // closed when the following are set
	err    error
	data   []byte        // of a small one
	at     pack.Place    // of any other
	log    journal.Place // of a small one, once it is there
}

// inLog is where a small blob is in the log.
type inLog struct {
	journal.Place
	length int
}

func newBlobs(s *Store) *blobs {
	b := &blobs{store: s, gate: txn.NewGate(), pending: make(map[objstore.Hash]*pending),
		inLog: make(map[objstore.Hash]inLog), own: make(map[objstore.Hash]bool), damaged: make(map[objstore.Hash]bool), less: make(chan struct{}), ended: make(chan struct{})}
	return b
}

const (
	// flushBytes for the log make the committer write them without waiting for
	// a transaction, and with waitBytes who puts more waits for it.
	flushBytes = 1 << 20
	waitBytes  = 16 << 20
	waitAgain  = time.Second
)

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
	if err := b.wait(ctx); err != nil {
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

// wait waits while very much is on its way into the log.
func (b *blobs) wait(ctx context.Context) error {
	for {
		b.mu.Lock()
		much, less := b.waiting > waitBytes, b.less
		b.mu.Unlock()
		if !much {
			return nil
		}
		if err := b.store.writable(); err != nil {
			return err
		}
		b.store.rows.Flush()
		select {
		case <-less:
		case <-b.ended:
			return objstore.ErrClosed
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(waitAgain): // the store may refuse writes by now
		}
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

// store1 stores a claimed blob unless it is there and as far as is known whole.
func (b *blobs) store1(p *pending, data []byte) error {
	s := b.store
	there, again, err := b.there(p.hash)
	if there || err != nil {
		if there {
			s.stats.duplicates.Add(1)
		}
		b.settle(p, err, false)
		return err
	}
	// What was lost gets a row of its own, which counts before the one it had.
	if len(data) <= s.opts.SmallMax && !again {
		p.data = append(make([]byte, 0, len(data)), data...)
	} else if p.at, err = s.packs.Append(p.hash, data); err != nil {
		err = disk.NoSpace(err)
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

// there says whether a blob is stored, or, if not, whether it was.
func (b *blobs) there(h objstore.Hash) (there, again bool, err error) {
	b.mu.Lock()
	_, logged := b.inLog[h]
	damaged := b.damaged[h]
	b.mu.Unlock()
	if logged || damaged {
		return !damaged, damaged, nil
	}
	at, sound, err := b.lookup(h)
	switch {
	case errors.Is(err, objstore.ErrNotFound):
		return false, false, nil
	case err != nil:
		return false, false, err
	}
	sound = sound && b.store.packs.Has(at)
	return sound, !sound, nil
}

// settle ends a claim; keep leaves the blob pending until it is in the log. It
// says whether what waits for that is much.
func (b *blobs) settle(p *pending, err error, keep bool) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	p.err = err
	close(p.stored)
	if !keep {
		delete(b.pending, p.hash)
		return false
	}
	b.stored = append(b.stored, p)
	before := b.waiting / flushBytes
	b.waiting += p.size()
	return b.waiting/flushBytes > before
}

// size is about what a blob takes in the log.
func (p *pending) size() int { return len(p.data) + len(p.hash) + txn.RowOverhead }

// find says where a blob is: in a pack, in the log if that is not nil, or in
// memory if data is not nil.
func (b *blobs) find(h objstore.Hash) (at pack.Place, log *inLog, data []byte, err error) {
	b.mu.Lock()
	p := b.pending[h]
	l, ok := b.inLog[h]
	b.mu.Unlock()
	if p != nil {
		select {
		case <-p.stored:
			if p.err == nil && (p.data != nil || p.at.Pack != 0) {
				return p.at, nil, p.data, nil
			}
		default:
		}
	}
	if ok {
		return pack.Place{}, &l, nil, nil
	}
	at, _, err = b.lookup(h)
	return at, nil, nil, err
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
	got, found, err := b.read(h, buf)
	if found && errors.Is(err, objstore.ErrCorrupt) {
		// It may have been moved to a pack just then.
		if got, found, err = b.read(h, buf); found && errors.Is(err, objstore.ErrCorrupt) {
			b.mark(h)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("blob %s: %w", h, err)
	}
	return got, nil
}

// read says too whether the place of a blob was found, so that an error is one of
// its bytes.
func (b *blobs) read(h objstore.Hash, buf []byte) (_ []byte, found bool, err error) {
	at, log, data, err := b.find(h)
	if err != nil {
		return nil, false, err
	}
	where := fmt.Sprintf("pack %d at %d", at.Pack, at.Offset)
	switch {
	case data != nil:
		buf = append(buf[:0], data...)
	case log != nil:
		where = fmt.Sprintf("%s at %d", log.Segment.Path(), log.Offset)
		buf, err = log.Read(slices.Grow(buf[:0], log.length), log.length)
	default:
		buf, err = b.store.packs.Read(at, buf[:0])
	}
	if err != nil {
		return nil, true, err
	}
	if objstore.Sum(buf) != h {
		return nil, true, fmt.Errorf("%w: what %s holds has another hash", objstore.ErrCorrupt, where)
	}
	return buf, true, nil
}

// mark remembers a blob as damaged, in the log too: whoever puts it stores it
// again.
func (b *blobs) mark(h objstore.Hash) {
	b.mu.Lock()
	known := b.damaged[h]
	b.damaged[h] = true
	if !known {
		b.unmarked = append(b.unmarked, h)
	}
	b.mu.Unlock()
	if !known && b.store.writable() == nil {
		b.store.rows.Flush()
	}
}
