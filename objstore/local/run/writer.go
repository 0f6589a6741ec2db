package run

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"

	"github.com/klauspost/compress/zstd"
	"golang.org/x/sys/unix"

	"caret/objstore"
	"caret/objstore/local/disk"
)

// tempSuffix ends the names of runs that are not complete.
const tempSuffix = ".tmp"

// How blocks are compressed: with tables for pieces of valuesPiece bytes of
// values, and no references farther back than window.
const (
	valuesPiece = 16 << 10
	window      = 1 << 20
)

// Writer writes a run. Its first error stays: whatever is called then returns it.
type Writer struct {
	dir  string
	is   identity
	opts Options
	enc  *zstd.Encoder

	f       *os.File // nil once the writer is at its end
	info    Info
	written int64 // bytes of the file so far
	blocks  uint64
	block   builder
	last    []byte // the last key
	raw     []byte // buffers
	out     []byte
	err     error
}

// Create begins a run of the log id in dir, which is there already, with what
// was written after from, up to to. A run of this name that is there already is
// fs.ErrExist. The caller calls Close or Abort.
func Create(dir string, id [8]byte, from, to uint64, opts Options) (*Writer, error) {
	w := &Writer{dir: dir, is: identity{id, from, to}}
	w.info = Info{Path: Path(dir, from, to), ID: id, From: from, To: to}
	if err := w.create(opts); err != nil {
		return nil, fmt.Errorf("create run %s: %w", w.info.Path, disk.NoSpace(err))
	}
	return w, nil
}

func (w *Writer) create(opts Options) (err error) {
	if w.is.from >= w.is.to {
		return fmt.Errorf("it would end at %d, where it begins", w.is.to)
	}
	if w.opts, err = opts.withDefaults(); err != nil {
		return err
	}
	if err := w.opts.Fault("run.create"); err != nil {
		return err
	}
	if _, err := os.Lstat(w.info.Path); !errors.Is(err, fs.ErrNotExist) {
		return errors.Join(err, fs.ErrExist)
	}
	// Without the option for literals the fastest level leaves digits as they
	// are; with it, it is about as small as the others.
	w.enc, err = zstd.NewWriter(nil, zstd.WithEncoderLevel(w.opts.Level), zstd.WithAllLitEntropyCompression(true),
		zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(false), zstd.WithWindowSize(window))
	if err != nil {
		return err
	}
	w.out = w.is.appendHeader(nil)
	w.f, err = os.CreateTemp(w.dir, name(w.is.from, w.is.to)+".*"+tempSuffix)
	return err
}

// Add adds a row, whose key is not empty and is behind those added before. It
// is objstore.ErrTooLarge if key and value have more than 8 MiB together. Both
// are copied.
func (w *Writer) Add(r Row) error {
	switch {
	case w.err != nil:
		return w.err
	case w.f == nil:
		return fmt.Errorf("write run %s: %w", w.info.Path, fs.ErrClosed)
	case bytes.Compare(r.Key, w.last) <= 0:
		return w.fail(fmt.Errorf("key %x is not behind key %x", r.Key, w.last))
	case len(r.Key)+len(r.Value) > maxRow:
		return w.fail(fmt.Errorf("%w: a row of %d bytes", objstore.ErrTooLarge, len(r.Key)+len(r.Value)))
	}
	w.block.add(r)
	w.last = append(w.last[:0], r.Key...)
	w.info.Rows++
	if w.block.size() >= w.opts.BlockSize {
		return w.flush()
	}
	return nil
}

// Bulk says that b belongs to the run. Its order is kept.
func (w *Writer) Bulk(b Bulk) {
	if b.Offset < 0 || b.Length < 0 {
		w.fail(fmt.Errorf("no bulk is at %d with %d bytes", b.Offset, b.Length)) //nolint:errcheck // it stays
	}
	w.info.Bulks = append(w.info.Bulks, b)
}

// Close makes the run durable and gives it its name; then it is there whole, or
// not at all. If it fails the run is not there, unless what failed was the sync
// of the directory: then it is, but may be gone after a power cut.
func (w *Writer) Close() (Info, error) {
	if w.err == nil && w.f == nil {
		return Info{}, fmt.Errorf("write run %s: %w", w.info.Path, fs.ErrClosed)
	}
	defer w.Abort()
	if w.err != nil {
		return Info{}, w.err
	}
	if err := w.finish(); err != nil {
		return Info{}, err
	}
	info := w.info
	info.Bulks = slices.Clone(info.Bulks)
	return info, nil
}

func (w *Writer) finish() error {
	if w.block.rows > 0 {
		if err := w.flush(); err != nil {
			return err
		}
	}
	foot := footer{blocks: w.blocks, rows: w.info.Rows, bulks: w.info.Bulks}
	w.out = w.is.appendFooter(w.out, foot, w.written+int64(len(w.out)))
	if err := w.write(); err != nil {
		return err
	}
	w.info.Size = w.written
	if err := w.opts.Fault("run.sync"); err != nil {
		return w.fail(err)
	}
	if err := unix.Fdatasync(int(w.f.Fd())); err != nil {
		return w.fail(os.NewSyscallError("fdatasync", err))
	}
	temp := w.f.Name()
	if err := w.opts.Fault("run.rename"); err != nil {
		return w.fail(err)
	}
	if err := os.Rename(temp, w.info.Path); err != nil {
		return w.fail(err)
	}
	// It has its name now, and is not to be removed whatever comes.
	err := w.f.Close()
	w.f = nil
	if err = errors.Join(err, w.opts.Fault("dir.sync")); err == nil {
		err = disk.SyncDir(w.dir)
	}
	if err != nil {
		return w.fail(err)
	}
	return nil
}

// Abort ends the writer and removes what it wrote. After Close it does nothing.
func (w *Writer) Abort() {
	if w.enc != nil {
		w.enc.Close() //nolint:errcheck // it has no writer that could fail
		w.enc = nil
	}
	if w.f == nil {
		return
	}
	temp := w.f.Name()
	w.f.Close()
	w.f = nil
	if w.opts.Fault("run.remove") == nil {
		os.Remove(temp)
	}
}

// flush writes the block that was gathered.
func (w *Writer) flush() error {
	w.raw = w.block.append(w.raw[:0])
	at := len(w.out)
	w.out = append(w.out, make([]byte, blockHeaderSize)...)
	if err := w.compress(); err != nil {
		return w.fail(err)
	}
	w.is.putBlockHeader(w.out[at:], w.blocks, len(w.raw), w.block.rows)
	w.blocks++
	w.block.reset()
	return w.write()
}

// compress appends a frame of zstd to out that has what is in raw. Lengths, keys
// and each piece of the values get a block of zstd, and so tables, of their own:
// bytes of one column are alike, and not those of different ones.
func (w *Writer) compress() error {
	w.enc.Reset((*appender)(&w.out))
	lengths, rest := w.raw[:len(w.block.lengths)], w.raw[len(w.block.lengths):]
	keys, values := rest[:len(w.block.keys)], rest[len(w.block.keys):]
	pieces := append([][]byte{lengths, keys}, slices.Collect(slices.Chunk(values, valuesPiece))...)
	for _, p := range pieces {
		if _, err := w.enc.Write(p); err != nil {
			return err
		}
		if err := w.enc.Flush(); err != nil {
			return err
		}
	}
	return w.enc.Close()
}

// appender is a writer to the end of a slice.
type appender []byte

func (a *appender) Write(b []byte) (int, error) {
	*a = append(*a, b...)
	return len(b), nil
}

// write writes what is in out.
func (w *Writer) write() error {
	if err := w.opts.Fault("run.write"); err != nil {
		return w.fail(err)
	}
	n, err := w.f.Write(w.out)
	w.written += int64(n)
	w.out = w.out[:0]
	if err != nil {
		return w.fail(err)
	}
	return nil
}

// fail keeps the first error.
func (w *Writer) fail(err error) error {
	if w.err == nil {
		w.err = fmt.Errorf("write run %s: %w", w.info.Path, disk.NoSpace(err))
	}
	return w.err
}
