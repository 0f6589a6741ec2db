package archive_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"caret/pfs/archive"
)

// forever is the head followed by its rest again and again.
func forever(head, rest []byte) io.Reader {
	at := 0
	return io.MultiReader(bytes.NewReader(head), readerFunc(func(p []byte) (int, error) {
		n := copy(p, rest[at:])
		at = (at + n) % len(rest)
		return n, nil
	}))
}

type counter struct {
	r io.Reader
	n int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// A frame of zstd with a window of 8 MiB and blocks of 128 KiB of the same
// byte.
const (
	frame8MiB = "\x28\xb5\x2f\xfd\x00\x68"
	rleZeros  = "\x02\x00\x10\x00"
)

// raw is a block of zstd.
func raw(b []byte) []byte {
	h := len(b) << 3
	return append([]byte{byte(h), byte(h >> 8), byte(h >> 16)}, b...)
}

// Bombs without end are stopped after 64 MiB, with little read and little
// memory at a time, whether their bytes are a member's, passed over, or no
// member's. Not parallel, as it measures all that is allocated.
func TestBombs(t *testing.T) {
	zeros := gz(t, make([]byte, 16<<20))
	longName := join(block("l", 'L', 1<<20), bytes.Repeat([]byte("n"), 1<<20))
	linked := join(block("l", 'K', 1<<20), bytes.Repeat([]byte("n"), 1<<20), block("a", '5', 0))
	huge := join(pax('x', "size", "9000000000000000000"), block("huge", '0', 0))
	for name, c := range map[string]struct {
		body     func() io.Reader
		read     bool // the members
		maxAlloc uint64
	}{
		"gzip":             {func() io.Reader { return forever(gz(t, huge), zeros) }, true, 4 << 20},
		"gzip, not read":   {func() io.Reader { return forever(gz(t, huge), zeros) }, false, 4 << 20},
		"gzip, behind":     {func() io.Reader { return forever(gz(t, end), zeros) }, true, 4 << 20},
		"gzip, names":      {func() io.Reader { return forever(nil, gz(t, longName)) }, true, 100 << 20},
		"zstd, names":      {func() io.Reader { return forever(nil, zst(t, bytes.Repeat(linked, 20))) }, true, 1 << 30},
		"zstd, empty":      {func() io.Reader { return forever(nil, zst(t, bytes.Repeat(block("a", '0', 0), 10_000))) }, false, 1 << 30},
		"zstd":             {func() io.Reader { return forever(join([]byte(frame8MiB), raw(huge)), []byte(rleZeros)) }, true, 32 << 20},
		"zstd, not read":   {func() io.Reader { return forever(join([]byte(frame8MiB), raw(huge)), []byte(rleZeros)) }, false, 32 << 20},
		"zstd, behind":     {func() io.Reader { return forever(join([]byte(frame8MiB), raw(end)), []byte(rleZeros)) }, true, 32 << 20},
		"plain, holes":     {func() io.Reader { return bytes.NewReader(hole(1 << 50)) }, true, 4 << 20},
		"holes, not read":  {func() io.Reader { return bytes.NewReader(hole(1 << 50)) }, false, 4 << 20},
		"gzip, holes":      {func() io.Reader { return bytes.NewReader(gz(t, hole(1<<50))) }, true, 4 << 20},
		"plain, old holes": {func() io.Reader { return bytes.NewReader(oldHole()) }, true, 4 << 20},
	} {
		body := &counter{r: c.body()}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		out := int64(0)
		r, err := archive.New(body, archive.Options{})
		for err == nil {
			var m *archive.Member
			if m, err = r.Next(); err == nil && c.read {
				var n int64
				n, err = io.Copy(io.Discard, m)
				out += n
			}
		}
		runtime.ReadMemStats(&after)
		if !errors.Is(err, archive.ErrLimit) {
			t.Errorf("%s: %v", name, err)
		}
		if body.n > 1<<20 || out > 65<<20 {
			t.Errorf("%s: %d bytes read, %d written", name, body.n, out)
		}
		if alloc := after.TotalAlloc - before.TotalAlloc; alloc > c.maxAlloc {
			t.Errorf("%s: %d bytes allocated", name, alloc)
		}
	}
}

// hole is an archive of one sparse file of size bytes.
func hole(size int64) []byte {
	return join(pax('x', "GNU.sparse.major", "0", "GNU.sparse.minor", "1", "GNU.sparse.size", fmt.Sprint(size),
		"GNU.sparse.numblocks", "1", "GNU.sparse.map", "0,3"), block("hole", '0', 3), padded("abc"), end)
}

// oldHole has one in GNU's older format.
func oldHole() []byte {
	b := block("hole", 'S', 0)
	copy(b[257:], "ustar  \x00")
	clear(b[345:])
	copy(b[386:], "00000000000\x0000000000000\x00")
	copy(b[483:], "77777777777\x00")
	copy(b[148:], "        ")
	sum := 0
	for _, c := range b {
		sum += int(c)
	}
	copy(b[148:], fmt.Sprintf("%06o\x00 ", sum))
	return join(b, end)
}

func TestHolesCount(t *testing.T) {
	t.Parallel()
	got, err := readBytes(hole(1000), archive.Options{MaxBytes: 1000})
	if err != nil || len(got) != 1 || got[0].Data != "abc"+strings.Repeat("\x00", 997) {
		t.Errorf("%q, %v", got, err)
	}
	if got, err := readBytes(hole(1001), archive.Options{MaxBytes: 1000}); !errors.Is(err, archive.ErrLimit) || got != nil {
		t.Errorf("%q, %v", got, err)
	}
}

func TestLimits(t *testing.T) {
	t.Parallel()
	b := tarOf(t, file("a", "hello"), tar.Header{Typeflag: tar.TypeDir, Name: "d/"}, file("b", "world"))
	for _, c := range []struct {
		opts archive.Options
		n    int // members, -1 if all
	}{
		{archive.Options{MaxMembers: 3, MaxBytes: 10}, -1},
		{archive.Options{MaxMembers: -1, MaxBytes: -1, MaxRatio: -1}, -1},
		{archive.Options{MaxMembers: 2}, 1},
		{archive.Options{MaxBytes: 9}, 1},
		{archive.Options{MaxBytes: 1}, 0},
		{archive.Options{MaxRatio: 1}, -1},
	} {
		for _, e := range encodings {
			got, err := readBytes(e.encode(t, b), c.opts)
			if c.n < 0 && (err != nil || len(got) != 2) || c.n >= 0 && (!errors.Is(err, archive.ErrLimit) || len(got) != c.n) {
				t.Errorf("%s, %+v: %d members, %v", e.name, c.opts, len(got), err)
			}
		}
	}
	// A size that adds up to less than nothing.
	body := join(block("a", '0', 3), padded("abc"), pax('x', "size", "9223372036854775807"), block("b", '0', 0), end)
	if _, err := readBytes(body, archive.Options{MaxBytes: 1 << 40}); !errors.Is(err, archive.ErrLimit) {
		t.Error(err)
	}
	// One header of more than archive/tar takes.
	for _, flag := range []byte{'x', 'g', 'L'} {
		body := join(block("h", flag, 1<<20+512), bytes.Repeat([]byte("n"), 1<<20+512), block("a", '0', 0), end)
		if _, err := readBytes(body, archive.Options{}); !errors.Is(err, archive.ErrLimit) {
			t.Errorf("%q: %v", flag, err)
		}
	}
}

// What is large and compresses well is no bomb yet.
func TestRatio(t *testing.T) {
	t.Parallel()
	text := strings.Repeat(strings.Repeat("the same line again and again\n", 30)+strings.Repeat("0123456789", 7), 1000)
	const times = 80
	head := join(pax('x', "size", fmt.Sprint(times*len(text))), block("a", '0', 0))
	body := join(gz(t, head), bytes.Repeat(gz(t, []byte(text)), times), gz(t, make([]byte, 512-times*len(text)%512)), gz(t, end))
	if out := int64(times * len(text)); out < 65<<20 || out/int64(len(body)) < 100 {
		t.Fatal(out, len(body))
	}
	for ratio, ok := range map[int64]bool{0: true, -1: true, 100: false} {
		r, err := archive.New(bytes.NewReader(body), archive.Options{MaxRatio: ratio})
		if err != nil {
			t.Fatal(err)
		}
		for err == nil {
			_, err = r.Next()
		}
		if ok && !errors.Is(err, io.EOF) || !ok && !errors.Is(err, archive.ErrLimit) {
			t.Errorf("%d bytes at %d: %v", len(body), ratio, err)
		}
	}
}

func TestWindow(t *testing.T) {
	t.Parallel()
	b := tarOf(t, file("a", "hello"))
	last := []byte{1, 0, 0}
	for name, c := range map[string]struct {
		header string
		ok     bool
	}{
		"8 MiB":           {"\x00\x68", true},
		"more":            {"\x00\x69", false},
		"256 MiB":         {"\x00\x90", false},
		"1 TiB":           {"\x00\xf0", false},
		"single, 1 GiB":   {"\xa0\x00\x00\x00\x40", false},
		"single, exabyte": {"\xe0\x00\x00\x00\x00\x00\x00\x00\x10", false},
	} {
		got, err := readBytes(join([]byte("\x28\xb5\x2f\xfd"+c.header), raw(b), last), archive.Options{})
		if c.ok && (err != nil || len(got) != 1) || !c.ok && !errors.Is(err, archive.ErrLimit) {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	var out bytes.Buffer
	w, err := zstd.NewWriter(&out, zstd.WithWindowSize(8<<20), zstd.WithEncoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	w.Write(b)
	w.Close()
	if got, err := readBytes(out.Bytes(), archive.Options{}); err != nil || len(got) != 1 {
		t.Errorf("%q, %v", got, err)
	}
}
