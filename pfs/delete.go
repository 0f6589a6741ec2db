package pfs

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"caret/commits"
	"caret/commits/revision"
	"caret/pfs/changeset"
)

// Deletion asks for a file to be deleted, or, with Version, for that version
// of it to be taken out of the list of versions.
type Deletion struct {
	Path string
	// Version leads from what is written to to a state with the version. If
	// that is the current one, the one before it is current again; if it is a
	// deletion, that undoes it. History still has it: its commit reads as it
	// did.
	Version *revision.Expr
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
	Was     *Info    // the file that was there, without its parts, if no version was asked for
	Version CommitID // that was removed, if one was asked for
	Marker  bool     // that version was a deletion
	// Err is ErrNoSuchVersion, ErrNoSuchCommit or ErrAmbiguous if the Version
	// leads nowhere, and what If says. Of versions that take several commits it is
	// also why a later one failed.
	Err error
}

// Delete deletes files and versions in one commit, but for very many versions. What is
// not there is no error. Versions are removed by the owner of the branch alone: ErrDenied
// is then the error of their items. ErrConflict if the branch is moved again and again
// meanwhile.
func (fs *FS) Delete(ctx context.Context, to Ref, list []Deletion, opt WriteOptions) (Deleted, error) {
	if err := checkDeletions(list); err != nil {
		return Deleted{}, err
	}
	versions := hasVersions(list)
	switch {
	case len(list) > deleteAtOnce && versions:
		return fs.deleteInHalves(ctx, to, list, opt)
	case len(list) > deleteAtOnce:
		return fs.deleteInSteps(ctx, to, list, opt)
	}
	done, err := fs.deleteAtOnce(ctx, to, list, opt)
	if errors.Is(err, ErrTooLarge) && !versions {
		return fs.deleteInSteps(ctx, to, list, opt)
	}
	if errors.Is(err, ErrTooLarge) && len(list) > 1 {
		return fs.deleteInHalves(ctx, to, list, opt)
	}
	return done, err
}

const (
	// deleteAtOnce is how many items are deleted in one transaction: as many as a request
	// of S3 has.
	deleteAtOnce = 1000
	// deleteFew is how many files are so few that a view ahead of the transaction would cost
	// more than looking for them in it.
	deleteFew = 50
	// deleteTries is how often that is tried while the branch changes too much meanwhile.
	deleteTries = 5
)

// deleteAtOnce deletes few enough items for one transaction. What is there, and which
// versions there are, is found out ahead of it; only what the branch has changed since is
// looked at in it.
func (fs *FS) deleteAtOnce(ctx context.Context, to Ref, list []Deletion, opt WriteOptions) (Deleted, error) {
	id, err := revision.NewID(fs.sys.rand)
	if err != nil {
		return Deleted{}, err
	}
	d := &deleting{to: to, list: list}
	few := len(list) <= deleteFew && !hasVersions(list)
	if !few {
		if err := fs.View(ctx, func(v *View) error { return d.look(v, &opt) }); err != nil {
			return Deleted{}, err
		}
	}
	for try := 1; ; try++ {
		var done Deleted
		err := fs.update(ctx, about(to), made(id), func(c *change) (err error) {
			if few {
				if err := d.look(c.View, &opt); err != nil {
					return err
				}
			}
			done, err = d.do(c, id, &opt)
			return err
		})
		if !errors.Is(err, errMoved) {
			return done, err
		}
		if try == deleteTries {
			return Deleted{}, fmt.Errorf("%w: branch %s changes all the time what is deleted; try again", ErrConflict, d.s.Branch)
		}
		if err := fs.View(ctx, func(v *View) error { return d.catchUp(v, &opt) }); err != nil {
			return Deleted{}, err
		}
	}
}

// Deletable is a dry run of Delete, for who may list the branch too.
func (fs *FS) Deletable(ctx context.Context, to Ref, list []Deletion, opt WriteOptions) (Deleted, error) {
	if err := checkDeletions(list); err != nil {
		return Deleted{}, err
	}
	var done Deleted
	err := fs.View(ctx, func(v *View) error {
		s, err := v.target(to, ActWrite, "", &opt)
		if err == nil {
			err = v.decide(s, ActList, "")
		}
		if err != nil {
			return err
		}
		d := &deleting{to: to, list: list}
		if err := d.lookAt(v, s); err != nil {
			return err
		}
		done.Items, _, err = d.changes(opt.If)
		return err
	})
	return done, err
}

func hasVersions(list []Deletion) bool {
	return slices.ContainsFunc(list, func(d Deletion) bool { return d.Version != nil })
}

func checkDeletions(list []Deletion) error {
	for _, d := range list {
		if err := checkPath(d.Path); err != nil {
			return err
		}
	}
	return nil
}

// deleteInHalves removes versions in several commits, where their rows are too
// long for one. Once the first is made the others follow, though ctx may end, and what
// comes of those that fail is the Err of their items.
func (fs *FS) deleteInHalves(ctx context.Context, to Ref, list []Deletion, opt WriteOptions) (Deleted, error) {
	first, err := fs.Delete(ctx, to, list[:len(list)/2], opt)
	if err != nil {
		return Deleted{}, err
	}
	opt.IfHead = "" // it was met
	second, err := fs.Delete(context.WithoutCancel(ctx), to, list[len(list)/2:], opt)
	if err != nil && first.Commit.IsZero() {
		return Deleted{}, err
	}
	if err != nil {
		second.Items = make([]DeletedItem, len(list)-len(list)/2)
		for i := range second.Items {
			second.Items[i].Err = err
		}
	}
	second.Items = append(first.Items, second.Items...)
	if second.Commit.IsZero() {
		second.Commit = first.Commit
	}
	return second, nil
}

// deleteStep is how many paths are looked at in one view, of too many for one transaction.
const deleteStep = 500

// deleteInSteps deletes what one transaction cannot hold, by way of an open
// commit: what is there is what was there when it began. Where conditions were
// decided on that, what the branch has changed of it since is a ConflictError.
func (fs *FS) deleteInSteps(ctx context.Context, to Ref, list []Deletion, opt WriteOptions) (Deleted, error) {
	var done Deleted
	var set *changeset.Set
	var s *Snapshot
	err := fs.View(ctx, func(v *View) (err error) {
		if s, err = v.target(to, ActWrite, "", &opt); err != nil {
			return err
		}
		spec := fs.spec(s, ActWrite, &opt, v.who)
		if opt.If == (Condition{}) && !slices.ContainsFunc(list, func(d Deletion) bool { return d.If != (Condition{}) }) {
			spec.Policy = changeset.Always(Theirs) // as a transaction would, whatever came between
		}
		set, err = fs.sys.engine.Begin(spec)
		return err
	})
	if err != nil {
		return Deleted{}, err
	}
	for step := range slices.Chunk(list, deleteStep) {
		var items []DeletedItem
		var changes []commits.Change
		err := fs.View(ctx, func(v *View) (err error) {
			d := deleting{to: to, list: step}
			if err = d.lookAt(v, v.snapshot(&s.Snapshot)); err == nil {
				items, changes, err = d.changes(opt.If)
			}
			return err
		})
		for i := range changes {
			if err == nil {
				err = set.Add(ctx, changes[i], 0)
			}
		}
		if err != nil {
			return Deleted{}, errors.Join(err, set.Close())
		}
		done.Items = append(done.Items, items...)
	}
	if set.Added() > 0 {
		done.Commit, err = set.Publish(ctx)
	}
	return done, errors.Join(err, set.Close())
}
