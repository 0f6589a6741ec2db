package pfs

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"caret/commits"
	"caret/commits/revision"
	"caret/objstore"
)

// Deletion asks for a file to be deleted, or, with Version, for that version
// of it to be taken out of the list of versions.
type Deletion struct {
	Path string
	// Version leads from what is written to to a state with the version. If
	// that is the current one, the one before it is current again; if it is a
	// deletion, that undoes it. History still has it: its commit reads as it
	// did.
	Version *Expr
	// If is about what is deleted; what fails it has ErrPrecondition or
	// ErrNoSuchPath in its DeletedItem, and the others are deleted.
	If Condition
}

// Files are the deletions of files at paths.
func Files(paths ...string) []Deletion {
	list := make([]Deletion, len(paths))
	for i, p := range paths {
		list[i].Path = p
	}
	return list
}

// Deleted is the outcome of a Delete.
type Deleted struct {
	Commit CommitID      // zero if nothing was there, as then no commit was made
	Items  []DeletedItem // for each Deletion
}

// DeletedItem is the outcome of one Deletion.
type DeletedItem struct {
	Existed bool     // there was something to delete
	Version CommitID // that was removed, if one was asked for
	Marker  bool     // that version was a deletion
	// Err is ErrNoSuchVersion, ErrNoSuchCommit or ErrAmbiguous if the Version
	// leads nowhere, and what If says.
	Err error
}

// Delete deletes files and versions in one commit. What is not there is no
// error.
func (fs *FS) Delete(ctx context.Context, to Ref, list []Deletion, opt WriteOptions) (Deleted, error) {
	versions := false
	for _, d := range list {
		if err := checkPath(d.Path); err != nil {
			return Deleted{}, err
		}
		versions = versions || d.Version != nil
	}
	id, err := revision.NewID(fs.rand)
	if err != nil {
		return Deleted{}, err
	}
	var done Deleted
	err = fs.rows.Update(ctx, "", func(tx objstore.Writer) error {
		done = Deleted{Items: make([]DeletedItem, len(list))}
		s, err := fs.target(tx, to, opt)
		if err != nil {
			return err
		}
		if s.Open && versions {
			return fmt.Errorf("%w: versions are not removed in an open commit; finish %s first", ErrInvalidArgument, s.ID)
		}
		d := deleting{fs: fs, tx: tx, s: s, to: to, list: list, items: done.Items}
		changes, err := d.changes(opt.If)
		if err != nil || len(changes) == 0 {
			return err
		}
		done.Commit, err = fs.write(tx, s, id, changes, opt)
		return err
	})
	if errors.Is(err, objstore.ErrTooLarge) && !versions && len(list) > deleteStep {
		done, err = fs.deleteInSteps(ctx, to, list, opt)
	}
	if errors.Is(err, objstore.ErrTooLarge) && versions && len(list) > 1 {
		return fs.deleteInHalves(ctx, to, list, opt)
	}
	if err != nil {
		return Deleted{}, err
	}
	return done, nil
}

// deleteInHalves removes versions in several commits, where their rows are too
// long for one.
func (fs *FS) deleteInHalves(ctx context.Context, to Ref, list []Deletion, opt WriteOptions) (Deleted, error) {
	first, err := fs.Delete(ctx, to, list[:len(list)/2], opt)
	if err != nil {
		return Deleted{}, err
	}
	opt.IfHead = "" // it was met
	second, err := fs.Delete(ctx, to, list[len(list)/2:], opt)
	if err != nil {
		return Deleted{}, err
	}
	second.Items = append(first.Items, second.Items...)
	if second.Commit.IsZero() {
		second.Commit = first.Commit
	}
	return second, nil
}

// deleting is a Delete in its transaction.
type deleting struct {
	fs    *FS
	tx    objstore.Writer
	s     *Snapshot
	to    Ref
	list  []Deletion
	items []DeletedItem
}

// changes are what deletes the items of the list, one for each path.
func (d *deleting) changes(cond Condition) ([]commits.Change, error) {
	gone := make(map[string][]CommitID) // versions to remove, by path
	for i, item := range d.list {
		if item.Version == nil {
			continue
		}
		if err := d.find(i, gone); err != nil {
			return nil, err
		}
	}
	var changes []commits.Change
	seen := make(map[string]int, len(d.list)) // path -> its change, and one more
	for i, item := range d.list {
		p := item.Path
		if _, ok := seen[p]; !ok && len(gone[p]) > 0 {
			st, err := d.s.without(d.tx, p, gone[p])
			if err != nil {
				return nil, err
			}
			if st != nil {
				changes = append(changes, commits.Change{Path: p, State: *st})
				seen[p] = len(changes)
			}
		}
		at := seen[p]
		if item.Version != nil {
			d.items[i].Existed = at > 0 && slices.Contains(changes[at-1].Removed, d.items[i].Version)
			continue
		}
		cur, err := d.s.current(d.tx, p)
		if err != nil {
			return nil, err
		}
		if err := cond.check(p, cur); err != nil {
			return nil, err
		}
		if d.items[i].Err = item.If.check(p, cur); d.items[i].Err != nil {
			continue
		}
		d.items[i].Existed = cur != nil
		switch {
		case at > 0:
			changes[at-1].State = commits.State{Deleted: true, Removed: changes[at-1].Removed}
		case cur != nil:
			changes = append(changes, commits.Change{Path: p, State: commits.State{Deleted: true}})
			seen[p] = len(changes)
		}
	}
	return changes, nil
}

// find finds the version that item i means.
func (d *deleting) find(i int, gone map[string][]CommitID) error {
	to := d.to
	to.Version = *d.list[i].Version
	then, err := d.fs.resolve(d.tx, to)
	if errors.Is(err, ErrNoSuchVersion) || errors.Is(err, ErrNoSuchCommit) || errors.Is(err, ErrAmbiguous) {
		d.items[i].Err = err
		return nil
	}
	if err != nil {
		return err
	}
	p := d.list[i].Path
	target, err := then.newest(d.tx, p)
	if err != nil || target == nil {
		return err
	}
	if x := to.Version; x.Base == then.ID.String() && len(x.Steps) == 0 && target.Commit != then.ID {
		return nil // a version id, but that of another path: what S3 clients send means no more
	}
	if !target.Deleted {
		if d.items[i].Err = d.list[i].If.check(p, &Info{Path: p, State: *target}); d.items[i].Err != nil {
			return nil
		}
	}
	d.items[i].Version, d.items[i].Marker = target.Commit, target.Deleted
	if !slices.Contains(gone[p], target.Commit) {
		gone[p] = append(gone[p], target.Commit)
	}
	return nil
}

// deleteStep is how many paths are deleted at once of too many for one
// transaction.
const deleteStep = 100

// deleteInSteps deletes by way of an open commit.
func (fs *FS) deleteInSteps(ctx context.Context, to Ref, list []Deletion, opt WriteOptions) (Deleted, error) {
	start := opt
	start.internal = true
	o, err := fs.StartCommit(ctx, to, start)
	if err != nil {
		return Deleted{}, err
	}
	drop := func() error { return fs.AbortCommit(context.WithoutCancel(ctx), to.Repo, o.ID) }
	var done Deleted
	staged := Ref{Repo: to.Repo, Base: revision.Expr{Base: o.ID.String()}}
	for step := range slices.Chunk(list, deleteStep) {
		d, err := fs.Delete(ctx, staged, step, WriteOptions{If: opt.If})
		if err != nil {
			return Deleted{}, errors.Join(err, drop())
		}
		done.Items = append(done.Items, d.Items...)
	}
	if !slices.ContainsFunc(done.Items, func(it DeletedItem) bool { return it.Existed }) {
		return done, drop()
	}
	f := finish{fs: fs, id: o.ID, unmoved: opt.IfHead != ""}
	if opt.If == (Condition{}) {
		f.opt.Strategy = Theirs // as a transaction would, whatever came between
	}
	c, err := f.do(ctx, to.Repo)
	if err != nil {
		return Deleted{}, errors.Join(err, drop())
	}
	done.Commit = c.ID
	return done, nil
}
