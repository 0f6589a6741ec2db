package archive_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"iter"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"caret/pfs/archive"
)

// writeSparse writes a file whose zero parts are holes.
func writeSparse(name string, parts ...[]byte) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	at := int64(0)
	for _, p := range parts {
		if len(bytes.Trim(p, "\x00")) > 0 {
			if _, err := f.WriteAt(p, at); err != nil {
				return err
			}
		}
		at += int64(len(p))
	}
	if err := f.Truncate(at); err != nil {
		return err
	}
	return f.Close()
}

// small is an archive with one of each: names of three formats, metadata, a
// directory, a sparse file.
func small(t testing.TB) []byte {
	long := file(strings.Repeat("gnu", 60), "long")
	long.Format = tar.FormatGNU
	meta := file("meta", strings.Repeat("m", 512))
	meta.PAXRecords = map[string]string{"minio.metadata.X-Amz-Meta-A": "b"}
	b := tarOf(t, file("a", "hello"), tar.Header{Typeflag: tar.TypeDir, Name: "d/", Mode: 0o755}, long, meta,
		file("d/"+strings.Repeat("ü", 100), strings.Repeat("z", 1025)))
	holes := pax('x', "GNU.sparse.major", "1", "GNU.sparse.minor", "0", "GNU.sparse.name", "holes", "GNU.sparse.realsize", "9000")
	return join(b[:len(b)-1024], holes, block("x", '0', 516), padded("2\n600\n4\n9000\n0\n"), padded("data"),
		block("last", '0', 3), padded("abc"), end)
}

// starts is whether all begins with what was got of it.
func starts(all, got []entry) bool {
	return len(got) <= len(all) && slices.EqualFunc(all[:len(got)], got, func(a, b entry) bool { return cmp.Equal(a, b) })
}

// cuts are places in n bytes: each end of a block and those around it, and
// some of the others, or all if they are few.
func cuts(n int) iter.Seq[int] {
	return func(yield func(int) bool) {
		for i := range n {
			if at := i % 512; (n < 4096 || at < 5 || at > 508 || i%37 == 0) && !yield(i) {
				return
			}
		}
	}
}

// Wherever an archive stops there is an error, and no member is taken for
// whole that is not.
func TestTruncated(t *testing.T) {
	t.Parallel()
	b := small(t)
	want, err := readBytes(b, archive.Options{Directories: true})
	if err != nil || len(want) != 7 || want[5].Path != "holes" || want[5].Data[598:606] != "\x00\x00data\x00\x00" {
		t.Fatal(len(want), err)
	}
	for _, e := range encodings {
		body := e.encode(t, b)
		for i := range cuts(len(body)) {
			got, err := readBytes(body[:i], archive.Options{Directories: true})
			if !errors.Is(err, archive.ErrTruncated) || !starts(want, got) {
				t.Fatalf("%s, %d of %d bytes: %d members, %v", e.name, i, len(body), len(got), err)
			}
		}
		// Compressed data says itself whether it is whole.
		for i := 0; i < len(b); i += 512 {
			if _, err := readBytes(e.encode(t, b[:i]), archive.Options{}); !errors.Is(err, archive.ErrTruncated) {
				t.Fatalf("%s of the first %d of %d bytes: %v", e.name, i, len(b), err)
			}
		}
	}
}

// Where the end need not be marked, an archive may stop behind a member and
// nowhere else.
func TestUnterminated(t *testing.T) {
	t.Parallel()
	b := small(t)
	opts := archive.Options{Directories: true, Unterminated: true}
	want, err := readBytes(b, opts)
	if err != nil {
		t.Fatal(err)
	}
	ends := make(map[int]int) // where the bytes of a member end: how many there are then
	for n := 0; ; n++ {
		in := bytes.NewReader(b)
		r := tar.NewReader(in)
		for range n + 1 {
			if _, err = r.Next(); err != nil {
				break
			}
		}
		if err != nil {
			break
		}
		if n == 5 {
			ends[len(b)-1024-1024-512+4] = n + 1 // the hole behind its data
			continue
		}
		for one := make([]byte, 1); ; {
			if _, err := r.Read(one); err != nil {
				break
			}
		}
		ends[len(b)-in.Len()] = n + 1
	}
	for i := range cuts(len(b)) {
		got, err := readBytes(b[:i], opts)
		n := 0
		for at, members := range ends {
			if at <= i && i <= (at+511)/512*512 { // the padding does not matter
				n = members
			}
		}
		switch {
		case n == 0 && !errors.Is(err, archive.ErrTruncated):
			t.Errorf("%d of %d bytes: %d members, %v", i, len(b), len(got), err)
		case n > 0 && (err != nil || !cmp.Equal(got, want[:n])):
			t.Errorf("%d of %d bytes: %d members, want %d, %v", i, len(b), len(got), n, err)
		}
	}
	for _, e := range encodings {
		body := e.encode(t, b[:len(b)-1024])
		if got, err := readBytes(body, opts); err != nil || !cmp.Equal(got, want) {
			t.Errorf("%s: %d members, %v", e.name, len(got), err)
		}
		for i := range body[:len(body)-1] {
			if got, err := readBytes(body[:i], opts); e.name != "plain" && err == nil {
				t.Errorf("%s, %d of %d bytes: %d members", e.name, i, len(body), len(got))
			}
		}
	}
}

// Any archive, cut anywhere, compressed or not, before or after that: an
// error or all of it.
func TestTruncatedProperty(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		var headers []tar.Header
		for range rapid.IntRange(0, 5).Draw(rt, "members") {
			size := rapid.SampledFrom([]int{0, 1, 511, 512, 513, 1024, 5000}).Draw(rt, "size")
			h := file(rapid.StringMatching(`[a-zä]{1,150}`).Draw(rt, "name"), strings.Repeat(rapid.SampledFrom([]string{"x", "\x00"}).Draw(rt, "byte"), size))
			h.Format = rapid.SampledFrom([]tar.Format{tar.FormatUnknown, tar.FormatPAX, tar.FormatGNU}).Draw(rt, "format")
			headers = append(headers, h)
		}
		b := join(tarOf(t, headers...), make([]byte, 512*rapid.IntRange(0, 3).Draw(rt, "zeros")))
		want, err := readBytes(b, archive.Options{})
		if err != nil || len(want) != len(headers) {
			rt.Fatal(len(want), err)
		}
		for _, e := range encodings {
			cut := rapid.IntRange(0, len(b)).Draw(rt, "cut")
			if rapid.Bool().Draw(rt, "at a block") {
				cut -= cut % 512
			}
			body := e.encode(t, b[:cut])
			body = body[:len(body)-min(len(body), rapid.SampledFrom([]int{0, 0, 1, 4, 8, 100}).Draw(rt, "and"))]
			got, err := readBytes(body, archive.Options{})
			if err == nil && !cmp.Equal(got, want) || err != nil && !errors.Is(err, archive.ErrTruncated) {
				rt.Fatalf("%s, %d of %d bytes: %d of %d members, %v", e.name, cut, len(b), len(got), len(want), err)
			}
		}
	})
}
