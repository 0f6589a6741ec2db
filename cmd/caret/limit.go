package main

import (
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// maxConnections is how many connections are served at once, of a process that
// may have so many files open: half as many, as the store needs files too. Without
// one it could not go on to the next table of the index.
func maxConnections() int {
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) != nil {
		return maxOpen
	}
	return max(1, int(min(limit.Cur/2, maxOpen)))
}

const maxOpen = 1 << 20

// limited is a listener with at most so many connections open at a time. Others
// wait, as they do while a process has no files left.
type limited struct {
	net.Listener
	log    *slog.Logger
	free   chan struct{} // has room for each connection that is open
	warned atomic.Int64  // when it was said that there are too many, in nanoseconds
	once   sync.Once
	closed chan struct{}
}

func limit(ln net.Listener, n int, log *slog.Logger) net.Listener {
	return &limited{Listener: ln, log: log, free: make(chan struct{}, n), closed: make(chan struct{})}
}

// Accept implements net.Listener.
func (l *limited) Accept() (net.Conn, error) {
	select {
	case l.free <- struct{}{}:
	default:
		l.warn()
		select {
		case l.free <- struct{}{}:
		case <-l.closed:
			return nil, net.ErrClosed
		}
	}
	c, err := l.Listener.Accept()
	if err != nil {
		<-l.free
		return nil, err
	}
	return &limitedConn{Conn: c, of: l}, nil
}

// warn says now and then that clients wait.
func (l *limited) warn() {
	now := time.Now()
	if last := l.warned.Load(); last != 0 && now.Sub(time.Unix(0, last)) < time.Minute {
		return
	}
	l.warned.Store(now.UnixNano())
	l.log.Warn("as many connections are open as are served at once: others wait; a higher limit of open files (ulimit -n) allows more", "connections", cap(l.free))
}

// Close implements net.Listener.
func (l *limited) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

type limitedConn struct {
	net.Conn
	of   *limited
	once sync.Once
}

// Close implements net.Conn.
func (c *limitedConn) Close() error {
	err := c.Conn.Close()
	c.once.Do(func() { <-c.of.free })
	return err
}
