package pfs

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"caret/commits"
	"caret/commits/revision"
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
	// Touched is when it was last written to, some minutes more or less;
	// Expires when it is dropped if nobody does, zero if never.
	Touched, Expires time.Time
	Finishing        bool // no more writes are taken
}

type openRow struct {
	Branch    string            `json:"branch"`
	Line      commits.LineageID `json:"line"`           // of the branch
	Home      commits.LineageID `json:"home,omitempty"` // if it is another
	Base      commits.LineageID `json:"base"`           // line and number of the parent
	N         uint64            `json:"n"`
	Started   time.Time         `json:"started"`
	Touched   time.Time         `json:"touched,omitzero"` // last written to, if later
	Author    string            `json:"author,omitempty"`
	Starter   string            `json:"starter,omitempty"` // the user's ID
	Message   string            `json:"message,omitempty"`
	Finishing bool              `json:"finishing,omitempty"` // no more writes
	Internal  bool              `json:"internal,omitempty"`  // of a request, which a restart ends
	Resolved  bool              `json:"resolved,omitempty"`  // what lost by strategy Ours was dropped
}

func (o *openRow) home() commits.LineageID { return cmp.Or(o.Home, o.Line) }

func (o *openRow) pos() commits.Pos { return commits.Pos{Lineage: o.Base, N: o.N} }

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
	id, err := revision.NewID(fs.rand)
	if err != nil {
		return OpenCommit{}, err
	}
	var o OpenCommit
	err = fs.rows.Update(ctx, "", func(tx objstore.Writer) error {
		s, err := fs.target(tx, branch, opt)
		if err != nil {
			return err
		}
		if s.Open {
			return fmt.Errorf("%w: %s is an open commit; start from a branch", ErrInvalidArgument, s.ID)
		}
		base := s
		if opt.base != nil {
			base = opt.base
		}
		row := openRow{
			Branch: s.Branch, Line: s.line, Home: s.home, Base: base.pos.Lineage, N: base.pos.N,
			Started: fs.timestamp(), Author: opt.Author, Starter: opt.User, Message: opt.Message, Internal: opt.internal,
		}
		o = fs.describeOpen(&row, s.Repo, id, base.ID)
		return setJSON(tx, openKey(s.repo, id), row)
	})
	return o, err
}

func (fs *FS) describeOpen(o *openRow, repo string, id, parent commits.ID) OpenCommit {
	return OpenCommit{
		ID: id, Repo: repo, Branch: o.Branch, Parent: parent, Started: o.Started, Author: o.Author, Message: o.Message,
		Touched: o.touched(), Expires: o.expires(fs.openTTL), Finishing: o.Finishing,
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
			if parent, err = commitID(tx, row.pos()); err != nil {
				return false, err
			}
			list = append(list, fs.describeOpen(&row, repo, id, parent))
			return limit <= 0 || len(list) < limit, nil
		})
	})
	return list, err
}

// commitID is the id of the commit at p, zero if there is none.
func commitID(tx objstore.Reader, p commits.Pos) (CommitID, error) {
	if p.N == 0 {
		return CommitID{}, nil
	}
	c, err := commits.Read(tx, p)
	return c.ID, err
}

// OpenCommit describes the open commit that ref means, and counts what is
// staged in it. ErrNoSuchCommit if it means none.
func (fs *FS) OpenCommit(ctx context.Context, ref Ref) (o OpenCommit, staged int, err error) {
	err = fs.rows.View(ctx, func(tx objstore.Reader) error {
		staged = 0
		s, err := fs.resolve(tx, ref)
		if err != nil {
			return err
		}
		if !s.Open {
			return fmt.Errorf("%w: %s is not open", ErrNoSuchCommit, s.ID)
		}
		row, err := readOpen(tx, s.repo, s.ID)
		if err != nil {
			return err
		}
		parent, err := commitID(tx, row.pos())
		if err != nil {
			return err
		}
		o = fs.describeOpen(&row, s.Repo, s.ID, parent)
		return commits.Staged(tx, s.ID, "", func(commits.Change) (bool, error) {
			staged++
			return true, ctx.Err()
		})
	})
	return o, staged, err
}

// AbortCommit drops an open commit and all that is staged in it.
func (fs *FS) AbortCommit(ctx context.Context, repo string, id commits.ID) error {
	err := fs.rows.Update(ctx, "", func(tx objstore.Writer) error {
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

// dropStaged removes the rows of an aborted commit, and the uploads into it, a
// page at a time.
func (fs *FS) dropStaged(ctx context.Context, id commits.ID) error {
	if err := fs.dropUploads(ctx, id); err != nil {
		return err
	}
	after := ""
	for done := false; !done; {
		var next string
		err := fs.rows.Update(ctx, "", func(tx objstore.Writer) (err error) {
			// This may run again, so it begins behind after each time.
			if next, done, err = commits.DropStaged(tx, id, after); err != nil || !done {
				return err
			}
			return tx.Delete(droppingKey(id))
		})
		if err != nil {
			return err
		}
		after = next
	}
	return nil
}
