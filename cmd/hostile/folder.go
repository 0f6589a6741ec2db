package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/zeebo/blake3"

	"caret/api/v1"
)

// folder is a folder that others have prepared or write to, and a server that sends its
// clients on to another one.
func folder(s *stage) error {
	v, err := s.start("")
	if err != nil {
		return err
	}
	defer v.stop() //nolint:errcheck // it has done its part
	if _, err := v.root.api.CreateRepo(s.ctx, v1.Repo{Name: "r"}); err != nil {
		return err
	}
	if _, err := v.root.api.Put(s.ctx, "r", "", "d/a", "", "", strings.NewReader("stored"), 6); err != nil {
		return err
	}
	return errors.Join(s.prepared(v), s.writtenTo(v), s.sentOn())
}

// caret runs a command line against the server at url, and says how it ended.
func (s *stage) caret(url string, args ...string) (code int, said string, err error) {
	cmd := exec.CommandContext(s.ctx, s.bin, args...)
	cmd.Env = append(os.Environ(), "CARET_ENDPOINT="+url, "CARET_ACCESS_KEY="+rootKey, "CARET_SECRET_KEY="+rootSecret)
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		err = nil
	}
	return cmd.ProcessState.ExitCode(), string(out), err
}

// prepared fetches into a folder in which links lead out of it, and whose manifest says
// that what is outside, and what somebody made in it, was fetched.
func (s *stage) prepared(v *server) error {
	dir, outside, mine := filepath.Join(s.dir, "prepared"), filepath.Join(s.dir, "precious"), "what somebody made"
	sum := blake3.Sum256([]byte("stored"))
	part := fmt.Sprintf(".a.%x.caret-part", sum[:8])
	manifest := "{\"caret_checkout\":1}\n"
	for _, name := range []string{"../precious", outside, "a", "mine"} {
		manifest += fmt.Sprintf("{\"path\":%q,\"hash\":\"%x\",\"size\":%d}\n", name, sum, len(mine))
	}
	if err := errors.Join(
		os.MkdirAll(dir, 0o755), os.WriteFile(outside, []byte(mine), 0o600), os.WriteFile(filepath.Join(dir, "mine"), []byte(mine), 0o600),
		os.Link(outside, filepath.Join(dir, part)), os.Symlink(outside, filepath.Join(dir, "a")), os.WriteFile(filepath.Join(dir, ".caret-checkout"), []byte(manifest), 0o600),
	); err != nil {
		return err
	}
	for _, flags := range [][]string{{"--delete", "--yes"}, {"--force"}} {
		if _, _, err := s.caret(v.url, append([]string{"get", "-r", "r:d/", dir}, flags...)...); err != nil {
			return err
		}
		for _, name := range []string{outside, filepath.Join(dir, "mine")} {
			got, err := os.ReadFile(name)
			s.is(fmt.Sprintf("get -r %s into a prepared folder: %s", flags[0], filepath.Base(name)), fmt.Sprintf("%s, %v", got, err), mine+", <nil>")
		}
	}
	return nil
}

// writtenTo stores files that are written to all the time.
func (s *stage) writtenTo(v *server) error {
	dir := filepath.Join(s.dir, "written")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	file, err := os.Create(filepath.Join(dir, "big"))
	if err != nil {
		return err
	}
	defer file.Close()
	if err := file.Truncate(64 << 20); err != nil {
		return err
	}
	ctx, stop := context.WithCancel(s.ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for i := 0; ctx.Err() == nil; i++ {
			file.WriteAt([]byte{byte(i)}, 0) //nolint:errcheck // it is only to change
			<-tick.C
		}
	}()
	defer func() { stop(); <-ended }()
	for _, args := range [][]string{{"put", "r:w/", "-r", dir}, {"put", "r:w/big", file.Name()}} {
		code, said, err := s.caret(v.url, args...)
		if err != nil {
			return err
		}
		s.is(strings.Join(args[:2], " ")+" of what is written to: exit status", code, 1)
		s.is("it is said", strings.Contains(said, "has changed while it was read"), true)
	}
	page, err := v.root.api.Files(s.ctx, "r", "", "w/", "", "", 0)
	s.is("mixtures stored", fmt.Sprintf("%d, %v", len(page.Items), err), "0, <nil>")
	return nil
}

// sentOn writes to a server that sends on to another, which says yes to everything.
func (s *stage) sentOn() error {
	var asked atomic.Int64
	yes, err := s.serveHTTP(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		fmt.Fprint(w, "{}")
	})
	if err != nil {
		return err
	}
	defer yes.Close() //nolint:errcheck // the same
	for _, status := range []int{301, 302, 303, 307, 308} {
		on, err := s.serveHTTP(func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://"+yes.Addr+r.URL.Path, status)
		})
		if err != nil {
			return err
		}
		for _, args := range [][]string{{"put", "r:a", s.bin}, {"branch", "delete", "r@master", "--yes"}} {
			code, _, err := s.caret("http://"+on.Addr, args...)
			if err != nil {
				return errors.Join(err, on.Close())
			}
			s.is(fmt.Sprintf("%s that is sent on by %d: exit status", args[0], status), code, 1)
		}
		on.Close() //nolint:errcheck // it has done its part
	}
	s.is("requests that went elsewhere", asked.Load(), int64(0))
	return nil
}

// serveHTTP serves until it is closed; Addr is where.
func (s *stage) serveHTTP(handle http.HandlerFunc) (*http.Server, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	server := &http.Server{Addr: ln.Addr().String(), Handler: handle}
	go server.Serve(ln) //nolint:errcheck // it ends when it is closed
	return server, nil
}
