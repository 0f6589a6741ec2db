package pfs

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"caret/commits/revision"
	"caret/objstore"
	"caret/pfs/access"
	"caret/pfs/catalog"
)

// DeletedRepo is a repo that can be restored. Its ID tells it from others of its name.
type DeletedRepo = catalog.DroppedRepo

// DeletedRepos lists up to limit (0: all) repos that were deleted, by name and then by
// time, of those that the caller may restore: its own, and all if it is an administrator.
// after is the Position of one, and "" for all. ErrInvalidArgument.
func (fs *FS) DeletedRepos(ctx context.Context, after string, limit int) (list []DeletedRepo, err error) {
	err = fs.View(ctx, func(v *View) error {
		list = nil
		return catalog.DroppedRepos(v.tx, after, func(d DeletedRepo) (bool, error) {
			ok, err := v.restores(d.RepoRow)
			if ok {
				list = append(list, d)
			}
			return limit <= 0 || len(list) < limit, cmp.Or(err, v.ctx.Err())
		})
	})
	return list, err
}

// restores says whether the caller may restore a repo.
func (v *View) restores(r catalog.RepoRow) (bool, error) {
	err := v.administers(r)
	if errors.Is(err, ErrDenied) {
		return false, nil
	}
	return err == nil, err
}

// droppedRepo is the repo of a name that was deleted last, of those that the caller may
// restore; missing, that there is no repo of that name, if there is none.
func (v *View) droppedRepo(missing error, name string) (DeletedRepo, error) {
	d, err := catalog.FindDroppedRepo(v.tx, name, 0, v.restores)
	if errors.Is(err, ErrNoSuchRepo) {
		err = missing
	}
	return d, err
}

// RepoRestoration says which repo is restored, and how.
type RepoRestoration struct {
	ID uint64 // of the repo, where several of its name were deleted; 0 is the one that was deleted last
	As string // its new name, "" for the one it had
}

// RestoreRepo brings a deleted repo back, with the branches that it had then and all that
// belongs to these, its tags and settings. ErrNoSuchRepo if none was deleted that the
// caller may restore; ErrRepoExists if there is another one of the name.
func (fs *FS) RestoreRepo(ctx context.Context, name string, opt RepoRestoration) (r Repo, branches int, err error) {
	as := cmp.Or(opt.As, name)
	if err := errors.Join(revision.CheckName(name), revision.CheckName(as)); err != nil {
		return r, 0, err
	}
	err = fs.record(ctx, objstore.Subject(as), nil, func(c *change) (line AuditLine, err error) {
		d, err := catalog.FindDroppedRepo(c.tx, name, opt.ID, c.restores)
		if err != nil {
			return line, err
		}
		row, err := catalog.RestoreRepo(c.tx, d, as)
		if errors.Is(err, ErrRepoExists) {
			err = fmt.Errorf("%w: there is another repo %s now; restore the deleted one under another name", ErrRepoExists, as)
		}
		if err == nil {
			err = c.administers(row) // by a key that may be for one repo
		}
		if err != nil {
			return line, err
		}
		list, err := catalog.RestoreBranches(c.tx, d, row, c.mover())
		for _, b := range list {
			err = cmp.Or(err, access.Enlist(c.tx, row, b))
		}
		r, branches = row.Repo, len(list)
		line = inRepo("restoreRepo", row, "")
		line.Before, line.After = name, fmt.Sprintf("%s, %d branches", tellRepo(r), branches)
		return line, err
	})
	return r, branches, err
}

// DeletedTag is a tag that can be restored.
type DeletedTag = catalog.DroppedTag

// DeletedTags lists up to limit (0: all) deleted tags of a repo whose names sort behind
// after, each as it was deleted last, for who administers the repo. ErrNoSuchRepo.
func (fs *FS) DeletedTags(ctx context.Context, repo, after string, limit int) (list []DeletedTag, err error) {
	err = fs.View(ctx, func(v *View) error {
		r, err := v.managed(repo)
		if err == nil {
			list, err = catalog.DroppedTags(v.tx, r, after, limit)
		}
		return err
	})
	return list, err
}

// RestoreTag brings back the tag of that name that was deleted last. ErrTagExists or
// ErrBranchExists if there is something of the name; ErrNoSuchTag if none was deleted.
func (fs *FS) RestoreTag(ctx context.Context, repo, name string) (t Tag, err error) {
	if err := revision.CheckName(name); err != nil {
		return Tag{}, err
	}
	err = fs.record(ctx, objstore.Subject(repo), nil, func(c *change) (line AuditLine, err error) {
		r, err := c.managed(repo)
		if err == nil {
			t, err = catalog.RestoreTag(c.tx, r, name)
		}
		line = inRepo("restoreTag", r, name)
		line.After = nameOf(t.Commit)
		return line, err
	})
	return t, err
}
