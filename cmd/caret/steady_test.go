package main

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestPutTorn: of a file that is written to while it is sent nothing is stored, rather
// than a mixture of what it was and what it is.
func TestPutTorn(t *testing.T) {
	const size = 3 << 20
	later := func(name string) error {
		return os.Chtimes(name, time.Time{}, time.Now().Add(time.Second)) // whatever the clock of the file system can tell apart
	}
	changes := map[string]func(name string) error{
		"written to": func(name string) error {
			f, err := os.OpenFile(name, os.O_WRONLY, 0)
			if err != nil {
				return err
			}
			_, err = f.WriteAt([]byte("new"), size-10)
			return errors.Join(err, f.Close(), later(name))
		},
		"grown":     func(name string) error { return os.Truncate(name, size+1) },
		"shrunk":    func(name string) error { return os.Truncate(name, size-1) },
		"shrunk, 0": func(name string) error { return os.Truncate(name, 0) },
	}
	for how, change := range changes {
		for _, args := range [][]string{{"r:"}, {"r:", "-r"}} {
			t.Run(how+strings.Join(args[1:], " "), func(t *testing.T) {
				s, src := newStore(t), t.TempDir()
				file := filepath.Join(src, "a")
				if err := os.WriteFile(file, noise(size), 0o666); err != nil {
					t.Fatal(err)
				}
				s.through = func(w http.ResponseWriter, r *http.Request, next http.Handler) {
					if r.Method == http.MethodPut { // whose body comes when it is read
						if err := change(file); err != nil {
							t.Error(err)
						}
					}
					next.ServeHTTP(w, r)
				}
				source := file
				if len(args) > 1 {
					source = src
				}
				code, _, stderr := s.run(t.Context(), nil, append(append([]string{"put"}, args...), source)...)
				if code != exitError || !strings.Contains(stderr, file+" has changed while it was read\nhint: run the same again") {
					t.Errorf("exit code %d: %s", code, stderr)
				}
				s.empty()
			})
		}
	}
}

// TestPutProc: a file that does not say how long it is is stored all the same.
func TestPutProc(t *testing.T) {
	s, empty := newStore(t), filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile("/proc/version")
	if err != nil {
		t.Skip(err)
	}
	for name, content := range map[string]string{"/proc/version": string(want), empty: ""} {
		s.must(nil, "put", "r:a", name)
		if got, _ := s.must(nil, "cat", "r:a"); got != content {
			t.Errorf("%s: %q", name, got)
		}
	}
}

// TestPutReservedFolder: a folder that has a name of get's own is not left out in silence.
func TestPutReservedFolder(t *testing.T) {
	for _, name := range []string{manifestName, ".a.0123456789abcdef.caret-part"} {
		s, src := newStore(t), t.TempDir()
		if err := errors.Join(os.Mkdir(filepath.Join(src, name), 0o777), os.WriteFile(filepath.Join(src, name, "data"), nil, 0o666),
			os.WriteFile(filepath.Join(src, "b"), nil, 0o666)); err != nil {
			t.Fatal(err)
		}
		code, _, stderr := s.run(t.Context(), nil, "put", "r:", "-r", src)
		if code != exitError || !strings.Contains(stderr, name+`" is a folder, and has a name that get keeps for itself`) {
			t.Errorf("exit code %d: %s", code, stderr)
		}
		s.empty()
		s.must(nil, "put", "r:", "-r", src, "--exclude", name+"/")
	}
}

// TestGetSparesOtherNames: where what comes would go, there may be a file that has
// another name too, which is not for get to write to.
func TestGetSparesOtherNames(t *testing.T) {
	s, dir := newStore(t), t.TempDir()
	content := noise(5000)
	s.must(bytes.NewReader(content), "put", "r:a", "-")
	s.must(strings.NewReader("b"), "put", "r:b", "-")
	dest, precious := filepath.Join(dir, "dest"), filepath.Join(dir, "precious")
	sum, err := hashOf(bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	part := filepath.Join(dest, partName("a", sum))
	if err := errors.Join(os.Mkdir(dest, 0o777), os.WriteFile(precious, []byte("precious"), 0o666), os.Link(precious, part)); err != nil {
		t.Fatal(err)
	}
	s.must(nil, "get", "r:", "-r", dest)
	if got, err := os.ReadFile(precious); err != nil || string(got) != "precious" {
		t.Errorf("%q, %v", got, err)
	}
	if got, err := os.ReadFile(filepath.Join(dest, "a")); err != nil || !bytes.Equal(got, content) {
		t.Errorf("%d bytes, %v", len(got), err)
	}

	// What is no file is in the way of one file, and not of all.
	if err := errors.Join(os.RemoveAll(dest), os.MkdirAll(part, 0o777)); err != nil {
		t.Fatal(err)
	}
	code, _, stderr := s.run(t.Context(), nil, "get", "r:", "-r", dest, "--parallel", "1")
	if code != exitError || !strings.Contains(stderr, `"a": "`+filepath.Base(part)+`" is in the way`) {
		t.Errorf("exit code %d: %s", code, stderr)
	}
	if got, err := os.ReadFile(filepath.Join(dest, "b")); err != nil || string(got) != "b" {
		t.Errorf("%q, %v", got, err)
	}

	// A folder cannot be replaced by the manifest.
	if err := errors.Join(os.RemoveAll(dest), os.MkdirAll(filepath.Join(dest, manifestName), 0o777)); err != nil {
		t.Fatal(err)
	}
	if code, _, stderr := s.run(t.Context(), nil, "get", "r:", "-r", dest); code != exitError || !strings.Contains(stderr, manifestName+" is in the way: it is a folder") {
		t.Errorf("exit code %d: %s", code, stderr)
	}
}

// TestPlaceNew: what was made in the last moment stays.
func TestPlaceNew(t *testing.T) {
	dir := t.TempDir()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	d, mine := fetch{root: root}, filepath.Join(dir, "sub", "a")
	err = errors.Join(root.Mkdir("sub", 0o777), root.WriteFile("sub/a", []byte("mine"), 0o666), root.WriteFile("sub/part", []byte("theirs"), 0o666))
	if err != nil {
		t.Fatal(err)
	}
	if err := d.placeNew("sub/part", "sub/a"); !errors.Is(err, errTaken) {
		t.Error(err)
	}
	if got, err := os.ReadFile(mine); err != nil || string(got) != "mine" {
		t.Errorf("%q, %v", got, err)
	}
	if err := errors.Join(os.Remove(mine), d.placeNew("sub/part", "sub/a")); err != nil {
		t.Error(err)
	}
	if got, err := os.ReadFile(mine); err != nil || string(got) != "theirs" {
		t.Errorf("%q, %v", got, err)
	}
}

// TestReplacePrivate: while a file comes that replaces one, nobody reads it who could
// not read that.
func TestReplacePrivate(t *testing.T) {
	s, dir := newStore(t), t.TempDir()
	s.must(bytes.NewReader(noise(5000)), "put", "r:a", "-")
	file := filepath.Join(dir, "a")
	if err := os.WriteFile(file, []byte("private"), 0o600); err != nil {
		t.Fatal(err)
	}
	seen := 0
	s.through = func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		list, err := os.ReadDir(dir)
		if err != nil {
			t.Error(err)
		}
		for _, e := range list {
			if info, err := e.Info(); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("%s: %v, %v", e.Name(), info, err)
			}
			seen++
		}
		next.ServeHTTP(w, r)
	}
	s.must(nil, "get", "r:a", file)
	if seen != 2 {
		t.Errorf("%d files were there", seen)
	}
}

// TestNamesOnOneLine: no name of a file makes a line of an error that looks like caret's.
func TestNamesOnOneLine(t *testing.T) {
	s, odd := newStore(t), filepath.Join(t.TempDir(), "a\ncaret: all is well\nhint: do that")
	if err := os.Mkdir(odd, 0o777); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"put", "r:a", odd + "/b"}, {"put", "r:", "-r", odd}, {"get", "r:a", odd + "/b/c"}} {
		code, _, stderr := s.run(t.Context(), nil, args...)
		if code != exitError && code != exitNotFound || strings.Contains(stderr, "\ncaret: all") || strings.Contains(stderr, "\nhint: do") {
			t.Errorf("%q: exit code %d: %s", args, code, stderr)
		}
	}
}

// TestOutputFull: what cannot be written is an error for every command.
func TestOutputFull(t *testing.T) {
	s := newStore(t)
	for _, args := range [][]string{{"env"}, {"completion", "bash"}, {"version"}, {"repo", "list"}, {"repo", "list", "-o", "json"}} {
		code := run(t.Context(), append([]string{"caret"}, args...), process{
			stdin: strings.NewReader(""), stdout: fullWriter{}, stderr: io.Discard,
			getenv: func(name string) string {
				if v := map[string]string{"CARET_ROOT_ACCESS_KEY": "key", "CARET_ROOT_SECRET_KEY": "secret"}[name]; v != "" {
					return v
				}
				return s.getenv(name)
			},
		})
		if code != exitError {
			t.Errorf("%q: exit code %d", args, code)
		}
	}
}

// fullWriter takes nothing.
type fullWriter struct{}

func (fullWriter) Write([]byte) (int, error) { return 0, unix.ENOSPC }

// TestEnvRefusesEndpoint: what is no URL is not for the clients that env is for.
func TestEnvRefusesEndpoint(t *testing.T) {
	s := newStore(t)
	for _, endpoint := range []string{"127.0.0.1:30600", "ftp://x", ""} {
		code, out, stderr := s.run(t.Context(), nil, "env", "--endpoint", endpoint)
		if code != exitUsage || out != "" || !strings.Contains(stderr, "is not like") {
			t.Errorf("%q: exit code %d, %s%s", endpoint, code, out, stderr)
		}
	}
}

// TestEnvHalfKey: half a key is no key.
func TestEnvHalfKey(t *testing.T) {
	for _, half := range []string{"CARET_ROOT_ACCESS_KEY", "CARET_ROOT_SECRET_KEY"} {
		var out, talk bytes.Buffer
		code := run(t.Context(), []string{"caret", "env"}, process{
			stdin: strings.NewReader(""), stdout: &out, stderr: &talk,
			getenv: func(name string) string {
				if name == half {
					return "x"
				}
				return ""
			},
		})
		if code != exitUsage || out.Len() > 0 || !strings.Contains(talk.String(), "or neither") {
			t.Errorf("%s: exit code %d, %s%s", half, code, &out, &talk)
		}
	}
}
