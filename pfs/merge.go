package pfs

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"caret/commits"
	"caret/commits/revision"
	"caret/objstore"
	"caret/pfs/access"
	"caret/pfs/catalog"
	"caret/pfs/changeset"
)

// MergeOptions say how a merge is done.
type MergeOptions struct {
	WriteOptions
	// Rules decide about conflicts; the first whose pattern fits does.
	Rules []Rule
	// NoFastForward makes a merge commit also where the branch could simply be
	// moved on.
	NoFastForward bool
	// Squash makes an ordinary commit of what would be merged, which does not
	// remember where it is from.
	Squash bool
	DryRun bool // nothing is written. It is for who may list the branch.
}

// Merged is the outcome of a merge.
type Merged struct {
	Commit      CommitID // the branch's head after it; of a dry run, before
	Bases       []CommitID
	Files       int  // that it changes; of a fast-forward, that its commits changed
	UpToDate    bool // there was nothing to merge, and no commit was made
	FastForward bool // the branch was moved on to what was merged, and no commit was made
	// Changes are the first that a dry run would make, and Conflicts what it
	// would fail with; nil if there are none.
	Changes   []Difference
	Conflicts *ConflictError
}

const (
	// maxPlanned is how many changes a dry run lists.
	maxPlanned = 1000
	// mergeTries is how often a merge begins anew because the branch has changed
	// what it is about.
	mergeTries = 5
	// maxAtOnce is how many paths a merge may be about to be made in one
	// transaction: other writers wait for it.
	maxAtOnce = 50
)

// errMoved: the branch has changed since it was looked at.
var errMoved = errors.New("the branch has moved")

// Merge makes what from has and the branch has not part of the branch, path by
// path against what they have in common; see commits.Merge. It is one commit,
// whatever it changes, and remembers from as a parent, so that the next merge
// begins there. Conflicts that no rule decides are a ConflictError. As it brings
// content into the branch it is for who may read all of from; a protected branch
// takes merges of who owns it alone.
func (fs *FS) Merge(ctx context.Context, into, from Ref, opt MergeOptions) (Merged, error) {
	if err := changeset.CheckRules(opt.Rules); err != nil {
		return Merged{}, err
	}
	few := false
	for try := 1; ; try++ {
		m := &merging{fs: fs, into: into, from: from, opt: opt}
		m.conflicts.What = "changed on both branches"
		run := m.do
		if few && try > 1 {
			run = m.atOnce
		}
		err := run(ctx)
		tooLong := few && try > 1 && errors.Is(err, ErrTooLarge) // few paths, but long rows
		if !errors.Is(err, errMoved) && !tooLong {
			return m.done, err
		}
		if try == mergeTries {
			return Merged{}, fmt.Errorf("%w: branch %s changes all the time what is merged; try again", ErrConflict, m.ours.Branch)
		}
		few = len(m.paths) <= maxAtOnce && !tooLong
	}
}

// merging is one try of a Merge.
type merging struct {
	fs           *FS
	into, from   Ref
	opt          MergeOptions
	ours, theirs *Snapshot
	plan         *commits.Merge
	paths        []string // that may change, in order
	spec         changeset.Spec
	done         Merged
	conflicts    ConflictError
	decided      map[string]string // strategies by path, if they were asked for before
}

func (m *merging) do(ctx context.Context) error {
	if err := m.fs.View(ctx, m.prepare); err != nil || m.done.UpToDate {
		return err
	}
	tally := m.fs.sys.tally()
	defer tally.Release()
	if err := countPaths(ctx, tally, m.paths); err != nil {
		return err
	}
	switch {
	case m.opt.DryRun:
		err := m.each(ctx, m.count)
		if m.conflicts.Total > 0 {
			m.done.Conflicts = &m.conflicts
		}
		return err
	case m.done.FastForward:
		return m.inOneTransaction(ctx, CommitID{}, func(c *change, lineage commits.LineageID) error {
			s, err := c.target(m.into, access.Merge, "", &m.opt.WriteOptions)
			if err == nil && (s.Pos != m.ours.Pos || s.Home != m.ours.Home) {
				err = errMoved
			}
			if err != nil {
				return err
			}
			return m.forward(c, lineage)
		})
	}
	return m.commit(ctx)
}

// inOneTransaction runs fn, which makes the commit id or moves the branch to a
// lineage that may be needed.
func (m *merging) inOneTransaction(ctx context.Context, id CommitID, fn func(*change, commits.LineageID) error) error {
	lineage, err := m.fs.sys.newLineage(ctx)
	if err != nil {
		return err
	}
	happened := func(tx objstore.Reader) (bool, error) {
		_, lineageErr := commits.ReadLineage(tx, lineage)
		_, commitErr := commits.Find(tx, id)
		return lineageErr == nil || commitErr == nil, nil
	}
	return m.fs.update(ctx, about(m.into), happened, func(c *change) error { return fn(c, lineage) })
}

// atOnce makes a merge of few paths in one transaction, which nothing comes
// between, where the branch has moved under the usual way. All but looking at these
// paths is done before.
func (m *merging) atOnce(ctx context.Context) error {
	id, err := revision.NewID(m.fs.sys.rand)
	if err != nil {
		return err
	}
	if err := m.fs.View(ctx, m.prepare); err != nil || m.done.UpToDate {
		return err
	}
	if len(m.paths) > maxAtOnce || m.done.FastForward {
		return errMoved // to be done the usual way
	}
	if err := m.decideAll(ctx); err != nil {
		return err
	}
	first := *m
	return m.inOneTransaction(ctx, id, func(c *change, _ commits.LineageID) error {
		*m = first // this may run again
		m.conflicts.Conflicts = nil
		if err := m.goOn(c); err != nil {
			return err
		}
		var changes []commits.Change
		err := m.resolve(c.tx, m.paths, func(p commits.MergedPath, ch *commits.Change) error {
			if ch != nil {
				changes = append(changes, *ch)
			}
			return m.count(p, ch)
		})
		if err == nil && m.conflicts.Total > 0 {
			err = &m.conflicts
		}
		if err != nil {
			return err
		}
		m.done.Commit, err = c.sys.engine.Write(c.tx, &m.ours.Snapshot, id, changes, &m.spec)
		return err
	})
}

// decideAll asks the rules about all the paths, which takes long if there are many.
func (m *merging) decideAll(ctx context.Context) error {
	policy := changeset.Policy{Rules: m.opt.Rules}
	m.decided = make(map[string]string, len(m.paths))
	for _, path := range m.paths {
		if err := ctx.Err(); err != nil {
			return err
		}
		m.decided[path] = policy.Strategy(path)
	}
	return nil
}

// goOn makes of a merge that was prepared one into what the branch is now. As long as
// that was only written to, the bases are the same and so are the paths.
func (m *merging) goOn(c *change) error {
	ours, err := c.target(m.into, access.Merge, "", &m.opt.WriteOptions)
	if err != nil {
		return err
	}
	if _, err := c.again(m.theirs, ActOwn, ""); err != nil {
		return err
	}
	merged, err := commits.MergedSince(c.tx, ours.Lineage, m.ours.N)
	if err != nil {
		return err
	}
	if merged || ours.Lineage != m.ours.Lineage || ours.Home != m.ours.Home || ours.Row.ID != m.ours.Row.ID {
		return errMoved
	}
	plan := *m.plan
	plan.Ours = ours.Pos
	m.ours, m.plan, m.spec.On = ours, &plan, &ours.Snapshot
	return nil
}

// prepare finds the two sides and what they have in common.
func (m *merging) prepare(v *View) error {
	var err error
	if m.ours, err = v.target(m.into, access.Merge, "", &m.opt.WriteOptions); err != nil {
		return err
	}
	if m.theirs, err = v.Open(m.from, ActReadAll, ""); err != nil {
		return err
	}
	if m.opt.DryRun { // which shows what the branch has
		if err := v.decide(m.ours, ActList, ""); err != nil {
			return err
		}
	}
	if m.ours.Open {
		return fmt.Errorf("%w: %s is an open commit; merge into its branch", ErrInvalidArgument, m.ours.ID)
	}
	if err := m.theirs.Finished(); err != nil {
		return err
	}
	if m.ours.Row.ID != m.theirs.Row.ID {
		return fmt.Errorf("%w: %s and %s share no history", ErrInvalidArgument, m.ours.Repo, m.theirs.Repo)
	}
	if m.plan, err = m.fs.sys.forks.NewMerge(v.tx, m.ours.Pos, m.theirs.Pos); err != nil {
		return err
	}
	bases, err := commits.ReadMany(v.tx, m.plan.Bases)
	if err != nil {
		return err
	}
	for _, c := range bases {
		m.done.Bases = append(m.done.Bases, c.ID)
	}
	m.done.Commit = m.ours.ID
	if m.done.UpToDate = m.plan.UpToDate(); m.done.UpToDate {
		return nil
	}
	if m.paths, err = m.plan.Candidates(v.tx); err != nil {
		return err
	}
	m.spec = m.specFor(v.who)
	m.done.FastForward = m.plan.FastForward && !m.opt.NoFastForward && !m.opt.Squash
	if !m.opt.Squash && !m.opt.DryRun {
		if m.spec.Brought, err = commits.ReadBrought(v.tx, m.ours.Pos, m.theirs.Pos); err != nil {
			return err
		}
	}
	if m.done.FastForward && !m.opt.DryRun { // which counts them one by one
		m.done.Files = len(m.paths)
	}
	return nil
}

// specFor says what the merge commit is: what the branch changes meanwhile of
// all that the merge has looked at is a conflict, as it was decided on that.
func (m *merging) specFor(who Caller) changeset.Spec {
	spec := m.fs.spec(m.ours, access.Merge, &m.opt.WriteOptions, who)
	spec.About = func(path string) bool {
		_, found := slices.BinarySearch(m.paths, path)
		return found
	}
	if spec.Message == "" {
		name := m.theirs.Branch
		if name == "" {
			name = m.theirs.ID.String()
		}
		spec.Message = fmt.Sprintf("merge %s into %s", name, m.ours.Branch)
	}
	if !m.opt.Squash {
		spec.Merged = []CommitID{m.theirs.ID}
	}
	return spec
}

// resolve calls fn for those of the paths that the merge changes or decides
// about, with the change; nil if that is undecided.
func (m *merging) resolve(tx objstore.Reader, paths []string, fn func(commits.MergedPath, *commits.Change) error) error {
	return m.plan.Resolve(tx, paths, func(p commits.MergedPath) error { return fn(p, m.decide(p)) })
}

// mergePage is how many paths are looked at in one transaction.
const mergePage = 500

// each is resolve of all paths, with fn called outside of any transaction.
func (m *merging) each(ctx context.Context, fn func(commits.MergedPath, *commits.Change) error) error {
	type decided struct {
		path   commits.MergedPath
		change *commits.Change
	}
	for page := range slices.Chunk(m.paths, mergePage) {
		var list []decided
		err := m.fs.sys.db.View(ctx, func(tx objstore.Reader) error {
			list = nil
			return m.resolve(tx, page, func(p commits.MergedPath, ch *commits.Change) error {
				list = append(list, decided{p, ch})
				return ctx.Err()
			})
		})
		for _, d := range list {
			if err == nil {
				err = fn(d.path, d.change)
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// decide is what the merge commit says of a path, nil if that is undecided.
func (m *merging) decide(p commits.MergedPath) *commits.Change {
	strategy := Theirs
	if p.Conflict {
		var known bool
		if strategy, known = m.decided[p.Path]; !known {
			policy := changeset.Policy{Rules: m.opt.Rules}
			strategy = policy.Strategy(p.Path)
		}
		if strategy == "" {
			return nil
		}
	}
	if strategy == Theirs {
		ch := stateOf(p.Path, fileInfo(p.Path, p.Theirs))
		return &ch
	}
	// That it stays is part of the commit too: a later merge takes it for
	// what was decided.
	ch := commits.Change{Path: p.Path, State: *p.Left}
	ch.Removed = nil
	return &ch
}

// count counts a change, or a conflict.
func (m *merging) count(p commits.MergedPath, ch *commits.Change) error {
	if ch == nil {
		m.conflicts.Add(Conflict{
			Path: p.Path, Base: fileInfo(p.Path, p.Base), Ours: fileInfo(p.Path, p.Ours), Theirs: fileInfo(p.Path, p.Theirs),
		})
		return nil
	}
	m.done.Files++
	if m.opt.DryRun && len(m.done.Changes) < maxPlanned {
		d := Difference{Path: p.Path, Old: fileInfo(p.Path, p.Ours), New: fileInfo(p.Path, p.Theirs)}
		m.done.Changes = append(m.done.Changes, d)
	}
	return nil
}

// forward moves the branch on to their commit.
func (m *merging) forward(c *change, lineage commits.LineageID) error {
	m.done.Commit = m.theirs.ID
	_, err := catalog.MoveBranch(c.tx, m.ours.Row, m.ours.Branch, lineage, m.theirs.Pos, "merge", c.mover())
	if err != nil {
		return err
	}
	line := inRepo("merge", m.ours.Row, m.ours.Branch) // no commit says so
	line.Before, line.After = nameOf(m.ours.ID), nameOf(m.theirs.ID)
	return c.audit(line)
}

// commit makes the merge commit.
func (m *merging) commit(ctx context.Context) error {
	set, err := m.fs.sys.engine.Begin(m.spec)
	if err != nil {
		return err
	}
	err = m.each(ctx, func(p commits.MergedPath, ch *commits.Change) error {
		if err := m.count(p, ch); err != nil || m.conflicts.Total > 0 {
			return err
		}
		return set.Add(ctx, *ch, 0)
	})
	if err == nil && m.conflicts.Total > 0 {
		err = &m.conflicts
	} else if err == nil {
		if m.done.Commit, err = set.Publish(ctx); errors.Is(err, ErrConflict) {
			err = errMoved
		}
	}
	return errors.Join(err, set.Close())
}
