package main

import (
	"archive/tar"
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

	"caret/api/v1"
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
	n := s.size(1000)
	held, err := v.hold(s.ctx, n, func(int) string { return "GET /master.public/large HTTP/1.1\r\nHost: x\r\n\r\n" }, nil)
	if err != nil {
		return err
	}
	defer held.end()
	if err := v.goesOn(s, 30*time.Second); err != nil {
		return err
	}
	held.end()
	return v.after(s, b, fmt.Sprintf("most memory resident under %d GETs that never read", n))
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
	n := s.size(300)
	half := randomBytes(5 * mib / 2)
	held, err := v.hold(s.ctx, n, func(i int) string {
		return fmt.Sprintf("PUT /master.public/put%d HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", i, 2*len(half))
	}, half)
	if err != nil {
		return err
	}
	defer held.end()
	if err := v.goesOn(s, 150*time.Second); err != nil { // its turn comes when some are cut off
		return err
	}
	held.end()
	return v.after(s, b, fmt.Sprintf("most memory resident under %d PUTs that stall half way", n))
}

// dryRuns revert and merge a large commit, without doing it, and delete many files, all
// at once.
func dryRuns(s *stage) error {
	v, b, err := s.memoryServer()
	if err != nil {
		return err
	}
	files := s.size(200_000)
	if err := v.largeCommit(s.ctx, files); err != nil {
		return err
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	done, busy := 0, 0
	var errs []error
	try := func(do func() error) {
		for range 4 {
			wg.Go(func() {
				err := do()
				mu.Lock()
				defer mu.Unlock()
				switch {
				case err == nil:
					done++
				case strings.Contains(err.Error(), "the server is busy"):
					busy++
				default:
					errs = append(errs, err)
				}
			})
		}
	}
	try(func() error {
		_, err := v.root.api.Revert(s.ctx, "large", v1.Revert{Branch: "dev", Commit: "dev", DryRun: true})
		return err
	})
	try(func() error {
		_, err := v.root.api.Merge(s.ctx, "large", v1.Merge{Into: "master", From: "dev", DryRun: true, NoFastForward: true})
		return err
	})
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	s.shown("dry runs that were told to slow down", fmt.Sprint(busy))
	s.atMost("dry runs that were not, missing", max(0, float64(2-done)), 0, "")
	return v.after(s, b, fmt.Sprintf("most memory resident under 8 dry runs of %d files", files))
}

// largeCommit makes a repo whose branch dev is ahead of master by a commit of many files.
func (v *server) largeCommit(ctx context.Context, files int) error {
	if _, err := v.root.ask(ctx, http.MethodPut, "/master.large", nil); err != nil {
		return err
	}
	if _, err := v.root.api.CreateBranch(ctx, "large", "dev", "master"); err != nil {
		return err
	}
	var body bytes.Buffer
	w := tar.NewWriter(&body)
	for i := range files {
		if err := w.WriteHeader(&tar.Header{Name: fmt.Sprintf("a/folder/with-a-name/of-usual-length/%07d.parquet", i), Mode: 0o644}); err != nil {
			return err
		}
	}
	if err := w.Close(); err != nil {
		return err
	}
	a, err := v.root.ask(ctx, http.MethodPut, "/dev.large/x.tar", body.Bytes(), "X-Amz-Meta-Snowball-Auto-Extract", "true")
	if err == nil && a.status != http.StatusOK {
		err = fmt.Errorf("store a tar: %d %s", a.status, a.code)
	}
	return err
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
	s.shown("of them told to slow down", fmt.Sprint(slow))
	s.atMost("the slowest of them", p.worst.Seconds(), enough.Seconds(), "s")
	return nil
}

// mostResident is what a server that gives 256 MiB to requests may have, in MiB: these, and
// what its index takes at most.
const mostResident = 256 + 400

// after ends an attack whose connections are gone: what it took of memory, and of the
// bystander's time, and whether all that requests held is given back.
func (v *server) after(s *stage, b *bystander, what string) error {
	_, peak := v.memory()
	s.atMost(what, peak/mib, mostResident, "MiB")
	puts, gets, err := b.end()
	if err != nil {
		return err
	}
	s.shown("a bystander's PUTs of 4 KiB", puts.String())
	s.atMost("the slowest of them", puts.worst.Seconds(), 5, "s")
	s.atMost("a bystander's slowest GET", gets.worst.Seconds(), 5, "s")
	used, err := v.allBack(s.ctx)
	if err != nil {
		return err
	}
	s.is("bytes that requests still hold when it is over", used, 0)
	if !v.alive() {
		return errors.New("the server has ended")
	}
	return v.cmd.Process.Kill()
}
