package api

import (
	v1 "caret/api/v1"
	"caret/pfs"
)

func wireGrant(g pfs.BranchGrant) v1.Grant {
	return v1.Grant{User: g.Name, ID: g.User, May: string(g.May)}
}

func (s *server) listGrants(c *call) error {
	list, err := c.fs.BranchGrants(c.Context(), c.PathValue("repo"), c.PathValue("branch"))
	if err != nil {
		return err
	}
	return c.ok(wirePage(list, len(list), wireGrant, nil))
}

func (s *server) grant(c *call) error {
	var in v1.SetGrant
	if err := c.read(&in); err != nil {
		return err
	}
	g, err := c.fs.GrantBranch(c.Context(), c.PathValue("repo"), c.PathValue("branch"), c.PathValue("user"), in.May)
	if err != nil {
		return err
	}
	return c.ok(wireGrant(g))
}

func (s *server) revoke(c *call) error {
	return c.done(c.fs.RevokeBranch(c.Context(), c.PathValue("repo"), c.PathValue("branch"), c.PathValue("user")))
}
