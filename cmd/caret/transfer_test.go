package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"caret/api"
	"caret/objstore"
	"caret/objstore/local"
	"caret/pfs"
)

// The tests of this file run one by one: a command line writes to variables
// of the library that reads it.

// store is a server with one repo, r, and what the command line says to it.
type store struct {
	t   *testing.T
	url string
	fs  *pfs.FS    // as root sees it
	who pfs.Caller // who all requests are from
	// through, if set, handles the requests for files in place of the server,
	// which is next.
	through func(w http.ResponseWriter, r *http.Request, next http.Handler)
	any     func(w http.ResponseWriter, r *http.Request, next http.Handler) // the same for all requests
}

func newStore(t *testing.T) *store {
	t.Helper()
	data, err := local.Open(t.TempDir(), local.Options{Reserve: -1})
	if err != nil {
		t.Fatal(err)
	}
	return newStoreOn(t, data)
}

// newStoreOn is newStore on a store that is closed when the test ends.
func newStoreOn(t *testing.T, data objstore.Store) *store {
	t.Helper()
	system, err := pfs.Open(t.Context(), data, pfs.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s := &store{t: t, fs: system.As(pfs.Root), who: pfs.Root}
	next := api.New(system, api.Options{Authenticate: func(r *http.Request) (api.Caller, error) {
		return api.Caller{Caller: s.who, Body: r.Body, Length: r.ContentLength}, nil
	}})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.any != nil {
			s.any(w, r, next)
		} else if s.through != nil && strings.HasSuffix(r.URL.Path, "/file") {
			s.through(w, r, next)
		} else {
			next.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(func() {
		srv.Close()
		if err := errors.Join(system.Close(), data.Close()); err != nil {
			t.Error(err)
		}
	})
	s.url = srv.URL
	s.must(nil, "repo", "create", "r")
	return s
}

// run runs a command line.
func (s *store) run(ctx context.Context, in io.Reader, args ...string) (code int, stdout, stderr string) {
	var out, talk bytes.Buffer
	code = run(ctx, append([]string{"caret"}, args...), process{stdin: in, stdout: &out, stderr: &talk, getenv: s.getenv})
	return code, out.String(), talk.String()
}

func (s *store) getenv(name string) string {
	return map[string]string{"CARET_ENDPOINT": s.url, "CARET_ACCESS_KEY": "key", "CARET_SECRET_KEY": "secret"}[name]
}

// must runs a command line that succeeds.
func (s *store) must(in io.Reader, args ...string) (stdout, stderr string) {
	s.t.Helper()
	code, stdout, stderr := s.run(s.t.Context(), in, args...)
	if code != exitOK {
		s.t.Fatalf("caret %q: exit code %d: %s", args, code, stderr)
	}
	return stdout, stderr
}

// matches says whether a regular expression fits.
func matches(pattern, s string) bool { return regexp.MustCompile(pattern).MatchString(s) }

// empty checks that nothing is stored nor staged.
func (s *store) empty() {
	s.t.Helper()
	for _, args := range [][]string{{"log", "r"}, {"ls", "r"}, {"commit", "list", "r", "--open"}} {
		if out, _ := s.must(nil, append(args, "-o", "json")...); out != "[]\n" {
			s.t.Errorf("%q: %s", args, out)
		}
	}
}

// noise are bytes that differ from each other.
func noise(n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{}).Read(b)
	return b
}

// offset is where a request for a file begins.
func offset(t *testing.T, r *http.Request) int {
	first, _, _ := strings.Cut(strings.TrimPrefix(r.Header.Get("Range"), "bytes="), "-")
	if first == "" {
		return 0
	}
	n, err := strconv.Atoi(first)
	if err != nil {
		t.Error(err)
	}
	return n
}

// names are those in a folder, but for its manifest.
func names(t *testing.T, dir string) []string {
	t.Helper()
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range list {
		if e.Name() != manifestName {
			names = append(names, e.Name())
		}
	}
	return names
}

// What was cut off goes on where it ended, as long as it is the beginning of
// what is fetched.
func TestGoOn(t *testing.T) {
	const size, cut = 5 << 20, 3 << 20
	for _, how := range []string{"cut off", "cut off, of a folder", "cut off and damaged", "cut off, then changed", "cut off, then changed, of a folder", "cut off early"} {
		t.Run(how, func(t *testing.T) {
			s, data, dir := newStore(t), noise(size), t.TempDir()
			s.must(bytes.NewReader(data), "put", "r:d/big", "-")
			cut := cut
			if how == "cut off early" {
				cut = 1000
			}
			var offsets []int
			s.through = func(w http.ResponseWriter, r *http.Request, next http.Handler) {
				offsets = append(offsets, offset(t, r))
				if len(offsets) == 1 {
					w = &cutWriter{w, cut}
				}
				next.ServeHTTP(w, r)
			}
			args := []string{"get", "r:d/big", filepath.Join(dir, "big")}
			if strings.HasSuffix(how, "of a folder") {
				args = []string{"get", "r:d/", "-r", dir}
			}
			code, _, stderr := s.run(t.Context(), nil, args...)
			kept := how != "cut off early"
			if code != exitError || !strings.Contains(stderr, "d/big ended early") || strings.Contains(stderr, "run the same again") != kept {
				t.Errorf("exit code %d: %s", code, stderr)
			}
			left := names(t, dir)
			if kept != (len(left) == 1 && strings.HasPrefix(left[0], ".big.") && isPart(left[0])) || len(left) > 1 {
				t.Fatalf("left: %q", left)
			}
			wantOffset := 0
			switch how {
			case "cut off", "cut off, of a folder":
				info, err := os.Stat(filepath.Join(dir, left[0]))
				if err != nil {
					t.Fatal(err)
				}
				if wantOffset = int(info.Size()); wantOffset < cut/2 {
					t.Errorf("only %d bytes are left", wantOffset)
				}
			case "cut off and damaged":
				if err := os.WriteFile(filepath.Join(dir, left[0]), noise(cut + 1)[1:], 0o600); err != nil {
					t.Fatal(err)
				}
			case "cut off, then changed", "cut off, then changed, of a folder":
				data[0]++
				s.through = nil
				s.must(bytes.NewReader(data), "put", "r:d/big", "-")
				offsets = append(offsets, 0)
			}
			s.must(nil, args...)
			if got, err := os.ReadFile(filepath.Join(dir, "big")); err != nil || !bytes.Equal(got, data) {
				t.Errorf("%d bytes, %v", len(got), err)
			}
			if last := offsets[len(offsets)-1]; last != wantOffset {
				t.Errorf("it went on at %d, not %d", last, wantOffset)
			}
			if left := names(t, dir); len(left) != 1 {
				t.Errorf("left: %q", left)
			}
			// What is there is not fetched again.
			n := len(offsets)
			if s.must(nil, args...); len(offsets) != n {
				t.Error("it was fetched once more")
			}
		})
	}
}

// cutWriter breaks the connection behind so many bytes.
type cutWriter struct {
	http.ResponseWriter
	left int
}

func (c *cutWriter) Write(p []byte) (int, error) {
	n := min(len(p), c.left)
	c.ResponseWriter.Write(p[:n])
	http.NewResponseController(c.ResponseWriter).Flush()
	if c.left -= n; c.left == 0 {
		panic(http.ErrAbortHandler)
	}
	return n, nil
}

// flipWriter changes the last byte.
type flipWriter struct{ http.ResponseWriter }

func (f flipWriter) Write(p []byte) (int, error) {
	p = bytes.Clone(p)
	p[len(p)-1]++
	return f.ResponseWriter.Write(p)
}

// Bytes that are not those of the listing become no file.
func TestHashIsChecked(t *testing.T) {
	s := newStore(t)
	s.must(strings.NewReader("data"), "put", "r:d/small", "-")
	s.must(bytes.NewReader(noise(2<<20)), "put", "r:d/big", "-")
	s.through = func(w http.ResponseWriter, r *http.Request, next http.Handler) { next.ServeHTTP(flipWriter{w}, r) }
	for _, what := range [][]string{{"r:d/small"}, {"r:d/big"}, {"r:d/", "-r"}} {
		dir := t.TempDir()
		code, _, stderr := s.run(t.Context(), nil, append(append([]string{"get"}, what...), dir)...)
		if code != exitError || !strings.Contains(stderr, "not the file that was listed: its BLAKE3 hash is") {
			t.Errorf("%q: exit code %d: %s", what, code, stderr)
		}
		if left := names(t, dir); len(left) > 0 {
			t.Errorf("%q: left: %q", what, left)
		}
	}
	code, out, stderr := s.run(t.Context(), nil, "get", "r:d/", "-r", "-")
	if code != exitError || !strings.Contains(stderr, "BLAKE3") {
		t.Errorf("tar: exit code %d: %s", code, stderr)
	}
	r := tar.NewReader(strings.NewReader(out))
	for {
		_, err := r.Next()
		if errors.Is(err, io.EOF) && len(out)%512 == 0 && len(out) > 0 {
			t.Error("the tar ends as if it were whole")
		}
		if err != nil {
			break
		}
	}
}

// entry is a member of a tar; a file if it has no type.
type entry struct {
	name string
	data []byte
	kind byte
}

func makeTar(t *testing.T, entries ...entry) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range entries {
		h := tar.Header{Name: e.name, Size: int64(len(e.data)), Typeflag: tar.TypeReg, Mode: 0o600}
		if e.kind != 0 {
			h.Typeflag, h.Linkname = e.kind, "a"
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		w.Write(e.data)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestTarForms(t *testing.T) {
	big := noise(3 << 20)
	entries := []entry{{name: "dir/", kind: tar.TypeDir}, {name: "./dir/big", data: big}, {name: "empty"}}
	for i := range 200 {
		entries = append(entries, entry{name: fmt.Sprintf("dir/%03d", i), data: []byte(fmt.Sprint(i))})
	}
	for i := range 20 { // the last of a name is what counts
		entries = append(entries, entry{name: "same", data: []byte(fmt.Sprint(i))})
	}
	plain := makeTar(t, entries...)
	var gz bytes.Buffer
	zip := gzip.NewWriter(&gz)
	zip.Write(plain)
	zip.Close()
	std, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	for form, b := range map[string][]byte{"plain": plain, "gzip": gz.Bytes(), "zstd": std.EncodeAll(plain, nil)} {
		s := newStore(t)
		_, stderr := s.must(bytes.NewReader(b), "put", "r:p", "-r", "-", "-m", form)
		if !strings.Contains(stderr, "stored 203 files") {
			t.Errorf("%s: %s", form, stderr)
		}
		if out, _ := s.must(nil, "log", "r", "-o", "json"); strings.Count(out, `"id"`) != 1 {
			t.Errorf("%s: %s", form, out)
		}
		if out, _ := s.must(nil, "cat", "r:p/same"); out != "19" {
			t.Errorf("%s: the last one is %q", form, out)
		}
		if out, _ := s.must(nil, "cat", "r:p/dir/big"); out != string(big) {
			t.Errorf("%s: %d bytes", form, len(out))
		}
		out, _ := s.must(nil, "get", "r:p/", "-r", "-")
		checkTar(t, out, 203)
	}
}

// checkTar reads a tar of what TestTarForms stored.
func checkTar(t *testing.T, b string, want int) {
	t.Helper()
	r := tar.NewReader(strings.NewReader(b))
	last, n := "", 0
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Name <= last || h.Mode != 0o644 || h.ModTime.IsZero() || h.Typeflag != tar.TypeReg {
			t.Errorf("%+v behind %q", h, last)
		}
		last = h.Name
		n++
	}
	if n != want {
		t.Errorf("%d members, want %d", n, want)
	}
}

// A tar with anything that cannot be stored leaves nothing behind, wherever
// in it that is.
func TestTarRefused(t *testing.T) {
	s := newStore(t)
	first := []entry{{name: "a", data: []byte("a")}, {name: "big", data: noise(3 << 20)}}
	whole := makeTar(t, first...)
	for what, c := range map[string]struct {
		tar  []byte
		want string
	}{
		"symbolic link": {makeTar(t, append(first, entry{name: "l", kind: tar.TypeSymlink})...), `"l" is a symbolic link`},
		"hard link":     {makeTar(t, append(first, entry{name: "l", kind: tar.TypeLink})...), `"l" is a hard link`},
		"device":        {makeTar(t, append(first, entry{name: "d", kind: tar.TypeChar})...), `"d" is a character device`},
		"above":         {makeTar(t, append(first, entry{name: "x/../../y"})...), `has .. as a component`},
		"absolute":      {makeTar(t, append(first, entry{name: "/etc/x"})...), `"/etc/x" is absolute`},
		"not UTF-8":     {makeTar(t, append(first, entry{name: "caf\xe9"})...), `is not UTF-8`},
		"too long":      {makeTar(t, append(first, entry{name: strings.Repeat("a/", 600) + "a"})...), `at most 1024 are allowed`},
		"cut in a file": {whole[:2<<20], "caret: p/big: standard input: the archive is truncated"},
		"cut at an end": {whole[:len(whole)-1024], "standard input: the archive is truncated"},
		"garbage":       {noise(4096), "standard input: the body is not a sound tar archive"},
		"no files":      {makeTar(t, entry{name: "d/", kind: tar.TypeDir}), "the tar holds no files"},
		"nothing":       {nil, "the archive is truncated"},
	} {
		code, out, stderr := s.run(t.Context(), bytes.NewReader(c.tar), "put", "r:p/", "-r", "-")
		if code != exitError || out != "" || !strings.Contains(stderr, c.want) {
			t.Errorf("%s: exit code %d, %q: %s", what, code, out, stderr)
		}
		s.empty()
	}
}

// Whatever standard input waits for, an interrupt ends it and drops what was
// staged.
func TestTarInterrupted(t *testing.T) {
	s := newStore(t)
	ctx, cancel := context.WithCancel(t.Context())
	b := makeTar(t, entry{name: "a", data: []byte("a")}, entry{name: "b"})
	in, pipe := io.Pipe()
	defer pipe.Close()
	s.through = func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		next.ServeHTTP(w, r)
		cancel()
	}
	go pipe.Write(b[:1024])
	code, _, stderr := s.run(ctx, in, "put", "r:", "-r", "-")
	if code != exitInterrupted {
		t.Errorf("exit code %d: %s", code, stderr)
	}
	s.empty()
}

// Who reads no further is not told about it.
func TestBrokenPipe(t *testing.T) {
	s := newStore(t)
	s.must(bytes.NewReader(noise(3<<20)), "put", "r:d/big", "-")
	for _, args := range [][]string{{"get", "r:d/", "-r", "-"}, {"cat", "r:d/big"}} {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		r.Close()
		var talk bytes.Buffer
		code := run(t.Context(), append([]string{"caret"}, args...), process{stdout: w, stderr: &talk, getenv: s.getenv})
		w.Close()
		if code != exitError || talk.Len() > 0 {
			t.Errorf("%q: exit code %d: %s", args, code, &talk)
		}
	}
}

// A few files are found among the many of a branch, of which most pages are
// passed over.
func TestCompareWithMany(t *testing.T) {
	if testing.Short() {
		t.Skip("stores thousands of files")
	}
	s, dir := newStore(t), t.TempDir()
	var entries []entry
	for i := range 5000 {
		entries = append(entries, entry{name: fmt.Sprintf("é/%04d", i)})
	}
	s.must(bytes.NewReader(makeTar(t, entries...)), "put", "r:", "-r", "-")
	if err := os.MkdirAll(filepath.Join(dir, "é"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"é/0000", "é/1000", "é/2500", "é/4999", "é/ü", "a", "z"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, stderr := s.must(nil, "put", "r:", "-r", dir); !strings.Contains(stderr, "stored 3 files, 0 B, in one commit; 4 unchanged") {
		t.Error(stderr)
	}
	if _, stderr := s.must(nil, "put", "r:", "-r", dir, "--delete", "--yes"); !strings.Contains(stderr, "; 7 unchanged; 4996 deleted") {
		t.Error(stderr)
	}
}

// Who may read one branch alone gets its files.
func TestGetFromOneBranch(t *testing.T) {
	s := newStore(t)
	s.must(strings.NewReader("data"), "put", "r:other", "-")
	s.must(nil, "branch", "create", "r@dev", "--empty")
	s.must(strings.NewReader("data"), "put", "r@dev:d/f", "-")
	dev := pfs.Ref{Repo: "r", Branch: "dev"}
	grants := []pfs.Grant{{User: "alice", Permission: pfs.PermRead}}
	if err := s.fs.SetFileACL(t.Context(), dev, "d/f", grants); err != nil {
		t.Fatal(err)
	}
	s.who = pfs.Caller{ID: "alice", Name: "alice"}
	s.must(nil, "get", "r@dev:d/f", t.TempDir())
	if code, _, stderr := s.run(t.Context(), nil, "get", "r@dev:d/", "-r", t.TempDir()); code != exitError || !strings.Contains(stderr, "access denied") {
		t.Errorf("exit code %d: %s", code, stderr)
	}
	if err := s.fs.ChangeSettings(t.Context(), dev, pfs.ActOwn, func(set *pfs.Settings) error {
		set.ACL = pfs.ACL{Owner: pfs.RootUser, Grants: grants}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	s.must(nil, "get", "r@dev:d/", "-r", t.TempDir())
	s.must(nil, "get", "r@dev:d/", "-r", "-")
	s.must(nil, "get", "r@dev:d/f", t.TempDir())
	if code, _, stderr := s.run(t.Context(), nil, "get", "r:other", t.TempDir()); code != exitError || !strings.Contains(stderr, "access denied") {
		t.Errorf("exit code %d: %s", code, stderr)
	}
}

// A copy of many files is one commit.
func TestCopyMany(t *testing.T) {
	if testing.Short() {
		t.Skip("stores thousands of files")
	}
	s := newStore(t)
	var entries []entry
	for i := range 3000 {
		entries = append(entries, entry{name: fmt.Sprintf("d/%05d", i), data: []byte(fmt.Sprint(i))})
	}
	s.must(bytes.NewReader(makeTar(t, entries...)), "put", "r:", "-r", "-")
	for i := range 3 { // 12,000 in the end
		from := fmt.Sprintf("d%s", strings.Repeat("/c", i))
		s.must(nil, "cp", "-r", "r:"+from, "r:"+from+"/c")
	}
	_, stderr := s.must(nil, "cp", "-r", "r:d", "r:all")
	if !strings.Contains(stderr, "copied 12000 files") {
		t.Error(stderr)
	}
	if out, _ := s.must(nil, "log", "r", "-o", "json"); strings.Count(out, `"id"`) != 5 {
		t.Error(out)
	}
	if out, _ := s.must(nil, "cat", "r:all/c/c/00007"); out != "7" {
		t.Error(out)
	}
}

// TestGetTogether: two that fetch the same into one folder share the work.
func TestGetTogether(t *testing.T) {
	const files = 40
	s, src, dir := newStore(t), t.TempDir(), t.TempDir()
	for i := range files {
		if err := os.WriteFile(filepath.Join(src, strconv.Itoa(i)), noise(1001*i), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	s.must(nil, "put", "r:d/", "-r", src)
	var fetched atomic.Int64
	begun := make(chan struct{}) // a file is on its way
	s.through = func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if fetched.Add(1) == 1 {
			close(begun)
		}
		next.ServeHTTP(w, r)
	}
	p := process{stderr: io.Discard, getenv: s.getenv}
	cl, err := dial(p, s.url, "", "")
	if err != nil {
		t.Fatal(err)
	}
	tr, err := readTree(t.Context(), cl, target{Repo: "r", Path: "d/", HasPath: true}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var both errgroup.Group
	both.Go(func() error { return getFolder(t.Context(), p, printer{}, cl, tr, dir, getOptions{parallel: 4}) })
	<-begun
	both.Go(func() error { return getFolder(t.Context(), p, printer{}, cl, tr, dir, getOptions{parallel: 4}) })
	if err := both.Wait(); err != nil {
		t.Error(err)
	}
	if got := names(t, dir); len(got) != files {
		t.Errorf("%d names: %q", len(got), got)
	}
	if n := fetched.Load(); n != files-1 { // one has no bytes
		t.Errorf("%d files were fetched, there are %d", n, files-1)
	}
	for i := range files {
		got, err := os.ReadFile(filepath.Join(dir, strconv.Itoa(i)))
		if err != nil || !bytes.Equal(got, noise(1001*i)) {
			t.Errorf("%d: %d bytes, %v", i, len(got), err)
		}
	}
}

// TestPutChanging: what has become something else since the folder was listed
// is not stored, nor waited for.
func TestPutChanging(t *testing.T) {
	outside := filepath.Join(t.TempDir(), "outside")
	if err := os.WriteFile(outside, noise(1000), 0o666); err != nil {
		t.Fatal(err)
	}
	for how, change := range map[string]func(name string) error{
		"grown":  func(name string) error { return os.WriteFile(name, noise(1001), 0o666) },
		"shrunk": func(name string) error { return os.Truncate(name, 10) },
		"gone":   os.Remove,
		"a link": func(name string) error { return errors.Join(os.Remove(name), os.Symlink(outside, name)) },
		"a fifo": func(name string) error { return errors.Join(os.Remove(name), unix.Mkfifo(name, 0o666)) },
	} {
		t.Run(how, func(t *testing.T) {
			s, src := newStore(t), t.TempDir()
			for _, name := range []string{"a", "b"} {
				if err := os.WriteFile(filepath.Join(src, name), noise(1000), 0o666); err != nil {
					t.Fatal(err)
				}
			}
			s.through = func(w http.ResponseWriter, r *http.Request, next http.Handler) {
				if r.URL.Query().Get("path") == "a" {
					if err := change(filepath.Join(src, "b")); err != nil {
						t.Error(err)
					}
				}
				next.ServeHTTP(w, r)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			code, _, stderr := s.run(ctx, nil, "put", "r:", "-r", src, "--parallel", "1")
			if code != exitError || !strings.Contains(stderr, filepath.Join(src, "b")) || strings.Contains(stderr, "cannot talk") {
				t.Errorf("exit code %d: %s", code, stderr)
			}
			s.empty()
		})
	}
}
