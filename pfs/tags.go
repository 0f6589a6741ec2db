package pfs

import (
	"context"
	"errors"
	"fmt"

	"caret/commits"
	"caret/commits/revision"
	"caret/objstore"
	"caret/pfs/catalog"
)

// CreateTag names the commit that at means, with a message that may be empty. ErrTagExists, ErrBranchExists if
// a branch has the name, ErrInvalidName, ErrNoSuchVersion if there is no
// commit yet.
func (fs *FS) CreateTag(ctx context.Context, repo, name string, at Ref, message string) (t Tag, err error) {
	if err := errors.Join(revision.CheckName(name), checkText("message", message)); err != nil {
		return Tag{}, err
	}
	err = fs.record(ctx, objstore.Subject(repo), nil, func(c *change) (line AuditLine, err error) {
		r, err := c.managed(repo)
		if err != nil {
			return line, err
		}
		if at.Repo != repo {
			return line, fmt.Errorf("%w: a tag of %s cannot name a commit of %s", ErrInvalidArgument, repo, at.Repo)
		}
		s, err := catalog.ResolveIn(c.tx, r, at)
		if err == nil {
			err = s.Finished()
		}
		if err != nil {
			return line, err
		}
		t = Tag{Repo: repo, Name: name, Commit: s.ID, Created: c.sys.timestamp(), Author: c.who.Name, Message: message}
		line = inRepo("createTag", r, name)
		line.After = nameOf(t.Commit)
		return line, catalog.CreateTag(c.tx, r, t, s.Pos)
	})
	return t, err
}

// listedRepo reads a repo whose default branch the caller may list.
func (v *View) listedRepo(repo string) (catalog.RepoRow, error) {
	s, err := v.Open(Ref{Repo: repo}, ActList, "")
	if err != nil {
		return catalog.RepoRow{}, err
	}
	return s.Row, nil
}

// Tag describes a tag, for who may list the default branch, and what the tag names through
// it. ErrNoSuchTag.
func (fs *FS) Tag(ctx context.Context, repo, name string) (t Tag, err error) {
	err = fs.View(ctx, func(v *View) error {
		r, err := v.listedRepo(repo)
		if err == nil {
			t, err = catalog.ReadTag(v.tx, r, name)
		}
		if err == nil {
			_, err = v.Open(Ref{Repo: repo, Base: revision.Expr{Base: name}}, ActList, "")
		}
		if err != nil {
			t = Tag{}
		}
		return err
	})
	return t, err
}

// Tags lists up to limit tags of a repo (0: all) whose names sort after after,
// for who may list its default branch, and of these what each names through it.
func (fs *FS) Tags(ctx context.Context, repo, after string, limit int) (list []Tag, err error) {
	err = fs.View(ctx, func(v *View) error {
		r, err := v.listedRepo(repo)
		if err != nil {
			return err
		}
		list, err = catalog.Tags(v.tx, r, after, limit, func(at commits.Pos) (bool, error) {
			err := v.decide(v.snapshot(&catalog.Snapshot{Repo: r.Name, Row: r, Pos: at, N: at.N}), ActList, "")
			if errors.Is(err, ErrDenied) {
				return false, v.ctx.Err()
			}
			return err == nil, err
		})
		return err
	})
	return list, err
}

// DeleteTag removes a tag, which RestoreTag brings back, and says what it named; the
// commit stays. A dry run removes nothing. ErrNoSuchTag.
func (fs *FS) DeleteTag(ctx context.Context, repo, name string, dryRun bool) (t Tag, err error) {
	var r catalog.RepoRow
	find := func(v *View) (err error) {
		if r, err = v.managed(repo); err == nil {
			t, err = catalog.ReadTag(v.tx, r, name)
		}
		return err
	}
	if dryRun {
		err = fs.View(ctx, find)
		return t, err
	}
	err = fs.record(ctx, objstore.Subject(repo), nil, func(c *change) (line AuditLine, err error) {
		if err := find(c.View); err != nil {
			return line, err
		}
		line = inRepo("deleteTag", r, name)
		line.Before = nameOf(t.Commit)
		return line, catalog.DropTag(c.tx, r, name, c.sys.now())
	})
	return t, err
}
