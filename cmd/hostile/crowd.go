package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// idle holds more connections than the server may have files and asks for nothing on
// them, while others write so much that the index needs new files; and looks what clients
// see of it that come anew each time.
func idle(s *stage) error {
	v, err := s.start("-n 256")
	if err != nil {
		return err
	}
	b, err := v.bystander(s.ctx, "bystander")
	if err != nil {
		return err
	}
	c := newCrowd(s.ctx, v.url, 400)
	passers := make(chan []time.Duration, 1)
	failed := new(atomic.Int64)
	ctx, stop := context.WithCancel(s.ctx)
	defer stop()
	go func() { passers <- passBy(ctx, v.url, failed) }()
	most := watchFiles(ctx, v)
	refused, err := fillIndex(s.ctx, v, 4000)
	if err != nil {
		return err
	}
	ready := readiness(s.ctx, v)
	stop()
	tables, err := filepath.Glob(filepath.Join(s.dir, "data", "index-*", "*.sst"))
	if err != nil {
		return err
	}
	s.shown("silent connections, and those that were closed", fmt.Sprintf("400, %d", c.end()))
	s.atMost("open files of 256", float64(<-most), 220, "")
	s.is("writes that failed", refused, 0)
	s.is("the index has got new files", len(tables) > 0, true)
	came := paceOf(<-passers)
	s.shown("GETs of clients that come anew", came.String())
	s.is("those that failed", failed.Load(), 0)
	s.atMost("the slowest of them", came.worst.Seconds(), 15, "s")
	puts, _, err := b.end()
	if err != nil {
		return err
	}
	s.shown("a bystander's PUTs", puts.String())
	s.is("readiness", ready, "200")
	return v.stop()
}

// crowd is clients that hold connections. Half of them say nothing, the others the header
// of a request, a byte now and then; who is cut off comes again.
type crowd struct {
	stop   context.CancelFunc
	wg     sync.WaitGroup
	closed atomic.Int64 // by the server
}

func newCrowd(ctx context.Context, server string, n int) *crowd {
	c := &crowd{}
	ctx, c.stop = context.WithCancel(ctx)
	for i := range n {
		c.wg.Go(func() { c.linger(ctx, strings.TrimPrefix(server, "http://"), i%2 == 0) })
	}
	return c
}

func (c *crowd) linger(ctx context.Context, addr string, talks bool) {
	const pause = 200 * time.Millisecond
	for ctx.Err() == nil {
		conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "tcp", addr)
		if err != nil {
			continue
		}
		said := "GET / HTTP/1.1\r\nX-Slow: "
		for err = error(nil); ctx.Err() == nil && (err == nil || errors.Is(err, os.ErrDeadlineExceeded)); {
			if talks {
				fmt.Fprint(conn, said)
				said = "x"
			}
			conn.SetReadDeadline(time.Now().Add(pause)) //nolint:errcheck // the next read tells
			_, err = conn.Read(make([]byte, 1))
		}
		conn.Close() //nolint:errcheck // nothing was said
		if ctx.Err() == nil {
			c.closed.Add(1)
		}
	}
}

// end sends the crowd away and says how often somebody of it was cut off.
func (c *crowd) end() int64 {
	c.stop()
	c.wg.Wait()
	return c.closed.Load()
}

// passBy asks for a page over and over, on a connection of its own each time, and returns
// how long that took.
func passBy(ctx context.Context, server string, failed *atomic.Int64) (took []time.Duration) {
	u, err := url.JoinPath(server, "_caret/health/live")
	if err != nil {
		failed.Add(1)
		return nil
	}
	alone := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for ctx.Err() == nil {
		began := time.Now()
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, u, http.NoBody)
		if err != nil {
			failed.Add(1)
			return took
		}
		resp, err := alone.Do(r)
		if err == nil {
			err = resp.Body.Close()
		}
		switch {
		case ctx.Err() != nil:
		case err != nil || resp.StatusCode != http.StatusOK:
			failed.Add(1)
		default:
			took = append(took, time.Since(began))
		}
	}
	return took
}

// watchFiles looks how many files the server has open, until ctx ends, and says the most.
func watchFiles(ctx context.Context, v *server) <-chan int {
	out := make(chan int, 1)
	go func() {
		most := 0
		for ctx.Err() == nil {
			most = max(most, v.files())
			select {
			case <-ctx.Done():
			case <-time.After(20 * time.Millisecond):
			}
		}
		out <- most
	}()
	return out
}

// fillIndex writes files whose metadata fill memtables of the index, and says how many
// were not taken.
func fillIndex(ctx context.Context, v *server, n int) (refused int64, err error) {
	if a, err := v.root.ask(ctx, http.MethodPut, "/master.filler", nil); err != nil || a.status != http.StatusOK {
		return 0, fmt.Errorf("make a bucket: %d, %w", a.status, err)
	}
	large := strings.Repeat("m", 7<<10)
	var failed, next atomic.Int64
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i := next.Add(1); i <= int64(n); i = next.Add(1) {
				a, err := v.root.ask(ctx, http.MethodPut, fmt.Sprint("/master.filler/", i%50), []byte("x"), "X-Amz-Meta-Large", large)
				if err != nil || a.status != http.StatusOK {
					failed.Add(1)
				}
			}
		})
	}
	wg.Wait()
	return failed.Load(), nil
}
