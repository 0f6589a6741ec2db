package pfs

import (
	"context"
	"fmt"

	"caret/commits/revision"
	"caret/pfs/access"
)

// ChangeSettings changes the settings of the branch that to means, by who may do
// act with it. ErrReadOnly if to is history.
func (fs *FS) ChangeSettings(ctx context.Context, to Ref, act Action, edit func(*Settings) error) error {
	return fs.update(ctx, about(to), nil, func(c *change) error {
		s, err := c.target(to, act, "", &WriteOptions{})
		if err != nil {
			return err
		}
		if s.Open {
			return fmt.Errorf("%w: settings are those of branch %s", ErrReadOnly, s.Branch)
		}
		if s.Protected {
			return unprotectFirst(s.Branch, s.Repo)
		}
		set, err := access.ReadSettings(c.tx, &s.Snapshot)
		if err != nil {
			return err
		}
		settings, err := set.Edit(c.tx)
		if err == nil {
			err = edit(settings)
		}
		if err != nil {
			return err
		}
		return set.Write(c.tx)
	})
}

// SetFileACL gives the version of a file that ref means another ACL, by who may
// change it.
func (fs *FS) SetFileACL(ctx context.Context, ref Ref, path string, grants []Grant) error {
	if err := checkPath(path); err != nil {
		return err
	}
	return fs.update(ctx, about(ref), nil, func(c *change) error {
		s, err := c.Open(ref, ActWriteACP, path)
		if err != nil {
			return err
		}
		// It is a version that is given an ACL, by way of what can be written to.
		branch := ref
		branch.Version = revision.Expr{}
		if at, err := c.resolve(branch); err != nil {
			return err
		} else if err := at.CheckWritable(c.tx); err != nil {
			return err
		} else if at.Protected {
			return unprotectFirst(at.Branch, at.Repo)
		}
		info, err := s.stat(c.tx, path)
		if err != nil {
			return err
		}
		set, err := access.ReadSettings(c.tx, &s.Snapshot)
		if err != nil {
			return err
		}
		old, err := set.FileACL(c.tx, path, s.lookup)
		if err != nil {
			return err
		}
		return set.SetFileACL(c.tx, path, info.Commit, &ACL{Owner: old.Owner, Grants: grants})
	})
}
