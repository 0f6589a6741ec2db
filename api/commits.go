package api

import (
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
	q := c.URL.Query()
	opt := pfs.LogOptions{Path: q.Get("path"), Author: q.Get("author"), Message: q.Get("message"), Limit: limit + 1}
	if opt.Since, err = c.time("since"); err != nil {
		return err
	}
	if opt.Until, err = c.time("until"); err != nil {
		return err
	}
	if opt.After, err = afterCommit(after); err != nil {
		return err
	}
	var list []pfs.Commit
	err = c.view(pfs.ActList, "", func(snap *pfs.Snapshot) (err error) {
		list, err = snap.Log(c.Context(), opt)
		return err
	})
	if err != nil {
		return err
	}
	return c.ok(wirePage(list, limit, wireCommit, func(x pfs.Commit) string { return x.ID.String() }))
}

// afterCommit reads the after of a listing of commits.
func afterCommit(after string) (pfs.CommitID, error) {
	if after == "" {
		return pfs.CommitID{}, nil
	}
	id, err := revision.ParseID(after)
	if err != nil {
		err = badAfter(after)
	}
	return id, err
}

func (s *server) inspectCommit(c *call) error {
	ref, err := c.ref(c.PathValue("ref"))
	if err != nil {
		return err
	}
	snap, err := c.fs.Open(c.Context(), ref, pfs.ActList, "")
	if err != nil {
		return err
	}
	if snap.Open {
		o, staged, err := c.fs.OpenCommit(c.Context(), ref)
		if err != nil {
			return err
		}
		return c.ok(wireStaged(o, staged))
	}
	x, err := c.fs.Commit(c.Context(), ref)
	if err != nil {
		return err
	}
	return c.ok(wireCommit(x))
}

// wireStaged is an open commit as if it were finished now.
func wireStaged(o pfs.OpenCommit, staged int) v1.Commit {
	w := wireOpen(o)
	out := v1.Commit{
		ID: w.ID, Parents: []string{}, Time: w.Started, Author: w.Author, Message: w.Message, Files: staged,
		Open: true, Branch: w.Branch, Touched: &w.Touched, Expires: w.Expires,
	}
	if w.Parent != "" {
		out.Parents = append(out.Parents, w.Parent)
	}
	return out
}

func (s *server) changes(c *call) error {
	after, limit, err := c.page()
	if err != nil {
		return err
	}
	ref, err := c.ref(c.PathValue("ref"))
	if err != nil {
		return err
	}
	list, err := c.fs.Changes(c.Context(), ref, after, limit+1)
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
	ref, err := c.ref(in.Branch)
	if err != nil {
		return err
	}
	o, err := c.fs.StartCommit(c.Context(), ref, c.options(in.Message))
	if err != nil {
		return err
	}
	return c.answer(http.StatusCreated, wireOpen(o))
}

func (s *server) finishCommit(c *call) error {
	var in v1.FinishCommit
	if err := c.read(&in); err != nil {
		return err
	}
	ref, err := c.ref(c.PathValue("ref"))
	if err != nil {
		return err
	}
	x, err := c.fs.FinishCommit(c.Context(), ref, pfs.FinishOptions{Message: in.Message, Strategy: in.Strategy, IfHead: c.options("").IfHead})
	if err != nil {
		return c.advise(err, ref, "finish with --strategy ours or theirs, or abort")
	}
	return c.ok(wireCommit(x))
}

func (s *server) abortCommit(c *call) error {
	ref, err := c.ref(c.PathValue("ref"))
	if err != nil {
		return err
	}
	dry, err := c.dryRun()
	if err != nil {
		return err
	}
	if !dry {
		return c.done(c.fs.AbortCommit(c.Context(), ref))
	}
	o, staged, err := c.fs.Abortable(c.Context(), ref)
	if err != nil {
		return err
	}
	return c.ok(wireStaged(o, staged))
}

func (s *server) listOpen(c *call) error {
	after, limit, err := c.page()
	if err != nil {
		return err
	}
	behind, err := afterCommit(after)
	if err != nil {
		return err
	}
	list, err := c.fs.OpenCommits(c.Context(), c.PathValue("repo"), behind, limit+1)
	if err != nil {
		return err
	}
	return c.ok(wirePage(list, limit, wireOpen, func(o pfs.OpenCommit) string { return o.ID.String() }))
}
