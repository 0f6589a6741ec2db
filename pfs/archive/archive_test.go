package archive_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/textproto"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"

	"caret/pfs/archive"
)

var when = time.Date(2024, 2, 3, 4, 5, 6, 0, time.UTC)

// entry is what goes into an archive and comes out of it.
type entry struct {
	Path    string
	Data    string
	ModTime time.Time
	Mode    fs.FileMode
	Header  textproto.MIMEHeader
}

func file(name, data string) tar.Header {
	return tar.Header{Typeflag: tar.TypeReg, Name: name, Size: int64(len(data)), Mode: 0o640, ModTime: when, Linkname: data}
}

// tarOf makes an archive; a file's bytes are in its Linkname.
func tarOf(t testing.TB, headers ...tar.Header) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range headers {
		data := ""
		if h.Typeflag == tar.TypeReg {
			data, h.Linkname = h.Linkname, ""
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, data); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// block is a header with a sound checksum that tar.Writer would not write.
func block(name string, typeflag byte, size int64) []byte {
	b := make([]byte, 512)
	copy(b, name)
	copy(b[100:], "0000644\x000000000\x000000000\x00")
	copy(b[124:], fmt.Sprintf("%011o\x0000000000001\x00        ", size))
	b[156] = typeflag
	copy(b[257:], "ustar\x0000")
	copy(b[329:], "0000000\x000000000\x00")
	sum := 0
	for _, c := range b {
		sum += int(c)
	}
	copy(b[148:], fmt.Sprintf("%06o\x00 ", sum))
	return b
}

// pax is an extended header of key, value pairs.
func pax(typeflag byte, pairs ...string) []byte {
	var b strings.Builder
	for i := 0; i < len(pairs); i += 2 {
		record := " " + pairs[i] + "=" + pairs[i+1] + "\n"
		n := len(record)
		for n != len(record)+len(fmt.Sprint(n)) {
			n = len(record) + len(fmt.Sprint(n))
		}
		b.WriteString(fmt.Sprint(n) + record)
	}
	return append(block("pax", typeflag, int64(b.Len())), padded(b.String())...)
}

func padded(s string) []byte {
	return append([]byte(s), make([]byte, (512-len(s)%512)%512)...)
}

func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

var end = make([]byte, 1024)

func gz(t testing.TB, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := w.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func zst(t testing.TB, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := zstd.NewWriter(&out, zstd.WithEncoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func plain(_ testing.TB, b []byte) []byte { return b }

type encoding struct {
	name   string
	encode func(testing.TB, []byte) []byte
}

var encodings = []encoding{{"plain", plain}, {"gzip", gz}, {"zstd", zst}}

// read reads all of an archive; what came before an error too.
func read(in io.Reader, opts archive.Options) ([]entry, error) {
	r, err := archive.New(in, opts)
	if err != nil {
		return nil, err
	}
	var all []entry
	for {
		m, err := r.Next()
		if err != nil {
			if _, again := r.Next(); again != err { //nolint:errorlint // the very same
				return all, fmt.Errorf("not sticky: %w, then %w", err, again)
			}
			if errors.Is(err, io.EOF) {
				return all, nil
			}
			return all, err
		}
		data, err := io.ReadAll(m)
		if err != nil {
			return all, err
		}
		if int64(len(data)) != m.Size {
			return all, fmt.Errorf("%q: %d bytes of %d", m.Path, len(data), m.Size)
		}
		all = append(all, entry{m.Path, string(data), m.ModTime, m.Mode, m.Header})
	}
}

func readBytes(b []byte, opts archive.Options) ([]entry, error) {
	return read(bytes.NewReader(b), opts)
}

func TestRead(t *testing.T) {
	t.Parallel()
	big := strings.Repeat("0123456789abcdef", 20_000)
	b := tarOf(
		t,
		tar.Header{Typeflag: tar.TypeXGlobalHeader, PAXRecords: map[string]string{"comment": "0123"}},
		tar.Header{Typeflag: tar.TypeDir, Name: "./", Mode: 0o755},
		file("./a", "hello"),
		tar.Header{Typeflag: tar.TypeDir, Name: "dir/", Mode: 0o755, ModTime: when},
		file("dir/empty", ""),
		file("/dir/big", big),
		file(".//./a", "again"),
		file("ü/\n/..x/y../a//b/./c", "odd"),
	)
	want := []entry{
		{"a", "hello", when, 0o640, nil},
		{"dir/", "", when, fs.ModeDir | 0o755, nil},
		{"dir/empty", "", when, 0o640, nil},
		{"dir/big", big, when, 0o640, nil},
		{"a", "again", when, 0o640, nil},
		{"ü/\n/..x/y../a//b/./c", "odd", when, 0o640, nil},
	}
	for _, e := range encodings {
		body := e.encode(t, b)
		for name, in := range map[string]io.Reader{
			"whole":   bytes.NewReader(body),
			"bytes":   iotest.OneByteReader(bytes.NewReader(body)),
			"halves":  iotest.HalfReader(bytes.NewReader(body)),
			"dataEOF": iotest.DataErrReader(bytes.NewReader(body)),
		} {
			got, err := read(in, archive.Options{Directories: true})
			if err != nil || !cmp.Equal(got, want) {
				t.Errorf("%s, %s: %v\n%s", e.name, name, err, cmp.Diff(want, got))
			}
		}
		got, err := readBytes(body, archive.Options{Prefix: "/p/q-"})
		if err != nil || len(got) != 5 || got[0].Path != "p/q-a" || got[1].Path != "p/q-dir/empty" {
			t.Errorf("%s with a prefix: %q, %v", e.name, got, err)
		}
	}
}

// What follows the end of the archive is read too, as the body's checksum is
// known only then, and it must be zeros.
func TestReadToTheEnd(t *testing.T) {
	t.Parallel()
	b := join(tarOf(t, file("a", "hello")), make([]byte, 100_001))
	for _, e := range encodings {
		in := bytes.NewReader(e.encode(t, b))
		ended := false
		got, err := read(io.MultiReader(in, readerFunc(func([]byte) (int, error) {
			ended = true
			return 0, io.EOF
		})), archive.Options{})
		if err != nil || len(got) != 1 || !ended {
			t.Errorf("%s: %d members, %v, read to its end: %t", e.name, len(got), err, ended)
		}
		if _, err := readBytes(e.encode(t, append(bytes.Clone(b), 'x')), archive.Options{}); !errors.Is(err, archive.ErrFormat) {
			t.Errorf("%s, something behind the zeros: %v", e.name, err)
		}
		if e.name != "plain" {
			if _, err := readBytes(append(e.encode(t, b), "something else"...), archive.Options{}); !errors.Is(err, archive.ErrFormat) {
				t.Errorf("%s, something behind the compressed data: %v", e.name, err)
			}
		}
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// Compressed data may come in several parts, which need not be those of the
// archive.
func TestConcatenated(t *testing.T) {
	t.Parallel()
	b := tarOf(t, file("a", "hello"), file("b", strings.Repeat("x", 1000)))
	skippable := []byte("\x5a\x2a\x4d\x18\x03\x00\x00\x00abc")
	for name, body := range map[string][]byte{
		"gzip":      join(gz(t, b[:700]), gz(t, nil), gz(t, b[700:2000]), gz(t, b[2000:])),
		"zstd":      join(zst(t, b[:700]), skippable, zst(t, b[700:])),
		"skippable": join(skippable, zst(t, b), skippable),
	} {
		if got, err := readBytes(body, archive.Options{}); err != nil || len(got) != 2 {
			t.Errorf("%s: %d members, %v", name, len(got), err)
		}
	}
}

// Members need not be read, not even in part.
func TestPassedOver(t *testing.T) {
	t.Parallel()
	big := strings.Repeat("x", 100_000)
	for _, e := range encodings {
		r, err := archive.New(bytes.NewReader(e.encode(t, tarOf(t, file("a", big), file("b", big), file("c", "c")))), archive.Options{})
		if err != nil {
			t.Fatal(err)
		}
		a, err := r.Next()
		if err != nil || a.Path != "a" {
			t.Fatal(a, err)
		}
		if _, err := io.CopyN(io.Discard, a, 700); err != nil {
			t.Fatal(err)
		}
		if b, err := r.Next(); err != nil || b.Path != "b" {
			t.Fatal(b, err)
		}
		if n, err := a.Read(make([]byte, 10)); n != 0 || err == nil || errors.Is(err, io.EOF) {
			t.Errorf("a member read late: %d, %v", n, err)
		}
		c, err := r.Next()
		if data, _ := io.ReadAll(c); err != nil || string(data) != "c" {
			t.Errorf("%q, %v", data, err)
		}
		if _, err := r.Next(); !errors.Is(err, io.EOF) {
			t.Error(err)
		}
	}
}

func TestLongNames(t *testing.T) {
	t.Parallel()
	for _, format := range []tar.Format{tar.FormatPAX, tar.FormatGNU} {
		for n, ok := range map[int]bool{99: true, 100: true, 101: true, 256: true, 1024: true, 1025: false, 70_000: false} {
			h := file(strings.Repeat("n", n), "x")
			h.Format = format
			got, err := readBytes(tarOf(t, h), archive.Options{})
			if ok && (err != nil || len(got) != 1 || got[0].Path != h.Name) || !ok && !errors.Is(err, archive.ErrPath) {
				t.Errorf("%v, %d bytes: %d members, %v", format, n, len(got), err)
			}
		}
	}
	if _, err := readBytes(tarOf(t, file(strings.Repeat("n", 1023), "")), archive.Options{Prefix: "p/"}); !errors.Is(err, archive.ErrPath) {
		t.Errorf("too long with its prefix: %v", err)
	}
	h := file(strings.Repeat("d/", 60)+"ustar", "x")
	h.Format = tar.FormatUSTAR
	if got, err := readBytes(tarOf(t, h), archive.Options{}); err != nil || got[0].Path != h.Name {
		t.Errorf("%q, %v", got, err)
	}
}

func TestPaths(t *testing.T) {
	t.Parallel()
	gnuSparse := func(name string) []byte {
		return join(pax('x', "GNU.sparse.major", "0", "GNU.sparse.minor", "1", "GNU.sparse.name", name,
			"GNU.sparse.size", "0", "GNU.sparse.numblocks", "0", "GNU.sparse.map", ""), block("x", '0', 0), end)
	}
	for name, body := range map[string][]byte{
		"parent":           join(block("../a", '0', 0), end),
		"parent inside":    join(block("a/../../b", '0', 0), end),
		"parent at end":    join(block("a/..", '0', 0), end),
		"only parent":      join(block("..", '0', 0), end),
		"absolute parent":  join(block("/.././a", '0', 0), end),
		"hidden by ./":     join(block("././/../a", '0', 0), end),
		"parent directory": join(block("../", '5', 0), end),
		"PAX":              join(pax('x', "path", "/../etc/passwd"), block("a", '0', 0), end),
		"GNU":              join(block("././@LongLink", 'L', 9), padded("../../etc"), block("a", '0', 0), end),
		"sparse":           gnuSparse("../a"),
		"empty":            join(block("", '0', 0), end),
		"slash of a file":  join(block("a/", '0', 1), padded("x"), end),
		"dot":              join(block(".", '0', 0), end),
		"dots":             join(block("/.//./.", '0', 1), padded("x"), end),
		"not UTF-8":        join(block("a\xff", '0', 0), end),
		"PAX not UTF-8":    join(pax('x', "path", "a\xc0\xaf"), block("a", '0', 0), end),
		"NUL":              gnuSparse("a\x00b"),
		"prefix of USTAR": func() []byte {
			return tarOf(t, tar.Header{Typeflag: tar.TypeReg, Name: strings.Repeat("x", 90) + "/../" + strings.Repeat("y", 90), Format: tar.FormatUSTAR})
		}(),
	} {
		if got, err := readBytes(body, archive.Options{}); !errors.Is(err, archive.ErrPath) || len(got) > 0 {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	for _, name := range []string{"", ".", "./", "/", "//./"} {
		got, err := readBytes(join(block(name, '5', 0), end), archive.Options{Directories: true, Prefix: "p/"})
		if err != nil || len(got) > 0 {
			t.Errorf("the root as %q: %q, %v", name, got, err)
		}
	}
	for _, prefix := range []string{"../", "a/../b", "..", "\xff", "a\x00/", strings.Repeat("a", 1025)} {
		if _, err := archive.New(bytes.NewReader(nil), archive.Options{Prefix: prefix}); !errors.Is(err, archive.ErrPath) {
			t.Errorf("prefix %.20q: %v", prefix, err)
		}
	}
	if got, err := readBytes(tarOf(t, file(".x", "")), archive.Options{Prefix: "a/."}); err != nil || got[0].Path != "a/..x" {
		t.Errorf("%q, %v", got, err)
	}
	if got, err := readBytes(join(block("./x", '0', 0), end), archive.Options{Prefix: "a/.."}); !errors.Is(err, archive.ErrPath) || got != nil {
		t.Errorf("%q, %v", got, err)
	}
	if got, err := readBytes(join(block("./", '5', 0), block("d//", '5', 0), block("old/", 0, 0), block("key/", '0', 0), end),
		archive.Options{Directories: true}); err != nil || len(got) != 3 || got[0].Path != "d/" || got[1].Path != "old/" || got[2].Path != "key/" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestRelative(t *testing.T) {
	t.Parallel()
	if got, err := readBytes(join(block("./a", '0', 0), block("/", '5', 0), end), archive.Options{Relative: true}); err != nil || len(got) != 1 || got[0].Path != "a" {
		t.Errorf("%q, %v", got, err)
	}
	for _, name := range []string{"/a", "//a", "/./a"} {
		if got, err := readBytes(join(block(name, '0', 0), end), archive.Options{Relative: true}); !errors.Is(err, archive.ErrPath) {
			t.Errorf("%q: %q, %v", name, got, err)
		}
	}
}

func TestMembers(t *testing.T) {
	t.Parallel()
	for flag, what := range map[byte]string{
		tar.TypeLink: "hard link", tar.TypeSymlink: "symbolic link", tar.TypeChar: "character device",
		tar.TypeBlock: "block device", tar.TypeFifo: "fifo", 'V': "unknown type 'V'",
	} {
		body := join(block("a", '0', 3), padded("abc"), block("the/odd one", flag, 0), block("b", '0', 0), end)
		got, err := readBytes(body, archive.Options{})
		if !errors.Is(err, archive.ErrMember) || !strings.Contains(err.Error(), what) || !strings.Contains(err.Error(), "the/odd one") {
			t.Errorf("%s: %q, %v", what, got, err)
		}
		if got, err := readBytes(body, archive.Options{IgnoreOthers: true}); err != nil || len(got) != 2 {
			t.Errorf("%s ignored: %q, %v", what, got, err)
		}
	}
	// What is passed over may have bytes.
	body := join(block("a", 'D', 700), padded(strings.Repeat("x", 700)), block("b", '7', 3), padded("abc"), end)
	if got, err := readBytes(body, archive.Options{IgnoreOthers: true}); err != nil || len(got) != 1 || got[0].Data != "abc" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestMetadata(t *testing.T) {
	t.Parallel()
	with := func(records ...string) []byte {
		return join(pax('x', records...), block("a", '0', 0), block("b", '0', 0), end)
	}
	got, err := readBytes(with("minio.metadata.x-amz-meta-Who", "ü me", "minio.metadata.Content-Type", "text/plain",
		"minio.versionId", "x", "SCHILY.xattr.user.a", "b", "comment", "c"), archive.Options{})
	want := textproto.MIMEHeader{"X-Amz-Meta-Who": {"ü me"}, "Content-Type": {"text/plain"}}
	if err != nil || len(got) != 2 || !cmp.Equal(got[0].Header, want) || got[1].Header != nil {
		t.Errorf("%+v, %v", got, err)
	}
	for name, body := range map[string][]byte{
		"no name":      with("minio.metadata.", "x"),
		"bad name":     with("minio.metadata.a b", "x"),
		"line break":   with("minio.metadata.a", "x\r\nSet-Cookie: y"),
		"NUL":          with("minio.metadata.a", "x\x00"),
		"twice":        with("minio.metadata.A-b", "x", "minio.metadata.a-B", "x"),
		"global path":  join(pax('g', "path", "b"), block("a", '0', 0), end),
		"global size":  join(pax('g', "size", "3"), block("a", '0', 0), padded("abc"), end),
		"broken":       join(block("pax", 'x', 10), padded("99 a=b\n"), block("a", '0', 0), end),
		"no member":    join(block("a", '0', 0), pax('x', "path", "b"), end),
		"unknown hole": join(pax('x', "GNU.sparse.major", "2", "GNU.sparse.minor", "0"), block("a", '0', 0), end),
		"half a map":   join(pax('x', "GNU.sparse.size", "9"), block("a", '0', 0), end),
	} {
		if _, err := readBytes(body, archive.Options{}); !errors.Is(err, archive.ErrFormat) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestModTime(t *testing.T) {
	t.Parallel()
	for mtime, want := range map[string]time.Time{
		"0": {}, "-5": {}, "1.5": time.Unix(1, 5e8).UTC(), "253402300799": time.Unix(253402300799, 0).UTC(),
		"253402300800": {}, "9223372036854775807": {},
	} {
		got, err := readBytes(join(pax('x', "mtime", mtime), block("a", '0', 0), end), archive.Options{})
		if err != nil || !got[0].ModTime.Equal(want) {
			t.Errorf("%s: %v, %v", mtime, got, err)
		}
	}
}

func TestNotATar(t *testing.T) {
	t.Parallel()
	noise := strings.Repeat("It was a dark and stormy night; ", 100)
	for body, hint := range map[string]string{
		noise: "", "BZh9" + noise: "bzip2", "\xfd7zXZ\x00" + noise: "xz", "\xff\x06\x00\x00sNaPpY" + noise: "S2",
		"\x04\x22\x4d\x18" + noise: "LZ4", "PK\x03\x04" + noise: "zip", "\x1f\x8b\x01" + noise: "",
		"\x28\xb5\x2f\xfd\xff" + noise: "", "\x00" + noise: "", string(gz(t, []byte(noise))): "", string(zst(t, []byte(noise))): "",
	} {
		got, err := readBytes([]byte(body), archive.Options{})
		if !errors.Is(err, archive.ErrFormat) || got != nil || !strings.Contains(err.Error(), hint) {
			t.Errorf("%.10q: %q, %v", body, got, err)
		}
	}
	// Such a name is no reason to take a tar for something else.
	if got, err := readBytes(tarOf(t, file("BZh", "x")), archive.Options{}); err != nil || len(got) != 1 {
		t.Errorf("%q, %v", got, err)
	}
}

// A damaged byte is noticed where there is a checksum.
func TestDamaged(t *testing.T) {
	t.Parallel()
	b := tarOf(t, file("a", "hello"), file("b", strings.Repeat("0123456789", 50)))
	want, err := readBytes(b, archive.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range encodings[1:] {
		body := e.encode(t, b)
		for i := range body {
			bad := bytes.Clone(body)
			bad[i] ^= 0x10
			// The headers have bytes without meaning.
			if got, err := readBytes(bad, archive.Options{}); err == nil && !cmp.Equal(got, want) {
				t.Errorf("%s, byte %d: %q", e.name, i, got)
			}
		}
	}
}

// What the body fails with is what Next fails with, wherever that is, for
// no end of the archive makes up for it.
func TestBodyFails(t *testing.T) {
	t.Parallel()
	failure := errors.New("the checksum of the body is wrong")
	b := join(tarOf(t, file("a", "hello"), file("b", strings.Repeat("x", 600))), make([]byte, 8192))
	for _, e := range encodings {
		body := e.encode(t, b)
		for i := range cuts(len(body) + 1) {
			for _, opts := range []archive.Options{{}, {Unterminated: true}} {
				if _, err := read(io.MultiReader(bytes.NewReader(body[:i]), iotest.ErrReader(failure)), opts); !errors.Is(err, failure) {
					t.Fatalf("%s, after %d bytes: %v", e.name, i, err)
				}
				for _, short := range []error{io.ErrUnexpectedEOF, fmt.Errorf("the peer: %w", io.EOF)} {
					_, err := read(io.MultiReader(bytes.NewReader(body[:i]), iotest.ErrReader(short)), opts)
					if !errors.Is(err, archive.ErrTruncated) || errors.Is(err, io.EOF) {
						t.Fatalf("%s, cut after %d bytes: %v", e.name, i, err)
					}
				}
			}
		}
	}
}

// What GNU tar writes, in its formats, with holes.
func TestGNUTar(t *testing.T) {
	t.Parallel()
	if out, err := exec.Command("tar", "--version").Output(); err != nil || !bytes.Contains(out, []byte("GNU tar")) {
		t.Skip("GNU tar is not here")
	}
	dir := t.TempDir()
	long := strings.Repeat("long", 50)
	holes := append(make([]byte, 3<<20), "data"...)
	holes = append(holes, make([]byte, 2<<20)...)
	write := func(name string, parts ...[]byte) {
		t.Helper()
		if err := writeSparse(filepath.Join(dir, name), parts...); err != nil {
			t.Fatal(err)
		}
	}
	write("holes", holes[:3<<20], []byte("data"), holes[:2<<20])
	write(long, []byte("x"))
	write("a b", []byte("y"))
	for _, args := range [][]string{
		{"--format=v7", "--exclude=long*"}, {"--format=oldgnu", "-S"}, {"--format=gnu", "-S"}, {"--format=ustar", "--exclude=long*"},
		{"--format=pax", "-S", "--sparse-version=0.0"}, {"--format=pax", "-S", "--sparse-version=0.1"},
		{"--format=pax", "-S", "--sparse-version=1.0"}, {"--format=pax", "-z"},
	} {
		body, err := exec.Command("tar", append(append([]string{"-C", dir, "-c", "-f", "-"}, args...), ".")...).Output()
		if err != nil {
			t.Fatal(args, err)
		}
		got, err := readBytes(body, archive.Options{})
		data := make(map[string]string)
		for _, e := range got {
			data[e.Path] = e.Data
		}
		want := map[string]string{"holes": string(holes), "a b": "y"}
		if !strings.Contains(args[len(args)-1], "exclude") {
			want[long] = "x"
		}
		if err != nil || !cmp.Equal(data, want) {
			t.Errorf("%q: %d members, %v", args, len(got), err)
		}
	}
}
