package checksum_test

import (
	"bytes"
	"crypto/md5"
	"encoding/base64"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"

	"caret/gateway/checksum"
)

func header(kv ...string) http.Header {
	h := http.Header{}
	for i := 0; i < len(kv); i += 2 {
		h.Add(kv[i], kv[i+1])
	}
	return h
}

func of(a checksum.Algorithm, s string) string {
	h := a.New()
	io.WriteString(h, s)
	return checksum.Sum(h)
}

// TestVectors are the check values of https://reveng.sourceforge.io/crc-catalogue/.
func TestVectors(t *testing.T) {
	t.Parallel()
	for a, want := range map[checksum.Algorithm]string{
		checksum.CRC32: "y/Q5Jg==", checksum.CRC32C: "4waSgw==", checksum.CRC64NVME: "rosUhgp5mIg=",
	} {
		if got := of(a, "123456789"); got != want {
			t.Errorf("%s: %s, want %s", a, got, want)
		}
	}
}

func TestReader(t *testing.T) {
	t.Parallel()
	sum := md5.Sum([]byte("hello"))
	good := base64.StdEncoding.EncodeToString(sum[:])
	for name, tt := range map[string]struct {
		h       http.Header
		trailer http.Header
		request error // of FromRequest
		read    error
	}{
		"none":             {h: header()},
		"MD5":              {h: header("Content-MD5", good)},
		"other MD5":        {h: header("Content-MD5", base64.StdEncoding.EncodeToString(make([]byte, 16))), read: checksum.ErrMismatch},
		"no MD5":           {h: header("Content-MD5", "x"), request: checksum.ErrInvalidDigest},
		"empty MD5":        {h: header("Content-MD5", ""), request: checksum.ErrInvalidDigest},
		"short MD5":        {h: header("Content-MD5", "aGVsbG8="), request: checksum.ErrInvalidDigest},
		"crc32":            {h: header("x-amz-checksum-crc32", of(checksum.CRC32, "hello"))},
		"crc64nvme":        {h: header("x-amz-checksum-crc64nvme", of(checksum.CRC64NVME, "hello"), "x-amz-sdk-checksum-algorithm", "CRC64NVME")},
		"other sha256":     {h: header("x-amz-checksum-sha256", of(checksum.SHA256, "hellO")), read: checksum.ErrMismatch},
		"both":             {h: header("x-amz-checksum-crc32", of(checksum.CRC32, "hello"), "x-amz-checksum-sha1", of(checksum.SHA1, "hello")), request: checksum.ErrInvalid},
		"unknown":          {h: header("x-amz-checksum-crc16", "AAA="), request: checksum.ErrInvalid},
		"not base64":       {h: header("x-amz-checksum-crc32", "!"), request: checksum.ErrInvalid},
		"wrong length":     {h: header("x-amz-checksum-crc32", "AAA="), request: checksum.ErrInvalid},
		"says another":     {h: header("x-amz-checksum-crc32", of(checksum.CRC32, "hello"), "x-amz-sdk-checksum-algorithm", "SHA1"), request: checksum.ErrInvalid},
		"says unknown":     {h: header("x-amz-sdk-checksum-algorithm", "rot13"), request: checksum.ErrInvalid},
		"trailer":          {h: header("x-amz-trailer", "x-amz-checksum-crc32c"), trailer: header("x-amz-checksum-crc32c", of(checksum.CRC32C, "hello"))},
		"other trailer":    {h: header("x-amz-trailer", "x-amz-checksum-crc32c"), trailer: header("x-amz-checksum-crc32c", of(checksum.CRC32C, "x")), read: checksum.ErrMismatch},
		"no trailer":       {h: header("x-amz-trailer", "x-amz-checksum-crc32c"), trailer: header(), read: checksum.ErrInvalid},
		"foreign trailer":  {h: header("x-amz-trailer", "x-amz-foo"), request: checksum.ErrInvalid},
		"mode is not one":  {h: header("x-amz-checksum-mode", "ENABLED")},
		"asked to compute": {h: header("x-amz-checksum-algorithm", "sha256")},
	} {
		w, err := checksum.FromRequest(tt.h)
		if !errors.Is(err, tt.request) {
			t.Errorf("%s: %v, want %v", name, err, tt.request)
		}
		if err != nil {
			continue
		}
		r := checksum.NewReader(iotest.OneByteReader(strings.NewReader("hello")), w, func() http.Header { return tt.trailer })
		data, err := io.ReadAll(r)
		if !errors.Is(err, tt.read) || err == nil && string(data) != "hello" {
			t.Errorf("%s: %q, %v; want %v", name, data, err, tt.read)
		}
		if err == nil && w.Algorithm != "" && r.Value() != of(w.Algorithm, "hello") {
			t.Errorf("%s: value %q", name, r.Value())
		}
		r.Close()
	}
}

func crcs() []checksum.Algorithm {
	return []checksum.Algorithm{checksum.CRC32, checksum.CRC32C, checksum.CRC64NVME}
}

func combine(t *rapid.T, a checksum.Algorithm, parts ...checksum.Piece) checksum.Piece {
	whole := checksum.Piece{}
	for _, p := range parts {
		whole.Size += p.Size
	}
	var err error
	if whole.Value, err = checksum.Combine(a, parts); err != nil {
		t.Fatal(err)
	}
	return whole
}

func TestCombine(t *testing.T) {
	t.Parallel()
	data := make([]byte, 100_000)
	rand.NewChaCha8([32]byte{}).Read(data)
	rapid.Check(t, func(t *rapid.T) {
		a := rapid.SampledFrom(crcs()).Draw(t, "algorithm")
		var parts []checksum.Piece
		end := 0
		for _, n := range rapid.SliceOfN(rapid.IntRange(0, 10_000), 0, 10).Draw(t, "sizes") {
			parts = append(parts, checksum.Piece{Value: of(a, string(data[end:end+n])), Size: int64(n)})
			end += n
		}
		if got, want := combine(t, a, parts...).Value, of(a, string(data[:end])); got != want {
			t.Fatalf("%s, want %s", got, want)
		}
	})
	if _, err := checksum.Combine(checksum.SHA256, nil); !errors.Is(err, checksum.ErrInvalid) {
		t.Errorf("SHA256: %v", err)
	}
	if _, err := checksum.Combine(checksum.CRC32, []checksum.Piece{{Value: "", Size: 1}}); !errors.Is(err, checksum.ErrInvalid) {
		t.Errorf("a part without: %v", err)
	}
}

// TestCombineLarge: parts too large to be summed here combine to the same
// whichever are combined first.
func TestCombineLarge(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a := rapid.SampledFrom(crcs()).Draw(t, "algorithm")
		var p [3]checksum.Piece
		for i := range p {
			size := rapid.Int64Range(0, 1<<60).Draw(t, "size")
			p[i] = checksum.Piece{Value: of(a, rapid.String().Draw(t, "content")), Size: size}
		}
		left := combine(t, a, combine(t, a, p[0], p[1]), p[2])
		right := combine(t, a, p[0], combine(t, a, p[1], p[2]))
		if all := combine(t, a, p[:]...); left != all || right != all {
			t.Fatalf("%v, %v, %v", all, left, right)
		}
	})
}

func TestComposite(t *testing.T) {
	t.Parallel()
	a := checksum.SHA256
	got, err := checksum.CompositeOf(a, []string{of(a, "x"), of(a, "y")})
	hx, hy := a.New(), a.New()
	hx.Write([]byte("x"))
	hy.Write([]byte("y"))
	want := of(a, string(bytes.Join([][]byte{hx.Sum(nil), hy.Sum(nil)}, nil))) + "-2"
	if err != nil || got != want {
		t.Errorf("%s, %v; want %s", got, err, want)
	}
}

func FuzzFromRequest(f *testing.F) {
	f.Add("x-amz-checksum-crc32", "AAAAAA==")
	f.Add("x-amz-trailer", "x-amz-checksum-sha1, x")
	f.Fuzz(func(t *testing.T, name, value string) {
		w, err := checksum.FromRequest(header(name, value))
		if err == nil && w.Value != "" && w.Algorithm == "" {
			t.Fatalf("%q: %q gives %+v", name, value, w)
		}
	})
}

// BenchmarkCombine completes an upload of as many parts as there may be.
func BenchmarkCombine(b *testing.B) {
	for name, size := range map[string]func() int64{
		"equal":  func() int64 { return 8 << 20 },
		"random": func() int64 { return rand.Int64N(1 << 30) },
	} {
		parts := make([]checksum.Piece, 10_000)
		for i := range parts {
			parts[i] = checksum.Piece{Value: of(checksum.CRC64NVME, "x"), Size: size()}
		}
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := checksum.Combine(checksum.CRC64NVME, parts); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
