package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"caret/objstore/budget"
)

// open sends the beginning of a request.
func open(t *testing.T, addr, text string) net.Conn {
	t.Helper()
	c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", addr)
	if err == nil {
		_, err = io.WriteString(c, text)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// TestTrickle: a client that takes a byte of its answer now and then is cut off.
func TestTrickle(t *testing.T) {
	t.Parallel()
	const stall = 600 * time.Millisecond
	ended := make(chan error, 1)
	addr := observed(t, stall, func(w http.ResponseWriter, _ *http.Request) {
		var err error
		for piece := make([]byte, 16<<20); err == nil; {
			_, err = w.Write(piece)
		}
		ended <- err
	})
	tick := time.NewTicker(stall / 40)
	defer tick.Stop()
	c := open(t, addr, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	for err := error(nil); err == nil; {
		select {
		case err = <-ended:
		case <-tick.C:
			c.Read(make([]byte, 1)) // what the server says counts
		}
	}
}

// TestWriteAtSlowest: who takes an answer as slowly as is allowed is not cut off for what
// is written at once.
func TestWriteAtSlowest(t *testing.T) {
	if left := defaultStall - defaultStall/8; left.Seconds()*slowest < maxWrite {
		t.Errorf("%d bytes in %s is more than %d a second", maxWrite, left, slowest)
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
	addr := observedBy(t, time.Minute, u, func(_ http.ResponseWriter, r *http.Request) {
		share, err := memory.Take(r.Context(), budget.Writing, budget.Least)
		if err == nil {
			defer share.Release()
			holds <- struct{}{}
			_, err = io.Copy(io.Discard, r.Body)
		}
		ended <- fmt.Sprint(r.URL.Path, " ", err)
	})
	const head = " HTTP/1.1\r\nHost: x\r\nContent-Length: 10000000\r\n\r\n"
	open(t, addr, "PUT /silent"+head)
	<-holds
	busy := open(t, addr, "PUT /busy"+head)
	<-holds
	u.look() // nobody waits
	u.look()
	open(t, addr, "PUT /third HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx")
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
