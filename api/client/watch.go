package client

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"time"

	"caret/api/v1"
)

const (
	// silence is how long a stream may bring nothing: four times the server's
	// keep-alive.
	silence = time.Minute
	// minPause and maxPause are between attempts to connect again.
	minPause = 50 * time.Millisecond
	maxPause = 10 * time.Second
	// maxLine is the longest line of a stream in bytes.
	maxLine = 16 << 20
)

// Watch goes through the commits of a branch as they come, oldest first and
// each once: those behind after, an expression, or from now on if it is "";
// v1.Beginning stands for all there are. path, if not "", keeps those that
// changed it, or anything under it if it ends in a slash.
//
// It ends with the error of ctx, or of the server: an *Error with the code
// diverged if the branch was reset to where the commits so far do not lead,
// no_such_branch if it was deleted, access_denied if that is so by now. A
// connection that is lost is made again, as often as it takes.
func (c *Client) Watch(ctx context.Context, repo, branch, path, after string) iter.Seq2[v1.Commit, error] {
	return func(yield func(v1.Commit, error) bool) {
		w := watch{
			client: c, yield: yield,
			request: request{
				method: http.MethodGet, path: []string{"repos", repo, "branches", branch, "events"},
				query: url.Values{"path": {path}, "after": {after}}, header: http.Header{"Accept": {"text/event-stream"}},
				patient: true,
			},
		}
		for {
			err := w.connect(ctx)
			switch {
			case err == nil: // who reads has enough
				return
			case ctx.Err() != nil:
				err = ctx.Err()
			case w.begun && passes(err):
				if err = w.wait(ctx); err == nil {
					continue
				}
			}
			yield(v1.Commit{}, err)
			return
		}
	}
}

// watch is a Watch under way.
type watch struct {
	client  *Client
	request request
	yield   func(v1.Commit, error) bool
	begun   bool // the server accepted it once
	pause   time.Duration
}

// errBroken is a stream that ended without saying why.
var errBroken = errors.New("the stream of commits broke off")

// passes says whether err may go away by itself: a lost connection, or a
// server that is being started again.
func passes(err error) bool {
	var e *Error
	if !errors.As(err, &e) {
		return true
	}
	switch e.Status {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// wait passes the time until the next attempt, longer each time.
func (w *watch) wait(ctx context.Context) error {
	w.pause = min(max(2*w.pause, minPause), maxPause)
	t := time.NewTimer(w.pause/2 + rand.N(w.pause/2)) // not all at once
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// connect reads one connection's events until it ends; nil if who reads has
// enough.
func (w *watch) connect(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	silent := time.AfterFunc(silence, cancel)
	defer silent.Stop()
	resp, err := w.client.do(ctx, w.request)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if t := resp.Header.Get("Content-Type"); !strings.HasPrefix(t, "text/event-stream") {
		return &Error{Status: resp.StatusCode, Code: "unknown", Message: fmt.Sprintf("the server answered with %q and no stream; is it a caret?", t)}
	}
	w.begun = true
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, maxLine)
	for {
		silent.Reset(silence)
		e, err := readEvent(lines)
		silent.Stop() // whoever takes the commit may take long
		if err != nil {
			return err
		}
		if more, err := w.take(e); err != nil || !more {
			return err
		}
	}
}

// take hands out an event.
func (w *watch) take(e event) (more bool, err error) {
	w.pause = 0
	if e.id != "" {
		w.request.header["Last-Event-Id"] = []string{e.id}
	}
	switch e.name {
	case v1.EventCommit:
		var x v1.Commit
		if err := json.Unmarshal([]byte(e.data), &x); err != nil {
			return false, &Error{Code: "unknown", Message: "the server's event is no commit: " + err.Error()}
		}
		return w.yield(x, nil), nil
	case v1.EventError:
		var x v1.StreamError
		if err := json.Unmarshal([]byte(e.data), &x); err != nil {
			return false, &Error{Code: "unknown", Message: "the server's event is no error: " + err.Error()}
		}
		return false, &Error{Status: x.Status, Code: x.Code, Message: x.Message, Hint: x.Hint, Paths: x.Paths}
	}
	return true, nil
}

// event is one of a stream of server-sent events, as in
// https://html.spec.whatwg.org/multipage/server-sent-events.html
type event struct{ id, name, data string }

// readEvent reads an event, with or without a name. One that has no blank
// line behind it did not come whole and is none.
func readEvent(lines *bufio.Scanner) (event, error) {
	var e event
	for lines.Scan() {
		line := lines.Text()
		if line == "" {
			e.data = strings.TrimSuffix(e.data, "\n")
			return e, nil
		}
		field, value, _ := strings.Cut(line, ":") // a comment has no name
		value = strings.TrimPrefix(value, " ")
		switch field {
		case "id":
			e.id = value
		case "event":
			e.name = value
		case "data":
			e.data += value + "\n"
		}
	}
	return e, cmp.Or(lines.Err(), errBroken)
}
