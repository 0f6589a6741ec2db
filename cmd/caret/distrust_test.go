package main

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/zeebo/blake3"

	"caret/api/v1"
)

// liar is a server that says what it likes.
type liar struct {
	t     *testing.T
	url   string
	files []v1.File
	data  map[string]string                            // by path
	send  func(w http.ResponseWriter, r *http.Request) // in place of a file, if set
}

func newLiar(t *testing.T) *liar {
	l := &liar{t: t, data: make(map[string]string)}
	srv := httptest.NewServer(l)
	t.Cleanup(srv.Close)
	l.url = srv.URL
	return l
}

func (l *liar) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	tell := func(v any) {
		if err := json.NewEncoder(w).Encode(v); err != nil {
			l.t.Error(err)
		}
	}
	switch {
	case strings.HasSuffix(r.URL.Path, "/resolve"):
		tell(v1.Snapshot{Repo: "r", Branch: "master", ID: strings.Repeat("ab", 16), N: 1, Writable: true})
	case strings.HasSuffix(r.URL.Path, "/files"):
		tell(v1.Page[v1.File]{Items: l.files})
	case strings.HasSuffix(r.URL.Path, "/stat"):
		tell(l.files[0])
	case l.send != nil:
		l.send(w, r)
	default:
		io.WriteString(w, l.data[q.Get("path")])
	}
}

// has adds a file as it should be.
func (l *liar) has(path, data string) *v1.File {
	sum := blake3.Sum256([]byte(data))
	l.data[path] = data
	l.files = append(l.files, v1.File{Path: path, Size: int64(len(data)), Hash: hex.EncodeToString(sum[:])})
	slices.SortFunc(l.files, func(a, b v1.File) int { return strings.Compare(a.Path, b.Path) })
	i := slices.IndexFunc(l.files, func(f v1.File) bool { return f.Path == path })
	return &l.files[i]
}

func (l *liar) run(ctx context.Context, args ...string) (int, string, string) {
	s := store{t: l.t, url: l.url}
	return s.run(ctx, nil, args...)
}

// Names that lead out of a folder, or are not of one, are told, with no control
// character, and the other files come.
func TestDistrustNames(t *testing.T) {
	l, top := newLiar(t), t.TempDir()
	odd := []string{
		"d/../up", "d//etc/up", "d/a/../../../up", "d/..", "d/.", "d/nul\x00", "d/" + strings.Repeat("x", 300), "d/\x1b[2J/", "d/" + manifestName,
		"d/link\x1b/../x", "d/" + strings.Repeat("../", 300) + "up",
	}
	for _, path := range odd {
		l.has(path, "bad")
	}
	l.has("d/good", "good")
	l.has("d/\x1b]0;title\a", "good too")
	dir := filepath.Join(top, "a", "b", "dir")
	code, out, stderr := l.run(t.Context(), "get", "-r", "r:d/", dir)
	if code != exitError || out != "" || !strings.Contains(stderr, "11 files are not as the commit has them") || strings.ContainsAny(stderr, "\x1b\x00\a") {
		t.Errorf("exit code %d, %q: %q", code, out, stderr)
	}
	if got := names(t, dir); !slices.Equal(got, []string{"\x1b]0;title\a", "good"}) {
		t.Errorf("in the folder: %q", got)
	}
	for up := dir; up != top; up = filepath.Dir(up) {
		if got := names(t, filepath.Dir(up)); len(got) != 1 {
			t.Errorf("beside the folder: %q", got)
		}
	}
	code, out, stderr = l.run(t.Context(), "get", "-r", "r:d/", "-")
	if code != exitError || !strings.Contains(stderr, "11 files are not in the tar") {
		t.Errorf("tar: exit code %d: %s", code, stderr)
	}
	for r := tar.NewReader(strings.NewReader(out)); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if misfit(h.Name) != "" {
			t.Errorf("%q is in the tar", h.Name)
		}
	}
}

// A listing that cannot be true is an error, and nothing is written.
func TestDistrustListing(t *testing.T) {
	for what, lie := range map[string]func(l *liar){
		"elsewhere":        func(l *liar) { l.has("e/x", "x") },
		"not in order":     func(l *liar) { slices.Reverse(l.files) },
		"twice":            func(l *liar) { l.files = append(l.files, l.files[len(l.files)-1]) },
		"fewer than none":  func(l *liar) { l.files[0].Size = -1 },
		"no hash":          func(l *liar) { l.files[0].Hash = "" },
		"a path as a hash": func(l *liar) { l.files[0].Hash = "../../../../../../../../../../../../../../../../../../../../../../" },
		"a long hash":      func(l *liar) { l.files[0].Hash += "00" },
		"a hash of none":   func(l *liar) { l.files[0].Size = 0 },
	} {
		t.Run(what, func(t *testing.T) {
			l, dir := newLiar(t), filepath.Join(t.TempDir(), "dir")
			l.has("d/a", "a")
			l.has("d/b", "b")
			lie(l)
			for _, dest := range []string{dir, "-"} {
				code, out, stderr := l.run(t.Context(), "get", "-r", "r:d/", dest)
				if code != exitError || out != "" || !strings.Contains(stderr, "the server ") {
					t.Errorf("exit code %d, %q: %s", code, out, stderr)
				}
			}
			if _, err := os.Stat(dir); err == nil {
				t.Error("there is a folder")
			}
			if l.files[0].Path == "d/a" && what != "twice" && what != "elsewhere" {
				if code, out, stderr := l.run(t.Context(), "cat", "r:d/a"); code != exitError || out != "" {
					t.Errorf("cat: exit code %d, %q: %s", code, out, stderr)
				}
			}
		})
	}
}

// Content that is not what was listed becomes no file, and does not keep the others;
// what goes to a stream is told to be wrong.
func TestDistrustContent(t *testing.T) {
	const data = "what it should be"
	for how, send := range map[string]func(w http.ResponseWriter, r *http.Request){
		"another":      func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "what it must not_") },
		"longer":       func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, data+data) },
		"shorter":      func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, data[1:]) },
		"none":         func(http.ResponseWriter, *http.Request) {},
		"of no length": func(w http.ResponseWriter, _ *http.Request) { w.(http.Flusher).Flush(); io.WriteString(w, data) },
		"compressed": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			io.WriteString(w, "what it must not_")
		},
		"cut off": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "17")
			io.WriteString(w, data[:5])
		},
		"refused": func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusInternalServerError) },
	} {
		t.Run(how, func(t *testing.T) {
			l, dir := newLiar(t), t.TempDir()
			l.has("d/bad", data)
			for _, name := range []string{"1", "2", "x/3"} {
				l.has("d/"+name, name)
			}
			l.send = func(w http.ResponseWriter, r *http.Request) {
				if path := r.URL.Query().Get("path"); path != "d/bad" {
					io.WriteString(w, l.data[path])
					return
				}
				send(w, r)
			}
			code, _, stderr := l.run(t.Context(), "get", "-r", "r:d/", dir)
			if code != exitError || !strings.Contains(stderr, "fetched 3 files") || !strings.Contains(stderr, "1 file is not as the commit has them:\n\"bad\": ") {
				t.Errorf("exit code %d: %s", code, stderr)
			}
			if got := names(t, dir); !slices.Equal(got, []string{"1", "2", "x"}) {
				t.Errorf("in the folder: %q", got)
			}
			l.files = []v1.File{*l.has("d/bad", data)}
			for _, dest := range []string{filepath.Join(dir, "f"), "-", "/dev/null"} {
				if code, _, stderr := l.run(t.Context(), "get", "r:d/bad", dest); code != exitError {
					t.Errorf("to %s: exit code %d: %s", dest, code, stderr)
				}
			}
			if code, _, stderr := l.run(t.Context(), "cat", "r:d/bad"); code != exitError {
				t.Errorf("cat: exit code %d: %s", code, stderr)
			}
			if got := names(t, dir); len(got) != 3 {
				t.Errorf("in the folder: %q", got)
			}
		})
	}
}

// A server that fails at everything is not asked for everything.
func TestDistrustGivesUp(t *testing.T) {
	l := newLiar(t)
	for i := range 5 * maxFailures {
		l.has("d/"+strings.Repeat("x", i%50)+string(rune('a'+i/50)), "data")
	}
	asked := make(chan struct{}, 5*maxFailures)
	l.send = func(w http.ResponseWriter, _ *http.Request) {
		asked <- struct{}{}
		http.Error(w, "no", http.StatusServiceUnavailable)
	}
	code, _, stderr := l.run(t.Context(), "get", "-r", "r:d/", t.TempDir())
	if code != exitError || !strings.Contains(stderr, "100 files have failed") || len(asked) > 2*maxFailures {
		t.Errorf("exit code %d after %d requests: %s", code, len(asked), stderr)
	}
}

// Whatever a server does not answer, an interrupt ends it.
func TestDistrustSilence(t *testing.T) {
	for _, at := range []string{"/resolve", "/files", "/stat", "/file"} {
		for _, args := range [][]string{{"get", "-r", "r:d/", t.TempDir()}, {"get", "-r", "r:d/", "-"}, {"get", "r:d/a", "-"}, {"get", "r:d/a", t.TempDir()}} {
			l := newLiar(t)
			l.has("d/a", "a")
			ctx, cancel := context.WithCancel(t.Context())
			hung := false
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if strings.HasSuffix(r.URL.Path, at) {
					hung = true
					cancel()
					<-r.Context().Done()
					return
				}
				l.ServeHTTP(w, r)
			}))
			l.url = srv.URL
			if code, _, stderr := l.run(ctx, args...); hung && (code != exitInterrupted || strings.Count(stderr, "\n") != 1) {
				t.Errorf("%s, %q: exit code %d: %s", at, args, code, stderr)
			}
			srv.Close()
			cancel()
		}
	}
}

// What appears in the place of a file while that is fetched is not overwritten: such
// as the file of another case, where names of both cases are the same.
func TestTaken(t *testing.T) {
	for how, change := range map[string]func(name string) error{
		"made":     func(name string) error { return os.WriteFile(name, []byte("mine"), 0o666) },
		"a folder": func(name string) error { return os.MkdirAll(filepath.Join(name, "mine"), 0o777) },
		"a link":   func(name string) error { return os.Symlink("elsewhere", name) },
	} {
		for _, old := range []bool{false, true} {
			s, dir := newStore(t), t.TempDir()
			name := filepath.Join(dir, "f")
			s.must(strings.NewReader("one"), "put", "r:d/f", "-")
			if old {
				s.must(nil, "get", "-r", "r:d/", dir)
			}
			s.must(strings.NewReader("two"), "put", "r:d/f", "-")
			s.must(strings.NewReader("two"), "put", "r:d/g", "-")
			s.through = func(w http.ResponseWriter, r *http.Request, next http.Handler) {
				if r.URL.Query().Get("path") == "d/f" {
					if err := errors.Join(os.RemoveAll(name), change(name)); err != nil {
						t.Error(err)
					}
				}
				next.ServeHTTP(w, r)
			}
			code, _, stderr := s.run(t.Context(), nil, "get", "-r", "r:d/", dir)
			if code != exitError || !strings.Contains(stderr, `"f": it has changed while it was fetched`) || !strings.Contains(stderr, "fetched 1 file") {
				t.Errorf("%s: exit code %d: %s", how, code, stderr)
			}
			if b, err := os.ReadFile(name); err == nil && bytes.Equal(b, []byte("two")) {
				t.Errorf("%s: it was overwritten", how)
			}
			if got := names(t, dir); !slices.Equal(got, []string{"f", "g"}) {
				t.Errorf("%s: in the folder: %q", how, got)
			}
		}
	}
}
