package main

import (
	"bufio"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"caret/objstore/local"
)

// observed serves h behind an observer, with a stall time.
func observed(t *testing.T, stall time.Duration, h http.HandlerFunc) string {
	t.Helper()
	return observedBy(t, stall, newUnder(nil), h)
}

func observedBy(t *testing.T, stall time.Duration, u *under, h http.HandlerFunc) string {
	t.Helper()
	store, err := local.Open(t.TempDir(), local.Options{Reserve: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	srv := httptest.NewServer(&observer{next: h, metrics: newMetrics(store, u.budget), log: slog.New(slog.DiscardHandler), stall: stall, under: u})
	t.Cleanup(srv.Close)
	return strings.TrimPrefix(srv.URL, "http://")
}

// ends waits for the end of what a server says to a client, who says header and then
// something more every now and then, if more is not "".
func ends(t *testing.T, addr, header, more string, within time.Duration) string {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprint(c, header)
	said := make(chan string, 1)
	go func() {
		r := bufio.NewReader(c)
		b, _ := io.ReadAll(r) // it may be cut off
		said <- string(b)
	}()
	late := time.After(within)
	tick := time.NewTicker(stallTest / 10)
	defer tick.Stop()
	for {
		select {
		case s := <-said:
			return s
		case <-tick.C:
			fmt.Fprint(c, more)
		case <-late:
			t.Errorf("%q holds a connection", header)
			return ""
		}
	}
}

const stallTest = 200 * time.Millisecond

// TestBodiesThatNeverCome: who announces a body and does not send it holds no connection,
// whether it is read, refused, or of no interest; nor does who sends it by the byte,
// unless it is signed.
func TestBodiesThatNeverCome(t *testing.T) {
	t.Parallel()
	addr := observed(t, stallTest, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/read":
			if _, err := io.Copy(io.Discard, r.Body); err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
			}
		case "/refuse":
			http.Error(w, "no", http.StatusForbidden)
		case "/large":
			w.Write(make([]byte, 1<<20))
		}
	})
	const long = 20 * time.Second
	for _, path := range []string{"/read", "/refuse", "/large"} {
		header := "PUT " + path + " HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n"
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			if got := ends(t, addr, header+"\r\n", "", long); !strings.HasPrefix(got, "HTTP/1.1 ") {
				t.Errorf("answered %.60q", got)
			}
		})
		t.Run(path+" by the byte", func(t *testing.T) {
			t.Parallel()
			ends(t, addr, header+"\r\n", "x", long)
		})
	}
	t.Run("form by the byte", func(t *testing.T) {
		t.Parallel()
		ends(t, addr, "POST /read HTTP/1.1\r\nHost: x\r\nAuthorization: x\r\nContent-Type: multipart/form-data\r\nContent-Length: 1000000\r\n\r\n", "x", long)
	})
	t.Run("signed by the byte", func(t *testing.T) {
		t.Parallel()
		got := ends(t, addr, "PUT /read HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: x\r\nContent-Length: 30\r\n\r\n", "x", long)
		if !strings.HasPrefix(got, "HTTP/1.1 200 ") {
			t.Errorf("answered %.200q", got)
		}
	})
}
