package archive_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"caret/pfs/archive"
)

// FuzzReader reads anything. What comes out is fit to be stored and bounded,
// errors are the package's own, and a plain archive that is taken has the
// files that archive/tar finds in it.
func FuzzReader(f *testing.F) {
	b := small(f)
	for _, e := range encodings {
		f.Add(e.encode(f, b), byte(0))
		f.Add(e.encode(f, tarOf(f, file("a/b", "hello"))[:1024]), byte(3))
	}
	f.Add(join(block("../a", '0', 0), end), byte(1))
	f.Add(join(block("a", '2', 0), block("old/", 0, 0), block("/./b", '7', 0), end), byte(7))
	f.Add(join(pax('g', "comment", "c"), pax('x', "path", "/x", "minio.metadata.a", "b"), block("a", '0', 0), end), byte(4))
	f.Add(hole(1<<40), byte(0))
	f.Add(oldHole(), byte(2))
	f.Add(join([]byte(frame8MiB), raw(b), []byte("\x03\x00\x10\x00")), byte(0))
	f.Fuzz(func(t *testing.T, body []byte, flags byte) {
		const maxBytes = 1 << 20
		opts := archive.Options{
			Directories: flags&1 != 0, Unterminated: flags&2 != 0, IgnoreOthers: flags&4 != 0, MaxBytes: maxBytes, MaxMembers: 1000, MaxRatio: 10,
		}
		if flags&8 != 0 {
			opts.Prefix = "p/"
		}
		src := &counter{r: bytes.NewReader(body)}
		r, err := archive.New(src, opts)
		if err != nil {
			own(t, err)
			return
		}
		var files []string
		total := 0
		for {
			m, err := r.Next()
			if err != nil {
				if !errors.Is(err, io.EOF) {
					own(t, err)
					return
				}
				break
			}
			checkMember(t, m, opts)
			data, err := io.ReadAll(m)
			if err != nil {
				own(t, err)
				if _, next := r.Next(); next != err { //nolint:errorlint // the very same
					t.Fatalf("%v, then %v", err, next)
				}
				return
			}
			if total += len(data); int64(len(data)) != m.Size || total > maxBytes {
				t.Fatalf("%q: %d bytes of %d, %d in all", m.Path, len(data), m.Size, total)
			}
			if !m.Mode.IsDir() {
				files = append(files, string(data))
			}
		}
		if src.n != int64(len(body)) {
			t.Fatalf("read %d of %d bytes", src.n, len(body))
		}
		if compressed := len(body) > 4 && (body[0] == 0x1f || body[0] == 0x28 || body[0]&0xf0 == 0x50); !compressed && !slices.Equal(files, theirs(t, body)) {
			t.Fatalf("%q, archive/tar has %q", files, theirs(t, body))
		}
	})
}

func own(t *testing.T, err error) {
	t.Helper()
	for _, e := range []error{archive.ErrFormat, archive.ErrTruncated, archive.ErrMember, archive.ErrPath, archive.ErrLimit} {
		if errors.Is(err, e) && !errors.Is(err, io.EOF) {
			return
		}
	}
	t.Fatal(err)
}

func checkMember(t *testing.T, m *archive.Member, opts archive.Options) {
	t.Helper()
	name, ok := strings.CutPrefix(m.Path, opts.Prefix)
	dir := strings.HasSuffix(name, "/")
	if !ok || name == "" || strings.HasPrefix(name, "/") || strings.HasPrefix(name, "./") || len(m.Path) > 1024 ||
		!utf8.ValidString(name) || strings.Contains(name, "\x00") || slices.Contains(strings.Split(m.Path, "/"), "..") ||
		dir != m.Mode.IsDir() || dir && (!opts.Directories || m.Size != 0) || m.Mode&^(fs.ModeDir|fs.ModePerm) != 0 || m.Size < 0 {
		t.Fatalf("%+v", m)
	}
	for name, values := range m.Header {
		if name == "" || strings.ContainsAny(name+values[0], "\r\n\x00") {
			t.Fatalf("%+v", m)
		}
	}
}

// theirs are the contents of the files that archive/tar finds.
func theirs(t *testing.T, body []byte) []string {
	t.Helper()
	var files []string
	r := tar.NewReader(bytes.NewReader(body))
	for {
		h, err := r.Next()
		if err != nil && !errors.Is(err, tar.ErrInsecurePath) {
			return files
		}
		switch h.Typeflag {
		case tar.TypeReg, tar.TypeCont, tar.TypeGNUSparse:
			if strings.HasSuffix(h.Name, "/") && h.Size == 0 {
				continue
			}
			data, err := io.ReadAll(r)
			if err != nil {
				t.Fatal(err)
			}
			files = append(files, string(data))
		}
	}
}
