package pfs

import (
	"context"
	"errors"
	"fmt"

	"caret/commits"
	"caret/objstore"
)

// FinishOptions say how an open commit becomes one.
type FinishOptions struct {
	Message string // replaces the one it was started with
	// Strategy decides about paths that the branch changed meanwhile too:
	// Ours, Theirs, or "" to fail with a ConflictError.
	Strategy string
}

// FinishCommit makes everything staged in an open commit one commit of its
// branch, all or nothing. With nothing staged the commit is empty.
func (fs *FS) FinishCommit(ctx context.Context, repo string, id commits.ID, opt FinishOptions) (commits.Commit, error) {
	if err := errors.Join(checkStrategy(opt.Strategy), checkText("message", opt.Message)); err != nil {
		return commits.Commit{}, err
	}
	return (&finish{fs: fs, id: id, opt: opt}).do(ctx, repo)
}

// finish is one FinishCommit under way.
type finish struct {
	fs      *FS
	id      commits.ID
	opt     FinishOptions
	unmoved bool // the branch must not have moved since the commit was started
	merges  bool // it is a merge, which protected branches take too
	merged  []CommitID
	// decided says which paths the commit is about, besides those that are
	// staged: what the branch changes of them meanwhile is a conflict.
	decided func(path string) bool

	repo    repoRow
	row     openRow
	line    commits.LineageID // of the branch as it is now
	checked commits.Pos       // the branch up to here is known not to conflict
	sum     commits.StagedSum
	made    commits.Commit
	layered bool
}

func (f *finish) do(ctx context.Context, repo string) (commits.Commit, error) {
	rows := f.fs.rows
	err := rows.Update(ctx, "", func(tx objstore.Writer) error { return f.begin(tx, repo) })
	if err != nil {
		return commits.Commit{}, err
	}
	if err := f.run(ctx); err != nil {
		// The commit stays open, to be finished otherwise or aborted.
		undo := rows.Update(context.WithoutCancel(ctx), "", f.reopen)
		return commits.Commit{}, errors.Join(err, undo)
	}
	if f.layered {
		f.fs.foldSoon(f.line)
	}
	if err := f.fs.dropUploads(context.WithoutCancel(ctx), f.id); err != nil {
		f.fs.log.Warn("rows of uploads are left over", "commit", f.id, "err", err) // nobody sees them
	}
	return f.made, nil
}

// begin closes the commit to further writes.
func (f *finish) begin(tx objstore.Writer, repo string) error {
	var err error
	if f.repo, err = readRepo(tx, repo); err != nil {
		return err
	}
	if f.row, err = readOpen(tx, f.repo, f.id); err != nil {
		return err
	}
	if f.row.Finishing {
		return fmt.Errorf("%w: commit %s is being finished", ErrConflict, f.id)
	}
	if err := f.findBranch(tx); err != nil {
		return err
	}
	if f.row.Resolved && f.opt.Strategy != Ours {
		return fmt.Errorf("%w: commit %s was to be finished with strategy %s, and what lost by that is no longer in it; finish it so, or abort",
			ErrConflict, f.id, Ours)
	}
	if f.opt.Message != "" {
		f.row.Message = f.opt.Message
	}
	row := f.row
	row.Finishing = true
	return setJSON(tx, openKey(f.repo, f.id), row)
}

// findBranch: the branch that the commit was started on must still be there,
// not another of that name, and what it was started from lead to the head.
func (f *finish) findBranch(tx objstore.Reader) error {
	b, err := readBranchRow(tx, f.repo, f.row.Branch)
	if err != nil {
		return err
	}
	if b.home() != f.row.home() {
		return fmt.Errorf("%w: %s, which the commit was started on, was deleted; there is another one of that name", ErrNoSuchBranch, f.row.Branch)
	}
	if b.Protected && !f.merges {
		return protected(f.row.Branch, f.repo.Name)
	}
	f.line = b.Line
	if leads, err := f.leads(tx, f.row.pos()); err != nil || leads {
		return err
	}
	return fmt.Errorf("%w: branch %s was reset to a state before commit %s was started", ErrConflict, f.row.Branch, f.id)
}

// leads says whether the commit at p leads to the branch's head.
func (f *finish) leads(tx objstore.Reader, p commits.Pos) (bool, error) {
	head, err := commits.ReadHead(tx, f.line)
	if err != nil || p.N > head.N {
		return false, err
	}
	own, err := commits.Owner(tx, commits.Pos{Lineage: f.line, N: p.N})
	return own == p || p.N == 0, err
}

func (f *finish) reopen(tx objstore.Writer) error {
	return setJSON(tx, openKey(f.repo, f.id), f.row)
}

// run prepares outside of the last transaction what takes long, so that
// other writers of the branch hardly wait.
func (f *finish) run(ctx context.Context) error {
	f.checked = f.row.pos()
	if err := f.resolveConflicts(ctx); err != nil {
		return err
	}
	err := f.fs.rows.View(ctx, func(tx objstore.Reader) (err error) {
		f.sum, err = commits.SumStaged(tx, f.id)
		return err
	})
	if err != nil {
		return err
	}
	f.layered = f.sum.Files > f.fs.maxDirect
	err = f.fs.rows.Update(ctx, "", f.publish)
	if errors.Is(err, objstore.ErrTooLarge) && !f.layered {
		f.layered = true // few files, but long rows
		err = f.fs.rows.Update(ctx, "", f.publish)
	}
	return err
}

// resolveConflicts brings what is staged to terms with the commits that the
// branch has made since, as far as they are now.
func (f *finish) resolveConflicts(ctx context.Context) error {
	var losing []string
	var head commits.Pos
	err := f.fs.rows.View(ctx, func(tx objstore.Reader) (err error) {
		losing, head, err = f.conflicts(tx)
		return err
	})
	for len(losing) > 0 && err == nil {
		var rest []string
		err = f.fs.rows.Update(ctx, "", func(tx objstore.Writer) (err error) {
			if rest, err = f.unstage(tx, losing); err != nil {
				return err
			}
			row := f.row
			row.Finishing, row.Resolved = true, true
			return setJSON(tx, openKey(f.repo, f.id), row)
		})
		losing = rest
		f.row.Resolved = f.row.Resolved || err == nil // it cannot be finished otherwise any more
	}
	f.checked = head
	return err
}

// unstage drops staged changes until the transaction is full, and returns
// the paths that are left.
func (f *finish) unstage(tx objstore.Writer, paths []string) ([]string, error) {
	for i, p := range paths {
		if tx.Full() {
			return paths[i:], nil
		}
		if err := commits.Unstage(tx, f.id, p); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

// conflicts looks for paths that the branch has changed too since f.checked.
// It returns those whose staged change loses by the strategy, and the head; a
// ConflictError if there is no strategy.
func (f *finish) conflicts(tx objstore.Reader) (losing []string, head commits.Pos, err error) {
	h, err := commits.ReadHead(tx, f.line)
	if err != nil {
		return nil, head, err
	}
	if head, err = commits.Owner(tx, commits.Pos{Lineage: f.line, N: h.N}); err != nil || head == f.checked {
		return nil, head, err
	}
	from := f.checked
	if leads, err := f.leads(tx, from); err != nil {
		return nil, head, err
	} else if !leads { // the branch was reset to where it has other commits
		from = f.row.pos()
	}
	var both []string
	seen := make(map[string]bool)
	err = commits.Log(tx, head, func(c commits.Commit) (bool, error) {
		if c.Pos.N <= from.N {
			return false, nil
		}
		return true, commits.Changes(tx, c, "", func(ch commits.Change) (bool, error) {
			if seen[ch.Path] {
				return true, nil // its newest state is what counts
			}
			about, clash, err := f.clashes(tx, ch)
			if about {
				seen[ch.Path] = true
			}
			if clash {
				both = append(both, ch.Path)
			}
			return true, err
		})
	})
	switch {
	case err != nil, len(both) == 0, f.opt.Strategy == Theirs:
		return nil, head, err
	case f.opt.Strategy == Ours:
		return both, head, nil
	}
	return nil, head, f.conflict(tx, head, both)
}

// clashes says whether the commit is about the path that the branch changed,
// and whether not to the same effect.
func (f *finish) clashes(tx objstore.Reader, ch commits.Change) (about, clash bool, err error) {
	if f.decided != nil && f.decided(ch.Path) {
		return true, true, nil
	}
	s, err := commits.ReadStaged(tx, f.id, ch.Path)
	if errors.Is(err, commits.ErrNoPath) {
		return false, false, nil
	}
	return err == nil, err == nil && !commits.SameFile(s.File(), ch.File()), err
}

// conflict describes paths that both sides changed.
func (f *finish) conflict(tx objstore.Reader, head commits.Pos, both []string) error {
	var views [3]*commits.View
	for i, s := range []commits.Side{{Pos: f.row.pos()}, {Pos: head}, {Pos: f.row.pos(), Open: f.id}} {
		var err error
		if views[i], err = f.fs.forks.View(tx, s.Pos, s.Open); err != nil {
			return err
		}
	}
	e := &ConflictError{What: "changed on the branch since the commit was started", Total: len(both)}
	for _, path := range both[:min(len(both), maxConflicts)] {
		c := Conflict{Path: path}
		for i, to := range []**Info{&c.Base, &c.Ours, &c.Theirs} {
			s, err := views[i].File(path)
			if err != nil {
				return err
			}
			*to = fileInfo(path, s)
		}
		e.Conflicts = append(e.Conflicts, c)
	}
	return e
}

// publish is the moment of visibility.
func (f *finish) publish(tx objstore.Writer) error {
	if err := f.findBranch(tx); err != nil {
		return err
	}
	losing, head, err := f.conflicts(tx)
	if err != nil {
		return err
	}
	if f.unmoved && head != f.row.pos() {
		return fmt.Errorf("%w: branch %s has moved", ErrPrecondition, f.row.Branch)
	}
	sum := f.sum         // this may run again: nothing of f changes but the outcome
	if len(losing) > 0 { // since run looked: sum again
		if rest, err := f.unstage(tx, losing); err != nil || len(rest) > 0 {
			return errors.Join(err, fmt.Errorf("%w: %d paths changed while the commit was finished; try again", ErrConflict, len(losing)))
		}
		if sum, err = commits.SumStaged(tx, f.id); err != nil {
			return err
		}
	}
	meta := commits.Meta{ID: f.id, Time: f.fs.timestamp(), Author: f.row.Author, Message: f.row.Message, Merged: f.merged}
	if f.layered {
		if err := tx.Set(foldingKey(f.line), nil); err != nil {
			return err
		}
		f.made, err = commits.AppendLayer(tx, f.line, sum, meta)
	} else {
		f.made, err = f.direct(tx, meta)
	}
	if err != nil {
		return err
	}
	return tx.Delete(openKey(f.repo, f.id))
}

// direct appends the staged changes as an ordinary commit.
func (f *finish) direct(tx objstore.Writer, meta commits.Meta) (commits.Commit, error) {
	var changes []commits.Change
	err := commits.Staged(tx, f.id, "", func(ch commits.Change) (bool, error) {
		if ch.Commit == f.id { // else it is an older version again
			ch.Modified = meta.Time
		}
		changes = append(changes, ch)
		return true, nil
	})
	if err != nil {
		return commits.Commit{}, err
	}
	if _, done, err := commits.DropStaged(tx, f.id, ""); err != nil || !done {
		return commits.Commit{}, errors.Join(err, objstore.ErrTooLarge)
	}
	return commits.Append(tx, f.line, changes, meta)
}
