package sigv4

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
)

// Body is a request's body without its framing. What it reads has been
// verified once it returns io.EOF; if it does not verify it fails before.
type Body struct {
	r       io.Reader
	release func()
	length  int64
	trailer http.Header
}

// Read implements io.Reader.
func (b *Body) Read(p []byte) (int, error) { return b.r.Read(p) }

// Length is the length of the content in bytes, -1 if it is not known.
func (b *Body) Length() int64 { return b.length }

// Trailer is what followed the content, known after io.EOF.
func (b *Body) Trailer() http.Header { return b.trailer }

// Close releases what the body holds; the request's own body is left to the
// server.
func (b *Body) Close() error {
	if b.release != nil {
		b.release()
		b.release = nil
	}
	return nil
}

// Body returns the content of r, which id verified. A body that is shorter
// than announced fails with ErrIncomplete.
func (v *Verifier) Body(r *http.Request, id Identity) (*Body, error) {
	if strings.HasPrefix(id.payload, "STREAMING-") {
		return v.chunked(r, id)
	}
	if strings.Contains(strings.Join(r.Header.Values("Content-Encoding"), ","), "aws-chunked") {
		// Else the framing would be stored as content.
		return nil, fmt.Errorf("%w: aws-chunked needs a STREAMING- value", ErrInvalidPayload)
	}
	switch id.payload {
	case "", unsignedPayload:
		return &Body{r: &lengthReader{r: r.Body, left: r.ContentLength}, length: r.ContentLength}, nil
	}
	want, err := hex.DecodeString(id.payload)
	if err != nil {
		return nil, ErrInvalidPayload
	}
	return &Body{
		r:      &hashReader{r: &lengthReader{r: r.Body, left: r.ContentLength}, h: sha256.New(), want: want},
		length: r.ContentLength,
	}, nil
}

// lengthReader fails at an end that comes before left bytes; left below 0 is
// not checked.
type lengthReader struct {
	r    io.Reader
	left int64
}

func (l *lengthReader) Read(p []byte) (int, error) {
	n, err := l.r.Read(p)
	if l.left >= 0 {
		if l.left -= int64(n); l.left < 0 {
			return n, fmt.Errorf("%w: the body is longer than announced", ErrIncomplete)
		}
	}
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) && l.left > 0 {
		return n, ErrIncomplete
	}
	return n, err
}

// hashReader fails at the end of a body with another hash.
type hashReader struct {
	r    io.Reader
	h    hash.Hash
	want []byte
}

func (h *hashReader) Read(p []byte) (int, error) {
	n, err := h.r.Read(p)
	h.h.Write(p[:n])
	if err == io.EOF && !bytes.Equal(h.h.Sum(nil), h.want) {
		return 0, ErrPayloadMismatch
	}
	return n, err
}

// Limits of the framing, far above what clients send.
const (
	maxLine     = 4096     // bytes in a chunk header or trailer line
	maxTrailers = 16       // lines
	maxChunk    = 16 << 30 // bytes in a chunk
)

var readers = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, 64<<10) }}

// chunked takes the aws-chunked framing off:
//
//	HEX-SIZE[;chunk-signature=HEX]\r\n DATA \r\n ... 0[;chunk-signature=HEX]\r\n
//	[NAME:VALUE\r\n ... [[\r\n] x-amz-trailer-signature:HEX\r\n]] \r\n
//
// https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html
func (v *Verifier) chunked(r *http.Request, id Identity) (*Body, error) {
	length, err := strconv.ParseInt(r.Header.Get("X-Amz-Decoded-Content-Length"), 10, 64)
	if err != nil || length < 0 {
		return nil, fmt.Errorf("%w: %q", ErrMissingLength, r.Header.Get("X-Amz-Decoded-Content-Length"))
	}
	in := readers.Get().(*bufio.Reader)
	in.Reset(r.Body)
	c := &chunkReader{in: in, id: id, want: length, previous: id.signature, trailer: http.Header{}}
	if id.payload == streamSigned || id.payload == streamSignedTrail {
		c.hash = sha256.New()
	}
	if id.payload != streamSigned {
		c.announced = map[string]bool{}
		for name := range strings.SplitSeq(strings.Join(r.Header.Values("X-Amz-Trailer"), ","), ",") {
			if name = strings.ToLower(strings.TrimSpace(name)); name != "" {
				c.announced[name] = true
			}
		}
	}
	release := func() {
		in.Reset(nil)
		readers.Put(in)
	}
	return &Body{r: c, release: release, length: length, trailer: c.trailer}, nil
}

type chunkReader struct {
	in        *bufio.Reader
	id        Identity
	want      int64 // length of the content
	got       int64
	left      int64     // of the current chunk
	open      bool      // a chunk is being read
	hash      hash.Hash // of it, if chunks are signed
	signature string    // that it claims
	previous  string    // the last chunk's, in hex
	announced map[string]bool
	trailer   http.Header
	err       error
}

func (c *chunkReader) Read(p []byte) (int, error) {
	if c.err != nil {
		return 0, c.err
	}
	if len(p) == 0 {
		return 0, nil
	}
	for c.left == 0 {
		if c.err = c.nextChunk(); c.err != nil {
			return 0, c.err
		}
	}
	// Large reads go past the buffer, straight into p.
	n, err := c.in.Read(p[:min(int64(len(p)), c.left)])
	c.left -= int64(n)
	c.got += int64(n)
	if c.hash != nil {
		c.hash.Write(p[:n])
	}
	if err != nil {
		c.err = truncated(err)
	}
	return n, c.err
}

// truncated says that the framing ended early.
func truncated(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return ErrIncomplete
	}
	return err
}

// nextChunk ends the current chunk and begins the next; io.EOF behind the
// last one, when everything has been checked.
func (c *chunkReader) nextChunk() error {
	if c.open {
		line, err := c.line()
		if err != nil {
			return err
		}
		if line != "" {
			return fmt.Errorf("%w: a chunk is longer than its size", ErrMalformedChunk)
		}
		if err := c.checkChunk(); err != nil {
			return err
		}
	}
	line, err := c.line()
	if err != nil {
		return err
	}
	if err := c.header(line); err != nil {
		return err
	}
	if c.got+c.left > c.want {
		return fmt.Errorf("%w: more than %d bytes", ErrIncomplete, c.want)
	}
	if c.left > 0 {
		return nil
	}
	if err := c.checkChunk(); err != nil {
		return err
	}
	if c.got != c.want {
		return fmt.Errorf("%w: %d of %d bytes", ErrIncomplete, c.got, c.want)
	}
	return c.end()
}

// header reads a chunk's first line.
func (c *chunkReader) header(line string) error {
	size, ext, _ := strings.Cut(line, ";")
	n, err := strconv.ParseInt(strings.TrimSpace(size), 16, 64)
	if err != nil || n < 0 || n > maxChunk {
		return fmt.Errorf("%w: chunk size %.40q", ErrMalformedChunk, size)
	}
	c.left, c.open = n, true
	if c.hash == nil {
		return nil
	}
	c.hash.Reset()
	sig, ok := strings.CutPrefix(strings.TrimSpace(ext), "chunk-signature=")
	if !ok {
		return fmt.Errorf("%w: a chunk has no signature", ErrMalformedChunk)
	}
	c.signature = sig
	return nil
}

var emptyHash = hex.EncodeToString(sha256.New().Sum(nil))

// checkChunk checks the signature of the chunk that ended.
func (c *chunkReader) checkChunk() error {
	if c.hash == nil {
		return nil
	}
	text := algorithm + "-PAYLOAD\n" + c.id.time.Format(timeFmt) + "\n" + c.id.scope + "\n" +
		c.previous + "\n" + emptyHash + "\n" + hex.EncodeToString(c.hash.Sum(nil))
	return c.checkSignature(c.signature, text)
}

func (c *chunkReader) checkSignature(given, text string) error {
	want := sign(c.id.key, text)
	if !equal(given, want) {
		return fmt.Errorf("%w (a chunk of the body)", ErrMismatch)
	}
	c.previous = hex.EncodeToString(want)
	return nil
}

// end reads what follows the last chunk; io.EOF if all is well.
func (c *chunkReader) end() error {
	if c.announced == nil {
		return c.drain()
	}
	signed, signature, err := c.trailers()
	if err != nil {
		return err
	}
	for name := range c.announced {
		if c.trailer.Get(name) == "" {
			return fmt.Errorf("%w: %s is missing", ErrMalformedTrailer, name)
		}
	}
	if c.hash != nil {
		sum := sha256.Sum256([]byte(signed))
		text := algorithm + "-TRAILER\n" + c.id.time.Format(timeFmt) + "\n" + c.id.scope + "\n" +
			c.previous + "\n" + hex.EncodeToString(sum[:])
		if err := c.checkSignature(signature, text); err != nil {
			return err
		}
	}
	return c.drain()
}

// trailers reads the lines behind the last chunk: what of them is signed, and the
// signature that they claim, which an empty line may stand before.
func (c *chunkReader) trailers() (signed, signature string, err error) {
	const signatureLine = "x-amz-trailer-signature"
	gap := false
	for n := 0; ; n++ {
		line, err := c.line()
		if errors.Is(err, ErrIncomplete) && n > 0 && signed != "" {
			return signed, signature, nil // some clients leave the last empty line out
		}
		if err != nil {
			return "", "", err
		}
		if line == "" {
			if c.hash == nil || signature != "" || gap || signed == "" {
				return signed, signature, nil
			}
			gap = true
			continue
		}
		name, value, ok := strings.Cut(line, ":")
		name, value = strings.ToLower(strings.TrimSpace(name)), strings.TrimSpace(value)
		switch {
		case !ok || n >= maxTrailers:
			return "", "", fmt.Errorf("%w: %.40q", ErrMalformedTrailer, line)
		case name == signatureLine && signature == "":
			signature = value
			continue
		case gap || signature != "" || !c.announced[name] || c.trailer.Get(name) != "":
			return "", "", fmt.Errorf("%w: %.40q", ErrMalformedTrailer, name)
		}
		c.trailer.Set(name, value)
		signed += name + ":" + value + "\n"
	}
}

// drain reads up to the end of the body, where nothing more may be but an
// empty line.
func (c *chunkReader) drain() error {
	rest, err := io.ReadAll(io.LimitReader(c.in, 3))
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return err
	}
	if s := string(rest); s != "" && s != "\r\n" {
		return fmt.Errorf("%w: something follows the last chunk", ErrMalformedChunk)
	}
	return io.EOF
}

// line reads a line without its end.
func (c *chunkReader) line() (string, error) {
	var line []byte
	for {
		part, err := c.in.ReadSlice('\n')
		line = append(line, part...)
		if len(line) > maxLine {
			return "", fmt.Errorf("%w: a line of more than %d bytes", ErrMalformedChunk, maxLine)
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if err != nil {
			return "", truncated(err)
		}
		break
	}
	text := strings.TrimSuffix(string(line), "\n")
	return strings.TrimSuffix(text, "\r"), nil
}
