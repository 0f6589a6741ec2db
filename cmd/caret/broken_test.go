package main

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"caret/objstore"
	"caret/objstore/memory"
	"caret/pfs"
)

// breakable is a store that can be broken.
type breakable struct {
	objstore.Store
	broken chan struct{}
	why    error
}

func newBreakable() *breakable {
	return &breakable{Store: memory.New(), broken: make(chan struct{})}
}

func (b *breakable) Failed() <-chan struct{} { return b.broken }

func (b *breakable) Failure() error {
	select {
	case <-b.broken:
		return b.why
	default:
		return nil
	}
}

func (b *breakable) fail() {
	b.why = errors.Join(objstore.ErrFailed, errors.New("on fire"))
	close(b.broken)
}

// TestHealthOfBroken: a server whose store is broken is neither ready nor alive.
func TestHealthOfBroken(t *testing.T) {
	t.Parallel()
	store := newBreakable()
	system, err := pfs.Open(t.Context(), store, pfs.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer system.Close()
	h := &health{system: system, store: store}
	ask := func(s state) string {
		w := httptest.NewRecorder()
		s.write(w)
		return http.StatusText(w.Code) + ": " + w.Body.String()
	}
	for _, s := range []state{h.live(), h.ready(t.Context())} {
		if got := ask(s); got != "OK: ok\n" {
			t.Errorf("sound: %s", got)
		}
	}
	store.fail()
	for _, s := range []state{h.live(), h.ready(t.Context())} {
		if got := ask(s); got != "Service Unavailable: store refuses writes after a disk error\n" {
			t.Errorf("broken: %s", got)
		}
	}
}

// TestReadsOfBroken: when a store breaks, what is being read is read to its end; then the
// server ends, with the reason.
func TestReadsOfBroken(t *testing.T) {
	t.Parallel()
	store := newBreakable()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	begun, closed := make(chan struct{}), make(chan struct{})
	srv := &http.Server{ReadHeaderTimeout: headerTimeout, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, "first, ")
		http.NewResponseController(w).Flush()
		close(begun)
		<-closed
		io.WriteString(w, "last")
	})}
	srv.RegisterOnShutdown(func() { close(closed) })
	ended := make(chan error, 1)
	go func() {
		ended <- serveUntilDone(t.Context(), srv, ln, store, time.Minute, slog.New(slog.DiscardHandler))
	}()
	resp, err := http.Get("http://" + ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	<-begun
	store.fail()
	if b, err := io.ReadAll(resp.Body); string(b) != "first, last" || err != nil {
		t.Errorf("read %q, %v", b, err)
	}
	if err := <-ended; !errors.Is(err, objstore.ErrFailed) {
		t.Errorf("it ends with %v", err)
	}
}

// said is what a process says, while it does.
type said struct {
	mu  sync.Mutex
	buf bytes.Buffer
	now chan struct{}
}

func (s *said) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.buf.Write(p)
	select {
	case s.now <- struct{}{}:
	default:
	}
	return len(p), nil
}

func (s *said) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.String()
}

// waitFor waits until the process has said text, n times.
func (s *said) waitFor(t *testing.T, text string, n int) {
	t.Helper()
	for late := time.After(time.Minute); strings.Count(s.String(), text) < n; {
		select {
		case <-s.now:
		case <-late:
			t.Fatalf("it has not said %q:\n%s", text, s)
		}
	}
}

// serverProcess starts caret as a process of its own.
func serverProcess(t *testing.T, dir string, flags ...string) (*exec.Cmd, *said) {
	t.Helper()
	bin, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), bin, append([]string{"serve", "--listen", "127.0.0.1:0", "--data", dir}, flags...)...)
	// The test binary is caret to whoever calls it by that name.
	cmd.Args[0] = "caret"
	cmd.Env = append(os.Environ(), "CARET_ROOT_ACCESS_KEY=", "CARET_ROOT_SECRET_KEY=")
	out := &said{now: make(chan struct{}, 1)}
	cmd.Stderr = out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	out.waitFor(t, "To use it", 1)
	return cmd, out
}

// TestBrokenProcess: a process whose store is broken, here as its directory is gone, ends
// by itself with the reason and an exit status.
func TestBrokenProcess(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	cmd, out := serverProcess(t, dir)
	if err := os.Rename(dir, dir+"-elsewhere"); err != nil {
		t.Fatal(err)
	}
	err := cmd.Wait()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != exitError {
		t.Errorf("it ended with %v", err)
	}
	last := strings.TrimSpace(out.String())
	last = last[strings.LastIndex(last, "\n")+1:]
	if !strings.HasPrefix(last, "caret: store refuses writes after a disk error: ") || !strings.HasSuffix(last, "was removed or replaced while it was in use") {
		t.Errorf("its last words are %q", last)
	}
}
