package accesslog

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// maxBuffer is how many bytes of lines wait for the file at most, and as
	// many may be on their way to it.
	maxBuffer = 4 << 20
	// maxWait is how long a line waits for others to be written with.
	maxWait = 200 * time.Millisecond
	// fullEnough is how many bytes do not wait for more.
	fullEnough = 256 << 10
	// keptBuffer is how many bytes of a buffer are kept when it is empty.
	keptBuffer = 1 << 20
	// maxClose is how long Close waits for a file that takes nothing, as a pipe
	// that nobody reads.
	maxClose = 5 * time.Second
)

// Log is a log under way. All methods may be called concurrently.
type Log struct {
	path string
	log  *slog.Logger
	stop chan struct{}
	done chan struct{}
	full chan struct{} // holds one when the buffer need not wait for more

	mu      sync.Mutex
	waiting []byte // lines
	lost    int64  // since the last line that tells of it
	closed  bool
	wake    chan struct{} // holds one when lines wait

	out     sync.Mutex // for the following; not held to write, as that may take for ever
	to      io.WriteCloser
	number  int  // of that file, among those there were
	torn    bool // what was written to it last does not end in a newline
	failing bool // the last write failed

	dropped atomic.Int64
}

// Open begins a log in the file at path, which is made with mode 0600 or gets
// more lines, or in stdout if path is "-". log is told, once, when the file
// takes no more.
func Open(path string, stdout io.Writer, log *slog.Logger) (*Log, error) {
	l := &Log{
		path: path, log: log, stop: make(chan struct{}), done: make(chan struct{}),
		full: make(chan struct{}, 1), wake: make(chan struct{}, 1),
	}
	if path == "-" {
		l.to = nopCloser{stdout}
	} else if err := l.open(); err != nil {
		return nil, err
	}
	go l.run()
	return l, nil
}

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }

// open puts the file at path in the place of the one that was written to. If that is a
// pipe that takes nothing, closing it ends the write.
func (l *Log) open() error {
	f, err := os.OpenFile(l.path, os.O_RDWR|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("open the access log: %w", err)
	}
	l.out.Lock()
	defer l.out.Unlock()
	if l.to != nil {
		l.to.Close()
	}
	l.to, l.torn = f, !endsWhole(f)
	l.number++
	return nil
}

// endsWhole says whether a file is empty or ends in a newline: one that was cut short
// by a crash does not, and another line must not be made part of its last.
func endsWhole(f *os.File) bool {
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() || info.Size() == 0 {
		return true
	}
	var last [1]byte
	_, err = f.ReadAt(last[:], info.Size()-1)
	return err == nil && last[0] == '\n'
}

// Reopen goes on in a new file at the log's path, after the old one was moved
// away. If that cannot be made the log goes on where it was.
func (l *Log) Reopen() error {
	if l.path == "-" {
		return nil
	}
	return l.open()
}

// Dropped is how many lines were not written, as the file did not take them, or
// not as fast as they came.
func (l *Log) Dropped() int64 { return l.dropped.Load() }

// Path is where the log is.
func (l *Log) Path() string { return l.path }

var buffers = sync.Pool{New: func() any { return new([]byte) }}

// Add adds a line. It does not wait for the file: if too much waits for that already
// the line is dropped and counted.
func (l *Log) Add(e *Entry) {
	b := buffers.Get().(*[]byte)
	defer buffers.Put(b)
	*b = appendLine((*b)[:0], e)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || len(l.waiting)+len(*b) > maxBuffer {
		l.lost++
		l.dropped.Add(1)
		return
	}
	l.waiting = append(l.waiting, *b...)
	signal(l.wake)
	if len(l.waiting) >= fullEnough {
		signal(l.full)
	}
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// run writes what waits, until Close.
func (l *Log) run() {
	defer close(l.done)
	var spare []byte
	for {
		select {
		case <-l.wake:
			t := time.NewTimer(maxWait)
			select {
			case <-t.C:
			case <-l.full:
			case <-l.stop:
			}
			t.Stop()
		case <-l.stop:
		}
		l.writeOut(&spare)
		select {
		case <-l.stop:
			l.writeOut(&spare)
			return
		default:
		}
	}
}

// writeOut writes what waits. spare is swapped with the buffer that it waits in.
func (l *Log) writeOut(spare *[]byte) {
	l.mu.Lock()
	*spare, l.waiting = l.waiting, (*spare)[:0]
	lost := l.lost
	l.mu.Unlock()
	if len(*spare) == 0 && lost == 0 {
		return
	}
	lines := len(*spare)
	if lost > 0 {
		*spare = appendLost(*spare, time.Now(), lost)
	}
	wrote := l.write(*spare)
	left := int64(0)
	if wrote < lines {
		left = int64(bytes.Count((*spare)[wrote:lines], newline))
		l.dropped.Add(left)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if wrote == len(*spare) {
		l.lost -= lost
	}
	l.lost += left
	if cap(*spare) > keptBuffer {
		*spare = nil
	}
}

var newline = []byte("\n")

// write writes lines and returns how many of the bytes the file took.
func (l *Log) write(lines []byte) (wrote int) {
	l.out.Lock()
	to, number, torn := l.to, l.number, l.torn
	l.out.Unlock()
	n, err := 0, error(nil)
	if torn {
		_, err = to.Write(newline)
		torn = err != nil
	}
	if err == nil {
		n, err = to.Write(lines)
		torn = n > 0 && lines[n-1] != '\n'
	}
	l.out.Lock()
	defer l.out.Unlock()
	if l.number == number {
		l.torn = torn
		l.tell(err)
	} // else the next one is another file's
	return n
}

// tell says in the log when writing begins to fail, and when it no longer does.
func (l *Log) tell(err error) {
	switch {
	case err != nil && !l.failing:
		l.log.Error("the access log cannot be written: lines are dropped until it can", "path", l.path, "err", err)
	case err == nil && l.failing:
		l.log.Info("the access log is written again", "path", l.path)
	}
	l.failing = err != nil
}

// Close writes what waits and closes the file. Lines that come later are dropped. A nil
// log is closed.
func (l *Log) Close() error {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	was := l.closed
	l.closed = true
	l.mu.Unlock()
	if was {
		return nil
	}
	close(l.stop)
	select {
	case <-l.done:
	case <-time.After(maxClose):
		return fmt.Errorf("the access log %s takes nothing: its last lines are lost", l.path)
	}
	l.out.Lock()
	defer l.out.Unlock()
	if err := l.to.Close(); err != nil {
		return fmt.Errorf("close the access log: %w", err)
	}
	return nil
}
