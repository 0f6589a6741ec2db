package run

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/klauspost/compress/zstd"
)

// Reader reads a run.
type Reader struct {
	f     *os.File
	is    identity
	info  Info
	foot  footer
	end   int64 // of the blocks
	fault func(string) error
}

// Open opens the run at path. Its header, its footer, its length and its name
// have been verified, its rows have not: objstore.ErrCorrupt otherwise.
func Open(path string) (*Reader, error) { return open(path, nil) }

// open is Open with Options.Fault.
func open(path string, fault func(string) error) (*Reader, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	r := &Reader{f: f, info: Info{Path: path}, fault: fault}
	if err := r.open(); err != nil {
		f.Close()
		return nil, err
	}
	return r, nil
}

func (r *Reader) open() error {
	stat, err := r.f.Stat()
	if err != nil {
		return err
	}
	size := stat.Size()
	if size < headerSize+tailSize {
		return damage(r.info.Path, 0, "%d bytes are no run", size)
	}
	b, err := r.read(nil, 0, headerSize)
	if err != nil {
		return err
	}
	if r.is, err = parseHeader(b); err != nil {
		return damage(r.info.Path, 0, "%v", err)
	}
	if want := name(r.is.from, r.is.to); filepath.Base(r.info.Path) != want {
		return damage(r.info.Path, 0, "it is the run %s", want)
	}
	if b, err = r.read(b, size-tailSize, tailSize); err != nil {
		return err
	}
	length, err := parseTail(b, size)
	if err != nil {
		return damage(r.info.Path, size-tailSize, "%v", err)
	}
	r.end = size - length
	if b, err = r.read(b, r.end, int(length)); err != nil {
		return err
	}
	if r.foot, err = r.is.parseFooter(b); err != nil {
		return damage(r.info.Path, r.end, "%v", err)
	}
	r.info = Info{Path: r.info.Path, ID: r.is.id, From: r.is.from, To: r.is.to, Rows: r.foot.rows, Bulks: r.foot.bulks, Size: size}
	return nil
}

// read reads n bytes at offset into buf, or a larger one.
func (r *Reader) read(buf []byte, offset int64, n int) ([]byte, error) {
	if r.fault != nil {
		if err := r.fault("run.read"); err != nil {
			return nil, fmt.Errorf("read %s at offset %d: %w", r.info.Path, offset, err)
		}
	}
	buf = slices.Grow(buf[:0], n)[:n]
	_, err := r.f.ReadAt(buf, offset)
	if errors.Is(err, io.EOF) {
		return nil, damage(r.info.Path, offset, "%d bytes should be there, and are not", n)
	}
	if err != nil {
		return nil, fmt.Errorf("read %s at offset %d: %w", r.info.Path, offset, err)
	}
	return buf, nil
}

// Info says what the run is.
func (r *Reader) Info() Info {
	info := r.info
	info.Bulks = slices.Clone(info.Bulks)
	return info
}

// Close closes the file. What walks through its rows fails from then on.
func (r *Reader) Close() error { return r.f.Close() }

// Verify reads all of the run. It returns nil, or the damage that comes first.
func (r *Reader) Verify(ctx context.Context) error {
	rows := r.Rows(ctx)
	defer rows.Close()
	for rows.Next() {
	}
	return rows.Err()
}

// Rows goes through the rows of a run in order of their keys. It is used by one
// goroutine; several may go through one Reader.
type Rows struct {
	ctx   context.Context
	r     *Reader
	dec   *zstd.Decoder
	block block
	first []byte // buffers
	data  []byte
	raw   []byte

	offset int64 // of the next block
	blocks uint64
	rows   uint64
	err    error
	done   bool
}

// Rows begins to go through all rows, deletions too. The caller calls Close,
// and stops calling Next then. When ctx ends, its error does.
func (r *Reader) Rows(ctx context.Context) *Rows {
	return &Rows{ctx: ctx, r: r, offset: headerSize}
}

// Next goes to the next row, the first at first. False says that there is none,
// or that Err is not nil. At the end all that the footer says was there, in
// order, and nothing else.
func (it *Rows) Next() bool {
	if it.done {
		return false
	}
	for !it.block.next() {
		if it.offset == it.r.end {
			return it.stop(it.finish())
		}
		if err := it.load(); err != nil {
			return it.stop(err)
		}
	}
	return true
}

func (it *Rows) stop(err error) bool {
	it.err, it.done = err, true
	return false
}

func (it *Rows) finish() error {
	if it.blocks != it.r.foot.blocks || it.rows != it.r.foot.rows {
		return damage(it.r.info.Path, it.r.end, "there are %d rows in %d blocks, and should be %d in %d",
			it.rows, it.blocks, it.r.foot.rows, it.r.foot.blocks)
	}
	return nil
}

// load verifies the next block.
func (it *Rows) load() (err error) {
	if err := it.ctx.Err(); err != nil {
		return err
	}
	if it.first, err = it.r.read(it.first, it.offset, blockHeaderSize); err != nil {
		return err
	}
	h, err := parseBlockHeader(it.first, it.r.end-it.offset-blockHeaderSize)
	if err != nil {
		return it.damage("%v", err)
	}
	// The header is read again, so that what the checksum is of is in one piece.
	if it.data, err = it.r.read(it.data, it.offset, blockHeaderSize+h.compressed); err != nil {
		return err
	}
	if !bytes.Equal(it.first, it.data[:blockHeaderSize]) || it.r.is.blockSum(it.data, it.blocks) != h.sum {
		return it.damage("the checksum of block %d is wrong", it.blocks)
	}
	if err := it.decode(h); err != nil {
		return it.damage("block %d: %v", it.blocks, err)
	}
	it.offset += int64(len(it.data))
	it.blocks++
	it.rows += uint64(h.rows)
	return nil
}

// decode decompresses what is in data, and opens it.
func (it *Rows) decode(h blockHeader) (err error) {
	if it.dec == nil {
		it.dec, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxMemory(maxRaw), zstd.WithDecodeAllCapLimit(true))
		if err != nil {
			return err
		}
	}
	it.raw = slices.Grow(it.raw[:0], h.raw)
	raw, err := it.dec.DecodeAll(it.data[blockHeaderSize:], it.raw[:0:h.raw])
	if err != nil {
		return err
	}
	if len(raw) != h.raw {
		return fmt.Errorf("it has %d bytes and should have %d", len(raw), h.raw)
	}
	return it.block.open(raw, h.rows)
}

func (it *Rows) damage(format string, args ...any) error {
	return damage(it.r.info.Path, it.offset, format, args...)
}

// Row is the row that Next went to. It may be used until Next or Close is called.
func (it *Rows) Row() Row { return it.block.current() }

// Err says why Next returned false; nil says that it has returned every row.
func (it *Rows) Err() error { return it.err }

// Close gives back what the walk needed. It may be called more than once.
func (it *Rows) Close() {
	it.done = true
	if it.dec != nil {
		it.dec.Close()
		it.dec = nil
	}
}
