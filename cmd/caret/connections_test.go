package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// listenFor listens for so many connections, and says what the log of it says.
func listenFor(t *testing.T, most int) (*connections, *bytes.Buffer) {
	t.Helper()
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	l := limit(tcp, func() int { return most }, slog.New(slog.NewTextHandler(&said, nil)))
	t.Cleanup(func() { l.Close() })
	return l, &said
}

func dialTo(t *testing.T, l net.Listener) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

type accepted struct {
	c   net.Conn
	err error
}

func accept(l net.Listener) <-chan accepted {
	next := make(chan accepted, 1)
	go func() {
		c, err := l.Accept()
		next <- accepted{c, err}
	}()
	return next
}

// TestLimit: a connection above the limit waits until another is closed, if all have
// requests; the log says so, and closing the listener ends the wait.
func TestLimit(t *testing.T) {
	t.Parallel()
	l, said := listenFor(t, 1)
	for range 3 {
		dialTo(t, l)
	}
	first := <-accept(l)
	if first.err != nil {
		t.Fatal(first.err)
	}
	l.track(first.c, http.StateActive)
	next := accept(l)
	select {
	case a := <-next:
		t.Fatalf("accepted beside another: %v", a)
	case <-time.After(2 * minWait): // by then one without a request would be closed
	}
	if err := first.c.Close(); err != nil {
		t.Fatal(err)
	}
	first.c.Close() // which gives back nothing more
	second := <-next
	if second.err != nil {
		t.Fatal(second.err)
	}
	defer second.c.Close()
	l.track(second.c, http.StateActive)
	next = accept(l)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if a := <-next; !errors.Is(a.err, net.ErrClosed) {
		t.Errorf("accepted from a closed listener: %v", a)
	}
	if !strings.Contains(said.String(), "connections=1") {
		t.Errorf("the log says %q", said.String())
	}
}

// TestLimitOfWaiting: of connections at the limit the one that has been without a request
// for longest makes room, and none that has one.
func TestLimitOfWaiting(t *testing.T) {
	t.Parallel()
	l, _ := listenFor(t, 3)
	var clients, servers []net.Conn
	for i := range 3 {
		clients = append(clients, dialTo(t, l))
		a := <-accept(l)
		if a.err != nil {
			t.Fatal(a.err)
		}
		servers = append(servers, a.c)
		if i == 0 {
			l.track(a.c, http.StateActive)
		}
	}
	l.track(servers[1], http.StateActive) // and has been served
	l.track(servers[1], http.StateIdle)
	dialTo(t, l)
	if a := <-accept(l); a.err != nil {
		t.Fatal(a.err)
	}
	if _, err := clients[2].Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("the one that waited longest: %v", err)
	}
	for _, i := range []int{0, 1} {
		if _, err := servers[i].Write([]byte("x")); err != nil {
			t.Errorf("connection %d was closed: %v", i, err)
		}
	}
	if open, most := l.count(); open != 3 || most != 3 {
		t.Errorf("%d of %d", open, most)
	}
}

// TestSilentClients: clients that say nothing, or begin to say something and never come to
// its end, do not keep others out, without TLS and with it.
func TestSilentClients(t *testing.T) {
	t.Parallel()
	pair := httptest.NewUnstartedServer(nil)
	pair.StartTLS()
	defer pair.Close()
	for name, wrap := range map[string]func(*connections) net.Listener{
		"plain": func(l *connections) net.Listener { return l },
		"tls": func(l *connections) net.Listener {
			return tls.NewListener(l, &tls.Config{Certificates: pair.TLS.Certificates})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const most = 4
			l, _ := listenFor(t, most)
			srv := &http.Server{ReadHeaderTimeout: headerTimeout, ConnState: l.track, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, 0), Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				fmt.Fprint(w, "hello")
			})}
			go srv.Serve(wrap(l))
			defer srv.Close()
			for i := range 3 * most {
				if c := dialTo(t, l); i%2 == 0 {
					fmt.Fprint(c, "GET / HTTP/1.1\r\nX-Slow: ")
				}
			}
			ctx, cancel := context.WithTimeout(t.Context(), headerTimeout/2)
			defer cancel()
			scheme := "http://"
			if name == "tls" {
				scheme = "https://"
			}
			r, err := http.NewRequestWithContext(ctx, http.MethodGet, scheme+l.Addr().String(), http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			resp, err := pair.Client().Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			if b, err := io.ReadAll(resp.Body); string(b) != "hello" || err != nil {
				t.Errorf("%q, %v", b, err)
			}
		})
	}
}

// TestConnectionsOfFiles: connections leave files for a store, and twice as many as it has
// now, whatever the limit.
func TestConnectionsOfFiles(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ limit, store, want int }{
		{256, 16, 128}, {1024, 16, 512}, {1024, 400, 160}, {1024, 600, 16}, {40, 16, 10}, {0, 1000, 1 << 20},
	} {
		f := &files{limit: tt.limit}
		f.keepFor(func() int { return tt.store }, slog.New(slog.DiscardHandler))
		if got := f.connections(); got != tt.want {
			t.Errorf("of %d files, beside a store with %d: %d connections, want %d", tt.limit, tt.store, got, tt.want)
		}
	}
}

// TestLimitRaised: a process raises its limit of open files to what it may have.
func TestLimitRaised(t *testing.T) {
	t.Parallel()
	if os.Getenv("CARET_TEST_FILES") != "" {
		fmt.Println("files:", openFiles())
		return
	}
	cmd := exec.CommandContext(t.Context(), "/bin/sh", "-c", `ulimit -S -n 200 && ulimit -H -n 300 && exec "$0" -test.run '^TestLimitRaised$'`, os.Args[0])
	cmd.Env = append(os.Environ(), "CARET_TEST_FILES=1")
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(bytes.NewReader(out)).ReadString('\n')
	if line != "files: 300\n" && line != "files: 299\n" { // Go leaves itself a mark
		t.Errorf("%q, %v", line, err)
	}
}
