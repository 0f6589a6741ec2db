package changeset

import (
	"cmp"
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
	// A set that is small is in memory: its changes, and their paths in order.
	held  map[string]commits.Change
	paths []string        // without those that have lost
	lost  map[string]bool // to what the branch had before checked
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
	// nearCommits is how many commits the branch may be ahead for what is staged to be
	// compared with what they changed, and not the other way round.
	nearCommits = 32
	// nearChanges is how many commits, and paths that they changed, the transaction that
	// makes a set visible looks at; what was made before is looked at ahead of it.
	nearChanges = 500
	// maxAtOnce is how many bytes of rows are written into those of the lineage by the
	// transaction that makes them visible: they move out as much again, and more is
	// better folded in afterwards.
	maxAtOnce = 1 << 20
	// maxRounds is how often that is tried on a branch that goes on growing.
	maxRounds = 10
)

// errBehind: the branch has changed more since it was looked at than a transaction looks
// at, or what was summed.
var errBehind = errors.New("the branch is too far ahead")

func tooFast(branch string) error {
	return fmt.Errorf("%w: branch %s changes all the time; try again", ErrConflict, branch)
}

// run makes what is staged visible. What takes long is prepared outside of the
// last transaction, so that other writers hardly wait.
func (p *publication) run(ctx context.Context) (commits.Commit, error) {
	p.checked = p.spec.Base
	summed := false
	for range maxRounds {
		near, dropped, err := p.catchUp(ctx)
		if err != nil {
			return commits.Commit{}, err
		}
		if dropped || !summed {
			if err := p.sumUp(ctx); err != nil {
				return commits.Commit{}, err
			}
			summed = true
			if p.sum.Files > p.e.LayerAbove {
				continue // as that took long
			}
		}
		if !near {
			continue
		}
		if err := p.commit(ctx); !errors.Is(err, errBehind) {
			return p.made, err
		}
	}
	return commits.Commit{}, tooFast(p.spec.On.Branch)
}

// sumUp sums up what is staged.
func (p *publication) sumUp(ctx context.Context) error {
	err := p.e.DB.View(ctx, func(tx objstore.Reader) (err error) {
		p.sum, err = commits.SumStaged(tx, p.id)
		return err
	})
	p.layered = p.layered || p.sum.Files > p.e.LayerAbove || p.sum.Bytes > maxAtOnce
	return err
}

// commit runs publish.
func (p *publication) commit(ctx context.Context) error {
	err := p.e.DB.Update(ctx, subject(p.spec.On), p.publish)
	if errors.Is(err, objstore.ErrTooLarge) && !p.layered {
		p.layered = true // few files, but long rows
		err = p.e.DB.Update(ctx, subject(p.spec.On), p.publish)
	}
	if errors.Is(err, objstore.ErrUnknownOutcome) {
		if done, lookErr := p.e.happened(ctx, p.id); lookErr == nil && done {
			err = nil
		}
	}
	if err == nil && p.layered {
		p.e.Layered()
	}
	return err
}

// catchUp reconciles the set with what the branch has changed by now, and says whether the
// branch had not got far ahead, and whether changes were dropped that have lost.
func (p *publication) catchUp(ctx context.Context) (near, dropped bool, err error) {
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
		near = head.N <= p.checked.N+nearChanges
		losing, err = p.reconcile(tx, p.checked, head, false)
		return err
	})
	dropped = len(losing) > 0
	if p.held != nil {
		p.lose(losing)
		losing = nil
	}
	for len(losing) > 0 && err == nil {
		rest := losing
		err = p.e.DB.Update(ctx, subject(p.spec.On), func(tx objstore.Writer) (err error) {
			rest, err = p.drop(tx, losing, head)
			return err
		})
		losing = rest
	}
	p.checked = head
	return near, dropped, err
}

// lose takes out of a set in memory what has lost.
func (p *publication) lose(losing []string) {
	for _, path := range losing {
		p.lost[path] = true
	}
	p.paths = slices.DeleteFunc(p.paths, func(path string) bool { return p.lost[path] })
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
	losing, err := p.reconcileSince(tx, at)
	if err != nil {
		return err
	}
	if len(losing) > 0 && p.layered { // since run looked: what there is must be summed again
		return errBehind
	}
	// This may run again: nothing of p changes but the outcome.
	if rest, err := p.unstage(tx, losing); err != nil || len(rest) > 0 {
		return cmp.Or(err, errBehind)
	}
	meta := p.e.meta(at, p.id, p.spec)
	if p.layered {
		if err := wantFolding(tx, at.Lineage); err != nil {
			return err
		}
		p.made, err = commits.AppendLayer(tx, at.Lineage, p.sum, meta)
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
