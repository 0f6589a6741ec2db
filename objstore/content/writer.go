package content

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	chunkers "github.com/PlakarKorp/go-cdc-chunkers"
	"github.com/PlakarKorp/go-cdc-chunkers/chunkers/fastcdc"
	"github.com/zeebo/blake3"

	"caret/objstore"
	"caret/objstore/budget"
	"caret/objstore/content/treehash"
)

// Sizes of chunks in bytes. On random bytes they come out at 0.97 MiB on
// average. Content that was cut with other sizes shares no chunks with this.
//
// FastCDC usually prefers cuts near the normal size, which makes where a cut
// lies depend on where the last one did: measured over changes of 1 MiB in
// 64 MiB, 4.2 MiB were stored anew on average and up to 15.7. Without that
// preference (the library's zero level) it is 2.3 and 5.8.
const (
	MinChunk = 512 << 10
	MaxChunk = 3 << 20
	// cutEvery is how many bytes behind the least size a cut comes on average;
	// a power of two.
	cutEvery = 512 << 10
)

const algorithm = "caret-1"

// register makes the algorithm known to the library, which has no other way
// to set the level.
var register = sync.OnceValue(func() error {
	return chunkers.Register(algorithm, func() chunkers.ChunkerImplementation { return &fastcdc.FastCDC{} })
})

// bufferSize is what a writer of large content holds: a chunk, and room to
// read on before what is left has to be moved to the front.
const bufferSize = MaxChunk + 512<<10

var buffers = sync.Pool{New: func() any { return new([bufferSize]byte) }}

// Options configure a Writer.
type Options struct {
	// SizeHint is the length in bytes of what will be written, as far as it is
	// known; it only saves memory. 0 and less say that it is not.
	SizeHint int64
	// Budget is what the memory is taken from that the writer holds; nil is none.
	Budget *budget.Budget
}

// Writer cuts what it is given into chunks and stores them.
//
//	w := NewWriter(ctx, blobs, Options{})
//	defer w.Abort()
//	if _, err := w.ReadFrom(body); err != nil { ... }
//	part, err := w.Close()
type Writer struct {
	ctx    context.Context
	blobs  objstore.Blobs
	hint   int64
	budget *budget.Budget

	whole  *blake3.Hasher   // over all bytes; nil if they are one chunk
	tree   *treehash.Hasher // of a part
	offset int64
	refs   []Ref
	size   int64

	small []byte         // what Write has taken while it is less than a chunk
	pipe  *io.PipeWriter // to a ReadFrom in the background, once it is more
	done  chan error     // its result
	err   error
}

// NewWriter returns a writer of new content.
func NewWriter(ctx context.Context, blobs objstore.Blobs, opts Options) *Writer {
	return &Writer{ctx: ctx, blobs: blobs, hint: opts.SizeHint, budget: opts.Budget}
}

// NewPartWriter returns a writer of a part that is assumed to begin at offset
// in the whole; see Concat.
func NewPartWriter(ctx context.Context, blobs objstore.Blobs, opts Options, offset int64) *Writer {
	w := NewWriter(ctx, blobs, opts)
	if w.offset = offset; offset%treehash.Align == 0 {
		w.tree = treehash.New(offset)
	}
	return w
}

// ReadFrom stores all of r. It reads straight into the buffer that chunks are
// cut from. It is called once, and not together with Write.
func (w *Writer) ReadFrom(r io.Reader) (int64, error) {
	if w.err != nil {
		return 0, w.err
	}
	before := w.size
	w.err = w.readFrom(r)
	return w.size - before, w.err
}

func (w *Writer) readFrom(r io.Reader) error {
	if w.hint > 0 && w.hint <= MinChunk {
		buf, err := w.readSmall(r)
		if err != nil || buf == nil {
			return err
		}
		r = io.MultiReader(bytes.NewReader(buf), r) // the hint was wrong
	}
	share, err := w.budget.Take(w.ctx, budget.Writing, bufferSize)
	if err != nil {
		return err
	}
	defer share.Release()
	w.whole = blake3.New()
	buf := buffers.Get().(*[bufferSize]byte)
	defer buffers.Put(buf)
	c, err := NewChunker(&untilDone{ctx: w.ctx, r: r}, buf[:])
	if err != nil {
		return err
	}
	for {
		data, err := c.Next()
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if len(data) > 0 {
			if err := w.chunk(data); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
	}
}

// NewChunker cuts r as a Writer does. buf, of MaxChunk bytes or more, is what
// it works in: a chunk is valid until the next one is asked for.
func NewChunker(r io.Reader, buf []byte) (*chunkers.Chunker, error) {
	if err := register(); err != nil {
		return nil, fmt.Errorf("set up chunking: %w", err)
	}
	c, err := chunkers.NewChunkerBuffer(algorithm, r, &chunkers.ChunkerOpts{MinSize: MinChunk, NormalSize: cutEvery, MaxSize: MaxChunk}, buf)
	if err != nil {
		return nil, fmt.Errorf("set up chunking: %w", err)
	}
	return c, nil
}

// readSmall stores r if it has no more bytes than the hint says. Otherwise it returns
// what it has read of it.
func (w *Writer) readSmall(r io.Reader) ([]byte, error) {
	share, err := w.budget.Take(w.ctx, budget.Small, w.hint+1)
	if err != nil {
		return nil, err
	}
	defer share.Release()
	buf, err := readUpTo(r, int(w.hint))
	if errors.Is(err, io.EOF) {
		return nil, w.chunk(buf)
	}
	return buf, err
}

// readUpTo reads up to size bytes and one more: io.EOF says that r ended
// before that, nil that it goes on. Other errors are r's own.
func readUpTo(r io.Reader, size int) ([]byte, error) {
	buf := make([]byte, 0, size+1)
	for len(buf) < cap(buf) {
		n, err := r.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if err != nil {
			return buf, err
		}
	}
	return buf, nil
}

// chunk stores the next chunk.
func (w *Writer) chunk(data []byte) error {
	if len(data) == 0 {
		return nil
	}
	h, err := w.blobs.Put(w.ctx, data)
	if err != nil {
		return err
	}
	if w.whole != nil {
		w.whole.Write(data) //nolint:errcheck // a hash takes everything
	}
	if w.tree != nil {
		w.tree.Write(data) //nolint:errcheck
	}
	w.refs = append(w.refs, Ref{Hash: h, Size: int64(len(data))})
	w.size += int64(len(data))
	return nil
}

// Write stores p. Content that comes through ReadFrom is copied once less.
func (w *Writer) Write(p []byte) (int, error) {
	if w.err != nil {
		return 0, w.err
	}
	if w.pipe == nil && len(w.small)+len(p) <= MinChunk {
		w.small = append(w.small, p...)
		return len(p), nil
	}
	if w.pipe == nil {
		r, pw := io.Pipe()
		w.pipe, w.done = pw, make(chan error, 1)
		first := w.small
		w.small = nil
		go func() {
			err := w.readFrom(io.MultiReader(bytes.NewReader(first), r))
			r.CloseWithError(err)
			w.done <- err
		}()
	}
	n, err := w.pipe.Write(p)
	if err != nil {
		w.err = err
	}
	return n, err
}

// finish waits until everything written is stored.
func (w *Writer) finish() error {
	if w.err != nil {
		return w.err
	}
	if w.pipe == nil {
		small := w.small
		w.small = nil
		return w.chunk(small)
	}
	w.pipe.Close() //nolint:errcheck // always nil
	return <-w.done
}

// errClosed is what a writer says after its end.
var errClosed = errors.New("content writer is closed")

// Close stores what is left and returns the content. Offset and Subtrees of
// the result are those of a part.
func (w *Writer) Close() (Part, error) {
	if err := w.finish(); err != nil {
		w.err = err
		return Part{}, err
	}
	w.err = errClosed
	root, err := putTree(w.ctx, w.blobs, w.refs)
	if err != nil {
		return Part{}, err
	}
	p := Part{Content: Content{Root: root}, Offset: w.offset}
	switch {
	case len(w.refs) == 0:
		p.Hash = objstore.Sum(nil)
	case w.whole == nil:
		p.Hash = w.refs[0].Hash
	default:
		w.whole.Sum(p.Hash[:0])
	}
	if w.tree != nil {
		p.Subtrees = w.tree.Values()
	}
	return p, nil
}

// Abort gives up; it does nothing after Close.
func (w *Writer) Abort() {
	if w.err == nil {
		w.err = errClosed
	}
	if w.pipe != nil {
		w.pipe.CloseWithError(w.err)
	}
}

// untilDone is a reader that fails once the context ends.
type untilDone struct {
	ctx context.Context
	r   io.Reader
}

func (u *untilDone) Read(p []byte) (int, error) {
	if err := u.ctx.Err(); err != nil {
		return 0, err
	}
	return u.r.Read(p)
}
