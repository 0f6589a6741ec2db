package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/zeebo/blake3"

	"caret/api/v1"
)

// liar is a server that whoever fetches from it should not have trusted: it lists names
// that lead elsewhere or speak to a terminal, many of them, and content that is not
// what it says, into a folder with links that lead out of it.
func liar(s *stage) error {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := http.Server{Handler: lies(s.size(200_000))}
	go server.Serve(ln)  //nolint:errcheck // it ends when it is closed
	defer server.Close() //nolint:errcheck // the same

	top := filepath.Join(s.dir, "a", "b", "c")
	dir, outside := filepath.Join(top, "dir"), filepath.Join(s.dir, "outside")
	for _, made := range []string{dir, outside} {
		if err := os.MkdirAll(made, 0o755); err != nil {
			return err
		}
	}
	if err := errors.Join(os.Symlink(outside, filepath.Join(dir, "out")), os.Symlink("../../../../outside/file", filepath.Join(dir, "file"))); err != nil {
		return err
	}
	var said bytes.Buffer
	cmd := exec.CommandContext(s.ctx, s.bin, "get", "-r", "r:d/", dir, "--force")
	cmd.Env = append(os.Environ(), "CARET_ENDPOINT=http://"+ln.Addr().String(), "CARET_ACCESS_KEY=key", "CARET_SECRET_KEY=secret")
	cmd.Stdout, cmd.Stderr = &said, &said
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
		return err
	}
	s.is("get -r from a server that lies: exit status", cmd.ProcessState.ExitCode(), 1)
	good, err := os.ReadFile(filepath.Join(dir, "good"))
	s.is("the one good file among them", fmt.Sprintf("%s, %v", good, err), "good, <nil>")
	found, err := beside(s.dir, dir)
	if err != nil {
		return err
	}
	s.is("files written elsewhere", found, 0)
	s.is("control characters written to the terminal", strings.ContainsAny(said.String(), "\x1b\x07\x00\r"), false)
	s.atMost("lines about it", float64(strings.Count(said.String(), "\n")), 20, "lines")
	usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		return errors.New("how much memory was used is not known")
	}
	s.atMost("memory of the client", float64(usage.Maxrss)/1024, 512, "MiB")
	return nil
}

// lies answers as a caret would that has a good file and n that are not.
func lies(n int) http.Handler {
	const page = 1000
	odd := func(i int) v1.File {
		forms := []string{"d/%07d/../../../up", "d/%07d//x", "d/%07d\x1b[2J/..", "d/%07d\x00", "d/%07d/.caret-checkout"}
		return describeFile(fmt.Sprintf(forms[i%len(forms)], i), "bad")
	}
	last := []v1.File{describeFile("d/bad", "as it was listed"), describeFile("d/file", "good"), describeFile("d/good", "good"), describeFile("d/out/file", "good")}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer := func(v any) { json.NewEncoder(w).Encode(v) } //nolint:errcheck // the client is gone
		switch {
		case strings.HasSuffix(r.URL.Path, "/resolve"):
			answer(v1.Snapshot{Repo: "r", Branch: "master", ID: strings.Repeat("ab", 16), N: 1})
		case r.URL.Query().Get("path") == "d/bad":
			fmt.Fprint(w, "something else__") // of the same length
		case strings.HasSuffix(r.URL.Path, "/file"):
			fmt.Fprint(w, "good")
		default:
			at := 0
			fmt.Sscanf(r.URL.Query().Get("after"), "d/%d", &at) //nolint:errcheck // the first page is behind nothing
			out := v1.Page[v1.File]{}
			for i := at + 1; i <= min(at+page, n); i++ {
				out.Items = append(out.Items, odd(i))
			}
			if at+page < n {
				out.Next = out.Items[len(out.Items)-1].Path
			} else {
				out.Items = append(out.Items, last...)
			}
			answer(out)
		}
	})
}

// describeFile is a file as a listing has it.
func describeFile(path, data string) v1.File {
	sum := blake3.Sum256([]byte(data))
	return v1.File{Path: path, Size: int64(len(data)), Hash: fmt.Sprintf("%x", sum)}
}

// beside counts the files under top that are not in dir.
func beside(top, dir string) (n int, err error) {
	err = filepath.WalkDir(top, func(name string, d os.DirEntry, err error) error {
		if err == nil && name == dir {
			return filepath.SkipDir
		}
		if err == nil && !d.IsDir() {
			n++
		}
		return err
	})
	return n, err
}
