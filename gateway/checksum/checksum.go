// Package checksum verifies the checksums that S3 clients send with content:
// Content-MD5 and x-amz-checksum-* in a header or a trailer.
//
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html
package checksum

import (
	"bytes"
	"crypto/md5"  //nolint:gosec // Content-MD5 is part of the protocol
	"crypto/sha1" //nolint:gosec // so is this
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"net/http"
	"strings"

	"github.com/minio/crc64nvme"
)

// What can be wrong with a checksum.
var (
	// ErrInvalid: a checksum header that makes no sense.
	ErrInvalid = errors.New("invalid checksum")
	// ErrInvalidDigest: a Content-MD5 that is not one.
	ErrInvalidDigest = errors.New("Content-MD5 is not the base64 of 16 bytes")
	// ErrMismatch: the content has another checksum than was sent.
	ErrMismatch = errors.New("the content does not match the checksum sent with it")
)

// Algorithm is a checksum algorithm as S3 spells it; "" is none.
type Algorithm string

// The algorithms of S3.
const (
	CRC32     Algorithm = "CRC32"
	CRC32C    Algorithm = "CRC32C"
	CRC64NVME Algorithm = "CRC64NVME"
	SHA1      Algorithm = "SHA1"
	SHA256    Algorithm = "SHA256"
)

// Types of checksums of multipart uploads.
const (
	FullObject = "FULL_OBJECT"
	Composite  = "COMPOSITE"
)

// All lists the algorithms.
func All() []Algorithm { return []Algorithm{CRC32, CRC32C, CRC64NVME, SHA1, SHA256} }

// Parse reads an algorithm's name in any case.
func Parse(s string) (Algorithm, error) {
	for _, a := range All() {
		if strings.EqualFold(s, string(a)) {
			return a, nil
		}
	}
	return "", fmt.Errorf("%w: unknown algorithm %q", ErrInvalid, s)
}

// Header is the name of the header that carries a checksum of a.
func (a Algorithm) Header() string { return headerPrefix + strings.ToLower(string(a)) }

const headerPrefix = "x-amz-checksum-"

// New returns a hash of the algorithm.
func (a Algorithm) New() hash.Hash {
	switch a {
	case CRC32:
		return crc32.NewIEEE()
	case CRC32C:
		return crc32.New(crc32.MakeTable(crc32.Castagnoli))
	case CRC64NVME:
		return crc64nvme.New()
	case SHA1:
		return sha1.New() //nolint:gosec // part of the protocol
	case SHA256:
		return sha256.New()
	}
	return nil
}

// Sum is the base64 of what h has computed.
func Sum(h hash.Hash) string { return base64.StdEncoding.EncodeToString(h.Sum(nil)) }

// check says whether value is the base64 of a checksum of a.
func (a Algorithm) check(value string) error {
	b, err := base64.StdEncoding.DecodeString(value)
	if err != nil || len(b) != a.New().Size() {
		return fmt.Errorf("%w: %q is not a %s in base64", ErrInvalid, value, a)
	}
	return nil
}

// Wanted is what a request says of the checksum of its body.
type Wanted struct {
	Algorithm Algorithm
	Value     string // base64; "" if it follows in the trailer, or is not given
	Trailer   bool   // the value follows in the trailer
	MD5       []byte // nil if there is no Content-MD5
}

// FromRequest reads the headers about checksums.
func FromRequest(h http.Header) (Wanted, error) {
	var w Wanted
	if v := h.Get("Content-Md5"); v != "" || h["Content-Md5"] != nil {
		b, err := base64.StdEncoding.DecodeString(v)
		if err != nil || len(b) != md5.Size {
			return w, ErrInvalidDigest
		}
		w.MD5 = b
	}
	for name, values := range h {
		name = strings.ToLower(name)
		if !strings.HasPrefix(name, headerPrefix) || name == headerPrefix+"mode" || name == headerPrefix+"type" || name == headerPrefix+"algorithm" {
			continue
		}
		a, err := Parse(name[len(headerPrefix):])
		if err != nil {
			return w, err
		}
		if w.Algorithm != "" || len(values) != 1 {
			return w, fmt.Errorf("%w: more than one is given", ErrInvalid)
		}
		if err := a.check(values[0]); err != nil {
			return w, err
		}
		w.Algorithm, w.Value = a, values[0]
	}
	if err := w.trailer(h); err != nil {
		return w, err
	}
	for _, name := range []string{"X-Amz-Sdk-Checksum-Algorithm", "X-Amz-Checksum-Algorithm"} {
		v := h.Get(name)
		if v == "" || strings.EqualFold(v, "MD5") && w.MD5 != nil {
			continue
		}
		a, err := Parse(v)
		if err != nil {
			return w, err
		}
		if w.Algorithm != "" && w.Algorithm != a {
			return w, fmt.Errorf("%w: %s says %s, and a %s is given", ErrInvalid, strings.ToLower(name), a, w.Algorithm)
		}
		w.Algorithm = a
	}
	return w, nil
}

// trailer reads which checksum follows the body.
func (w *Wanted) trailer(h http.Header) error {
	for name := range strings.SplitSeq(strings.Join(h.Values("X-Amz-Trailer"), ","), ",") {
		name = strings.ToLower(strings.TrimSpace(name))
		if !strings.HasPrefix(name, headerPrefix) {
			if name != "" {
				return fmt.Errorf("%w: trailer %q", ErrInvalid, name)
			}
			continue
		}
		a, err := Parse(name[len(headerPrefix):])
		if err != nil {
			return err
		}
		if w.Algorithm != "" {
			return fmt.Errorf("%w: more than one is given", ErrInvalid)
		}
		w.Algorithm, w.Trailer = a, true
	}
	return nil
}

// Reader passes a body on and fails at its end if a checksum does not match.
type Reader struct {
	r       io.Reader
	want    Wanted
	trailer func() http.Header
	sum     hash.Hash
	md5     *sideHash
	value   string
}

// NewReader checks what is read from r against w. trailer returns the body's
// trailer once r is at its end.
func NewReader(r io.Reader, w Wanted, trailer func() http.Header) *Reader {
	c := &Reader{r: r, want: w, trailer: trailer}
	if w.Algorithm != "" {
		c.sum = w.Algorithm.New()
	}
	if w.MD5 != nil {
		c.md5 = newSideHash(md5.New()) //nolint:gosec // part of the protocol
	}
	return c
}

// Read implements io.Reader.
func (c *Reader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	if n > 0 {
		if c.sum != nil {
			c.sum.Write(p[:n])
		}
		if c.md5 != nil {
			c.md5.write(p[:n])
		}
	}
	if err == io.EOF {
		if bad := c.verify(); bad != nil {
			return n, bad
		}
	}
	return n, err
}

func (c *Reader) verify() error {
	if c.md5 != nil {
		got := c.md5.close()
		c.md5 = nil
		if !bytes.Equal(got, c.want.MD5) {
			return fmt.Errorf("%w: Content-MD5 is %s, the content's MD5 %s", ErrMismatch,
				base64.StdEncoding.EncodeToString(c.want.MD5), base64.StdEncoding.EncodeToString(got))
		}
	}
	if c.sum == nil {
		return nil
	}
	c.value = Sum(c.sum)
	want := c.want.Value
	if c.want.Trailer {
		want = c.trailer().Get(c.want.Algorithm.Header())
		if err := c.want.Algorithm.check(want); err != nil {
			return err
		}
	}
	if want != "" && want != c.value {
		return fmt.Errorf("%w: %s is %s, the content's %s", ErrMismatch, c.want.Algorithm.Header(), want, c.value)
	}
	return nil
}

// Close ends what Read began, if it was not read to its end.
func (c *Reader) Close() {
	if c.md5 != nil {
		c.md5.close()
		c.md5 = nil
	}
}

// Value is the checksum in base64, known after io.EOF; "" if none was asked
// for.
func (c *Reader) Value() string { return c.value }

// sideHash hashes in a goroutine of its own: MD5 is slower than all the rest
// of an upload together.
type sideHash struct {
	h    hash.Hash
	in   chan []byte
	free chan []byte
	done chan []byte
}

func newSideHash(h hash.Hash) *sideHash {
	s := &sideHash{h: h, in: make(chan []byte, 4), free: make(chan []byte, 5), done: make(chan []byte, 1)}
	go func() {
		for b := range s.in {
			h.Write(b)
			select {
			case s.free <- b:
			default:
			}
		}
		s.done <- h.Sum(nil)
	}()
	return s
}

func (s *sideHash) write(p []byte) {
	var b []byte
	select {
	case b = <-s.free:
	default:
	}
	s.in <- append(b[:0], p...)
}

func (s *sideHash) close() []byte {
	close(s.in)
	return <-s.done
}

// CompositeOf is the checksum of the parts' checksums, "VALUE-N".
func CompositeOf(a Algorithm, parts []string) (string, error) {
	h := a.New()
	for _, p := range parts {
		b, err := base64.StdEncoding.DecodeString(p)
		if err != nil || len(b) != h.Size() {
			return "", fmt.Errorf("%w: a part has no %s", ErrInvalid, a)
		}
		h.Write(b)
	}
	return fmt.Sprintf("%s-%d", Sum(h), len(parts)), nil
}
