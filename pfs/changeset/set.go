package changeset

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"caret/commits"
	"caret/objstore"
	"caret/objstore/budget"
	"caret/pfs/catalog"
	"caret/pfs/rows"
)

// Set is a set of changes that become visible together. It is for one goroutine.
type Set struct {
	e       *Engine
	spec    Spec
	id      commits.ID // of the commit to be
	pending map[string]commits.Change
	size    int // of what is pending, in rows
	tally   *budget.Tally
	more    int // the most that belongs to a change besides its own row
	added   int
	// row is that of the open commit that the set is staged in, once it has
	// become too large to be held in memory.
	row     *catalog.OpenRow
	release func() // gives back the lease that covers row
	done    bool
}

const (
	// maxHeld is how many bytes of rows a set may have that is held in memory
	// whatever its size, as it goes into somebody's open commit.
	maxHeld = 64 << 20
	// stepRows and stepBytes are how much is written by one transaction of a
	// set that takes several, and one row more, which may have half a megabyte:
	// well within what a transaction may.
	stepRows  = 500
	stepBytes = 512 << 10
)

// ID is the id that the commit will have.
func (s *Set) ID() commits.ID { return s.id }

// Added is how many changes were added.
func (s *Set) Added() int { return s.added }

// Base is the commit that the changes are relative to.
func (s *Set) Base() commits.Pos { return s.spec.Base }

// Add adds a change. A later one of the same path replaces it. more is the size
// of rows that belong to it besides its own. ErrTooLarge if it is more than is held
// in memory for an open commit, budget.ErrBusy if others need that memory.
func (s *Set) Add(ctx context.Context, ch commits.Change, more int) error {
	s.added++
	s.more = max(s.more, more)
	if was, ok := s.pending[ch.Path]; ok {
		s.size -= was.RowSize()
	}
	s.pending[ch.Path] = ch
	s.size += ch.RowSize()
	size := s.size + s.more*len(s.pending)
	if s.spec.On.Open {
		// What goes into somebody's open commit waits for Publish: nobody would
		// drop it if the set comes to nothing.
		if size > maxHeld {
			return fmt.Errorf("%w: the paths and attributes of the files are more than %d MiB", objstore.ErrTooLarge, maxHeld>>20)
		}
		return s.tally.Count(ctx, ch.MemorySize())
	}
	if len(s.pending) < stepRows && size < stepBytes {
		return nil
	}
	return s.spill(ctx)
}

// spill stages what is pending in an open commit of the set's own.
func (s *Set) spill(ctx context.Context) error {
	if s.row == nil {
		if err := s.open(ctx); err != nil {
			return err
		}
	}
	return s.stage(ctx)
}

// open makes that open commit.
func (s *Set) open(ctx context.Context) error {
	release, err := s.e.Lease.Hold(ctx)
	if err != nil {
		return err
	}
	attempt, end := s.e.Lease.Begin()
	s.release = func() {
		end()
		release()
	}
	on := s.spec.On
	row := catalog.OpenRow{
		Branch: on.Branch, Lineage: on.Lineage, First: on.Home, Base: s.spec.Base.Lineage, N: s.spec.Base.N, Started: s.e.timestamp(),
		Author: s.spec.Author, Starter: s.spec.User, Message: s.spec.Message, Internal: true, Owner: s.e.Lease.Owner(), Attempt: attempt,
	}
	err = s.e.DB.Update(ctx, subject(on), func(tx objstore.Writer) error { return catalog.SetOpen(tx, on.Row, s.id, row) })
	if err == nil || errors.Is(err, objstore.ErrUnknownOutcome) {
		s.row = &row // which Close drops if it is there
	}
	return err
}

// stage writes what is pending to the open commit, a transaction's worth at a
// time.
func (s *Set) stage(ctx context.Context) error {
	var step []commits.Change
	size := 0
	flush := func() error {
		err := s.stageStep(ctx, step)
		step, size = nil, 0
		return err
	}
	for _, ch := range s.pending {
		step = append(step, ch)
		size += ch.RowSize() + s.more
		if len(step) >= stepRows || size >= stepBytes {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	if len(step) > 0 {
		if err := flush(); err != nil {
			return err
		}
	}
	clear(s.pending)
	s.size = 0
	return nil
}

func (s *Set) stageStep(ctx context.Context, step []commits.Change) error {
	on := s.spec.On
	return s.e.DB.Update(ctx, subject(on), func(tx objstore.Writer) error {
		at, err := on.ToCommit(tx, s.id)
		if err == nil && !at.Open {
			err = fmt.Errorf("%w: commit %s is finished", ErrConflict, s.id)
		}
		if err == nil {
			err = s.e.CheckOpen(tx, at)
		}
		if err == nil && s.spec.On.Open && s.spec.Decide != nil {
			err = s.spec.Decide(tx, at)
		}
		if err != nil {
			return err
		}
		_, err = s.e.Write(tx, at, s.id, slices.Clone(step), &s.spec)
		return err
	})
}

// Publish makes the changes a commit of the branch, or stages them in the open
// commit that the set is for, and returns its id. ErrConflict, and
// what Spec.Decide says.
func (s *Set) Publish(ctx context.Context) (commits.ID, error) {
	var err error
	switch {
	case s.spec.On.Open:
		err = s.stageInto(ctx)
	case s.row == nil:
		err = s.publishAtOnce(ctx)
	default:
		if err = s.spill(ctx); err == nil {
			p := &publication{e: s.e, spec: &s.spec, id: s.id, row: *s.row}
			_, err = p.run(ctx)
		}
	}
	s.done = err == nil
	return s.id, err
}

// stageInto stages the changes in somebody's open commit. That takes several steps if
// they are many, and goes on once it has begun, though ctx may end: half of them would
// be in the open commit, and nobody told so.
func (s *Set) stageInto(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	ctx = context.WithoutCancel(ctx)
	if err := s.stage(ctx); err != nil || s.spec.Ends == nil {
		return err
	}
	return s.e.DB.Update(ctx, subject(s.spec.On), func(tx objstore.Writer) error { return s.spec.Ends(tx, s.id) })
}

// publishAtOnce makes a commit of changes that are all in memory.
func (s *Set) publishAtOnce(ctx context.Context) error {
	p := &publication{
		e: s.e, spec: &s.spec, id: s.id, held: s.pending, paths: slices.Sorted(maps.Keys(s.pending)), lost: make(map[string]bool), checked: s.spec.Base,
	}
	err := s.e.DB.Update(ctx, subject(s.spec.On), p.publishHeld)
	for range maxRounds {
		if !errors.Is(err, errBehind) {
			break
		}
		if _, _, err = p.catchUp(ctx); err == nil {
			err = s.e.DB.Update(ctx, subject(s.spec.On), p.publishHeld)
		}
	}
	switch {
	case errors.Is(err, errBehind):
		return tooFast(s.spec.On.Branch)
	case errors.Is(err, objstore.ErrUnknownOutcome):
		if done, lookErr := s.e.happened(ctx, s.id); lookErr == nil && done {
			return nil
		}
	case errors.Is(err, objstore.ErrTooLarge): // few changes, but long rows
		if err := s.spill(ctx); err != nil {
			return err
		}
		p := &publication{e: s.e, spec: &s.spec, id: s.id, row: *s.row, layered: true}
		_, err = p.run(ctx)
	}
	return err
}

// publishHeld is the moment of visibility of what is in memory.
func (p *publication) publishHeld(tx objstore.Writer) error {
	at, err := p.branch(tx)
	if err != nil {
		return err
	}
	losing, err := p.reconcileSince(tx, at)
	if err != nil {
		return err
	}
	changes := make([]commits.Change, 0, len(p.paths))
	for _, path := range p.paths {
		if _, lost := slices.BinarySearch(losing, path); !lost {
			changes = append(changes, p.held[path])
		}
	}
	if _, err = p.e.Write(tx, at, p.id, changes, p.spec); err == nil && p.spec.Ends != nil {
		err = p.spec.Ends(tx, p.id)
	}
	return err
}

// Close drops what was not published.
func (s *Set) Close() error {
	defer s.giveBack()
	defer s.tally.Release()
	if s.row == nil || s.done {
		return nil
	}
	on := s.spec.On
	err := s.e.DB.Update(context.Background(), subject(on), func(tx objstore.Writer) error {
		row, err := catalog.ReadOpen(tx, on.Row, s.id)
		if errors.Is(err, commits.ErrNoCommit) {
			return nil // it was published after all, or never there
		}
		if err != nil || row.Owner != s.e.Lease.Owner() {
			return err
		}
		return Drop(tx, on.Row, s.id, &row)
	})
	s.row = nil
	s.e.Dropped()
	if err != nil {
		return fmt.Errorf("what was staged stays until it is dropped in the background: %w", err)
	}
	return nil
}

func (s *Set) giveBack() {
	if s.release != nil {
		s.release()
	}
}

// DroppingKey is the key of the row that says that what is staged in an open
// commit is to be removed.
func DroppingKey(id commits.ID) []byte { return rows.Key(rows.Dropping, string(id[:])) }

// FoldingKey is the key of the row that says that a lineage has layers to be
// folded in.
func FoldingKey(lineage commits.LineageID) []byte {
	return rows.Numbered(rows.Folding, uint64(lineage))
}

// Dropping is the value of that row: who is at it, and the home of the branch that
// what is staged has ACLs on.
type Dropping struct {
	Owner string            `json:"owner,omitempty"`
	Home  commits.LineageID `json:"home,omitempty"`
}

// Drop ends an open commit. What is staged in it is removed in the background.
func Drop(tx objstore.Writer, repo catalog.RepoRow, id commits.ID, row *catalog.OpenRow) error {
	return errors.Join(rows.Set(tx, DroppingKey(id), Dropping{Home: row.Home()}), catalog.DeleteOpen(tx, repo, id))
}
