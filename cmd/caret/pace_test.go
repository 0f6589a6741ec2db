package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"caret/gateway/sigv4"
	"caret/objstore/budget"
)

// observed serves next behind an observer.
func observed(t *testing.T, stall time.Duration, u *under, next http.HandlerFunc) *httptest.Server {
	t.Helper()
	m := newMetrics(nil, u.budget)
	srv := httptest.NewServer(&observer{next: next, metrics: m, log: slog.New(slog.DiscardHandler), stall: stall, under: u})
	t.Cleanup(srv.Close)
	return srv
}

// open sends the beginning of a request.
func open(t *testing.T, srv *httptest.Server, text string) net.Conn {
	t.Helper()
	c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(srv.URL, "http://"))
	if err == nil {
		_, err = io.WriteString(c, text)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// TestTrickle: a client that sends a byte now and then, never silent for long, is cut
// off, and so is one that takes its answer like that.
func TestTrickle(t *testing.T) {
	t.Parallel()
	const stall = 600 * time.Millisecond
	ended := make(chan error, 1)
	srv := observed(t, stall, newUnder(nil), func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut {
			_, err := io.Copy(io.Discard, r.Body)
			ended <- err
			return
		}
		var err error
		for piece := make([]byte, 16<<20); err == nil; {
			_, err = w.Write(piece)
		}
		ended <- err
	})
	tick := time.NewTicker(stall / 40)
	defer tick.Stop()
	trickle := func(do func() error) error {
		for {
			select {
			case err := <-ended:
				return err
			case <-tick.C:
				do() //nolint:errcheck // what the server says counts
			}
		}
	}
	c := open(t, srv, "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n")
	if err := trickle(func() error { _, err := c.Write([]byte{0}); return err }); !errors.Is(err, sigv4.ErrIncomplete) || !strings.Contains(err.Error(), "less than 1 KiB/s") {
		t.Errorf("who sends byte by byte: %v", err)
	}
	c = open(t, srv, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	if err := trickle(func() error { _, err := c.Read(make([]byte, 1)); return err }); err == nil {
		t.Error("who reads byte by byte is served for ever")
	}
}

// TestPace: what counts is what comes while it is waited for.
func TestPace(t *testing.T) {
	t.Parallel()
	var p pace
	for range 100 {
		if p.add(1<<20, 0, time.Minute) || p.add(30<<10, 10*time.Second, time.Minute) {
			t.Fatal("a fast one is slow")
		}
	}
	slow := 0
	p = pace{}
	for range 60 {
		if p.add(100, time.Second, time.Minute) {
			slow++
		}
	}
	if slow != 1 {
		t.Errorf("100 bytes a second are too slow %d times a minute", slow)
	}
}

// TestCutWhenShort: while others wait for memory, requests whose clients have gone
// silent are cut off, those who go on are not, and who waits is served.
func TestCutWhenShort(t *testing.T) {
	t.Parallel()
	memory := budget.New(budget.Least, time.Minute)
	u := newUnder(memory)
	ended, holds := make(chan string, 3), make(chan struct{}, 3)
	srv := observed(t, time.Minute, u, func(_ http.ResponseWriter, r *http.Request) {
		share, err := memory.Take(r.Context(), budget.Writing, budget.Least)
		if err == nil {
			defer share.Release()
			holds <- struct{}{}
			_, err = io.Copy(io.Discard, r.Body)
		}
		ended <- fmt.Sprint(r.URL.Path, " ", err)
	})
	const head = " HTTP/1.1\r\nHost: x\r\nContent-Length: 10000000\r\n\r\n"
	open(t, srv, "PUT /silent"+head)
	<-holds
	busy := open(t, srv, "PUT /busy"+head)
	<-holds
	u.look() // nobody waits
	u.look()
	open(t, srv, "PUT /third HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx")
	moved := func(want int64) bool { // the other two send nothing any more
		u.mu.Lock()
		defer u.mu.Unlock()
		for x := range u.way {
			if x.moved.Load() >= want {
				return true
			}
		}
		return false
	}
	eventually(t, memory.Short)
	sent := int64(0)
	for range 3 {
		const n = 200 << 10
		if _, err := busy.Write(make([]byte, n)); err != nil {
			t.Fatal(err)
		}
		sent += n
		eventually(t, func() bool { return moved(sent) })
		u.look()
		if len(ended) > 0 {
			break
		}
	}
	if got := <-ended; !strings.HasPrefix(got, "/silent ") || !strings.Contains(got, "while other requests waited") {
		t.Errorf("first ended %s", got)
	}
	if got := <-ended; got != "/third <nil>" {
		t.Errorf("then ended %s", got)
	}
	if !moved(sent) {
		t.Error("the one that went on was cut off")
	}
}

// TestMemoryFlag: sizes are read, and senseless ones refused.
func TestMemoryFlag(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int64{"64MiB": 64 << 20, "1GiB": 1 << 30, "2G": 2e9, "100000000": 1e8} {
		if got, err := requestMemory(text); err != nil || got != want {
			t.Errorf("%s: %d, %v", text, got, err)
		}
	}
	for _, text := range []string{"0", "63MiB", "much", "-1GiB", "99999999999GiB", "1GiBs"} {
		if got, err := requestMemory(text); err == nil {
			t.Errorf("%s: %d", text, got)
		}
	}
	if got, err := requestMemory(""); err != nil || got < budget.Least || got > machineMemory() {
		t.Errorf("by default %d of %d, %v", got, machineMemory(), err)
	}
}

// eventually waits for a condition.
func eventually(t *testing.T, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-t.Context().Done():
			t.Fatal("it never came")
		}
	}
}
