package api

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	v1 "caret/api/v1"
	"caret/commits/revision"
	"caret/pfs"
)

// keepAlive is how often a stream with nothing to tell says that it is there,
// and finds out whether its reader still may and still does read.
const keepAlive = 15 * time.Second

func newTicker(d time.Duration) (<-chan time.Time, func()) {
	t := time.NewTicker(d)
	return t.C, t.Stop
}

// watch streams the commits of a branch as server-sent events.
func (s *server) watch(c *call) error {
	opt, err := c.watchOptions()
	if err != nil {
		return err
	}
	w, err := c.fs.Watch(c.Context(), c.branchRef(), opt)
	if err != nil {
		return err
	}
	h := c.w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // nginx would keep events back
	if c.Method == http.MethodHead { // whose answer would never end, and hold up its connection
		c.w.WriteHeader(http.StatusOK)
		return nil
	}
	out := &events{c.w, http.NewResponseController(c.w)}
	if err := s.follow(c, w, out); err != nil && c.Context().Err() == nil {
		status, body := s.describe(c, err)
		out.send("", v1.EventError, v1.StreamError{Status: status, Error: body}) //nolint:errcheck // the client is gone
	}
	return nil
}

// watchOptions reads where a stream begins: behind the event that its reader
// saw last, or the state in the query, or else the head.
func (c *call) watchOptions() (opt pfs.WatchOptions, err error) {
	q := c.URL.Query()
	opt.Path = q.Get("path")
	after := cmp.Or(c.Header.Get("Last-Event-ID"), q.Get("after"))
	if opt.FromStart = after == v1.Beginning; opt.FromStart || after == "" {
		return opt, nil
	}
	if opt.After, err = revision.ParseID(after); err == nil {
		return opt, nil // the watch tells if it does not lead to the head
	}
	ref := c.branchRef()
	if ref.Base, err = revision.Parse(after); err != nil {
		return opt, err
	}
	snap, err := c.fs.Open(c.Context(), ref, pfs.ActList, "")
	if err != nil {
		return opt, err
	}
	opt.After, opt.FromStart = snap.ID, snap.N == 0
	return opt, nil
}

// follow sends events until it cannot go on, and says why; nil if it is
// because the reader is gone.
func (s *server) follow(c *call, w *pfs.Watch, out *events) error {
	tick, stop := s.opts.Ticker(keepAlive)
	defer stop()
	for {
		// First of all, and whenever there is nothing to tell, the reader
		// learns where to go on.
		if out.position(w.Seen()) != nil {
			return nil
		}
		for idle := false; !idle; {
			list, err := w.Next(c.Context(), tick)
			if err != nil {
				return err
			}
			if out.commits(list) != nil {
				return nil
			}
			idle = len(list) == 0
		}
	}
}

// events is an answer of server-sent events, as in
// https://html.spec.whatwg.org/multipage/server-sent-events.html
type events struct {
	w   http.ResponseWriter
	ctl *http.ResponseController
}

// commits sends an event for each.
func (e *events) commits(list []pfs.Commit) error {
	for _, x := range list {
		if err := e.send(x.ID.String(), v1.EventCommit, wireCommit(x)); err != nil {
			return err
		}
	}
	return e.ctl.Flush()
}

// position sends a comment that keeps the connection alive, and an id without
// an event.
func (e *events) position(id pfs.CommitID) error {
	at := id.String()
	if id.IsZero() {
		at = v1.Beginning
	}
	if _, err := fmt.Fprintf(e.w, ": watching\nid: %s\n\n", at); err != nil {
		return err
	}
	return e.ctl.Flush()
}

func (e *events) send(id, name string, data any) error {
	b, err := json.Marshal(data) // which has no newlines
	if err != nil {
		return err
	}
	if id != "" {
		id = "id: " + id + "\n"
	}
	_, err = fmt.Fprintf(e.w, "%sevent: %s\ndata: %s\n\n", id, name, b)
	return err
}
