package content

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"caret/objstore"
	"caret/objstore/budget"
)

// Reader streams a range of content. Each chunk is verified before its first
// byte is handed out, and the next one is read while it is consumed, if there is
// memory for that.
type Reader struct {
	cancel context.CancelFunc
	ctx    context.Context
	blobs  objstore.Blobs
	budget *budget.Budget
	stack  []level // lists on the way to the next chunk, the root's first
	skip   int64   // bytes before the range
	left   int64   // bytes of the range behind the chunks below
	cur    *chunk  // being handed out; nil before the first
	ahead  *ahead  // the next one; nil if nobody reads it yet
	err    error

	patience time.Duration // see firstPatience
	timer    *time.Timer   // calls giveBack
	mu       sync.Mutex    // for the chunks while lent is true, and for lent
	lent     bool
	since    time.Time // when that began
}

// ReadMemory is the most that a reader holds, in bytes.
const ReadMemory = 2*MaxChunk + windowSize

// level is what is left of a list.
type level struct{ refs []Ref }

// ahead is a chunk that is read in advance.
type ahead struct {
	done chan struct{} // closed when the following are set
	c    *chunk        // which has no data if there was no memory for that
	err  error
}

// NewReader reads bytes [off, off+length) of root; length -1 is to its end.
// The range must lie within. The chunks it holds are taken from b.
func NewReader(ctx context.Context, blobs objstore.Blobs, b *budget.Budget, root Ref, off, length int64) (*Reader, error) {
	if root.Size < 0 {
		return nil, fmt.Errorf("%w: content %s of %d bytes", objstore.ErrCorrupt, root.Hash, root.Size)
	}
	if length < 0 {
		length = root.Size - off
	}
	if off < 0 || length < 0 || off > root.Size-length {
		return nil, fmt.Errorf("range of %d bytes at %d of content of %d bytes", length, off, root.Size)
	}
	r := &Reader{blobs: blobs, budget: b, skip: off, left: length, patience: firstPatience}
	r.ctx, r.cancel = context.WithCancel(ctx)
	if length > 0 {
		r.stack = []level{{refs: []Ref{root}}}
	}
	return r, nil
}

// nextRef goes down to the next chunk of the range.
func (r *Reader) nextRef() (Ref, error) {
	for len(r.stack) > 0 {
		top := &r.stack[len(r.stack)-1]
		if len(top.refs) == 0 {
			r.stack = r.stack[:len(r.stack)-1]
			continue
		}
		ref := top.refs[0]
		top.refs = top.refs[1:]
		switch {
		case ref.Size <= r.skip:
			r.skip -= ref.Size
		case ref.Level == 0:
			return ref, nil
		default:
			refs, err := getList(r.ctx, r.blobs, ref)
			if err != nil {
				return Ref{}, err
			}
			r.stack = append(r.stack, level{refs: refs})
		}
	}
	return Ref{}, fmt.Errorf("%w: content is shorter than its size", objstore.ErrCorrupt)
}

// nextChunk is the next chunk of the range, without its data.
func (r *Reader) nextChunk() (*chunk, error) {
	ref, err := r.nextRef()
	if err != nil {
		return nil, err
	}
	c := &chunk{ref: ref, from: r.skip}
	c.to = min(ref.Size, c.from+r.left)
	r.left -= c.to - c.from
	r.skip = 0
	return c, nil
}

// advance makes the next chunk the one that is handed out.
func (r *Reader) advance() error {
	if r.err != nil {
		return r.err
	}
	if r.cur != nil {
		r.cur.drop()
	}
	r.cur = nil
	if r.ahead != nil {
		<-r.ahead.done
		r.cur, r.err = r.ahead.c, r.ahead.err
		r.ahead = nil
	} else if r.left > 0 {
		r.cur, r.err = r.nextChunk()
	} else {
		return io.EOF
	}
	if r.err == nil {
		r.err = r.need()
	}
	if r.err == nil && r.left > 0 {
		r.readAhead()
	}
	return r.err
}

// need waits until the current chunk is in memory.
func (r *Reader) need() error {
	if r.cur.data != nil {
		return nil
	}
	share, err := r.budget.Take(r.ctx, r.cur.kind(), r.cur.room())
	if err != nil {
		return err
	}
	return r.cur.load(r.ctx, r.blobs, share)
}

// readAhead begins to read the next chunk. It is done without if there is no memory.
func (r *Reader) readAhead() {
	a := &ahead{done: make(chan struct{})}
	r.ahead = a
	go func() {
		defer close(a.done)
		if a.c, a.err = r.nextChunk(); a.err != nil {
			return
		}
		if share, ok := r.budget.Try(a.c.kind(), a.c.room()); ok {
			a.err = a.c.load(r.ctx, r.blobs, share)
		}
	}()
}

// Read implements io.Reader.
func (r *Reader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for r.cur == nil || r.cur.from == r.cur.to {
		if err := r.advance(); err != nil {
			return 0, err
		}
	}
	n := copy(p, r.cur.rest())
	r.cur.from += int64(n)
	return n, nil
}

// windowSize is how much of a chunk is handed to a writer at once. While that takes the
// rest need not be in memory.
const windowSize = 64 << 10

var windows = sync.Pool{New: func() any { return new([windowSize]byte) }}

// WriteTo implements io.WriterTo. If w takes its time it holds no more than a window, unless
// there is plenty of memory: then the copy that this takes is saved.
func (r *Reader) WriteTo(w io.Writer) (int64, error) {
	hand := func() (int, error) { return w.Write(r.cur.rest()) }
	if r.left > windowSize {
		share, err := r.budget.Take(r.ctx, budget.Window, windowSize)
		if err != nil {
			return 0, err
		}
		defer share.Release()
		window := windows.Get().(*[windowSize]byte)
		defer windows.Put(window)
		r.timer = time.AfterFunc(time.Hour, r.giveBack) // each window sets it anew
		defer r.timer.Stop()
		hand = func() (int, error) {
			if r.budget.Plenty(r.cur.kind()) {
				return w.Write(r.cur.rest())
			}
			return r.lend(w, window[:])
		}
	}
	var total int64
	for {
		for r.cur != nil && r.cur.from < r.cur.to {
			if err := r.need(); err != nil {
				r.err = err
				return total, err
			}
			n, err := hand()
			total += int64(n)
			r.cur.from += int64(n)
			if err != nil {
				return total, err
			}
		}
		if err := r.advance(); errors.Is(err, io.EOF) {
			return total, nil
		} else if err != nil {
			return total, err
		}
	}
}

// How long a writer may take for a window until the chunks are given back. Reading them
// again costs something, so each time it is twice as long; if others wait for memory it
// is always the first.
const (
	firstPatience = 100 * time.Millisecond
	lastPatience  = 5 * time.Second
)

// lend writes the next bytes of the chunk from a copy of them.
func (r *Reader) lend(w io.Writer, window []byte) (int, error) {
	n := copy(window, r.cur.rest())
	r.mu.Lock()
	r.lent, r.since = true, time.Now()
	r.mu.Unlock()
	r.timer.Reset(firstPatience)
	n, err := w.Write(window[:n])
	r.timer.Stop()
	r.mu.Lock()
	r.lent = false
	r.mu.Unlock()
	return n, err
}

// giveBack gives the memory of the chunks back if a writer has taken its time.
func (r *Reader) giveBack() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.lent {
		return
	}
	if time.Since(r.since) < r.patience && !r.budget.Short() {
		r.timer.Reset(firstPatience)
		return
	}
	r.cur.drop()
	if r.ahead != nil {
		<-r.ahead.done // it waits for nobody
		if r.ahead.c != nil {
			r.ahead.c.drop()
		}
	}
	r.patience = min(2*r.patience, lastPatience)
}

// Close ends reading; it waits for a chunk that is being read.
func (r *Reader) Close() error {
	r.cancel()
	if r.ahead != nil {
		<-r.ahead.done
		if r.ahead.c != nil {
			r.ahead.c.drop()
		}
		r.ahead = nil
	}
	if r.cur != nil {
		r.cur.drop()
		r.cur = nil
	}
	if r.err == nil {
		r.err = errClosed
	}
	return nil
}
