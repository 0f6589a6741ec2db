package api

import (
	"errors"

	v1 "caret/api/v1"
	"caret/pfs"
)

func (s *server) listDeletedRepos(c *call) error {
	after, limit, err := c.page()
	if err != nil {
		return err
	}
	list, err := c.fs.DeletedRepos(c.Context(), after, limit+1)
	if err != nil {
		return err
	}
	wire := func(d pfs.DeletedRepo) v1.DeletedRepo {
		return v1.DeletedRepo{Repo: wireRepo(d.Repo), ID: d.ID, Deleted: d.Deleted}
	}
	return c.ok(wirePage(list, limit, wire, func(d pfs.DeletedRepo) string { return d.Position() }))
}

func (s *server) restoreRepo(c *call) error {
	var in v1.RestoreRepo
	if err := c.read(&in); err != nil {
		return err
	}
	name := c.PathValue("repo")
	r, branches, err := c.fs.RestoreRepo(c.Context(), name, pfs.RepoRestoration(in))
	switch {
	case errors.Is(err, pfs.ErrNoSuchRepo):
		err = &hinted{err, "`caret repo list --deleted` shows what can be restored"}
	case errors.Is(err, pfs.ErrRepoExists):
		err = &hinted{err, "give it another name: `caret repo restore " + name + " --as NAME`"}
	}
	if err != nil {
		return err
	}
	return c.ok(v1.RestoredRepo{Repo: wireRepo(r), BranchCount: branches})
}

func (s *server) listDeletedTags(c *call) error {
	after, limit, err := c.page()
	if err != nil {
		return err
	}
	list, err := c.fs.DeletedTags(c.Context(), c.PathValue("repo"), after, limit+1)
	if err != nil {
		return err
	}
	wire := func(t pfs.DeletedTag) v1.DeletedTag { return v1.DeletedTag{Tag: wireTag(t.Tag), Deleted: t.Deleted} }
	return c.ok(wirePage(list, limit, wire, func(t pfs.DeletedTag) string { return t.Name }))
}

func (s *server) restoreTag(c *call) error {
	repo := c.PathValue("repo")
	t, err := c.fs.RestoreTag(c.Context(), repo, c.PathValue("tag"))
	if errors.Is(err, pfs.ErrNoSuchTag) {
		err = &hinted{err, "`caret tag list " + repo + " --deleted` shows what can be restored"}
	}
	if err != nil {
		return err
	}
	return c.ok(wireTag(t))
}
