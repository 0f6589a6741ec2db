package changeset

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"caret/commits"
	"caret/commits/revision"
	"caret/objstore"
	"caret/objstore/budget"
	"caret/pfs/catalog"
	"caret/pfs/lease"
)

// Engine makes sets visible.
type Engine struct {
	DB    objstore.Rows
	Forks *commits.ForkCache
	Lease *lease.Keeper
	Now   func() time.Time
	Rand  io.Reader
	Log   *slog.Logger
	// Budget is what the memory of sets is taken from; nil has no limit.
	Budget *budget.Budget
	// LayerAbove is how many changes a transaction writes into a lineage's rows
	// when a staged set becomes a commit; one with more becomes a layer, which
	// is folded in afterwards.
	LayerAbove int
	// TouchEvery is how exactly it is kept when an open commit was last written to.
	TouchEvery time.Duration
	// Layered is called with a lineage that has got a layer to fold in.
	Layered func()
	// Dropped is called when there is something staged to be removed.
	Dropped func()
}

// Spec says what a set of changes is, but for the changes.
type Spec struct {
	// On is the branch that it becomes a commit of, or an open commit that it is
	// staged in, as it was when it was looked at. Base is the commit that the
	// changes are relative to, of which On is a descendant or the same.
	On   *catalog.Snapshot
	Base commits.Pos
	// Policy decides where the branch has changed the same paths since Base.
	Policy Policy
	// About says which other paths the changes were decided on: what the branch
	// has changed of these is a conflict. nil is none. AboutPrefix is what they
	// all begin with.
	About       func(path string) bool
	AboutPrefix string

	Author, Message string
	User            string       // the ID of who makes it
	Merged          []commits.ID // further parents
	// Brought is what these bring into Base.
	Brought *commits.Brought

	// Decide says in the transaction that makes the set visible why the caller
	// may not; at is the branch's head there.
	Decide func(tx objstore.Reader, at *catalog.Snapshot) error
	// Wrote is called in each transaction that writes changes, with these as they
	// were written; at is the branch or the open commit that they belong to.
	Wrote func(tx objstore.Writer, at *catalog.Snapshot, changes []commits.Change) error
	// Ends is called in the transaction that makes the set visible.
	Ends func(tx objstore.Writer, made commits.ID) error
}

// timestamp is now with the precision that rows keep.
func (e *Engine) timestamp() time.Time { return e.Now().UTC().Truncate(time.Millisecond) }

// subject is what transactions on a branch are about.
func subject(on *catalog.Snapshot) objstore.Subject {
	return objstore.Subject(on.Repo + "/" + on.Governing())
}

// meta is what a commit of the set says of itself that is made on a branch, or
// staged in an open commit. Time never goes back along a branch, as clocks do.
func (e *Engine) meta(at *catalog.Snapshot, id commits.ID, spec *Spec) commits.Meta {
	m := commits.Meta{ID: id, Time: e.timestamp(), Author: spec.Author, Message: spec.Message, Merged: spec.Merged, Brought: spec.Brought}
	if !at.Open && m.Time.Before(at.Time) {
		m.Time = at.Time
	}
	return m
}

// Write makes changes the next commit of the branch whose head at is, in this
// transaction, or stages them if at is an open commit. It fills in what the
// changes were given and returns the commit that has them.
func (e *Engine) Write(tx objstore.Writer, at *catalog.Snapshot, id commits.ID, changes []commits.Change, spec *Spec) (commits.ID, error) {
	meta := e.meta(at, id, spec)
	for i := range changes {
		if changes[i].Commit.IsZero() { // else it is an older version again
			changes[i].Modified = meta.Time
		}
	}
	if at.Open {
		id = at.ID
		if err := errors.Join(e.Touch(tx, at), e.stage(tx, at, changes)); err != nil {
			return id, err
		}
	} else if _, err := commits.Append(tx, at.Lineage, changes, meta); err != nil {
		return id, err
	}
	if spec.Wrote != nil {
		return id, spec.Wrote(tx, at, changes)
	}
	return id, nil
}

// stage adds changes to an open commit. Deleting what its parent does not have
// only takes back what was staged.
func (e *Engine) stage(tx objstore.Writer, at *catalog.Snapshot, changes []commits.Change) error {
	parent, err := e.Forks.View(tx, at.Pos, commits.ID{})
	if err != nil {
		return err
	}
	for i := range changes {
		ch := &changes[i]
		ch.Commit = cmp.Or(ch.Commit, at.ID)
		if ch.Deleted && ch.Commit == at.ID { // else it stays deleted
			was, err := parent.File(ch.Path)
			if err != nil {
				return err
			}
			if was == nil {
				if err := commits.Unstage(tx, at.ID, ch.Path); err != nil {
					return err
				}
				continue
			}
		}
		if err := commits.Stage(tx, at.ID, *ch); err != nil {
			return err
		}
	}
	return nil
}

// Touch remembers that the open commit was written to, and takes it from a
// process that was about to finish it and is gone. at may be a branch, of which
// nothing is remembered.
func (e *Engine) Touch(tx objstore.Writer, at *catalog.Snapshot) error {
	if !at.Open {
		return nil
	}
	row, now := at.Started, e.timestamp()
	if !row.Finishing && (row.Internal || now.Sub(row.LastTouched()) < e.TouchEvery) {
		return nil
	}
	row.Touched = now
	if row.Finishing {
		row.Finishing, row.Owner, row.Attempt = false, "", ""
	}
	return catalog.SetOpen(tx, at.Row, at.ID, row)
}

// CheckOpen refuses with ErrConflict a write to an open commit that is being
// finished.
func (e *Engine) CheckOpen(tx objstore.Reader, at *catalog.Snapshot) error {
	if !at.Open || !at.Started.Finishing {
		return nil
	}
	busy, err := e.Lease.Busy(tx, at.Started.Owner, at.Started.Attempt, e.Now())
	if err == nil && busy {
		err = fmt.Errorf("%w: commit %s is being finished", ErrConflict, at.ID)
	}
	return err
}

// Begin begins a set, of which nothing is written yet. Close must be called.
func (e *Engine) Begin(spec Spec) (*Set, error) {
	id, err := revision.NewID(e.Rand)
	if err != nil {
		return nil, err
	}
	if spec.On.Open {
		id = spec.On.ID
	}
	return &Set{e: e, spec: spec, id: id, pending: make(map[string]commits.Change), tally: e.Budget.Tally(budget.Collecting)}, nil
}

// happened finds out whether the transaction that was to make the commit id did,
// after an error that leaves it open.
func (e *Engine) happened(ctx context.Context, id commits.ID) (done bool, err error) {
	err = e.DB.View(context.WithoutCancel(ctx), func(tx objstore.Reader) error {
		_, err := commits.Find(tx, id)
		if done = err == nil; errors.Is(err, commits.ErrNoCommit) {
			err = nil
		}
		return err
	})
	return done, err
}
