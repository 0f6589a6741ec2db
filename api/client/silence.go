package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// patience is how long a server may take no byte of a file and bring none of an
// answer. A server of caret itself gives clients less.
const patience = 5 * time.Minute

// errSilent is what ends a request to a server that says nothing any more.
var errSilent = fmt.Errorf("nothing came for %s", patience)

// guard ends a request when the server is silent for too long. What goes on
// elsewhere, where the body comes from or its bytes go to, is not counted.
type guard struct {
	timer  *time.Timer
	ctx    context.Context
	cancel context.CancelCauseFunc
}

func newGuard(ctx context.Context) *guard {
	g := &guard{}
	g.ctx, g.cancel = context.WithCancelCause(ctx)
	g.timer = time.AfterFunc(patience, func() { g.cancel(errSilent) })
	return g
}

// end is called when nothing more is expected.
func (g *guard) end() {
	g.timer.Stop()
	g.cancel(nil)
}

// explain is err, or why the request was ended.
func (g *guard) explain(err error) error {
	if err != nil && errors.Is(context.Cause(g.ctx), errSilent) {
		return errSilent
	}
	return err
}

// watch guards the body of a request, of which there may be none.
func (g *guard) watch(req *http.Request) {
	if g == nil || req.Body == nil || req.Body == http.NoBody {
		return
	}
	req.Body = guardedUpload{req.Body, g}
	if again := req.GetBody; again != nil {
		req.GetBody = func() (io.ReadCloser, error) {
			body, err := again()
			return guardedUpload{body, g}, err
		}
	}
}

// guardedUpload is a body on its way to the server, which takes it as it is read.
type guardedUpload struct {
	io.ReadCloser
	g *guard
}

// Read implements io.Reader.
func (u guardedUpload) Read(p []byte) (int, error) {
	u.g.timer.Stop()
	defer u.g.timer.Reset(patience)
	return u.ReadCloser.Read(p)
}

// guardedAnswer is the body of an answer.
type guardedAnswer struct {
	io.ReadCloser
	g *guard
}

// Read implements io.Reader.
func (a guardedAnswer) Read(p []byte) (int, error) {
	a.g.timer.Reset(patience)
	n, err := a.ReadCloser.Read(p)
	a.g.timer.Stop()
	if err != nil && !errors.Is(err, io.EOF) {
		err = a.g.explain(err)
	}
	return n, err
}

// Close implements io.Closer.
func (a guardedAnswer) Close() error {
	defer a.g.end()
	return a.ReadCloser.Close()
}

// maxAnswer is how many bytes an answer in JSON may have: more than a page of
// the longest paths with all their metadata.
const maxAnswer = 64 << 20

var errLong = fmt.Errorf("the server's answer has more than %d MiB; is it a caret?", maxAnswer>>20)

// limited reads an answer and fails where it is too long, rather than to fill
// the memory.
type limited struct {
	r    io.Reader
	left int64
}

// Read implements io.Reader.
func (l *limited) Read(p []byte) (int, error) {
	if l.left <= 0 {
		return 0, errLong
	}
	n, err := l.r.Read(p[:min(int64(len(p)), l.left)])
	l.left -= int64(n)
	return n, err
}
