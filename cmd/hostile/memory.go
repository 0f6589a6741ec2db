package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

const mib = 1 << 20

// silentReaders ask for a large object and never read it.
func silentReaders(s *stage) error {
	v, b, err := s.memoryServer()
	if err != nil {
		return err
	}
	if err := v.publicObject(s.ctx, 32*mib); err != nil {
		return err
	}
	before, _ := v.memory()
	n := s.size(1000)
	held, err := v.hold(s.ctx, n, func(int) string { return "GET /master.public/large HTTP/1.1\r\nHost: x\r\n\r\n" }, nil)
	if err != nil {
		return err
	}
	defer held.end()
	if err := v.goesOn(s, 15*time.Second); err != nil {
		return err
	}
	return v.after(s, b, before, fmt.Sprintf("most memory on top, of %d GETs that never read", n), 250)
}

// silentWriters send half of an object and then nothing.
func silentWriters(s *stage) error {
	v, b, err := s.memoryServer()
	if err != nil {
		return err
	}
	if err := v.publicObject(s.ctx, mib); err != nil {
		return err
	}
	before, _ := v.memory()
	n := s.size(300)
	half := randomBytes(5 * mib / 2)
	held, err := v.hold(s.ctx, n, func(i int) string {
		return fmt.Sprintf("PUT /master.public/put%d HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", i, 2*len(half))
	}, half)
	if err != nil {
		return err
	}
	defer held.end()
	if err := v.goesOn(s, 40*time.Second); err != nil {
		return err
	}
	return v.after(s, b, before, fmt.Sprintf("most memory on top, of %d PUTs that stall half way", n), 250)
}

// memoryServer starts a server with little memory for requests, and a bystander.
func (s *stage) memoryServer() (*server, *bystander, error) {
	v, err := s.start("", "--memory", "256MiB")
	if err != nil {
		return nil, nil, err
	}
	b, err := v.bystander(s.ctx, "bystander")
	return v, b, err
}

// publicObject makes a bucket that everybody may read and write, with an object of random
// bytes.
func (v *server) publicObject(ctx context.Context, size int) error {
	for _, do := range []struct {
		path   string
		body   []byte
		header []string
	}{
		{"/master.public", nil, []string{"X-Amz-Acl", "public-read-write"}},
		{"/master.public/large", randomBytes(size), []string{"X-Amz-Acl", "public-read"}},
	} {
		a, err := v.root.ask(ctx, http.MethodPut, do.path, do.body, do.header...)
		if err == nil && a.status != http.StatusOK {
			err = fmt.Errorf("PUT %s: %d %s", do.path, a.status, a.code)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func randomBytes(n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{1}).Read(b) //nolint:errcheck // it never fails
	return b
}

// held is connections that are kept open and used for nothing.
type held struct {
	mu    sync.Mutex
	conns []net.Conn
	wg    sync.WaitGroup
}

// hold opens n connections, sends a request on each, and as much of its body as is taken.
func (v *server) hold(ctx context.Context, n int, request func(int) string, body []byte) (*held, error) {
	u, err := url.Parse(v.url)
	if err != nil {
		return nil, err
	}
	h := &held{}
	for i := range n {
		c, err := (&net.Dialer{}).DialContext(ctx, "tcp", u.Host)
		if err != nil {
			h.end()
			return nil, err
		}
		h.mu.Lock()
		h.conns = append(h.conns, c)
		h.mu.Unlock()
		h.wg.Go(func() {
			if _, err := io.Copy(c, io.MultiReader(strings.NewReader(request(i)), bytes.NewReader(body))); err != nil && !errors.Is(err, net.ErrClosed) {
				return // it was cut off, as it may be
			}
		})
	}
	return h, nil
}

func (h *held) end() {
	h.mu.Lock()
	for _, c := range h.conns {
		c.Close() //nolint:errcheck // it was for nothing
	}
	h.mu.Unlock()
	h.wg.Wait()
}

// goesOn says how long a PUT and a GET of 8 MiB take meanwhile, over and over for a
// while, of a client that tries again when it is told to.
func (v *server) goesOn(s *stage, enough time.Duration) error {
	u, err := v.user(s.ctx, "large")
	if err != nil {
		return err
	}
	body := randomBytes(8 * mib)
	var took []time.Duration
	slow := 0
	send := func(method, path string, body []byte) error {
		began := time.Now()
		for {
			a, err := u.ask(s.ctx, method, path, body)
			if err == nil && a.status == http.StatusServiceUnavailable && a.code == "SlowDown" {
				slow++
				continue
			}
			if err == nil && a.status != http.StatusOK {
				err = fmt.Errorf("%s %s: %d %s", method, path, a.status, a.code)
			}
			took = append(took, time.Since(began))
			return err
		}
	}
	if err := send(http.MethodPut, "/master.large", nil); err != nil {
		return err
	}
	for began := time.Now(); time.Since(began) < enough/4 || len(took) < 5; {
		body[0]++
		if err := send(http.MethodPut, "/master.large/k", body); err != nil {
			return err
		}
		if err := send(http.MethodGet, "/master.large/k", nil); err != nil {
			return err
		}
	}
	p := paceOf(took)
	s.shown("PUTs and GETs of 8 MiB", p.String())
	s.is("of them told to slow down", slow, 0)
	s.atMost("the slowest of them", p.worst.Seconds(), enough.Seconds(), "s")
	return nil
}

// after ends an attack: what it took of memory, in MiB, and of the bystander's time.
func (v *server) after(s *stage, b *bystander, before float64, what string, most float64) error {
	_, peak := v.memory()
	s.shown("memory before", fmt.Sprintf("%.0f MiB", before/mib))
	s.atMost(what, (peak-before)/mib, most, "MiB")
	puts, gets, err := b.end()
	if err != nil {
		return err
	}
	s.shown("a bystander's PUTs of 4 KiB", puts.String())
	s.atMost("the slowest of them", puts.worst.Seconds(), 2, "s")
	s.atMost("a bystander's slowest GET", gets.worst.Seconds(), 2, "s")
	if !v.alive() {
		return errors.New("the server has ended")
	}
	return v.cmd.Process.Kill()
}
