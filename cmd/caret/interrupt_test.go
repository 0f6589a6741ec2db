package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestInterrupt: an interrupted transfer says in one line what is left of it, and
// that is so.
func TestInterrupt(t *testing.T) {
	src := t.TempDir()
	for i := range 20 {
		if err := os.WriteFile(filepath.Join(src, strconv.Itoa(i)), noise(1000+i), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	big := filepath.Join(t.TempDir(), "big")
	if err := os.WriteFile(big, noise(8<<20), 0o666); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		args []string
		path string // of the request that is interrupted
		late bool   // it comes when the server has answered
		want string
		made bool // a commit
	}{
		{"folder", []string{"put", "-r", "r:d/", src}, "/file", false, "nothing was committed", false},
		{"folder, comparing", []string{"put", "-r", "r:d/", src}, "/resolve", false, "nothing was committed", false},
		{"folder, opening", []string{"put", "-r", "r:d/", src}, "/commits", false, "nothing was committed", false},
		{"folder, finishing", []string{"put", "-r", "r:d/", src}, "/finish", false, "nothing was committed", false},
		{"folder, finished", []string{"put", "-r", "r:d/", src}, "/finish", true, "commit [0-9a-f]+ was made", true},
		{"file", []string{"put", "r:f", big}, "/file", false, "nothing was committed", false},
		{"file, all sent", []string{"put", "r:f", filepath.Join(src, "1")}, "/file", true, "all was sent, so it may have been committed; `caret log` tells", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newStore(t)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			s.any = func(w http.ResponseWriter, r *http.Request, next http.Handler) {
				if !strings.HasSuffix(r.URL.Path, tt.path) || r.Method == http.MethodGet && tt.path == "/commits" || ctx.Err() != nil {
					next.ServeHTTP(w, r)
					return
				}
				if tt.late {
					next.ServeHTTP(httptest.NewRecorder(), r)
				} else {
					io.CopyN(io.Discard, r.Body, 100)
				}
				cancel()
				io.Copy(io.Discard, r.Body) // or it is not seen that the client has gone
				<-r.Context().Done()
			}
			code, out, stderr := s.run(ctx, nil, tt.args...)
			if code != exitInterrupted || out != "" || !matches("^caret: interrupted: "+tt.want+"\n$", stderr) {
				t.Errorf("exit code %d, %q: %s", code, out, stderr)
			}
			if log, _ := s.must(nil, "log", "r", "-o", "json"); (log != "[]\n") != tt.made {
				t.Errorf("log: %s", log)
			}
			if open, _ := s.must(nil, "commit", "list", "r", "--open", "-o", "json"); open != "[]\n" {
				t.Errorf("open: %s", open)
			}
		})
	}
}

// TestInterruptedCheckout: what has come is known to be the store's, so that the next
// get may replace it, whatever is stored by then.
func TestInterruptedCheckout(t *testing.T) {
	s, src, dir := newStore(t), t.TempDir(), t.TempDir()
	store := func(what string) {
		for i := range 30 {
			if err := os.WriteFile(filepath.Join(src, strconv.Itoa(i)), []byte(what+strconv.Itoa(i)), 0o666); err != nil {
				t.Fatal(err)
			}
		}
		s.must(nil, "put", "-r", "r:d/", src)
	}
	var mu sync.Mutex
	n, cancel := 0, func() {} // files that are served, and what is done then
	s.through = func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		mu.Lock()
		defer mu.Unlock()
		if n--; n < 0 && r.Method == http.MethodGet {
			cancel()
			<-r.Context().Done()
			return
		}
		next.ServeHTTP(w, r)
	}
	for round := range 4 {
		store(strconv.Itoa(round))
		ctx, stop := context.WithCancel(t.Context())
		mu.Lock()
		n, cancel = 10, stop
		mu.Unlock()
		code, _, stderr := s.run(ctx, nil, "get", "-r", "r:d/", dir, "--parallel", "2")
		stop()
		if code != exitInterrupted || !matches(`^caret: interrupted: \d+ files were fetched; the same again fetches the rest\n$`, stderr) {
			t.Errorf("exit code %d: %s", code, stderr)
		}
	}
	mu.Lock()
	n = 1000
	mu.Unlock()
	store("last")
	if err := os.WriteFile(filepath.Join(dir, "3"), []byte("mine"), 0o666); err != nil {
		t.Fatal(err)
	}
	code, _, stderr := s.run(t.Context(), nil, "get", "-r", "r:d/", dir)
	if code != exitError || !strings.Contains(stderr, "1 file is not as the commit has them:\n\"3\": it was changed here\n") {
		t.Errorf("exit code %d: %s", code, stderr)
	}
	s.must(nil, "get", "-r", "r:d/", dir, "--force")
	if out, err := exec.Command("diff", "-r", "-x", manifestName, src, dir).CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

// TestInterruptTwice: the second signal ends a command at once, that waits for a
// server which says nothing.
func TestInterruptTwice(t *testing.T) {
	for _, sig := range []unix.Signal{unix.SIGINT, unix.SIGTERM, unix.SIGHUP} {
		t.Run(sig.String(), func(t *testing.T) { interruptTwice(t, sig) })
	}
}

func interruptTwice(t *testing.T, sig unix.Signal) {
	if sig == unix.SIGHUP && signal.Ignored(sig) {
		t.Skip("the tests run under nohup, by which commands go on")
	}
	begun, dropping := make(chan struct{}), make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasSuffix(r.URL.Path, "/resolve"):
			io.WriteString(w, `{"repo":"r","branch":"master","writable":true}`)
		case strings.HasSuffix(r.URL.Path, "/files"):
			io.WriteString(w, `{"items":[]}`)
		case r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/commits"):
			io.WriteString(w, `{"id":"00000000000000000000000000000001","branch":"master"}`)
		case r.Method == http.MethodDelete:
			close(dropping)
			<-r.Context().Done()
		default:
			close(begun)
			<-r.Context().Done()
		}
	}))
	defer srv.Close()
	src := t.TempDir()
	if err := os.WriteFile(filepath.Join(src, "f"), nil, 0o666); err != nil {
		t.Fatal(err)
	}
	bin, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), bin, "put", "-r", "r:d/", src)
	cmd.Args[0] = "caret" // as which the test binary is the command
	cmd.Env = append(os.Environ(), "CARET_ENDPOINT="+srv.URL, "CARET_ACCESS_KEY=key", "CARET_SECRET_KEY=secret")
	var talk bytes.Buffer
	cmd.Stderr = &talk
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for _, at := range []chan struct{}{begun, dropping} {
		select {
		case <-at:
		case <-time.After(time.Minute):
			t.Fatal("it did not come to that")
		}
		cmd.Process.Signal(sig)
	}
	sent := time.Now()
	err = cmd.Wait()
	if status, ok := cmd.ProcessState.Sys().(interface{ Signal() unix.Signal }); err == nil || !ok || status.Signal() != sig || time.Since(sent) > abortWithin/2 {
		t.Errorf("after %s: %v: %s", time.Since(sent), err, &talk)
	}
}
