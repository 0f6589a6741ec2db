package api

import (
	"encoding/json"
	"errors"
	"net/http"
	"time"

	v1 "caret/api/v1"
	"caret/pfs"
)

// progressEvery is how often a check says how far it is.
const progressEvery = time.Second

// check streams what a check of all that is stored, or of a repo, finds, a line of JSON
// each, as it is found.
func (s *server) check(c *call) error {
	quick, err := c.flag("quick")
	if err != nil {
		return err
	}
	out := &checkLines{c: c, ctl: http.NewResponseController(c.w)}
	tick, stop := s.opts.Ticker(progressEvery)
	defer stop()
	opt := pfs.CheckOptions{
		Repo: c.URL.Query().Get("repo"), Quick: quick,
		Found: func(d pfs.Damage) error { return out.send(v1.CheckLine{Damage: wireDamage(d)}) },
		At: func(at pfs.Checked) error {
			if c.Method == http.MethodHead { // the caller may, which is all that is asked
				return errEnough
			}
			select {
			case <-tick:
				return out.send(v1.CheckLine{Progress: wireChecked(at)})
			default:
				return nil
			}
		},
	}
	done, err := c.fs.Check(c.Context(), opt)
	switch {
	case err == nil:
		return out.send(v1.CheckLine{Done: wireChecked(done)})
	case errors.Is(err, errEnough):
		out.begin()
		return nil
	case out.begun:
		if c.Context().Err() == nil {
			s.opts.Log.Error("check failed midway", "repo", opt.Repo, "err", err)
		}
		panic(http.ErrAbortHandler)
	}
	return err
}

// errEnough ends a check of which nobody wants to know what it finds.
var errEnough = errors.New("nobody reads what is found")

// checkLines is the answer to a check.
type checkLines struct {
	c     *call
	ctl   *http.ResponseController
	begun bool
}

func (o *checkLines) begin() {
	if o.begun {
		return
	}
	o.begun = true
	o.c.w.Header().Set("Content-Type", "application/x-ndjson")
	o.c.w.WriteHeader(http.StatusOK)
}

// send sends a line at once.
func (o *checkLines) send(line v1.CheckLine) error {
	o.begin()
	if err := json.NewEncoder(o.c.w).Encode(line); err != nil {
		return err
	}
	return o.ctl.Flush()
}

func wireDamage(d pfs.Damage) *v1.Damage {
	w := &v1.Damage{Kind: d.Kind, Repo: d.Repo, Branch: d.Branch, Path: d.Path, Detail: d.Detail}
	if !d.Version.IsZero() {
		w.Version = d.Version.String()
	}
	return w
}

func wireChecked(d pfs.Checked) *v1.Checked {
	return &v1.Checked{Repo: d.Repo, Branch: d.Branch, Commits: d.Commits, Files: d.Files, Blobs: d.Blobs, Bytes: d.Bytes, Damaged: d.Damaged}
}
