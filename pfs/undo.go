package pfs

import (
	"context"
	"fmt"

	"caret/commits"
	"caret/objstore"
)

// Undone is the outcome of a Revert or a RestoreFiles.
type Undone struct {
	Commit CommitID // zero if no commit was made: nothing was to be done, or in a dry run
	Files  int
	// Changes are what was changed, or would be.
	Changes []Difference
}

// RestoreFiles makes everything under prefix on a branch what it is in from,
// in one commit. What changes on the branch meanwhile is a ConflictError.
func (fs *FS) RestoreFiles(ctx context.Context, to, from Ref, prefix string, opt WriteOptions) (Undone, error) {
	head, err := fs.headOf(ctx, to, opt)
	if err != nil {
		return Undone{}, err
	}
	list, err := fs.Diff(ctx, head, from, DiffOptions{Prefix: prefix})
	if err != nil {
		return Undone{}, err
	}
	return fs.apply(ctx, to, head, list, opt)
}

// Revert takes back on a branch what a commit changed, in a commit of its
// own. Paths that have changed since are a ConflictError.
func (fs *FS) Revert(ctx context.Context, to, commit Ref, opt WriteOptions) (Undone, error) {
	head, err := fs.headOf(ctx, to, opt)
	if err != nil {
		return Undone{}, err
	}
	var list []Difference
	err = fs.rows.View(ctx, func(tx objstore.Reader) error {
		list = nil
		s, err := fs.finished(tx, commit)
		if err != nil {
			return err
		}
		now, err := fs.resolve(tx, head)
		if err != nil {
			return err
		}
		v, err := now.view(tx)
		if err != nil {
			return err
		}
		before, err := commits.Owner(tx, commits.Pos{Line: s.pos.Line, N: s.pos.N - 1})
		if err != nil {
			return err
		}
		conflict := &ConflictError{}
		err = commits.Diff(tx, before, s.pos, "", "", func(d commits.Difference) (bool, error) {
			cur, err := v.File(d.Path)
			if err != nil {
				return false, err
			}
			if !commits.SameFile(cur, d.New) {
				if conflict.Total++; conflict.Total <= maxConflicts {
					conflict.Paths = append(conflict.Paths, d.Path)
				}
			}
			list = append(list, Difference{Path: d.Path, Old: fileInfo(d.Path, d.New), New: fileInfo(d.Path, d.Old)})
			return true, ctx.Err()
		})
		if err == nil && conflict.Total > 0 {
			return conflict
		}
		return err
	})
	if err != nil {
		return Undone{}, translate(err)
	}
	if opt.Message == "" {
		c, err := fs.Commit(ctx, commit)
		if err != nil {
			return Undone{}, err
		}
		opt.Message = fmt.Sprintf("revert %s: %s", c.ID, c.Message)
	}
	return fs.apply(ctx, to, head, list, opt)
}

// headOf is the head of a branch that may be written to, as it is now.
func (fs *FS) headOf(ctx context.Context, to Ref, opt WriteOptions) (Ref, error) {
	var head Ref
	err := fs.rows.View(ctx, func(tx objstore.Reader) error {
		s, err := fs.target(tx, to, opt)
		if err != nil {
			return err
		}
		if s.Open {
			return fmt.Errorf("%w: %s is an open commit; undo on its branch", ErrInvalidArgument, s.ID)
		}
		head = Ref{Repo: to.Repo, Branch: s.Branch}
		if !s.ID.IsZero() {
			head.Base = commits.Expr{Base: s.ID.String()}
		}
		return nil
	})
	return head, translate(err)
}

// stateOf is the change that leaves path as it was, nil being no file.
func stateOf(path string, was *Info) commits.Change {
	if was == nil {
		return commits.Change{Path: path, State: commits.State{Deleted: true}}
	}
	return commits.Change{Path: path, State: commits.State{Entry: was.Entry}}
}

// apply makes what is new in list, which was computed against head, a commit
// of the branch.
func (fs *FS) apply(ctx context.Context, to, head Ref, list []Difference, opt WriteOptions) (Undone, error) {
	if len(list) == 0 || opt.DryRun {
		return Undone{Files: len(list), Changes: list}, nil
	}
	if !head.Base.IsZero() {
		opt.IfHead = head.Base.Base // what comes from here on is a conflict by path
	}
	b, err := fs.NewBatch(ctx, to, opt)
	if err != nil {
		return Undone{}, err
	}
	b.opt.IfHead = ""
	b.strict = true
	for _, d := range list {
		if err := b.add(ctx, stateOf(d.Path, d.New)); err != nil {
			return Undone{}, joinClose(err, b)
		}
	}
	id, err := b.Finish(ctx)
	if err != nil {
		return Undone{}, joinClose(err, b)
	}
	return Undone{Commit: id, Files: len(list), Changes: list}, nil
}

func joinClose(err error, b *Batch) error {
	if closeErr := b.Close(); closeErr != nil {
		return fmt.Errorf("%w; what was staged stays until the next start: %w", err, closeErr)
	}
	return err
}
