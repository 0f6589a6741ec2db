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

// Delete deletes files and versions in one commit. What is not there is no
// error. Versions are removed by the owner of the branch alone: ErrDenied is then
// the error of their items.
func (fs *FS) Delete(ctx context.Context, to Ref, list []Deletion, opt WriteOptions) (Deleted, error) {
	if err := checkDeletions(list); err != nil {
		return Deleted{}, err
	}
	versions := slices.ContainsFunc(list, func(d Deletion) bool { return d.Version != nil })
	id, err := revision.NewID(fs.sys.rand)
	if err != nil {
		return Deleted{}, err
	}
	var done Deleted
	err = fs.update(ctx, about(to), made(id), func(c *change) error {
		done = Deleted{}
		s, err := c.target(to, ActWrite, "", &opt)
		if err != nil {
			return err
		}
		d := &deleting{View: c.View, s: s, to: to, list: list}
		changes, err := d.changes(opt.If)
		done.Items = d.items
		if err != nil || len(changes) == 0 {
			return err
		}
		spec := changeset.Spec{Author: c.who.Name, Message: opt.Message}
		if done.Commit, err = c.sys.engine.Write(c.tx, &s.Snapshot, id, changes, &spec); err == nil && versions {
			err = d.auditRemoved(c)
		}
		return err
	})
	if errors.Is(err, ErrTooLarge) && !versions {
		done, err = fs.deleteInSteps(ctx, to, list, opt)
	}
	if errors.Is(err, ErrTooLarge) && versions && len(list) > 1 {
		return fs.deleteInHalves(ctx, to, list, opt)
	}
	if err != nil {
		return Deleted{}, err
	}
	return done, nil
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
		d := &deleting{View: v, s: s, to: to, list: list}
		_, err = d.changes(opt.If)
		done.Items = d.items
		return err
	})
	return done, err
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

// deleting is a Delete in a transaction.
type deleting struct {
	*View
	s     *Snapshot
	to    Ref
	list  []Deletion
	items []DeletedItem
}

// changes are what deletes the items of the list, one for each path.
func (d *deleting) changes(cond Condition) ([]commits.Change, error) {
	d.items = make([]DeletedItem, len(d.list))
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
		d.items[i].Existed, d.items[i].Was = cur != nil, withoutParts(cur)
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

// withoutParts is a file without its parts, of which there may be thousands.
func withoutParts(i *Info) *Info {
	if i == nil || i.Parts == nil {
		return i
	}
	short := *i
	short.Parts, short.PartSums = nil, nil
	return &short
}

// find finds the version that item i means.
func (d *deleting) find(i int, gone map[string][]CommitID) error {
	to := d.to
	to.Version = *d.list[i].Version
	if err := d.decide(d.s, ActOwn, ""); err != nil {
		d.items[i].Err = err
		return skipDenied(err)
	}
	if d.s.Open {
		return fmt.Errorf("%w: versions are not removed in an open commit; finish %s first", ErrInvalidArgument, d.s.ID)
	}
	then, err := d.Open(to, ActOwn, "") // which may be the state of another branch
	if errors.Is(err, ErrNoSuchVersion) || errors.Is(err, ErrNoSuchCommit) || errors.Is(err, ErrAmbiguous) || errors.Is(err, ErrDenied) {
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

// skipDenied leaves it to the item that it is denied.
func skipDenied(err error) error {
	if errors.Is(err, ErrDenied) {
		return nil
	}
	return err
}

// deleteStep is how many paths are deleted at once of too many for one
// transaction.
const deleteStep = 100

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
		d := deleting{to: to, list: step}
		var changes []commits.Change
		err := fs.View(ctx, func(v *View) (err error) {
			d.View, d.s = v, v.snapshot(&s.Snapshot)
			changes, err = d.changes(opt.If)
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
		done.Items = append(done.Items, d.items...)
	}
	if set.Added() > 0 {
		done.Commit, err = set.Publish(ctx)
	}
	return done, errors.Join(err, set.Close())
}
