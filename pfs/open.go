package pfs

import (
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
	Line      commits.LineID `json:"line"` // of the branch
	Base      commits.LineID `json:"base"` // line and number of the parent
	N         uint64         `json:"n"`
	Started   time.Time      `json:"started"`
	Author    string         `json:"author,omitempty"`
	Message   string         `json:"message,omitempty"`
	Finishing bool           `json:"finishing,omitempty"` // no more writes
}

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
		s, err := fs.target(tx, branch, opt.IfHead)
		if err != nil {
			return err
		}
		if s.Open {
			return fmt.Errorf("%w: %s is an open commit; start from a branch", ErrInvalidArgument, s.ID)
		}
		row := openRow{
			Branch: s.Branch, Line: s.line, Base: s.pos.Line, N: s.pos.N,
			Started: fs.timestamp(), Author: opt.Author, Message: opt.Message,
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

// OpenCommits lists the open commits of a repo.
func (fs *FS) OpenCommits(ctx context.Context, repo string) ([]OpenCommit, error) {
	var list []OpenCommit
	err := fs.rows.View(ctx, func(tx objstore.Reader) error {
		list = nil
		r, err := readRepo(tx, repo)
		if err != nil {
			return err
		}
		return scanNames(tx, inRepo(keyOpen, r.ID, ""), "", 0, func(raw string, value []byte) error {
			var id, parent commits.ID
			copy(id[:], raw)
			var row openRow
			if err := decodeJSON(openKey(r, id), value, &row); err != nil {
				return err
			}
			if row.N > 0 {
				c, err := commits.Read(tx, row.pos())
				if err != nil {
					return err
				}
				parent = c.ID
			}
			list = append(list, row.describe(repo, id, parent))
			return nil
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
	f := finish{fs: fs, id: id, opt: opt}
	err := fs.rows.Update(ctx, func(tx objstore.Writer) error { return f.begin(tx, repo) })
	if err != nil {
		return commits.Commit{}, translate(err)
	}
	if err := f.run(ctx); err != nil {
		// The commit stays open, to be finished otherwise or aborted.
		undo := fs.rows.Update(context.WithoutCancel(ctx), f.reopen)
		return commits.Commit{}, errors.Join(translate(err), undo)
	}
	if f.layered {
		fs.foldSoon(f.row.Line)
	}
	return f.made, nil
}

// finish is one FinishCommit under way.
type finish struct {
	fs      *FS
	id      commits.ID
	opt     FinishOptions
	repo    repoRow
	row     openRow
	checked uint64 // the branch's commits up to here are known not to conflict
	sum     commits.StagedSum
	made    commits.Commit
	layered bool
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
	if _, err := readBranchRow(tx, f.repo, f.row.Branch); err != nil {
		return err
	}
	if f.opt.Message != "" {
		f.row.Message = f.opt.Message
	}
	row := f.row
	row.Finishing = true
	return setJSON(tx, openKey(f.repo, f.id), row)
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
	return f.fs.rows.Update(ctx, f.publish)
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
	if err := f.settle(both, func(paths []string) error {
		return f.fs.rows.Update(ctx, func(tx objstore.Writer) error { return f.unstage(tx, paths) })
	}); err != nil {
		return err
	}
	f.checked = head
	return nil
}

// unstagePage is how many paths are unstaged in one transaction.
const unstagePage = 5000

// settle applies the strategy to the paths that both sides changed.
func (f *finish) settle(both []string, unstage func([]string) error) error {
	if len(both) == 0 || f.opt.Strategy == Theirs {
		return nil
	}
	if f.opt.Strategy == "" {
		return &ConflictError{Paths: both[:min(len(both), maxConflicts)], Total: len(both)}
	}
	for len(both) > 0 {
		n := min(len(both), unstagePage)
		if err := unstage(both[:n]); err != nil {
			return err
		}
		both = both[n:]
	}
	return nil
}

func (f *finish) unstage(tx objstore.Writer, paths []string) error {
	for _, p := range paths {
		if err := commits.Unstage(tx, f.id, p); err != nil {
			return err
		}
	}
	return nil
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
	if _, err := readBranchRow(tx, f.repo, f.row.Branch); err != nil {
		return err
	}
	both, head, err := f.conflicts(tx)
	if err != nil {
		return err
	}
	dropped := 0
	if err := f.settle(both, func(paths []string) error {
		dropped += len(paths)
		return f.unstage(tx, paths)
	}); err != nil {
		return err
	}
	if dropped > 0 { // between run and now: sum again
		if f.sum, err = commits.SumStaged(tx, f.id); err != nil {
			return err
		}
	}
	f.checked = head
	meta := commits.Meta{ID: f.id, Time: f.fs.timestamp(), Author: f.row.Author, Message: f.row.Message}
	f.layered = f.sum.Files > f.fs.maxDirect
	if f.layered {
		if err := tx.Set(foldingKey(f.row.Line), nil); err != nil {
			return err
		}
		f.made, err = commits.AppendLayer(tx, f.row.Line, f.sum, meta)
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
	if _, err := commits.DropStaged(tx, f.id, len(changes)+1); err != nil {
		return commits.Commit{}, err
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
			if done, err = commits.DropStaged(tx, id, unstagePage); err != nil || !done {
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
