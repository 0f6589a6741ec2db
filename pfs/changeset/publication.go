package changeset

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"caret/commits"
	"caret/objstore"
	"caret/pfs/catalog"
)

// publication is one attempt to make a set visible.
type publication struct {
	e    *Engine
	spec *Spec
	id   commits.ID
	// A set that is small is in memory: its changes and their paths, in order.
	held  map[string]commits.Change
	paths []string
	// One that is not is staged under id, with a row.
	row     catalog.OpenRow
	checked commits.Pos // the branch up to here has been reconciled with what is staged
	sum     commits.StagedSum
	layered bool
	made    commits.Commit
}

// Finish makes everything staged in an open commit one commit of its branch,
// all or nothing. With nothing staged the commit is empty. spec.On is the open
// commit; message, if not empty, replaces the one it was started with. strategy
// decides about conflicts. If it fails the commit stays open.
func (e *Engine) Finish(ctx context.Context, spec Spec, message, strategy string) (commits.Commit, error) {
	release, err := e.Lease.Hold(ctx)
	if err != nil {
		return commits.Commit{}, err
	}
	defer release()
	spec.Policy, spec.Base = Always(strategy), spec.On.Started.Parent()
	p := &publication{e: e, spec: &spec, id: spec.On.ID}
	attempt, end := e.Lease.Begin()
	defer end()
	err = e.DB.Update(ctx, subject(spec.On), func(tx objstore.Writer) error { return p.begin(tx, message, strategy, attempt) })
	if err != nil && !errors.Is(err, objstore.ErrUnknownOutcome) {
		return commits.Commit{}, err
	}
	if err == nil {
		var made commits.Commit
		if made, err = p.run(ctx); err == nil {
			return made, nil
		}
	}
	// The commit stays open, to be finished otherwise or aborted.
	return commits.Commit{}, errors.Join(err, e.DB.Update(context.WithoutCancel(ctx), subject(spec.On), p.reopen))
}

// begin closes an open commit to further writes, and to other attempts.
func (p *publication) begin(tx objstore.Writer, message, strategy, attempt string) error {
	on := p.spec.On
	row, err := catalog.ReadOpen(tx, on.Row, p.id)
	if err != nil {
		return err
	}
	now := *on
	now.Started = row
	if err := p.e.CheckOpen(tx, &now); err != nil {
		return err
	}
	if row.Resolved && strategy != Ours {
		return fmt.Errorf("%w: commit %s was to be finished with strategy %s, and what lost by that is no longer in it; finish it so, or abort",
			ErrConflict, p.id, Ours)
	}
	row.Finishing, row.Owner, row.Attempt = true, p.e.Lease.Owner(), attempt
	p.row = row
	p.spec.Author, p.spec.Message = row.Author, row.Message
	if message != "" {
		p.spec.Message = message
	}
	if _, err := p.branch(tx); err != nil {
		return err
	}
	return catalog.SetOpen(tx, on.Row, p.id, row)
}

// reopen takes back what begin did, unless the commit was published after all,
// or is somebody else's by now.
func (p *publication) reopen(tx objstore.Writer) error {
	row, err := p.own(tx)
	if errors.Is(err, ErrConflict) || errors.Is(err, commits.ErrNoCommit) {
		return nil
	}
	if err != nil || row.Internal {
		return err
	}
	row.Finishing, row.Owner, row.Attempt = false, "", ""
	return catalog.SetOpen(tx, p.spec.On.Row, p.id, row)
}

// own reads the row of what is staged, which must still be this attempt's:
// ErrConflict if another process has taken it over.
func (p *publication) own(tx objstore.Reader) (catalog.OpenRow, error) {
	row, err := catalog.ReadOpen(tx, p.spec.On.Row, p.id)
	if errors.Is(err, commits.ErrNoCommit) {
		err = fmt.Errorf("%w: commit %s was dropped or finished by somebody else, as this took too long", ErrConflict, p.id)
	}
	if err == nil && (row.Owner != p.row.Owner || row.Attempt != p.row.Attempt) {
		err = fmt.Errorf("%w: commit %s was taken over by somebody else, as this took too long", ErrConflict, p.id)
	}
	return row, err
}

// branch finds the head of the branch, as it is now: the same branch, not
// another one of its name; with the base leading to its head; and the caller
// still allowed to write to it.
func (p *publication) branch(tx objstore.Reader) (*catalog.Snapshot, error) {
	on := p.spec.On
	at, err := catalog.Resolve(tx, catalog.Ref{Repo: on.Repo, Branch: on.Branch})
	if err != nil {
		return nil, err
	}
	if at.Row.ID != on.Row.ID || at.Home != on.Home {
		return nil, fmt.Errorf("%w: %s was deleted meanwhile; there is another one of that name", catalog.ErrNoSuchBranch, on.Branch)
	}
	if p.spec.Decide != nil {
		if err := p.spec.Decide(tx, at); err != nil {
			return nil, err
		}
	}
	if p.spec.Policy.Unmoved && at.Pos != p.spec.Base {
		return nil, fmt.Errorf("%w: branch %s has moved", ErrPrecondition, on.Branch)
	}
	if p.spec.Brought != nil && at.Lineage != on.Lineage {
		return nil, fmt.Errorf("%w: branch %s was moved meanwhile", ErrConflict, on.Branch)
	}
	leads, err := leadsTo(tx, p.spec.Base, at)
	if err == nil && !leads {
		err = fmt.Errorf("%w: branch %s was reset to a state before commit %s was started", ErrConflict, on.Branch, p.id)
	}
	return at, err
}

// leadsTo says whether the commit at p leads to the branch's head.
func leadsTo(tx objstore.Reader, p commits.Pos, at *catalog.Snapshot) (bool, error) {
	if p.N == 0 || p == at.Pos {
		return true, nil
	}
	if p.N > at.N {
		return false, nil
	}
	own, err := commits.Owner(tx, commits.Pos{Lineage: at.Lineage, N: p.N})
	return own == p, err
}

const (
	// nearCommits is how many commits a transaction looks at that makes a set
	// visible; what was made before is looked at ahead of it.
	nearCommits = 32
	// maxAtOnce is how many bytes of rows are written into those of the lineage by the
	// transaction that makes them visible: they move out as much again, and more is
	// better folded in afterwards.
	maxAtOnce = 1 << 20
	// maxRounds is how often that is tried on a branch that goes on growing.
	maxRounds = 10
)

// run makes what is staged visible. What takes long is prepared outside of the
// last transaction, so that other writers of the branch hardly wait.
func (p *publication) run(ctx context.Context) (commits.Commit, error) {
	p.checked = p.spec.Base
	for round := 1; ; round++ {
		near, err := p.catchUp(ctx)
		if err != nil {
			return commits.Commit{}, err
		}
		if near || round == maxRounds {
			break
		}
	}
	err := p.e.DB.View(ctx, func(tx objstore.Reader) (err error) {
		p.sum, err = commits.SumStaged(tx, p.id)
		return err
	})
	if err != nil {
		return commits.Commit{}, err
	}
	p.layered = p.layered || p.sum.Files > p.e.LayerAbove || p.sum.Bytes > maxAtOnce
	err = p.e.DB.Update(ctx, subject(p.spec.On), p.publish)
	if errors.Is(err, objstore.ErrTooLarge) && !p.layered {
		p.layered = true // few files, but long rows
		err = p.e.DB.Update(ctx, subject(p.spec.On), p.publish)
	}
	if errors.Is(err, objstore.ErrUnknownOutcome) {
		if done, lookErr := p.e.happened(ctx, p.id); lookErr == nil && done {
			err = nil
		}
	}
	if err != nil {
		return commits.Commit{}, err
	}
	if p.layered {
		p.e.Layered()
	}
	return p.made, nil
}

// catchUp reconciles what is staged with what the branch has changed by now, and
// says whether the branch had not got far ahead.
func (p *publication) catchUp(ctx context.Context) (near bool, err error) {
	var losing []string
	var head commits.Pos
	err = p.e.DB.View(ctx, func(tx objstore.Reader) error {
		at, err := p.branch(tx)
		if err != nil {
			return err
		}
		head = at.Pos
		if p.checked.N > 0 {
			if leads, err := leadsTo(tx, p.checked, at); err != nil {
				return err
			} else if !leads { // the branch was reset to where it has other commits
				p.checked = p.spec.Base
			}
		}
		near = head.N <= p.checked.N+nearCommits
		losing, err = p.reconcile(tx, p.checked, head)
		return err
	})
	for len(losing) > 0 && err == nil {
		rest := losing
		err = p.e.DB.Update(ctx, subject(p.spec.On), func(tx objstore.Writer) (err error) {
			rest, err = p.drop(tx, losing, head)
			return err
		})
		losing = rest
	}
	p.checked = head
	return near, err
}

// drop drops staged changes that have lost to what the branch is at head, until
// the transaction is full, and returns the paths that are left. From then on the
// commit cannot be finished otherwise, nor on a branch that is reset to before.
func (p *publication) drop(tx objstore.Writer, losing []string, head commits.Pos) ([]string, error) {
	row, err := p.own(tx)
	if err != nil {
		return nil, err
	}
	at, err := p.branch(tx)
	if err != nil {
		return nil, err
	}
	row.Resolved, row.ResolvedLineage, row.ResolvedN = true, head.Lineage, head.N
	if err := p.checkLostTo(tx, &row, at); err != nil {
		return nil, err
	}
	if err := catalog.SetOpen(tx, p.spec.On.Row, p.id, row); err != nil {
		return nil, err
	}
	return p.unstage(tx, losing)
}

// checkLostTo refuses with ErrConflict a branch that is not any more what dropped
// changes have lost to: they would be lost to nothing.
func (p *publication) checkLostTo(tx objstore.Reader, row *catalog.OpenRow, at *catalog.Snapshot) error {
	leads, err := leadsTo(tx, row.LostTo(), at)
	if err == nil && !leads {
		err = fmt.Errorf("%w: branch %s was reset to a state before what changes in commit %s were dropped for; abort it", ErrConflict, at.Branch, p.id)
	}
	return err
}

// unstage drops staged changes until the transaction is full, and returns
// the paths that are left.
func (p *publication) unstage(tx objstore.Writer, paths []string) ([]string, error) {
	for i, path := range paths {
		if tx.Full() {
			return paths[i:], nil
		}
		if err := commits.Unstage(tx, p.id, path); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

// publish is the moment of visibility of what is staged.
func (p *publication) publish(tx objstore.Writer) error {
	row, err := p.own(tx)
	if err != nil {
		return err
	}
	at, err := p.branch(tx)
	if err != nil {
		return err
	}
	if err := p.checkLostTo(tx, &row, at); err != nil {
		return err
	}
	losing, err := p.reconcile(tx, p.checked, at.Pos)
	if err != nil {
		return err
	}
	sum := p.sum         // this may run again: nothing of p changes but the outcome
	if len(losing) > 0 { // since run looked: sum again
		if rest, err := p.unstage(tx, losing); err != nil || len(rest) > 0 {
			return errors.Join(err, fmt.Errorf("%w: %d paths changed while the commit was finished; try again", ErrConflict, len(losing)))
		}
		if sum, err = commits.SumStaged(tx, p.id); err != nil {
			return err
		}
	}
	meta := p.e.meta(at, p.id, p.spec)
	if p.layered {
		if err := wantFolding(tx, at.Lineage); err != nil {
			return err
		}
		p.made, err = commits.AppendLayer(tx, at.Lineage, sum, meta)
	} else {
		p.made, err = p.appendStaged(tx, at, meta)
	}
	if err != nil {
		return err
	}
	if p.spec.Ends != nil {
		if err := p.spec.Ends(tx, p.id); err != nil {
			return err
		}
	}
	return catalog.DeleteOpen(tx, p.spec.On.Row, p.id)
}

// wantFolding says that a lineage has layers, unless that is known, and maybe
// worked on, already.
func wantFolding(tx objstore.Writer, lineage commits.LineageID) error {
	_, err := tx.Get(FoldingKey(lineage))
	if errors.Is(err, objstore.ErrNotFound) {
		err = tx.Set(FoldingKey(lineage), nil)
	}
	return err
}

// appendStaged appends the staged changes as an ordinary commit.
func (p *publication) appendStaged(tx objstore.Writer, at *catalog.Snapshot, meta commits.Meta) (commits.Commit, error) {
	var changes []commits.Change
	err := commits.Staged(tx, p.id, "", func(ch commits.Change) (bool, error) {
		if ch.Commit == p.id { // else it is an older version again
			ch.Modified = meta.Time
		}
		changes = append(changes, ch)
		return true, nil
	})
	if err != nil {
		return commits.Commit{}, err
	}
	if _, done, err := commits.DropStaged(tx, p.id, ""); err != nil || !done {
		return commits.Commit{}, errors.Join(err, objstore.ErrTooLarge)
	}
	return commits.Append(tx, at.Lineage, changes, meta)
}

// reconcile merges the set with what the branch has changed between two of its
// commits, path by path, against the commit that the set is based on. It returns
// the paths of the set that lose, in order; a ConflictError if there are some
// that nothing decides.
func (p *publication) reconcile(tx objstore.Reader, from, head commits.Pos) (losing []string, err error) {
	if from == head || p.spec.Policy.overwrites() && p.spec.About == nil {
		return nil, nil
	}
	paths, err := p.candidates(tx, from, head)
	if err != nil {
		return nil, err
	}
	conflicts := ConflictError{What: "changed on the branch since the commit was started"}
	for page := range slices.Chunk(paths, stepRows) {
		sides, err := p.sides(tx, head, page)
		if err != nil {
			return nil, err
		}
		for i, path := range page {
			base, ours, theirs := sides.base[i], sides.ours[i], sides.theirs[i]
			if theirs == nil && (p.spec.About == nil || !p.spec.About(path)) {
				continue
			}
			switch p.spec.Policy.settle(path, base, ours, fileOf(theirs), theirs == nil) {
			case loses:
				losing = append(losing, path)
			case undecided:
				conflicts.Add(Conflict{Path: path, Base: named(path, base), Ours: named(path, ours), Theirs: named(path, fileOf(theirs))})
			}
		}
	}
	if conflicts.Total > 0 {
		return nil, &conflicts
	}
	return losing, nil
}

// candidates are the paths to compare, in order: those of the set, if it is small,
// or those that the branch has changed.
func (p *publication) candidates(tx objstore.Reader, from, head commits.Pos) ([]string, error) {
	if p.spec.About == nil && p.held != nil {
		return p.paths, nil
	}
	if p.spec.About == nil && head.N > from.N+nearCommits {
		if few, err := p.fewStaged(tx); err != nil || few != nil {
			return few, err
		}
	}
	prefix := ""
	if p.spec.About != nil {
		prefix = p.spec.AboutPrefix
	}
	return p.e.Forks.ChangedPaths(tx, commits.Side{Pos: from}, commits.Side{Pos: head}, prefix)
}

// fewStaged are the paths that are staged; nil if they are many.
func (p *publication) fewStaged(tx objstore.Reader) ([]string, error) {
	paths := []string{}
	err := commits.Staged(tx, p.id, "", func(ch commits.Change) (bool, error) {
		paths = append(paths, ch.Path)
		return len(paths) <= stepRows, nil
	})
	if len(paths) > stepRows {
		paths = nil
	}
	return paths, err
}

// sides are what three states have of some paths: base and ours files, theirs
// what the set has, a deletion perhaps; nil if nothing.
type sides struct{ base, ours, theirs []*commits.State }

func (p *publication) sides(tx objstore.Reader, head commits.Pos, paths []string) (s sides, err error) {
	files := func(at commits.Pos) ([]*commits.State, error) {
		v, err := p.e.Forks.View(tx, at, commits.ID{})
		if err != nil {
			return nil, err
		}
		return v.Files(paths)
	}
	if s.base, err = files(p.spec.Base); err != nil {
		return s, err
	}
	if s.ours, err = files(head); err != nil {
		return s, err
	}
	if p.held == nil {
		s.theirs, err = commits.StagedMany(tx, p.id, paths)
		return s, err
	}
	s.theirs = make([]*commits.State, len(paths))
	for i, path := range paths {
		if ch, ok := p.held[path]; ok {
			s.theirs[i] = &ch.State
		}
	}
	return s, nil
}

func fileOf(s *commits.State) *commits.State {
	if s == nil {
		return nil
	}
	return s.File()
}

// named is a file with its path; nil is none.
func named(path string, s *commits.State) *commits.Change {
	if s == nil {
		return nil
	}
	return &commits.Change{Path: path, State: *s}
}
