package archive

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
)

// What can be wrong with an archive. What the body's own reader fails with
// passes through.
var (
	// ErrFormat: not a tar, or a damaged one.
	ErrFormat = errors.New("the body is not a sound tar archive, plain or in gzip or zstd")
	// ErrTruncated: the archive stops before its end.
	ErrTruncated = errors.New("the archive is truncated")
	// ErrMember: a member that is not a file, such as a link or a device.
	ErrMember = errors.New("the archive has a member that is not a file")
	// ErrPath: a member whose name cannot be a path, or such a prefix.
	ErrPath = errors.New("not a path that a member can have")
	// ErrLimit: more members or bytes than Options allow, or a compression
	// that needs more memory than is given to it.
	ErrLimit = errors.New("the archive exceeds a limit")

	errPassed = errors.New("the archive has been read past this member")
)

// Defaults of Options.
const (
	DefaultMembers = 1_000_000
	DefaultRatio   = 1000
)

// Options say how an archive is read. In the limits 0 is the default, and
// less than that is no limit.
type Options struct {
	Prefix       string // put before every path as it is, so it should end in /
	Directories  bool   // return directories, as members whose Path ends in /
	IgnoreOthers bool   // pass over what is neither file nor directory
	Relative     bool   // refuse names that begin with a slash, which else is taken off

	// Unterminated accepts an archive that stops behind a member, without
	// the zero blocks that end it: minio-go's PutObjectsSnowball writes no
	// others. Members lost from there on go unnoticed then, so the body's
	// length or checksum should be known to be right.
	Unterminated bool

	MaxMembers int64 // entries of any kind, DefaultMembers
	MaxBytes   int64 // of all members, none
	MaxRatio   int64 // bytes out per byte in, beyond the first 64 MiB; DefaultRatio
}

// Reader reads the members of an archive.
type Reader struct {
	opts    Options
	in      *stream
	tar     *tar.Reader
	current *Member
	entries int64
	bytes   int64 // sizes of the members so far
	out     int64 // bytes read of them, with the holes of sparse ones
	err     error // sticky
}

// New begins to read the archive in r. ErrPath if the prefix makes no path.
func New(r io.Reader, opts Options) (*Reader, error) {
	if opts.MaxMembers == 0 {
		opts.MaxMembers = DefaultMembers
	}
	if opts.MaxRatio == 0 {
		opts.MaxRatio = DefaultRatio
	}
	opts.Prefix = clean(opts.Prefix)
	if err := check(opts.Prefix); err != nil {
		return nil, err
	}
	in, err := newStream(r, opts.MaxRatio)
	if err != nil {
		return nil, err
	}
	return &Reader{opts: opts, in: in, tar: tar.NewReader(in)}, nil
}

// Next returns the next member, whatever has not been read of the last one.
// It returns io.EOF when the archive is complete and the body read to its end;
// after any other error nothing of the archive may be kept.
func (r *Reader) Next() (*Member, error) {
	if r.err != nil {
		return nil, r.err
	}
	r.current, r.err = r.next()
	return r.current, r.err
}

func (r *Reader) next() (*Member, error) {
	for {
		if err := r.skip(); err != nil {
			return nil, err
		}
		start := r.in.n
		r.in.stop = start + maxHeaders
		h, err := r.tar.Next()
		r.in.stop = 0
		if err == io.EOF {
			return nil, r.end((r.in.n - start) / blockSize)
		}
		// Whether a name is insecure is checked below, whatever GODEBUG says.
		if err != nil && !errors.Is(err, tar.ErrInsecurePath) {
			return nil, r.in.fail(err)
		}
		if r.entries++; r.opts.MaxMembers > 0 && r.entries > r.opts.MaxMembers {
			return nil, fmt.Errorf("%w: more than %d members", ErrLimit, r.opts.MaxMembers)
		}
		if m, err := r.member(h); m != nil || err != nil {
			return m, err
		}
	}
}

// skip reads the rest of the current entry. Left to tar its holes would not
// count, and end would not know how much of the stream were headers.
func (r *Reader) skip() error {
	for {
		if _, err := r.read(r.in.buf); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

const blockSize = 512

// end reads what follows the last member; io.EOF if all is well. blocks is
// how many whole blocks followed it already.
//
// tar.Reader takes an end of the stream for the archive's wherever a header
// or padding might begin, even behind a header that extends the one to come.
func (r *Reader) end(blocks int64) error {
	switch stopped := r.in.ended; {
	case stopped && !r.opts.Unterminated:
		return r.in.fail(fmt.Errorf("%w: the zero blocks that end it are missing", ErrTruncated))
	case stopped && (blocks > 0 || r.entries == 0):
		return r.in.fail(fmt.Errorf("%w: it stops in front of a member", ErrTruncated))
	case blocks > 2:
		return r.in.fail(fmt.Errorf("%w: an extended header without its member", ErrFormat))
	}
	return r.in.drain()
}

// read reads the bytes of the current entry.
func (r *Reader) read(p []byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	n, err := r.tar.Read(p)
	r.out += int64(n)
	if r.err = r.in.checkRatio(r.out); r.err != nil {
		return n, r.err
	}
	if err != nil && err != io.EOF {
		r.err = r.in.fail(err)
		return n, r.err
	}
	return n, err
}
