package main

import (
	"bytes"
	"errors"
	"log/slog"
	"net"
	"strings"
	"testing"
)

// TestLimit: a connection above the limit waits until another is closed, the log
// says so, and closing the listener ends the wait.
func TestLimit(t *testing.T) {
	t.Parallel()
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	ln := limit(tcp, 1, slog.New(slog.NewTextHandler(&said, nil)))
	for range 2 {
		c, err := net.Dial("tcp", tcp.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	first, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	type accepted struct {
		c   net.Conn
		err error
	}
	next := make(chan accepted)
	accept := func() {
		c, err := ln.Accept()
		next <- accepted{c, err}
	}
	go accept()
	select {
	case a := <-next:
		t.Fatalf("accepted beside another: %v", a)
	default:
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	first.Close() // which gives back nothing more
	second := <-next
	if second.err != nil {
		t.Fatal(second.err)
	}
	defer second.c.Close()
	go accept()
	if err := ln.Close(); err != nil {
		t.Fatal(err)
	}
	if a := <-next; !errors.Is(a.err, net.ErrClosed) {
		t.Errorf("accepted from a closed listener: %v", a)
	}
	if !strings.Contains(said.String(), "connections=1") {
		t.Errorf("the log says %q", said.String())
	}
}
