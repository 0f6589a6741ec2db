package main

import (
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// headerTimeout is how long a client may take to send the header of a request,
	// and for the handshake of TLS before the first.
	headerTimeout = 30 * time.Second
	// idleTimeout is how long a connection is kept that nothing is asked on.
	idleTimeout = 2 * time.Minute
	// minWait is how long a connection may be without a request before it is closed to
	// make room for others: longer than a client needs that has one to send.
	minWait = time.Second
	// warnAgain is how often it is said that clients wait.
	warnAgain = time.Minute
)

// files is how many files a process may have open, and how many of them connections
// may be.
type files struct {
	limit int // of the process, RLIMIT_NOFILE; 0 if there is none

	mu      sync.Mutex
	store   func() int // how many the store has open
	counted time.Time  // when that was asked
	n       int
}

const (
	// otherFiles are kept for what is neither connections nor those of the store now.
	otherFiles = 64
	// countAgain is how often the files of the store are counted at most.
	countAgain = time.Second
	// minConnections are served whatever the store needs.
	minConnections = 16
)

// openFiles is the limit of this process. At its start Go has raised it to as much as
// the process may have (`ulimit -Hn`).
func openFiles() int {
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) != nil || limit.Cur > 1<<30 {
		return 0
	}
	return int(limit.Cur)
}

// connections is how many there may be: half of all files, or less if the store needs
// more than the other half. It needs twice what it has, as it may have to make its index
// anew beside the one in use.
func (f *files) connections() int {
	if f.limit == 0 {
		return 1 << 20
	}
	n := min(f.limit/2, f.limit-2*f.stored()-otherFiles)
	return max(n, min(minConnections, f.limit/4), 1)
}

// stored is how many files the store has open, as it was at most countAgain ago.
func (f *files) stored() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.store != nil && time.Since(f.counted) > countAgain {
		f.n, f.counted = f.store(), time.Now()
	}
	return f.n
}

// keepFor keeps files for a store that has so many open, and says if that are too many.
func (f *files) keepFor(store func() int, log *slog.Logger) {
	f.mu.Lock()
	f.store = store
	f.mu.Unlock()
	if n := f.stored(); f.limit > 0 && 2*n+otherFiles+minConnections > f.limit {
		log.Warn("the limit of open files is low for a store of this size, which may fail: raise it (ulimit -Hn)", "limit", f.limit, "store", n)
	}
}

// connections is a listener that hands out at most so many connections at a time.
// Beyond that those make room that wait without a request, the longest first, and if
// there are none, as all are at work, others wait to be accepted.
type connections struct {
	net.Listener
	log  *slog.Logger
	most func() int // how many there may be

	mu      sync.Mutex
	open    map[*connection]struct{}
	changed chan struct{} // has room for one: some were closed, or wait now
	warned  time.Time     // when it was said that there are too many
	once    sync.Once
	closed  chan struct{}
}

func limit(ln net.Listener, most func() int, log *slog.Logger) *connections {
	return &connections{
		Listener: ln, log: log, most: most, open: make(map[*connection]struct{}),
		changed: make(chan struct{}, 1), closed: make(chan struct{}),
	}
}

// connection is one that was accepted.
type connection struct {
	net.Conn
	of      *connections
	waiting time.Time // since when it has had no request; zero while it has one
}

// Accept implements net.Listener. One connection more than there may be is accepted, and
// not handed out before there is room: until then it isn't known that anybody waits.
func (l *connections) Accept() (net.Conn, error) {
	raw, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	c := &connection{Conn: raw, of: l}
	for {
		ok, again := l.admit(c)
		if ok {
			return c, nil
		}
		wait := time.NewTimer(again)
		select {
		case <-l.changed:
		case <-wait.C:
		case <-l.closed:
			wait.Stop()
			raw.Close() //nolint:errcheck // nothing was said on it
			return nil, net.ErrClosed
		}
		wait.Stop()
	}
}

// admit takes a connection in if there is room, or if another gives it its place. If
// not it says when to try again, at the latest.
func (l *connections) admit(c *connection) (ok bool, again time.Duration) {
	l.mu.Lock()
	now := time.Now()
	var victim *connection
	if most := l.most(); len(l.open) >= most {
		l.warn(now, most)
		victim, again = l.victim(now)
		if victim == nil {
			l.mu.Unlock()
			return false, again
		}
		delete(l.open, victim)
	}
	c.waiting = now
	l.open[c] = struct{}{}
	l.mu.Unlock()
	if victim != nil {
		victim.Conn.Close() //nolint:errcheck // nobody waits for an answer on it
	}
	return true, 0
}

// victim is the connection that has waited longest, if that is long enough to be
// closed, or else when one will have.
func (l *connections) victim(now time.Time) (_ *connection, again time.Duration) {
	var oldest *connection
	for c := range l.open {
		if !c.waiting.IsZero() && (oldest == nil || c.waiting.Before(oldest.waiting)) {
			oldest = c
		}
	}
	if oldest == nil {
		return nil, minWait
	}
	if waited := now.Sub(oldest.waiting); waited < minWait {
		return nil, minWait - waited
	}
	return oldest, 0
}

// warn says now and then that clients wait.
func (l *connections) warn(now time.Time, most int) {
	if !l.warned.IsZero() && now.Sub(l.warned) < warnAgain {
		return
	}
	l.warned = now
	l.log.Warn("as many connections are open as are served at once: those without a request are closed for others, or these wait; a higher limit of open files (ulimit -Hn) allows more", "connections", most)
}

// count is how many connections there are, and how many there may be.
func (l *connections) count() (open, most int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.open), l.most()
}

// Close implements net.Listener.
func (l *connections) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

// wake has who waits to be accepted look again.
func (l *connections) wake() {
	select {
	case l.changed <- struct{}{}:
	default:
	}
}

// track is http.Server's ConnState: it tells connections with a request from others. One
// that is still sending the header of a request is one of the others.
func (l *connections) track(c net.Conn, state http.ConnState) {
	if secure, ok := c.(*tls.Conn); ok {
		c = secure.NetConn()
	}
	of, ok := c.(*connection)
	if !ok {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	switch state {
	case http.StateActive:
		of.waiting = time.Time{}
	case http.StateIdle:
		of.waiting = time.Now()
		l.wake()
	}
}

// Close implements net.Conn.
func (c *connection) Close() error {
	err := c.Conn.Close()
	c.of.mu.Lock()
	defer c.of.mu.Unlock()
	delete(c.of.open, c)
	c.of.wake()
	return err
}
