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

func TestCombine(t *testing.T) {
	t.Parallel()
	data := make([]byte, 300000)
	rand.NewChaCha8([32]byte{}).Read(data)
	for _, a := range []checksum.Algorithm{checksum.CRC32, checksum.CRC32C, checksum.CRC64NVME} {
		for _, sizes := range [][]int{{300000}, {1, 299999}, {100000, 100000, 100000}, {0, 5, 0, 299995}} {
			var parts []checksum.Piece
			rest := data
			for _, n := range sizes {
				parts = append(parts, checksum.Piece{Value: of(a, string(rest[:n])), Size: int64(n)})
				rest = rest[n:]
			}
			got, err := checksum.Combine(a, parts)
			if want := of(a, string(data)); err != nil || got != want {
				t.Errorf("%s of %v: %s, %v; want %s", a, sizes, got, err, want)
			}
		}
	}
	if _, err := checksum.Combine(checksum.SHA256, nil); !errors.Is(err, checksum.ErrInvalid) {
		t.Errorf("SHA256: %v", err)
	}
	if _, err := checksum.Combine(checksum.CRC32, []checksum.Piece{{Value: "", Size: 1}}); !errors.Is(err, checksum.ErrInvalid) {
		t.Errorf("a part without: %v", err)
	}
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
