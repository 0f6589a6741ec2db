package archive

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"
)

const (
	freeBytes = 64 << 20 // that any archive may expand to
	maxWindow = 8 << 20  // of zstd, which is memory: what RFC 8878 asks of every decoder, and zstd -19 uses
	readAhead = 32 << 10

	// maxHeaders is what may come in front of one member: tar.Reader takes no
	// header of more than 1 MiB, but as many of them as there are.
	maxHeaders = 8 << 20
)

// Magic numbers. Neither can begin a tar, as the name of its first member
// would not be UTF-8; the one of skippable frames would have a control
// character.
const (
	gzipMagic      = "\x1f\x8b"
	zstdMagic      = "\x28\xb5\x2f\xfd"
	zstdSkip       = "\x2a\x4d\x18" // behind 0x50 to 0x5f
	longestMagic   = 6
	skipMagicFirst = 0x50
)

// foreign are what else may be sent. They are looked at only when there is no
// tar, as some might begin the name of a member.
var foreign = []struct{ magic, name string }{
	{"BZh", "bzip2"},
	{"\xfd7zXZ\x00", "xz"},
	{"\x04\x22\x4d\x18", "LZ4"},
	{"\xff\x06\x00\x00", "S2 or Snappy"},
	{"PK\x03\x04", "zip"},
}

// stream is the tar in a body, without its compression.
type stream struct {
	src   *source
	in    *bufio.Reader // of src
	r     io.Reader     // in, or what decompresses it
	head  []byte        // the first bytes of the body
	buf   []byte        // for what is read and thrown away
	ratio int64
	n     int64 // bytes read
	stop  int64 // where headers must have ended, 0 if none are read
	ended bool  // something was asked for beyond the end
	err   error // sticky: io.ReadFull drops one that comes with all it wants
}

func newStream(r io.Reader, ratio int64) (*stream, error) {
	s := &stream{src: &source{r: r}, ratio: ratio, buf: make([]byte, 16<<10)}
	s.in = bufio.NewReaderSize(s.src, readAhead)
	head, err := s.in.Peek(longestMagic)
	if s.src.err != nil || err != nil && !errors.Is(err, io.EOF) {
		return nil, s.fail(err)
	}
	s.head = bytes.Clone(head)
	switch {
	case bytes.HasPrefix(head, []byte(gzipMagic)):
		s.r, err = gzip.NewReader(s.in)
	case bytes.HasPrefix(head, []byte(zstdMagic)),
		len(head) > 0 && head[0]&0xf0 == skipMagicFirst && bytes.HasPrefix(head[1:], []byte(zstdSkip)):
		// With a concurrency of 1 it has no goroutines that had to be ended.
		s.r, err = zstd.NewReader(s.in, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecodeBuffersBelow(0))
	default:
		s.r, err = s.in, nil
	}
	if err != nil {
		return nil, s.fail(err)
	}
	return s, nil
}

// Read implements io.Reader. An end comes alone, so that ended tells whether
// tar wanted more than there was.
func (s *stream) Read(p []byte) (int, error) {
	if s.err != nil {
		return 0, s.err
	}
	n, err := s.r.Read(p)
	s.n += int64(n)
	switch limit := s.checkRatio(s.n); {
	case limit != nil:
		s.err = limit
	case s.stop > 0 && s.n > s.stop:
		s.err = fmt.Errorf("%w: more than %d MiB of headers for one member", ErrLimit, maxHeaders>>20)
	case err == io.EOF && n > 0:
	case err == io.EOF:
		s.ended = true
		return 0, io.EOF
	default:
		s.err = err
	}
	return n, s.err
}

// checkRatio fails if n bytes are too many for what has been read of the body.
func (s *stream) checkRatio(n int64) error {
	in := s.src.n - int64(s.in.Buffered())
	if s.ratio > 0 && n > freeBytes && n/s.ratio > in {
		return fmt.Errorf("%w: %d bytes expand to %d and more", ErrLimit, in, n)
	}
	return nil
}

// drain reads up to the end of the body; io.EOF if nothing but zeros is left
// of the tar and nothing of the body.
func (s *stream) drain() error {
	for {
		n, err := s.Read(s.buf)
		if len(bytes.Trim(s.buf[:n], "\x00")) > 0 {
			return s.fail(fmt.Errorf("%w: something follows its end", ErrFormat))
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return s.fail(err)
		}
	}
	if _, err := s.in.Peek(1); err == nil {
		return fmt.Errorf("%w: something follows the compressed data", ErrFormat)
	}
	if s.src.err != nil {
		return s.fail(s.src.err)
	}
	return io.EOF
}

// fail says what err, from anything that reads the stream, means.
func (s *stream) fail(err error) error {
	// Why the rest is missing matters, not what misses it.
	switch src := s.src.err; {
	case src == nil:
	case errors.Is(src, io.EOF): // must not be taken for an end
		return fmt.Errorf("%w: %s", ErrTruncated, src.Error())
	case errors.Is(src, io.ErrUnexpectedEOF):
		return fmt.Errorf("%w: %w", ErrTruncated, src)
	default:
		return src
	}
	for _, own := range []error{ErrFormat, ErrTruncated, ErrMember, ErrPath, ErrLimit} {
		if errors.Is(err, own) {
			return err
		}
	}
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return ErrTruncated
	case errors.Is(err, zstd.ErrWindowSizeExceeded), errors.Is(err, zstd.ErrDecoderSizeExceeded):
		return fmt.Errorf("%w: zstd with a window of more than %d MiB", ErrLimit, maxWindow>>20)
	case errors.Is(err, tar.ErrFieldTooLong):
		return fmt.Errorf("%w: %w", ErrLimit, err)
	}
	if s.n <= blockSize {
		for _, f := range foreign {
			if bytes.HasPrefix(s.head, []byte(f.magic)) {
				return fmt.Errorf("%w; it looks like %s", ErrFormat, f.name)
			}
		}
	}
	return fmt.Errorf("%w: %w", ErrFormat, err)
}

// source counts what is read of a body, and keeps why it failed: zstd takes
// some failures for an end.
type source struct {
	r   io.Reader
	n   int64
	err error
}

// Read implements io.Reader.
func (s *source) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	s.n += int64(n)
	if err != nil && err != io.EOF {
		s.err = err
	}
	return n, err
}
