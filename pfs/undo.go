package pfs

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"caret/commits"
	"caret/objstore"
	"caret/pfs/changeset"
)

// Undone is the outcome of a Revert, a RestoreFiles, a CopyFiles or a MoveFiles.
type Undone struct {
	Commit  CommitID // zero if no commit was made: nothing was to be done, or in a dry run
	Files   int
	Changes []Difference // of a dry run: the first MaxUndone
}

// MaxUndone is how many changes a dry run lists.
const MaxUndone = 20_000

// UndoOptions say how files are taken back to what they were.
type UndoOptions struct {
	WriteOptions
	DryRun bool // nothing is written; errors are the same. It is for who may list the branch.
}

// undoing is a Revert or a RestoreFiles under way: it makes of the branch what
// to has, where that differs from what from has.
type undoing struct {
	fs       *FS
	into     Ref
	act      Action // that it takes on the branch
	opt      UndoOptions
	head     *Snapshot // the branch's when it was looked at
	from, to *Snapshot
	paths    []string // that may differ
	spec     changeset.Spec

	changes   []Difference
	conflicts ConflictError
}

// RestoreFiles makes everything under prefix on a branch what it is in then,
// in one commit, by who owns both. What changes on the branch meanwhile is a
// ConflictError.
func (fs *FS) RestoreFiles(ctx context.Context, into, then Ref, prefix string, opt UndoOptions) (Undone, error) {
	u := undoing{fs: fs, into: into, act: ActOwn, opt: opt}
	err := u.begin(ctx, func(v *View) (err error) {
		u.from = u.head
		if u.to, err = v.finished(then, ActOwn); err != nil {
			return err
		}
		// What of it the branch changes meanwhile would have been changed, too.
		u.spec.AboutPrefix, u.spec.About = prefix, func(path string) bool { return strings.HasPrefix(path, prefix) }
		u.paths, err = changedPaths(v.tx, u.from, u.to, prefix)
		return err
	})
	if err != nil {
		return Undone{}, err
	}
	return u.do(ctx)
}

// Revert takes back on a branch what a commit changed, a merge against its first
// parent, in a commit of its own. Paths that have changed since are a
// ConflictError. ErrDenied if it changed what is not there any more and the caller
// may list the branch only as everybody may.
func (fs *FS) Revert(ctx context.Context, into, commit Ref, opt UndoOptions) (Undone, error) {
	u := undoing{fs: fs, into: into, act: ActWrite, opt: opt}
	u.conflicts.What = "changed since that commit"
	err := u.begin(ctx, func(v *View) (err error) {
		if u.from, err = v.finished(commit, ActList); err != nil {
			return err
		}
		if u.from.Row.ID != u.head.Row.ID {
			return fmt.Errorf("%w: commit %s is of repo %s", ErrInvalidArgument, u.from.ID, u.from.Repo)
		}
		if opt.Message == "" {
			c, err := commits.Read(v.tx, u.from.Pos)
			if err != nil {
				return err
			}
			message := revertMessage(&c)
			u.spec.Message = strings.ToValidUTF8(message[:min(len(message), MaxText)], "")
		}
		before, err := commits.Owner(v.tx, commits.Pos{Lineage: u.from.Pos.Lineage, N: u.from.Pos.N - 1})
		if err != nil {
			return err
		}
		u.to = v.snapshot(&u.from.Snapshot)
		u.to.Pos, u.to.sight = before, u.from.sight
		u.paths, err = changedPaths(v.tx, u.to, u.from, "")
		return err
	})
	if err != nil {
		return Undone{}, err
	}
	return u.do(ctx)
}

// revertMessage is the message of a commit that takes c back, as git has it.
func revertMessage(c *Commit) string {
	title, _, _ := strings.Cut(c.Message, "\n")
	if title == "" {
		return fmt.Sprintf("revert commit %s", c.ID)
	}
	return fmt.Sprintf("revert %q\n\nThis takes back commit %s.", title, c.ID)
}

// begin looks at the branch and finds what there may be to do.
func (u *undoing) begin(ctx context.Context, find func(*View) error) error {
	return u.fs.View(ctx, func(v *View) (err error) {
		if u.head, err = v.target(u.into, u.act, "", &u.opt.WriteOptions); err != nil {
			return err
		}
		if u.act != ActWrite { // so that a protected branch refuses it
			err = v.decide(u.head, ActWrite, "")
		}
		if err == nil && u.opt.DryRun { // which shows what the branch has
			err = v.decide(u.head, ActList, "")
		}
		if err != nil {
			return err
		}
		if u.head.Open {
			return fmt.Errorf("%w: %s is an open commit; undo on its branch", ErrInvalidArgument, u.head.ID)
		}
		u.spec = u.fs.spec(u.head, ActWrite, &u.opt.WriteOptions, v.who)
		return find(v)
	})
}

// do makes a commit of what there is to do.
func (u *undoing) do(ctx context.Context) (Undone, error) {
	tally := u.fs.sys.tally()
	defer tally.Release()
	if err := countPaths(ctx, tally, u.paths); err != nil {
		return Undone{}, err
	}
	var set *changeset.Set
	if !u.opt.DryRun {
		var err error
		if set, err = u.fs.sys.engine.Begin(u.spec); err != nil {
			return Undone{}, err
		}
	}
	files := 0
	err := u.each(ctx, func(d Difference) error {
		files++
		if set == nil {
			if len(u.changes) < MaxUndone {
				u.changes = append(u.changes, d)
			}
			return nil
		}
		return set.Add(ctx, stateOf(d.Path, d.New), 0)
	})
	switch {
	case set == nil:
		return Undone{Files: files, Changes: u.changes}, err
	case err != nil || files == 0:
		return Undone{}, errors.Join(err, set.Close())
	}
	id, err := set.Publish(ctx)
	return Undone{Commit: id, Files: files}, errors.Join(err, set.Close())
}

// each calls fn for what there is to do, a page in each transaction, and refuses
// at its end with a ConflictError if what is to be taken back is not on the
// branch any more.
func (u *undoing) each(ctx context.Context, fn func(Difference) error) error {
	for page := range slices.Chunk(u.paths, diffPage) {
		var list []Difference
		var heads []*commits.State
		err := u.fs.sys.db.View(ctx, func(tx objstore.Reader) (err error) {
			if list, err = differing(tx, u.from, u.to, page); err == nil {
				err = u.checkShown(tx, list)
			}
			if err == nil {
				heads, err = u.head.files(tx, pathsOf(list))
			}
			return err
		})
		if err != nil {
			return err
		}
		for i, d := range list {
			if !commits.SameFile(heads[i], stateIn(d.Old)) {
				u.conflicts.Add(Conflict{Path: d.Path, Base: d.Old, Ours: fileInfo(d.Path, heads[i]), Theirs: d.New})
			}
			if err := cmp.Or(ctx.Err(), fn(d)); err != nil {
				return err
			}
		}
	}
	if u.conflicts.Total > 0 {
		return &u.conflicts
	}
	return nil
}

// checkShown refuses what would be changed in the dark: as part of it is hidden, neither
// that part nor the rest can be taken back.
func (u *undoing) checkShown(tx objstore.Reader, list []Difference) error {
	all := true
	err := eachShown(tx, u.from, u.to, list, func(_ Difference, shown bool) { all = all && shown })
	if err == nil && !all {
		err = fmt.Errorf("%w: commit %s changed files that are not there any more; to take that back takes more than everybody was granted", ErrDenied, u.from.ID)
	}
	return err
}

func pathsOf(list []Difference) []string {
	paths := make([]string, len(list))
	for i := range list {
		paths[i] = list[i].Path
	}
	return paths
}

func stateIn(i *Info) *commits.State {
	if i == nil {
		return nil
	}
	return &i.State
}

// stateOf is the change that leaves path as it was, nil being no file.
func stateOf(path string, was *Info) commits.Change {
	if was == nil {
		return commits.Change{Path: path, State: commits.State{Deleted: true}}
	}
	return commits.Change{Path: path, State: commits.State{Entry: was.Entry}}
}
