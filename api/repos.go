package api

import (
	"errors"
	"net/http"

	v1 "caret/api/v1"
	"caret/pfs"
)

func wireRepo(r pfs.Repo) v1.Repo {
	return v1.Repo{Name: r.Name, Description: r.Description, DefaultBranch: r.DefaultBranch, Created: r.Created, Owner: r.Owner}
}

func wireBranch(b pfs.Branch) v1.Branch {
	w := v1.Branch{Name: b.Name, Repo: b.Repo, N: b.N, Created: b.Created, Default: b.Default, Protected: b.Protected}
	if b.N > 0 {
		w.Head, w.Time = b.Head.String(), &b.Time
	}
	return w
}

// wirePage makes a page of a list that was read with one item more than fits.
func wirePage[T, W any](list []T, limit int, wire func(T) W, name func(T) string) v1.Page[W] {
	page := v1.Page[W]{Items: []W{}}
	if len(list) > limit {
		list = list[:limit]
		page.Next = name(list[limit-1])
	}
	for _, x := range list {
		page.Items = append(page.Items, wire(x))
	}
	return page
}

func (s *server) listRepos(c *call) error {
	after, limit, err := c.page()
	if err != nil {
		return err
	}
	list, err := s.repos(c, after, limit+1)
	if err != nil {
		return err
	}
	return c.ok(wirePage(list, limit, wireRepo, repoName))
}

// repos are those that the caller sees a branch of.
func (s *server) repos(c *call, after string, limit int) ([]pfs.Repo, error) {
	list := func(after string, limit int) ([]pfs.Repo, error) { return s.fs.Repos(c.Context(), after, limit) }
	return visible(c, after, limit, list, repoName, func(r pfs.Repo) (bool, error) {
		branches, err := s.branches(c, r.Name, "", 1)
		if errors.Is(err, pfs.ErrNoSuchRepo) { // it went meanwhile
			return false, nil
		}
		return len(branches) > 0, err
	})
}

// branches are those of a repo that the caller sees.
func (s *server) branches(c *call, repo, after string, limit int) ([]pfs.Branch, error) {
	list := func(after string, limit int) ([]pfs.Branch, error) {
		return s.fs.Branches(c.Context(), repo, after, limit)
	}
	return visible(c, after, limit, list, branchName, func(b pfs.Branch) (bool, error) { return s.seesBranch(c, repo, b.Name) })
}

func (s *server) seesBranch(c *call, repo, name string) (bool, error) {
	snap, err := s.fs.Resolve(c.Context(), pfs.Ref{Repo: repo, Branch: name})
	if errors.Is(err, pfs.ErrNoSuchBranch) || errors.Is(err, pfs.ErrNoSuchRepo) { // it went meanwhile
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return snap.Sees(c.Context(), c.caller.Caller)
}

func (s *server) createRepo(c *call) error {
	var in v1.CreateRepo
	if err := c.read(&in); err != nil {
		return err
	}
	if err := c.caller.MayCreate(); err != nil {
		return err
	}
	r, err := s.fs.CreateRepo(c.Context(), pfs.Repo{
		Name: in.Name, Description: in.Description, DefaultBranch: in.DefaultBranch, Owner: c.caller.ID,
	})
	if err != nil {
		return err
	}
	return c.answer(http.StatusCreated, wireRepo(r))
}

func (s *server) inspectRepo(c *call) error {
	_, err := s.refFor(c, "", pfs.ActList)
	if errors.Is(err, pfs.ErrNoSuchBranch) { // the default one is gone
		err = s.fs.AuthorizeRepo(c.Context(), c.caller.Caller, c.PathValue("repo"))
	}
	if err != nil {
		return err
	}
	r, err := s.fs.Repo(c.Context(), c.PathValue("repo"))
	if err != nil {
		return err
	}
	return c.ok(wireRepo(r))
}

func (s *server) updateRepo(c *call) error {
	var in v1.UpdateRepo
	if err := c.read(&in); err != nil {
		return err
	}
	if err := s.fs.AuthorizeRepo(c.Context(), c.caller.Caller, c.PathValue("repo")); err != nil {
		return err
	}
	r, err := s.fs.UpdateRepo(c.Context(), c.PathValue("repo"), pfs.RepoUpdate(in))
	if err != nil {
		return err
	}
	return c.ok(wireRepo(r))
}

func (s *server) deleteRepo(c *call) error {
	if err := s.fs.AuthorizeRepo(c.Context(), c.caller.Caller, c.PathValue("repo")); err != nil {
		return err
	}
	force, err := c.flag("force")
	if err != nil {
		return err
	}
	if err := s.fs.DeleteRepo(c.Context(), c.PathValue("repo"), force); err != nil {
		return err
	}
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *server) listBranches(c *call) error {
	after, limit, err := c.page()
	if err != nil {
		return err
	}
	list, err := s.branches(c, c.PathValue("repo"), after, limit+1)
	if err != nil {
		return err
	}
	return c.ok(wirePage(list, limit, wireBranch, branchName))
}

func (s *server) createBranch(c *call) error {
	var in v1.CreateBranch
	if err := c.read(&in); err != nil {
		return err
	}
	if err := s.fs.AuthorizeRepo(c.Context(), c.caller.Caller, c.PathValue("repo")); err != nil {
		return err
	}
	var from *pfs.Ref
	if in.From != "" {
		ref, err := c.ref(in.From)
		if err != nil {
			return err
		}
		from = &ref
	}
	b, err := s.fs.CreateBranch(c.Context(), c.PathValue("repo"), in.Name, from, c.caller.Name)
	if err != nil {
		return err
	}
	return c.answer(http.StatusCreated, wireBranch(b))
}

func (s *server) inspectBranch(c *call) error {
	if err := s.may(c, pfs.Ref{Repo: c.PathValue("repo"), Branch: c.PathValue("branch")}, pfs.ActList); err != nil {
		return err
	}
	b, err := s.fs.Branch(c.Context(), c.PathValue("repo"), c.PathValue("branch"))
	if err != nil {
		return err
	}
	return c.ok(wireBranch(b))
}

func (s *server) deleteBranch(c *call) error {
	if err := s.may(c, pfs.Ref{Repo: c.PathValue("repo"), Branch: c.PathValue("branch")}, pfs.ActOwn); err != nil {
		return err
	}
	if err := s.fs.DeleteBranch(c.Context(), c.PathValue("repo"), c.PathValue("branch"), pfs.DeleteBranchOptions{Author: c.caller.Name}); err != nil {
		return err
	}
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *server) resolve(c *call) error {
	snap, err := s.snapshot(c, pfs.ActList)
	if err != nil {
		return err
	}
	w := v1.Snapshot{Repo: snap.Repo, Branch: snap.Branch, N: snap.N, Writable: snap.Writable, Open: snap.Open}
	if !snap.ID.IsZero() {
		w.ID = snap.ID.String()
	}
	return c.ok(w)
}
