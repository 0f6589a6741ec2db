package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"caret/accesslog"
	"caret/api/v1"
	"caret/gateway/sigv4"
)

// defaultStall is how long a request may pass without a byte of its body
// coming in or of its answer going out.
const defaultStall = 2 * time.Minute

// observer stands in front of everything that is served: it counts and logs
// requests and ends those whose client has gone silent. There is no limit on
// a whole request, as an upload may take hours.
type observer struct {
	next    http.Handler
	host    func(*http.Request) string // the bucket that a host name is, nil if none ever is
	metrics *metrics
	log     *slog.Logger
	access  *accesslog.Log // nil for none
	stall   time.Duration
	under   *under
}

func (o *observer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	began := time.Now()
	x := &exchange{ResponseWriter: w, ctl: http.NewResponseController(w), stall: o.stall, entry: accesslog.New(w, r)}
	body := &guardedBody{x: x, ReadCloser: r.Body, least: leastRead(r)}
	if r.ContentLength != 0 {
		x.extendWrite(began) // 100 Continue may be written before anything else
		body.leave(began)    // until somebody reads it
		r.Body = body
	}
	o.metrics.inFlight.Inc()
	o.under.begin(x)
	defer func() {
		o.under.end(x)
		o.metrics.inFlight.Dec()
		if p := recover(); p != nil {
			o.recovered(x, r, p)
		}
		x.extendWrite(time.Now()) // what is still in buffers
		if r.ContentLength != 0 && !body.ended {
			body.leave(time.Now())
		}
		o.count(r, x, body.n, time.Since(began))
		if x.aborted {
			panic(http.ErrAbortHandler)
		}
	}()
	o.next.ServeHTTP(x, r)
	if x.status >= http.StatusBadRequest {
		body.drain(x.status == http.StatusServiceUnavailable && r.Header.Get("Expect") == "")
	}
}

// recovered deals with a handler that panicked: on purpose, to cut an answer
// off, or not.
func (o *observer) recovered(x *exchange, r *http.Request, p any) {
	if err, ok := p.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		x.aborted = true
		return
	}
	o.log.Error("panic", "method", r.Method, "path", r.URL.Path, "panic", p, "stack", string(debug.Stack()))
	if x.aborted = x.status != 0; !x.aborted {
		http.Error(x, "internal error", http.StatusInternalServerError)
	}
}

func (o *observer) count(r *http.Request, x *exchange, received int64, took time.Duration) {
	path := strings.TrimPrefix(r.URL.Path, "/")
	if o.host != nil && o.host(r) != "" {
		path = o.host(r) + "/" + path
	}
	op := operation(r, path)
	status := x.status
	if status == 0 && r.Context().Err() != nil {
		status = accesslog.StatusGone
	} else if status == 0 {
		status = http.StatusOK
	}
	o.metrics.observe(op, status, took, received, x.sent)
	e := x.entry
	if e.Operation == "" && r.Pattern != "/" {
		e.Operation = r.Pattern // a page for machines
	}
	if o.access != nil {
		e.Status, e.Received, e.Sent, e.Seconds = status, received, x.sent, took.Seconds()
		e.Cut = e.Cut || x.aborted || x.cut || r.Context().Err() != nil && !x.whole(r)
		o.access.Add(e)
	}
	if o.log.Enabled(r.Context(), slog.LevelDebug) {
		o.log.Debug("request", "id", e.ID, "user", e.User, "key", e.Key, "address", e.Address, "operation", e.Operation, "method", r.Method, "path", r.URL.Path,
			"status", status, "error", e.Error, "received", received, "sent", x.sent, "took", took, "aborted", x.aborted)
	}
}

// operation names what was asked for, as one of few, whatever a client sends. path is the
// bucket, a slash and the key.
func operation(r *http.Request, path string) string {
	if r.Pattern != "" { // the API and the pages for machines
		return strings.Replace(r.Pattern, v1.Prefix, "api ", 1)
	}
	method := r.Method
	switch method {
	case "GET", "HEAD", "PUT", "POST", "DELETE", "OPTIONS":
	default:
		method = "other"
	}
	level := " object"
	switch bucket, key, _ := strings.Cut(path, "/"); {
	case bucket == "":
		level = " service"
	case key == "":
		level = " bucket"
	}
	op := method + level
	if r.Header.Get("X-Amz-Copy-Source") != "" {
		op += " copy"
	}
	if r.URL.RawQuery == "" {
		return op
	}
	q := r.URL.Query()
	for _, sub := range [...]string{"uploadId", "uploads", "delete", "versions", "versioning", "location", "acl", "tagging"} {
		if q.Has(sub) {
			return op + " " + sub
		}
	}
	return op
}

// exchange is the answer to a request: it knows what became of it, and moves
// deadlines on with each write.
type exchange struct {
	http.ResponseWriter
	ctl   *http.ResponseController
	stall time.Duration
	until time.Time // when the write deadline has to be moved on
	wait
	pace    pace // at which it is taken
	status  int
	sent    int64
	aborted bool
	cut     bool // a write failed
	entry   *accesslog.Entry
}

// whole says whether all of the answer was sent, as far as can be told: a client that has
// it may go at once.
func (x *exchange) whole(r *http.Request) bool {
	if x.status != 0 && r.Method == http.MethodHead {
		return true
	}
	n, err := strconv.ParseInt(x.Header().Get("Content-Length"), 10, 64)
	return err == nil && n == x.sent
}

// AccessEntry is where whoever serves the request says what it is.
func (x *exchange) AccessEntry() *accesslog.Entry { return x.entry }

// Unwrap lets http.ResponseController reach the writer.
func (x *exchange) Unwrap() http.ResponseWriter { return x.ResponseWriter }

// WriteHeader implements http.ResponseWriter.
func (x *exchange) WriteHeader(status int) {
	if status >= 200 && x.status == 0 {
		x.status = status
	}
	x.ResponseWriter.WriteHeader(status)
}

// maxWrite is the most that is written under one deadline: a slow client that takes it
// in what is left of the stall time, seven eighths at least, is not silent. That must be
// no faster than slowest.
const maxWrite = 96 << 10

// Write implements http.ResponseWriter.
func (x *exchange) Write(p []byte) (int, error) {
	if x.status == 0 {
		x.status = http.StatusOK
	}
	written := 0
	for {
		n, err := x.write(p[written:min(len(p), written+maxWrite)])
		written += n
		x.cut = x.cut || err != nil
		if err != nil || written == len(p) {
			return written, err
		}
	}
}

// write writes a piece.
func (x *exchange) write(piece []byte) (int, error) {
	began := time.Now()
	if began.After(x.until) {
		x.extendWrite(began)
	}
	x.waiting.Store(true)
	n, err := x.ResponseWriter.Write(piece)
	x.waiting.Store(false)
	x.sent += int64(n)
	x.moved.Add(int64(n))
	if err == nil && x.pace.add(n, time.Since(began), x.stall/2) {
		err = errTooSlow
	}
	return n, err
}

// extendWrite moves the write deadline on. Writers that have none, as in
// tests, do without.
func (x *exchange) extendWrite(now time.Time) {
	x.until = now.Add(x.stall / 8)
	x.ctl.SetWriteDeadline(now.Add(x.stall)) //nolint:errcheck // the next write tells
	if x.tooSlow.Load() {
		x.cutOff() // that deadline stays
	}
}

// guardedBody moves the read deadline on with each read.
type guardedBody struct {
	io.ReadCloser
	x     *exchange
	until time.Time // when the deadline has to be moved on
	n     int64
	ended bool // there is nothing more to read
	late  bool // the client was too slow

	// least is how many bytes have to come in the stall time; lately how many came, and
	// quiet how long they were waited for, since it was that many.
	least, lately int64
	quiet         time.Duration
}

const (
	// maxDrain is how much of a body is read that nobody wants: as much as a part of an
	// upload mostly has, in the stall time.
	maxDrain = 16 << 20
	// leaveWithin is how long the server may take to read what is left of a body.
	leaveWithin = 5 * time.Second
	// leastUnsigned is how many bytes of an unsigned body have to come in the stall time.
	leastUnsigned = 16 << 10
)

// leastRead is how many bytes of the body of a request have to come in the stall time.
// Who signs may be as slow as whatever it pipes, but who does not, as a form has its
// signature in its body, could hold connections for ever with a byte now and then.
func leastRead(r *http.Request) int64 {
	q := r.URL.RawQuery
	signed := r.Header.Get("Authorization") != "" || strings.Contains(q, "Signature=")
	if signed && !strings.HasPrefix(strings.ToLower(r.Header.Get("Content-Type")), "multipart/form-data") {
		return 1
	}
	return leastUnsigned
}

// leave lets the server read of the body, before it answers, what nobody else has read, but
// not wait for it as long as the answer may take.
func (g *guardedBody) leave(now time.Time) {
	g.x.ctl.SetReadDeadline(now.Add(min(leaveWithin, g.x.stall/2))) //nolint:errcheck // the next read tells
}

// drain reads what is left of a body that was refused in its midst, as on a full disk.
// Most clients look at the answer only when they have sent all, and if the connection
// is cut before that they learn no reason. A body of which nothing was read is left
// alone, as its client may wait to be asked for it, unless that client does not and is to
// learn that it may come again.
func (g *guardedBody) drain(unread bool) {
	if (g.n > 0 || unread) && !g.ended && !g.late {
		g.x.ctl.SetReadDeadline(time.Now().Add(g.x.stall))   //nolint:errcheck // there is a limit on what is read
		n, _ := io.CopyN(io.Discard, g.ReadCloser, maxDrain) // the answer is made, whatever comes
		g.n += n
	}
}

// Read implements io.Reader.
func (g *guardedBody) Read(p []byte) (int, error) {
	began := time.Now()
	if g.quiet > 0 || began.After(g.until) {
		g.until = began.Add(g.x.stall / 8)
		g.x.ctl.SetReadDeadline(began.Add(g.x.stall - g.quiet)) //nolint:errcheck // this read tells
		if g.x.tooSlow.Load() {
			g.x.cutOff() // that deadline stays
		}
	}
	g.x.waiting.Store(true)
	n, err := g.ReadCloser.Read(p)
	g.x.waiting.Store(false)
	g.n += int64(n)
	g.x.moved.Add(int64(n))
	if g.lately += int64(n); g.lately < g.least {
		g.quiet += time.Since(began)
	} else if g.lately = 0; g.quiet > 0 {
		g.quiet, g.until = 0, time.Time{}
	}
	g.late = errors.Is(err, os.ErrDeadlineExceeded)
	switch {
	case errors.Is(err, io.EOF):
		// The server now waits for the client to go away, for as long as the answer
		// takes.
		g.x.ctl.SetReadDeadline(time.Time{}) //nolint:errcheck // there is nothing to read
		g.ended = true
	case g.late && g.x.tooSlow.Load():
		err = fmt.Errorf("%w: less than %d KiB/s came, while other requests waited for memory", sigv4.ErrIncomplete, slowestShort>>10)
	case g.late && g.lately > 0:
		err = fmt.Errorf("%w: only %d bytes came in %s", sigv4.ErrIncomplete, g.lately, g.x.stall)
	case g.late:
		err = fmt.Errorf("%w: nothing came for %s", sigv4.ErrIncomplete, g.x.stall)
	}
	return n, err
}
