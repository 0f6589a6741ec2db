package content

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"caret/objstore"
)

// Reader streams a range of content. Each chunk is verified before its first
// byte is handed out, and the next one is read while it is consumed.
type Reader struct {
	cancel context.CancelFunc
	ctx    context.Context
	blobs  objstore.Blobs
	stack  []level // lists on the way to the next chunk, the root's first
	skip   int64   // bytes before the range
	left   int64   // bytes of the range not handed out yet
	buf    *chunkBuffer
	rest   []byte // of buf, not handed out yet
	next   chan fetched
	err    error
}

// level is what is left of a list.
type level struct{ refs []Ref }

// fetched is a chunk, or why there is none.
type fetched struct {
	buf  *chunkBuffer
	data []byte
	err  error
}

// chunkBuffer is reused between readers.
type chunkBuffer struct{ b []byte }

var chunkBuffers = sync.Pool{New: func() any { return new(chunkBuffer) }}

// NewReader reads bytes [off, off+length) of root; length -1 is to its end.
// The range must lie within.
func NewReader(ctx context.Context, blobs objstore.Blobs, root Ref, off, length int64) (*Reader, error) {
	if root.Size < 0 {
		return nil, fmt.Errorf("%w: content %s of %d bytes", objstore.ErrCorrupt, root.Hash, root.Size)
	}
	if length < 0 {
		length = root.Size - off
	}
	if off < 0 || length < 0 || off > root.Size-length {
		return nil, fmt.Errorf("range of %d bytes at %d of content of %d bytes", length, off, root.Size)
	}
	r := &Reader{blobs: blobs, skip: off, left: length}
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

// fetch reads the next chunk of the range.
func (r *Reader) fetch() fetched {
	ref, err := r.nextRef()
	if err != nil {
		return fetched{err: err}
	}
	buf := chunkBuffers.Get().(*chunkBuffer)
	data, err := getBlob(r.ctx, r.blobs, ref, buf.b[:0])
	if err == nil && int64(len(data)) != ref.Size {
		err = fmt.Errorf("%w: chunk %s has %d bytes, not %d", objstore.ErrCorrupt, ref.Hash, len(data), ref.Size)
	}
	if err != nil {
		chunkBuffers.Put(buf)
		return fetched{err: err}
	}
	buf.b = data
	data = data[r.skip:]
	r.skip = 0
	return fetched{buf: buf, data: data}
}

// advance makes the next chunk the one that is handed out.
func (r *Reader) advance() error {
	if r.err != nil {
		return r.err
	}
	if r.left == 0 {
		return io.EOF
	}
	r.release()
	var f fetched
	if r.next != nil {
		f = <-r.next
		r.next = nil
	} else {
		f = r.fetch()
	}
	if f.err != nil {
		r.err = f.err
		return f.err
	}
	if int64(len(f.data)) > r.left {
		f.data = f.data[:r.left]
	}
	r.buf, r.rest = f.buf, f.data
	r.left -= int64(len(f.data))
	if r.left > 0 {
		next := make(chan fetched, 1)
		r.next = next
		go func() { next <- r.fetch() }()
	}
	return nil
}

// release gives the current chunk's buffer back.
func (r *Reader) release() {
	if r.buf != nil {
		chunkBuffers.Put(r.buf)
		r.buf, r.rest = nil, nil
	}
}

// Read implements io.Reader.
func (r *Reader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for len(r.rest) == 0 {
		if err := r.advance(); err != nil {
			return 0, err
		}
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

// WriteTo implements io.WriterTo: whole chunks go to w.
func (r *Reader) WriteTo(w io.Writer) (int64, error) {
	var total int64
	for {
		if len(r.rest) > 0 {
			n, err := w.Write(r.rest)
			total += int64(n)
			r.rest = r.rest[n:]
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

// Close ends reading; it waits for a chunk that is being read.
func (r *Reader) Close() error {
	r.cancel()
	if r.next != nil {
		if f := <-r.next; f.buf != nil {
			chunkBuffers.Put(f.buf)
		}
		r.next = nil
	}
	r.release()
	if r.err == nil {
		r.err = errClosed
	}
	return nil
}
