package pfs

import (
	"context"
	"errors"
	"fmt"

	"caret/objstore"
	"caret/pfs/access"
)

// BranchGrant is what a user may do with a branch and all its files.
type BranchGrant struct {
	access.BranchGrant
	Name string // of the user, "" if it was deleted
}

// BranchGrants lists who was granted a branch, for its owner.
func (fs *FS) BranchGrants(ctx context.Context, repo, branch string) (list []BranchGrant, err error) {
	err = fs.View(ctx, func(v *View) error {
		s, err := v.Open(Ref{Repo: repo, Branch: branch}, ActInspect, "")
		if err != nil {
			return err
		}
		set, err := access.ReadSettings(v.tx, &s.Snapshot)
		if err != nil {
			return err
		}
		list = nil
		for _, g := range set.Grants {
			u, err := v.User(g.User)
			if err != nil && !errors.Is(err, ErrNoSuchUser) {
				return err
			}
			list = append(list, BranchGrant{g, u.Name})
		}
		return nil
	})
	return list, err
}

// GrantBranch lets a user, by its name, do something with a branch and all its files: may
// is read or write. It is for who owns the branch; a protected one is granted to nobody,
// but less than before. ErrNoSuchUser, ErrInvalidArgument.
func (fs *FS) GrantBranch(ctx context.Context, repo, branch, user, may string) (g BranchGrant, err error) {
	m, err := access.ParseMay(may)
	if err != nil {
		return g, err
	}
	err = fs.changeGrants(ctx, repo, branch, user, func(u User, s *Settings) error {
		g = BranchGrant{access.BranchGrant{User: u.ID, May: m}, u.Name}
		return s.Grant(u.ID, m)
	})
	return g, err
}

// RevokeBranch takes the grant of a user away, by its name or, as it may be gone, its ID.
// ErrNoSuchUser, also if it has none.
func (fs *FS) RevokeBranch(ctx context.Context, repo, branch, user string) error {
	return fs.changeGrants(ctx, repo, branch, user, func(u User, s *Settings) error {
		if !s.Revoke(u.ID) {
			return fmt.Errorf("%w: %s was granted nothing on branch %s of repo %s", ErrNoSuchUser, user, branch, repo)
		}
		return nil
	})
}

// changeGrants changes what a user is granted on a branch.
func (fs *FS) changeGrants(ctx context.Context, repo, branch, user string, edit func(User, *Settings) error) error {
	return fs.record(ctx, objstore.Subject(repo+"/"+branch), nil, func(c *change) (line AuditLine, err error) {
		s, err := c.Open(Ref{Repo: repo, Branch: branch}, ActOwn, "")
		if err != nil {
			return line, err
		}
		set, err := access.ReadSettings(c.tx, &s.Snapshot)
		if err != nil {
			return line, err
		}
		u, err := access.ReadUser(c.tx, user)
		if errors.Is(err, ErrNoSuchUser) && set.Granted(user) {
			u, err = User{ID: user}, nil // which was deleted
		}
		if err != nil {
			return line, err
		}
		return c.setSettings(s, set, func(s *Settings) error { return edit(u, s) })
	})
}
