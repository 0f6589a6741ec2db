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
	DryRun bool // nothing is written
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

// maxPlanned is how many changes a dry run lists.
const maxPlanned = 1000

// mergeTries is how often a merge begins anew because the branch has changed
// what it is about.
const mergeTries = 5

// Merge makes what from has and the branch has not part of the branch, path by
// path against what they have in common; see commits.Merge. It is one commit,
// whatever it changes, and remembers from as a parent, so that the next merge
// begins there. Conflicts that no rule decides are a ConflictError.
func (fs *FS) Merge(ctx context.Context, into, from Ref, opt MergeOptions) (Merged, error) {
	if err := checkRules(opt.Rules); err != nil {
		return Merged{}, err
	}
	few := false
	for try := 1; ; try++ {
		m := merging{fs: fs, into: into, opt: opt}
		m.conflicts.What = "changed on both branches"
		run := m.do
		if few && try > 1 {
			run = m.atOnce
		}
		done, err := run(ctx, from)
		if !errors.Is(err, errMoved) {
			return done, err
		}
		if try == mergeTries {
			return Merged{}, fmt.Errorf("%w: branch %s changes all the time what is merged; try again", ErrConflict, m.ours.Branch)
		}
		few = len(m.paths) <= maxAtOnce
	}
}

// errMoved: the branch has changed since it was looked at.
var errMoved = errors.New("the branch has moved")

// merging is one try of a Merge.
type merging struct {
	fs           *FS
	into         Ref
	opt          MergeOptions
	ours, theirs *Snapshot
	plan         *commits.Merge
	paths        []string // that may change
	done         Merged
	conflicts    ConflictError
}

func (m *merging) do(ctx context.Context, from Ref) (Merged, error) {
	if err := m.fs.rows.View(ctx, func(tx objstore.Reader) error { return m.prepare(tx, from) }); err != nil {
		return Merged{}, err
	}
	if m.done.UpToDate {
		return m.done, nil
	}
	switch {
	case m.opt.DryRun:
		err := m.each(ctx, m.take)
		return m.outcome(), err
	case m.done.FastForward:
		err := m.fs.rows.Update(ctx, "", m.forward)
		return m.done, err
	}
	return m.commit(ctx)
}

// maxAtOnce is how many paths a merge may be about to be made in one
// transaction: other writers wait for it.
const maxAtOnce = 200

// atOnce makes a merge of few paths in one transaction, which nothing comes
// between, where the branch has moved under the usual way.
func (m *merging) atOnce(ctx context.Context, from Ref) (Merged, error) {
	id, err := revision.NewID(m.fs.rand)
	if err != nil {
		return Merged{}, err
	}
	first := *m
	err = m.fs.rows.Update(ctx, "", func(tx objstore.Writer) error {
		*m = first // this may run again
		switch err := m.prepare(tx, from); {
		case err != nil || m.done.UpToDate:
			return err
		case len(m.paths) > maxAtOnce:
			return errMoved
		case m.done.FastForward:
			return m.forward(tx)
		}
		return m.append(tx, id)
	})
	return m.done, err
}

// append makes the merge commit in a transaction.
func (m *merging) append(tx objstore.Writer, id CommitID) error {
	meta := commits.Meta{ID: id, Time: m.fs.timestamp(), Author: m.opt.Author, Message: m.opt.Message}
	if meta.Time.Before(m.ours.Time) {
		meta.Time = m.ours.Time // a clock that went back
	}
	if !m.opt.Squash {
		meta.Merged = []CommitID{m.theirs.ID}
	}
	var changes []commits.Change
	err := m.plan.Resolve(tx, m.paths, func(p commits.MergedPath) error {
		ch := m.decide(p)
		if err := m.take(p, ch); err != nil || ch == nil {
			return err
		}
		if ch.Commit.IsZero() { // else it is an older version again
			ch.Modified = meta.Time
		}
		changes = append(changes, *ch)
		return nil
	})
	if err == nil && m.conflicts.Total > 0 {
		err = &m.conflicts
	}
	if err != nil {
		return err
	}
	m.done.Commit = id
	_, err = commits.Append(tx, m.ours.line, changes, meta)
	return err
}

// prepare finds the two sides and what they have in common.
func (m *merging) prepare(tx objstore.Reader, from Ref) error {
	opt := m.opt.WriteOptions
	opt.merges = true
	var err error
	if m.ours, err = m.fs.target(tx, m.into, opt); err != nil {
		return err
	}
	if m.ours.Open {
		return fmt.Errorf("%w: %s is an open commit; merge into its branch", ErrInvalidArgument, m.ours.ID)
	}
	if m.theirs, err = m.fs.finished(tx, from); err != nil {
		return err
	}
	if m.ours.repo.ID != m.theirs.repo.ID {
		return fmt.Errorf("%w: %s and %s share no history", ErrInvalidArgument, m.ours.Repo, m.theirs.Repo)
	}
	if m.plan, err = m.fs.forks.NewMerge(tx, m.ours.pos, m.theirs.pos); err != nil {
		return err
	}
	for _, p := range m.plan.Bases {
		c, err := commits.Read(tx, p)
		if err != nil {
			return err
		}
		m.done.Bases = append(m.done.Bases, c.ID)
	}
	m.done.Commit = m.ours.ID
	if m.done.UpToDate = m.plan.UpToDate(); m.done.UpToDate {
		return nil
	}
	if m.opt.Message == "" {
		name := m.theirs.Branch
		if name == "" {
			name = m.theirs.ID.String()
		}
		m.opt.Message = fmt.Sprintf("merge %s into %s", name, m.ours.Branch)
	}
	if m.paths, err = m.plan.Candidates(tx); err != nil {
		return err
	}
	m.done.FastForward = m.plan.FastForward && !m.opt.NoFastForward && !m.opt.Squash
	if m.done.FastForward && !m.opt.DryRun { // which counts them one by one
		m.done.Files = len(m.paths)
	}
	return nil
}

// mergePage is how many paths are looked at in one transaction.
const mergePage = 500

// each calls fn for the paths that the merge changes or decides about.
func (m *merging) each(ctx context.Context, fn func(commits.MergedPath, *commits.Change) error) error {
	for page := range slices.Chunk(m.paths, mergePage) {
		var list []commits.MergedPath
		err := m.fs.rows.View(ctx, func(tx objstore.Reader) error {
			list = nil
			return m.plan.Resolve(tx, page, func(p commits.MergedPath) error {
				list = append(list, p)
				return nil
			})
		})
		if err != nil {
			return err
		}
		for _, p := range list {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := fn(p, m.decide(p)); err != nil {
				return err
			}
		}
	}
	return nil
}

// decide is what the merge commit says of a path, nil if that is undecided.
func (m *merging) decide(p commits.MergedPath) *commits.Change {
	strategy := Theirs
	if p.Conflict {
		i := slices.IndexFunc(m.opt.Rules, func(r Rule) bool { return r.fits(p.Path) })
		if i < 0 {
			return nil
		}
		strategy = m.opt.Rules[i].Strategy
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

// take counts a change, or a conflict.
func (m *merging) take(p commits.MergedPath, ch *commits.Change) error {
	if ch == nil {
		m.conflicts.add(Conflict{
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

func (m *merging) outcome() Merged {
	if m.conflicts.Total > 0 {
		m.done.Conflicts = &m.conflicts
	}
	return m.done
}

// forward moves the branch on to their commit.
func (m *merging) forward(tx objstore.Writer) error {
	m.done.Commit = m.theirs.ID
	opt := m.opt.WriteOptions
	opt.merges, opt.On = true, m.ours
	s, err := m.fs.target(tx, Ref{Repo: m.ours.Repo, Branch: m.ours.Branch}, opt)
	if err != nil {
		return err
	}
	if s.pos != m.ours.pos {
		return errMoved
	}
	_, err = m.fs.moveBranch(tx, s, m.theirs.pos, "merge", opt.Author)
	return err
}

// commit makes the merge commit, by way of an open one.
func (m *merging) commit(ctx context.Context) (Merged, error) {
	opt := m.opt.WriteOptions
	opt.merges, opt.base, opt.On = true, m.ours, m.ours
	b, err := m.fs.NewBatch(ctx, Ref{Repo: m.ours.Repo, Branch: m.ours.Branch}, opt)
	if err != nil {
		return Merged{}, err
	}
	err = m.each(ctx, func(p commits.MergedPath, ch *commits.Change) error {
		if err := m.take(p, ch); err != nil || m.conflicts.Total > 0 {
			return err
		}
		return b.add(ctx, *ch)
	})
	if err == nil && m.conflicts.Total > 0 {
		err = &m.conflicts
	}
	if err == nil {
		m.done.Commit, err = m.finish(ctx, b)
	}
	if err != nil {
		return Merged{}, joinClose(err, b)
	}
	return m.done, nil
}

// finish makes the commit visible, if the branch has changed nothing meanwhile
// that it is about.
func (m *merging) finish(ctx context.Context, b *Batch) (CommitID, error) {
	b.strict = true
	if !m.opt.Squash {
		b.merged = []CommitID{m.theirs.ID}
	}
	b.decided = func(path string) bool {
		_, found := slices.BinarySearch(m.paths, path)
		return found
	}
	id, err := b.Finish(ctx)
	if errors.Is(err, ErrConflict) {
		err = errMoved
	}
	return id, err
}
