package api

import (
	"errors"
	"fmt"
	"net/http"

	v1 "caret/api/v1"
	"caret/commits/revision"
	"caret/pfs"
)

func wireCommit(c pfs.Commit) v1.Commit {
	w := v1.Commit{
		ID: c.ID.String(), Parents: []string{}, N: c.Pos.N, Time: c.Time, Author: c.Author, Message: c.Message, Files: c.Files, Path: c.FirstPath(),
		Hash: c.Hash.String(), ChangesHash: c.ChangesHash.String(),
	}
	if !c.ParentHash.IsZero() {
		w.ParentHash = c.ParentHash.String()
	}
	for _, p := range c.Parents {
		w.Parents = append(w.Parents, p.String())
	}
	return w
}

func wireChange(i pfs.Info) v1.Change {
	w := v1.Change{Path: i.Path, Deleted: i.Deleted, Size: i.Size()}
	if !i.Deleted {
		w.Hash = i.Content.Hash.String()
	}
	return w
}

func wireOpen(o pfs.OpenCommit) v1.OpenCommit {
	w := v1.OpenCommit{
		ID: o.ID.String(), Repo: o.Repo, Branch: o.Branch, Started: o.Started, Touched: o.Touched,
		Author: o.Author, Message: o.Message, Finishing: o.Finishing,
	}
	if !o.Parent.IsZero() {
		w.Parent = o.Parent.String()
	}
	if !o.Expires.IsZero() {
		w.Expires = &o.Expires
	}
	return w
}

func (s *server) log(c *call) error {
	after, limit, err := c.page()
	if err != nil {
		return err
	}
	snap, err := s.snapshot(c, pfs.ActList)
	if err != nil {
		return err
	}
	q := c.URL.Query()
	opt := pfs.LogOptions{Path: q.Get("path"), Author: q.Get("author"), Message: q.Get("message"), Limit: limit + 1}
	if opt.Since, err = c.time("since"); err != nil {
		return err
	}
	if opt.Until, err = c.time("until"); err != nil {
		return err
	}
	if after != "" {
		if opt.After, err = revision.ParseID(after); err != nil {
			return badAfter(after)
		}
	}
	list, err := snap.Log(c.Context(), opt)
	if err != nil {
		return err
	}
	return c.ok(wirePage(list, limit, wireCommit, func(x pfs.Commit) string { return x.ID.String() }))
}

func (s *server) inspectCommit(c *call) error {
	ref, err := c.ref(c.PathValue("ref"))
	if err != nil {
		return err
	}
	snap, err := s.authorize(c, ref, pfs.ActList, "")
	if err != nil {
		return err
	}
	if snap.Open {
		return s.inspectOpen(c, ref)
	}
	x, err := s.fs.Commit(c.Context(), ref)
	if err != nil {
		return err
	}
	return c.ok(wireCommit(x))
}

// inspectOpen describes an open commit as if it were finished now.
func (s *server) inspectOpen(c *call, ref pfs.Ref) error {
	o, staged, err := s.fs.OpenCommit(c.Context(), ref)
	if err != nil {
		return err
	}
	w := wireOpen(o)
	out := v1.Commit{
		ID: w.ID, Parents: []string{}, Time: w.Started, Author: w.Author, Message: w.Message, Files: staged,
		Open: true, Branch: w.Branch, Touched: &w.Touched, Expires: w.Expires,
	}
	if w.Parent != "" {
		out.Parents = append(out.Parents, w.Parent)
	}
	return c.ok(out)
}

func (s *server) changes(c *call) error {
	after, limit, err := c.page()
	if err != nil {
		return err
	}
	ref, err := s.refFor(c, c.PathValue("ref"), pfs.ActList)
	if err != nil {
		return err
	}
	list, err := s.fs.Changes(c.Context(), ref, after, limit+1)
	if err != nil {
		return err
	}
	return c.ok(wirePage(list, limit, wireChange, func(i pfs.Info) string { return i.Path }))
}

func (s *server) startCommit(c *call) error {
	var in v1.StartCommit
	if err := c.read(&in); err != nil {
		return err
	}
	ref, opt, err := s.writeTo(c, in.Branch, pfs.ActWrite, in.Message)
	if err != nil {
		return err
	}
	o, err := s.fs.StartCommit(c.Context(), ref, opt)
	if err != nil {
		return err
	}
	return c.answer(http.StatusCreated, wireOpen(o))
}

// openCommit is the open commit a request is about, which may be shortened.
func (s *server) openCommit(c *call) (*pfs.Snapshot, error) {
	ref, err := c.ref(c.PathValue("ref"))
	if err != nil {
		return nil, err
	}
	snap, err := s.authorize(c, ref, pfs.ActWrite, "")
	if err != nil {
		return nil, err
	}
	if err := snap.MayFinish(c.Context(), c.caller.Caller); err != nil {
		return nil, err
	}
	if !snap.Open {
		return nil, fmt.Errorf("%w: %s is not open: the commit %s is finished", pfs.ErrConflict, c.PathValue("ref"), snap.ID)
	}
	return snap, nil
}

func (s *server) finishCommit(c *call) error {
	var in v1.FinishCommit
	if err := c.read(&in); err != nil {
		return err
	}
	open, err := s.openCommit(c)
	if err != nil {
		return err
	}
	x, err := s.fs.FinishCommit(c.Context(), open.Repo, open.ID, pfs.FinishOptions{Message: in.Message, Strategy: in.Strategy})
	if err != nil {
		return s.advise(c, err, pfs.Ref{Repo: open.Repo, Branch: open.Branch}, "finish with --strategy ours or theirs, or abort")
	}
	return c.ok(wireCommit(x))
}

func (s *server) abortCommit(c *call) error {
	open, err := s.openCommit(c)
	if err != nil {
		return err
	}
	if err := s.fs.AbortCommit(c.Context(), open.Repo, open.ID); err != nil {
		return err
	}
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *server) listOpen(c *call) error {
	after, limit, err := c.page()
	if err != nil {
		return err
	}
	list, err := visible(c, after, limit+1, s.openCommits(c), openID, func(o pfs.OpenCommit) (bool, error) {
		err := s.may(c, pfs.Ref{Repo: o.Repo, Branch: o.Branch}, pfs.ActWrite)
		if errors.Is(err, pfs.ErrDenied) || errors.Is(err, pfs.ErrNoSuchBranch) {
			return false, nil
		}
		return err == nil, err
	})
	if err != nil {
		return err
	}
	return c.ok(wirePage(list, limit, wireOpen, openID))
}

func openID(o pfs.OpenCommit) string { return o.ID.String() }

func (s *server) openCommits(c *call) lister[pfs.OpenCommit] {
	return func(after string, limit int) (list []pfs.OpenCommit, err error) {
		var behind pfs.CommitID
		if after != "" {
			if behind, err = revision.ParseID(after); err != nil {
				return nil, badAfter(after)
			}
		}
		return s.fs.OpenCommits(c.Context(), c.PathValue("repo"), behind, limit)
	}
}
