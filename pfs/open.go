package pfs

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"caret/commits"
	"caret/objstore"
)

// OpenCommit is a commit that is still written to: a transaction over any
// number of writes, which nobody else sees before it is finished.
type OpenCommit struct {
	ID      commits.ID
	Repo    string
	Branch  string
	Parent  commits.ID // the branch's head when it was started
	Started time.Time
	Author  string
	Message string
}

type openRow struct {
	Branch    string         `json:"branch"`
	Line      commits.LineID `json:"line"`           // of the branch
	Home      commits.LineID `json:"home,omitempty"` // if it is another
	Base      commits.LineID `json:"base"`           // line and number of the parent
	N         uint64         `json:"n"`
	Started   time.Time      `json:"started"`
	Author    string         `json:"author,omitempty"`
	Starter   string         `json:"starter,omitempty"` // the user's ID
	Message   string         `json:"message,omitempty"`
	Finishing bool           `json:"finishing,omitempty"` // no more writes
	Internal  bool           `json:"internal,omitempty"`  // of a request, which a restart ends
}

func (o *openRow) home() commits.LineID { return cmp.Or(o.Home, o.Line) }

func (o *openRow) pos() commits.Pos { return commits.Pos{Line: o.Base, N: o.N} }

func openKey(repo repoRow, id commits.ID) []byte { return inRepo(keyOpen, repo.ID, string(id[:])) }

func readOpen(tx objstore.Reader, repo repoRow, id commits.ID) (openRow, error) {
	var o openRow
	err := getJSON(tx, openKey(repo, id), &o)
	if errors.Is(err, objstore.ErrNotFound) {
		return o, fmt.Errorf("%w: %s in repo %s", ErrNoSuchCommit, id, repo.Name)
	}
	return o, err
}

// StartCommit opens a commit on a branch. Writes to
// Ref{Repo, Base: the id} are staged in it.
func (fs *FS) StartCommit(ctx context.Context, branch Ref, opt WriteOptions) (OpenCommit, error) {
	id, err := commits.NewID(fs.rand)
	if err != nil {
		return OpenCommit{}, err
	}
	var o OpenCommit
	err = fs.rows.Update(ctx, func(tx objstore.Writer) error {
		s, err := fs.target(tx, branch, opt)
		if err != nil {
			return err
		}
		if s.Open {
			return fmt.Errorf("%w: %s is an open commit; start from a branch", ErrInvalidArgument, s.ID)
		}
		row := openRow{
			Branch: s.Branch, Line: s.line, Home: s.home, Base: s.pos.Line, N: s.pos.N,
			Started: fs.timestamp(), Author: opt.Author, Starter: opt.User, Message: opt.Message, Internal: opt.internal,
		}
		o = row.describe(s.Repo, id, s.ID)
		return setJSON(tx, openKey(s.repo, id), row)
	})
	return o, err
}

func (o *openRow) describe(repo string, id, parent commits.ID) OpenCommit {
	return OpenCommit{
		ID: id, Repo: repo, Branch: o.Branch, Parent: parent,
		Started: o.Started, Author: o.Author, Message: o.Message,
	}
}

// OpenCommits lists up to limit open commits (0: all) of a repo whose ids
// sort after after.
func (fs *FS) OpenCommits(ctx context.Context, repo string, after commits.ID, limit int) ([]OpenCommit, error) {
	var list []OpenCommit
	behind := ""
	if !after.IsZero() {
		behind = string(after[:])
	}
	err := fs.rows.View(ctx, func(tx objstore.Reader) error {
		list = nil
		r, err := readRepo(tx, repo)
		if err != nil {
			return err
		}
		return eachName(tx, inRepo(keyOpen, r.ID, ""), behind, func(raw string, value []byte) (bool, error) {
			var id, parent commits.ID
			copy(id[:], raw)
			var row openRow
			if err := decodeJSON(openKey(r, id), value, &row); err != nil || row.Internal {
				return true, err
			}
			b, err := readBranchRow(tx, r, row.Branch)
			if errors.Is(err, ErrNoSuchBranch) || err == nil && b.home() != row.home() {
				return true, nil // its branch is gone
			}
			if err != nil {
				return false, err
			}
			if row.N > 0 {
				c, err := commits.Read(tx, row.pos())
				if err != nil {
					return false, err
				}
				parent = c.ID
			}
			list = append(list, row.describe(repo, id, parent))
			return limit <= 0 || len(list) < limit, nil
		})
	})
	return list, err
}

// Strategies of FinishOptions.
const (
	Ours   = "ours"   // the branch's state stays
	Theirs = "theirs" // the open commit's state wins
)

// FinishOptions say how an open commit becomes one.
type FinishOptions struct {
	Message string // replaces the one it was started with
	// Strategy decides about paths that the branch changed meanwhile too:
	// Ours, Theirs, or "" to fail with a ConflictError.
	Strategy string
}

// ConflictError lists paths that both sides changed.
type ConflictError struct {
	Paths []string // the first ones
	Total int
}

// maxConflicts is how many paths a ConflictError names.
const maxConflicts = 1000

func (e *ConflictError) Error() string {
	some := e.Paths[:min(len(e.Paths), 5)]
	text := fmt.Sprintf("%d paths changed on the branch meanwhile: %s", e.Total, strings.Join(some, ", "))
	if e.Total > len(some) {
		text += ", ..."
	}
	return text
}

// Unwrap makes errors.Is(err, ErrConflict) true.
func (e *ConflictError) Unwrap() error { return ErrConflict }

// FinishCommit makes everything staged in an open commit one commit of its
// branch, all or nothing. With nothing staged the commit is empty.
func (fs *FS) FinishCommit(ctx context.Context, repo string, id commits.ID, opt FinishOptions) (commits.Commit, error) {
	if opt.Strategy != "" && opt.Strategy != Ours && opt.Strategy != Theirs {
		return commits.Commit{}, fmt.Errorf("%w: strategy %q; it is %s or %s", ErrInvalidArgument, opt.Strategy, Ours, Theirs)
	}
	return (&finish{fs: fs, id: id, opt: opt}).do(ctx, repo)
}

// finish is one FinishCommit under way.
type finish struct {
	fs      *FS
	id      commits.ID
	opt     FinishOptions
	unmoved bool // the branch must not have moved since the commit was started
	repo    repoRow
	row     openRow
	checked uint64 // the branch's commits up to here are known not to conflict
	sum     commits.StagedSum
	made    commits.Commit
	layered bool
}

func (f *finish) do(ctx context.Context, repo string) (commits.Commit, error) {
	rows := f.fs.rows
	err := rows.Update(ctx, func(tx objstore.Writer) error { return f.begin(tx, repo) })
	if err != nil {
		return commits.Commit{}, translate(err)
	}
	if err := f.run(ctx); err != nil {
		// The commit stays open, to be finished otherwise or aborted.
		undo := rows.Update(context.WithoutCancel(ctx), f.reopen)
		return commits.Commit{}, errors.Join(translate(err), undo)
	}
	if f.layered {
		f.fs.foldSoon(f.row.Line)
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
	if err := f.checkBranch(tx); err != nil {
		return err
	}
	if f.opt.Message != "" {
		f.row.Message = f.opt.Message
	}
	row := f.row
	row.Finishing = true
	return setJSON(tx, openKey(f.repo, f.id), row)
}

// checkBranch: the branch that the commit was started on must still be there,
// not another of that name.
func (f *finish) checkBranch(tx objstore.Reader) error {
	b, err := readBranchRow(tx, f.repo, f.row.Branch)
	if err == nil && b.Line != f.row.Line {
		err = fmt.Errorf("%w: %s, which the commit was started on, was deleted or reset", ErrNoSuchBranch, f.row.Branch)
	}
	return err
}

func (f *finish) reopen(tx objstore.Writer) error {
	return setJSON(tx, openKey(f.repo, f.id), f.row)
}

// run prepares outside of the last transaction what takes long, so that
// other writers of the branch hardly wait.
func (f *finish) run(ctx context.Context) error {
	f.checked = f.row.N
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
	err = f.fs.rows.Update(ctx, f.publish)
	if errors.Is(err, objstore.ErrTooLarge) && !f.layered {
		f.layered = true // few files, but long rows
		err = f.fs.rows.Update(ctx, f.publish)
	}
	return err
}

// resolveConflicts brings what is staged to terms with the commits that the
// branch has made since, as far as they are now.
func (f *finish) resolveConflicts(ctx context.Context) error {
	var both []string
	var head uint64
	err := f.fs.rows.View(ctx, func(tx objstore.Reader) (err error) {
		both, head, err = f.conflicts(tx)
		return err
	})
	if err != nil {
		return err
	}
	losing, err := f.losing(both)
	for len(losing) > 0 && err == nil {
		var rest []string
		err = f.fs.rows.Update(ctx, func(tx objstore.Writer) (err error) {
			rest, err = f.unstage(tx, losing)
			return err
		})
		losing = rest
	}
	f.checked = head
	return err
}

// losing are those of the paths that both sides changed whose staged change
// is to be dropped.
func (f *finish) losing(both []string) ([]string, error) {
	switch {
	case len(both) == 0 || f.opt.Strategy == Theirs:
		return nil, nil
	case f.opt.Strategy == Ours:
		return both, nil
	}
	return nil, &ConflictError{Paths: both[:min(len(both), maxConflicts)], Total: len(both)}
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

// conflicts lists the staged paths that the branch changed after f.checked.
func (f *finish) conflicts(tx objstore.Reader) (both []string, head uint64, err error) {
	h, err := commits.ReadHead(tx, f.row.Line)
	if err != nil || h.N == f.checked {
		return nil, h.N, err
	}
	seen := make(map[string]bool)
	err = commits.Log(tx, commits.Pos{Line: f.row.Line, N: h.N}, func(c commits.Commit) (bool, error) {
		if c.Pos.N <= f.checked {
			return false, nil
		}
		return true, commits.Changes(tx, c, "", func(ch commits.Change) (bool, error) {
			_, err := commits.ReadStaged(tx, f.id, ch.Path)
			if err == nil && !seen[ch.Path] {
				seen[ch.Path] = true
				both = append(both, ch.Path)
			}
			if errors.Is(err, commits.ErrNoPath) {
				err = nil
			}
			return true, err
		})
	})
	return both, h.N, err
}

// publish is the moment of visibility.
func (f *finish) publish(tx objstore.Writer) error {
	if err := f.checkBranch(tx); err != nil {
		return err
	}
	both, head, err := f.conflicts(tx)
	if err != nil {
		return err
	}
	if f.unmoved && head != f.row.N {
		return fmt.Errorf("%w: branch %s has moved", ErrPrecondition, f.row.Branch)
	}
	losing, err := f.losing(both)
	if err != nil {
		return err
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
	meta := commits.Meta{ID: f.id, Time: f.fs.timestamp(), Author: f.row.Author, Message: f.row.Message}
	if f.layered {
		if err := tx.Set(foldingKey(f.row.Line), nil); err != nil {
			return err
		}
		f.made, err = commits.AppendLayer(tx, f.row.Line, sum, meta)
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
		changes = append(changes, ch)
		return true, nil
	})
	if err != nil {
		return commits.Commit{}, err
	}
	for i := range changes {
		changes[i].Modified = meta.Time
	}
	if done, err := commits.DropStaged(tx, f.id); err != nil || !done {
		return commits.Commit{}, errors.Join(err, objstore.ErrTooLarge)
	}
	return commits.Append(tx, f.row.Line, changes, meta)
}

// AbortCommit drops an open commit and all that is staged in it.
func (fs *FS) AbortCommit(ctx context.Context, repo string, id commits.ID) error {
	err := fs.rows.Update(ctx, func(tx objstore.Writer) error {
		r, err := readRepo(tx, repo)
		if err != nil {
			return err
		}
		o, err := readOpen(tx, r, id)
		if err != nil {
			return err
		}
		if o.Finishing {
			return fmt.Errorf("%w: commit %s is being finished", ErrConflict, id)
		}
		if err := tx.Set(droppingKey(id), nil); err != nil {
			return err
		}
		return tx.Delete(openKey(r, id))
	})
	if err != nil {
		return err
	}
	return fs.dropStaged(ctx, id)
}

// dropStaged removes the rows of an aborted commit, a page at a time.
func (fs *FS) dropStaged(ctx context.Context, id commits.ID) error {
	for done := false; !done; {
		err := fs.rows.Update(ctx, func(tx objstore.Writer) (err error) {
			if done, err = commits.DropStaged(tx, id); err != nil || !done {
				return err
			}
			return tx.Delete(droppingKey(id))
		})
		if err != nil {
			return err
		}
	}
	return nil
}
