package pfs

import (
	"context"
	"fmt"
	"strings"

	"caret/commits"
	"caret/objstore"
)

// Undone is the outcome of a Revert or a RestoreFiles.
type Undone struct {
	Commit  CommitID // zero if no commit was made: nothing was to be done, or in a dry run
	Files   int
	Changes []Difference // of a dry run
}

// undoing is what a Revert or a RestoreFiles does.
type undoing struct {
	head      *Snapshot // the branch's when it was looked at
	changes   []Difference
	conflicts ConflictError
	// about says what it would have changed too, had it been there: what the
	// branch changes of it meanwhile is a conflict.
	about func(path string) bool
}

// RestoreFiles makes everything under prefix on a branch what it is in from,
// in one commit. What changes on the branch meanwhile is a ConflictError.
func (fs *FS) RestoreFiles(ctx context.Context, to, from Ref, prefix string, opt WriteOptions) (Undone, error) {
	u := undoing{about: func(path string) bool { return strings.HasPrefix(path, prefix) }}
	return fs.undo(ctx, to, &u, opt, func(tx objstore.Reader) error {
		then, err := fs.finished(tx, from)
		if err != nil {
			return err
		}
		return fs.diff(ctx, tx, u.head, then, DiffOptions{Prefix: prefix}, func(d Difference) (bool, error) {
			u.changes = append(u.changes, d)
			return true, nil
		})
	})
}

// Revert takes back on a branch what a commit changed, in a commit of its
// own. Paths that have changed since are a ConflictError.
func (fs *FS) Revert(ctx context.Context, to, commit Ref, opt WriteOptions) (Undone, error) {
	var u undoing
	u.conflicts.What = "changed since that commit"
	if opt.Message == "" {
		c, err := fs.Commit(ctx, commit)
		if err != nil {
			return Undone{}, err
		}
		opt.Message = revertMessage(&c)
		opt.Message = strings.ToValidUTF8(opt.Message[:min(len(opt.Message), MaxText)], "")
	}
	return fs.undo(ctx, to, &u, opt, func(tx objstore.Reader) error {
		s, err := fs.finished(tx, commit)
		if err != nil {
			return err
		}
		if s.repo.ID != u.head.repo.ID {
			return fmt.Errorf("%w: commit %s is of repo %s", ErrInvalidArgument, s.ID, s.Repo)
		}
		return fs.revert(ctx, tx, s, &u)
	})
}

// revertMessage is the message of a commit that takes c back, as git has it.
func revertMessage(c *Commit) string {
	title, _, _ := strings.Cut(c.Message, "\n")
	if title == "" {
		return fmt.Sprintf("revert commit %s", c.ID)
	}
	return fmt.Sprintf("revert %q\n\nThis takes back commit %s.", title, c.ID)
}

// revert collects what takes back the commit s, a merge against its first parent.
func (fs *FS) revert(ctx context.Context, tx objstore.Reader, s *Snapshot, u *undoing) error {
	now, err := u.head.view(tx)
	if err != nil {
		return err
	}
	before, err := commits.Owner(tx, commits.Pos{Lineage: s.pos.Lineage, N: s.pos.N - 1})
	if err != nil {
		return err
	}
	was := *s
	was.pos = before
	return fs.diff(ctx, tx, &was, s, DiffOptions{}, func(d Difference) (bool, error) {
		cur, err := now.File(d.Path)
		if err != nil {
			return false, err
		}
		var did *commits.State
		if d.New != nil {
			did = &d.New.State
		}
		if !commits.SameFile(cur, did) {
			u.conflicts.add(Conflict{Path: d.Path, Base: d.New, Ours: fileInfo(d.Path, cur), Theirs: d.Old})
		}
		u.changes = append(u.changes, Difference{Path: d.Path, Old: d.New, New: d.Old})
		return true, nil
	})
}

// undo finds what there is to do, with the head of the branch known, and makes
// a commit of it.
func (fs *FS) undo(ctx context.Context, to Ref, u *undoing, opt WriteOptions, find func(objstore.Reader) error) (Undone, error) {
	err := fs.rows.View(ctx, func(tx objstore.Reader) (err error) {
		if u.head, err = fs.target(tx, to, opt); err != nil {
			return err
		}
		if u.head.Open {
			return fmt.Errorf("%w: %s is an open commit; undo on its branch", ErrInvalidArgument, u.head.ID)
		}
		return find(tx)
	})
	if err == nil && u.conflicts.Total > 0 {
		err = &u.conflicts
	}
	if err != nil {
		return Undone{}, err
	}
	if len(u.changes) == 0 || opt.DryRun {
		return Undone{Files: len(u.changes), Changes: u.changes}, nil
	}
	done, err := fs.apply(ctx, u, opt)
	return done, err
}

// stateOf is the change that leaves path as it was, nil being no file.
func stateOf(path string, was *Info) commits.Change {
	if was == nil {
		return commits.Change{Path: path, State: commits.State{Deleted: true}}
	}
	return commits.Change{Path: path, State: commits.State{Entry: was.Entry}}
}

func (fs *FS) apply(ctx context.Context, u *undoing, opt WriteOptions) (Undone, error) {
	opt.base, opt.On = u.head, u.head
	b, err := fs.NewBatch(ctx, Ref{Repo: u.head.Repo, Branch: u.head.Branch}, opt)
	if err != nil {
		return Undone{}, err
	}
	b.strict, b.decided = true, u.about
	for _, d := range u.changes {
		if err := b.add(ctx, stateOf(d.Path, d.New)); err != nil {
			return Undone{}, joinClose(err, b)
		}
	}
	id, err := b.Finish(ctx)
	if err != nil {
		return Undone{}, joinClose(err, b)
	}
	return Undone{Commit: id, Files: len(u.changes)}, nil
}

func joinClose(err error, b *Batch) error {
	if closeErr := b.Close(); closeErr != nil {
		return fmt.Errorf("%w; what was staged stays until the next start: %w", err, closeErr)
	}
	return err
}
