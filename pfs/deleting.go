package pfs

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"caret/commits"
	"caret/objstore"
	"caret/pfs/changeset"
)

// deleting is a Delete under way: what it has found out of the branch at one moment.
type deleting struct {
	to    Ref
	list  []Deletion
	s     *Snapshot                 // what was looked at
	found []DeletedItem             // of the items with versions
	now   map[string]*commits.State // what is at the other paths; nil is no file
	gone  map[string][]CommitID     // versions to remove, by path
	left  map[string]*commits.State // what stays at these paths; nil if none is listed
}

// look finds out all there is to know.
func (d *deleting) look(v *View, opt *WriteOptions) error {
	s, err := v.target(d.to, ActWrite, "", opt)
	if err != nil {
		return err
	}
	return d.lookAt(v, s)
}

func (d *deleting) lookAt(v *View, s *Snapshot) error {
	d.s, d.found = s, make([]DeletedItem, len(d.list))
	d.now, d.gone, d.left = make(map[string]*commits.State), make(map[string][]CommitID), make(map[string]*commits.State)
	var plain []string
	meant := make(map[string]*Snapshot) // by version
	for i, item := range d.list {
		if item.Version == nil {
			plain = append(plain, item.Path)
			continue
		}
		if err := errors.Join(v.ctx.Err(), d.find(v, i, meant)); err != nil {
			return err
		}
	}
	for page := range slices.Chunk(plain, deleteStep) {
		if err := errors.Join(v.ctx.Err(), d.lookUp(v.tx, page)); err != nil {
			return err
		}
	}
	for path, gone := range d.gone {
		var err error
		if d.left[path], err = s.without(v.ctx, v.tx, path, gone); err != nil {
			return err
		}
	}
	return nil
}

// lookUp finds the files at paths.
func (d *deleting) lookUp(tx objstore.Reader, paths []string) error {
	states, err := d.s.files(tx, paths)
	for i, st := range states {
		d.now[paths[i]] = st
	}
	return err
}

// find finds the version that item i means. meant are the commits that were found before.
func (d *deleting) find(v *View, i int, meant map[string]*Snapshot) error {
	to := d.to
	to.Version = *d.list[i].Version
	item := &d.found[i]
	if err := v.decide(d.s, ActOwn, ""); err != nil {
		item.Err = err
		return skipDenied(err)
	}
	if d.s.Open {
		return fmt.Errorf("%w: versions are not removed in an open commit; finish %s first", ErrInvalidArgument, d.s.ID)
	}
	then := meant[to.Version.String()]
	if then == nil {
		var err error
		then, err = v.Open(to, ActOwn, "") // which may be the state of another branch
		if errors.Is(err, ErrNoSuchVersion) || errors.Is(err, ErrNoSuchCommit) || errors.Is(err, ErrAmbiguous) || errors.Is(err, ErrDenied) {
			item.Err = err
			return nil
		}
		if err != nil {
			return err
		}
		meant[to.Version.String()] = then
	}
	p := d.list[i].Path
	target, err := then.newest(v.tx, p)
	if err != nil || target == nil {
		return err
	}
	if x := to.Version; x.Base == then.ID.String() && len(x.Steps) == 0 && target.Commit != then.ID {
		return nil // a version id, but that of another path: what S3 clients send means no more
	}
	if !target.Deleted {
		if item.Err = d.list[i].If.check(p, &Info{Path: p, State: *target}); item.Err != nil {
			return nil
		}
	}
	item.Version, item.Marker = target.Commit, target.Deleted
	if !slices.Contains(d.gone[p], target.Commit) {
		d.gone[p] = append(d.gone[p], target.Commit)
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

// do deletes, in a transaction that looks at what the branch has changed since. errMoved
// if that is more than a transaction may look at.
func (d *deleting) do(c *change, id CommitID, opt *WriteOptions) (done Deleted, err error) {
	s, err := c.target(d.to, ActWrite, "", opt)
	if err != nil {
		return done, err
	}
	now, err := d.at(c.View, s, maxSince)
	if err != nil {
		return done, err
	}
	items, changes, err := now.changes(opt.If)
	done.Items = items
	if err != nil || len(changes) == 0 {
		return done, err
	}
	spec := changeset.Spec{Author: c.who.Name, Message: opt.Message}
	if done.Commit, err = c.sys.engine.Write(c.tx, &s.Snapshot, id, changes, &spec); err == nil {
		err = now.auditRemoved(c, items)
	}
	return done, err
}

// catchUp goes on to what the branch is now.
func (d *deleting) catchUp(v *View, opt *WriteOptions) error {
	s, err := v.target(d.to, ActWrite, "", opt)
	if err != nil {
		return err
	}
	now, err := d.at(v, s, maxCaughtUp)
	if errors.Is(err, errMoved) {
		return d.lookAt(v, s)
	}
	if err == nil {
		*d = *now
	}
	return err
}

// at is d as of what the branch is now, if that has changed no more than some paths
// since: errMoved.
func (d *deleting) at(v *View, s *Snapshot, most int) (*deleting, error) {
	now := *d
	now.s = s
	if s.Row.ID != d.s.Row.ID || s.Home != d.s.Home || s.Open != d.s.Open {
		return nil, errMoved
	}
	if len(d.gone) > 0 && v.decide(s, ActOwn, "") != nil {
		return nil, errMoved
	}
	if s.Open { // of which nobody knows when it was written to
		now.now = make(map[string]*commits.State)
		return &now, now.lookUp(v.tx, slices.Collect(maps.Keys(d.now)))
	}
	changed, err := s.changedSince(v.tx, d.s, most)
	if err != nil || len(changed) == 0 {
		return &now, err
	}
	now.now, now.left = maps.Clone(d.now), maps.Clone(d.left)
	var again []string
	for path := range changed {
		if _, ok := d.now[path]; ok {
			again = append(again, path)
		}
		if _, ok := d.left[path]; ok {
			if now.left[path], err = d.leftSince(v.tx, s, path); err != nil {
				return nil, err
			}
		}
	}
	return &now, now.lookUp(v.tx, again)
}

// leftSince is what stays at a path, given what stayed when that was looked at: the states
// that were left since come on top. errMoved if those before have to be looked at again.
func (d *deleting) leftSince(tx objstore.Reader, s *Snapshot, path string) (*commits.State, error) {
	v, err := s.view(tx)
	if err != nil {
		return nil, err
	}
	var left *commits.State // the newest that stays
	var removed []CommitID
	done := make(map[CommitID]bool) // listed or removed since
	err = v.HistoryHint(path, 1, func(st commits.State) (bool, error) {
		if st.N <= d.s.N {
			return false, nil
		}
		for _, id := range st.Removed {
			done[id] = true
		}
		switch {
		case st.Unlisted || done[st.Commit]:
		case slices.Contains(d.gone[path], st.Commit):
			removed = append(removed, st.Commit)
		case left == nil:
			left = &st
		}
		done[st.Commit] = true
		return true, nil
	})
	if err != nil {
		return nil, err
	}
	if was := d.left[path]; was != nil {
		for _, id := range was.Removed {
			if !done[id] {
				removed = append(removed, id)
			}
		}
		if left == nil && !done[was.Commit] {
			same := *was
			left = &same
		}
	}
	switch {
	case len(removed) == 0:
		return nil, nil
	case left == nil:
		return nil, errMoved
	}
	left.Removed = removed
	return left, nil
}

// changes are what becomes of the items, and what deletes them: one change for each path.
func (d *deleting) changes(cond Condition) ([]DeletedItem, []commits.Change, error) {
	items := slices.Clone(d.found)
	var changes []commits.Change
	seen := make(map[string]int, len(d.list)) // path -> its change, and one more
	for i, item := range d.list {
		p := item.Path
		if _, ok := seen[p]; !ok && d.left[p] != nil {
			changes = append(changes, commits.Change{Path: p, State: *d.left[p]})
			seen[p] = len(changes)
		}
		at := seen[p]
		if item.Version != nil {
			items[i].Existed = at > 0 && slices.Contains(changes[at-1].Removed, items[i].Version)
			continue
		}
		cur := fileInfo(p, d.now[p])
		if err := cond.check(p, cur); err != nil {
			return items, nil, err
		}
		if items[i].Err = item.If.check(p, cur); items[i].Err != nil {
			continue
		}
		items[i].Existed, items[i].Was = cur != nil, withoutParts(cur)
		switch {
		case at > 0:
			changes[at-1].State = commits.State{Deleted: true, Removed: changes[at-1].Removed}
		case cur != nil:
			changes = append(changes, commits.Change{Path: p, State: commits.State{Deleted: true}})
			seen[p] = len(changes)
		}
	}
	return items, changes, nil
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
