package pfs

import (
	"context"
	"fmt"

	"caret/commits/revision"
	"caret/objstore"
	"caret/pfs/access"
	"caret/pfs/catalog"
)

// ChangeSettings changes the settings of the branch that to means, by who may do
// act with it. ErrReadOnly if to is history. A protected branch takes what gives
// nobody more than before, and ErrDenied is what it answers to anything else.
func (fs *FS) ChangeSettings(ctx context.Context, to Ref, act Action, edit func(*Settings) error) error {
	return fs.record(ctx, about(to), nil, func(c *change) (line AuditLine, err error) {
		s, err := c.target(to, act, "", &WriteOptions{})
		if err != nil {
			return line, err
		}
		if s.Open {
			return line, fmt.Errorf("%w: settings are those of branch %s", ErrReadOnly, s.Branch)
		}
		set, err := access.ReadSettings(c.tx, &s.Snapshot)
		if err != nil {
			return line, err
		}
		return c.setSettings(s, set, edit)
	})
}

// setSettings writes the settings of a branch as edit changes them, which on a protected
// one gives nobody more than before.
func (c *change) setSettings(s *Snapshot, set *access.BranchSettings, edit func(*Settings) error) (AuditLine, error) {
	if err := set.ReadCORS(c.tx); err != nil {
		return AuditLine{}, err
	}
	was := set.Settings
	if err := edit(set.Edit()); err != nil {
		return AuditLine{}, err
	}
	if s.Protected && !set.Within(&was) {
		return AuditLine{}, unprotectFirst(s.Branch, s.Repo)
	}
	row, err := catalog.ReadBranch(c.tx, s.Row, s.Branch)
	if err != nil {
		return AuditLine{}, err
	}
	return tellSettings(s, &was, &set.Settings), c.relist(s.Row, catalog.NamedBranch{Name: s.Branch, BranchRow: row}, func() error { return set.Write(c.tx) })
}

// SetFileACL gives the version of a file that ref means another ACL, by who may
// change it: on a protected branch one that gives nobody more than before.
func (fs *FS) SetFileACL(ctx context.Context, ref Ref, path string, grants []Grant) error {
	if err := checkPath(path); err != nil {
		return err
	}
	return fs.record(ctx, about(ref), nil, func(c *change) (line AuditLine, err error) {
		s, err := c.Open(ref, ActWriteACP, path)
		if err != nil {
			return line, err
		}
		// It is a version that is given an ACL, by way of what can be written to.
		branch := ref
		branch.Version = revision.Expr{}
		at, err := c.resolve(branch, ActWriteACP)
		if err != nil {
			return line, err
		}
		if err := at.CheckWritable(c.tx); err != nil {
			return line, err
		}
		info, err := s.stat(c.tx, path)
		if err != nil {
			return line, err
		}
		set, err := access.ReadSettings(c.tx, &s.Snapshot)
		if err != nil {
			return line, err
		}
		old, err := set.FileACL(c.tx, path, s.lookup)
		if err != nil {
			return line, err
		}
		a := &ACL{Owner: old.Owner, Grants: grants}
		protected, err := at.protects(c.tx, info.Commit)
		if err == nil && protected && !a.Within(&old) {
			err = unprotectFirst(at.Branch, at.Repo)
		}
		if err != nil {
			return line, err
		}
		if was, is := tellACL(old), tellACL(*a); was != is {
			line = inRepo("setFileACL", s.Row, s.Governing())
			line.Path, line.Before, line.After = path, was, "version "+info.Commit.String()+", "+is
		}
		return line, set.SetFileACL(c.tx, path, info.Commit, a)
	})
}

// protects says whether a version of a file that is reached through s, which can be
// written to, is one of a protected branch: an open commit has its own, which are no
// part of the branch yet, and those of the branch beneath.
func (s *Snapshot) protects(tx objstore.Reader, version CommitID) (bool, error) {
	if !s.Open || version == s.ID {
		return s.Protected, nil
	}
	row, err := catalog.ReadBranch(tx, s.Row, s.Branch)
	return row.Protected, err
}
