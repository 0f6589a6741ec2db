package pfs

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"caret/commits"
	"caret/commits/revision"
	"caret/objstore"
	"caret/pfs/access"
	"caret/pfs/catalog"
)

// BranchOptions say how a branch is made.
type BranchOptions struct {
	From *Ref // its head, a commit of the same repo; nil: it begins empty
	// WithRepo makes its repo too if there is none, of which it is then the
	// default branch; without a name it is the repo itself that is wanted. The
	// branch is then the caller's own, or has the ACL, if that is not nil.
	WithRepo bool
	ACL      *ACL
}

// CreateBranch makes a branch, in constant time and space. ErrBranchExists,
// ErrInvalidName, and what View.Open says of From. With WithRepo, that a repo is
// somebody else's is ErrDenied and ErrRepoExists.
func (fs *FS) CreateBranch(ctx context.Context, repo, name string, opt BranchOptions) (Branch, error) {
	if name != "" || !opt.WithRepo {
		if err := revision.CheckName(name); err != nil {
			return Branch{}, err
		}
	}
	n, err := fs.sys.newRepo(ctx)
	if err != nil {
		return Branch{}, err
	}
	var b Branch
	happened := func(tx objstore.Reader) (bool, error) {
		_, err := commits.ReadLineage(tx, n.lineage)
		return err == nil, nil
	}
	err = fs.record(ctx, objstore.Subject(repo+"/"+name), happened, func(c *change) (AuditLine, error) {
		r, row, err := c.makeBranch(repo, name, n, &opt)
		if err != nil {
			return AuditLine{}, err
		}
		b, err = row.Describe(c.tx, r, row.Name)
		line := inRepo("createBranch", r, row.Name)
		if line.After = nameOf(b.Head); r.ID == n.id {
			line.Action, line.After = "createRepo", tellRepo(r.Repo)
		}
		if opt.ACL != nil {
			line.After = strings.TrimPrefix(line.After+"; "+tellACL(*opt.ACL), "; ")
		}
		return line, err
	})
	return b, err
}

// makeBranch makes a branch, and its repo if there is none and that is wanted.
func (c *change) makeBranch(repo, name string, n repoNumbers, opt *BranchOptions) (r catalog.RepoRow, row catalog.NamedBranch, err error) {
	r, err = c.mayCreateBranch(repo, opt.WithRepo)
	switch {
	case errors.Is(err, ErrNoSuchRepo) && opt.WithRepo:
		made := Repo{Name: repo, DefaultBranch: name, Bare: name == "", Owner: c.who.ID, Created: c.sys.timestamp()}
		if name == "" {
			made.DefaultBranch = DefaultBranch
		}
		if r, err = c.createRepo(made, n); err != nil {
			return r, row, err
		}
		row.Name = made.DefaultBranch
		row.BranchRow, err = catalog.ReadBranch(c.tx, r, row.Name)
	case err != nil:
		return r, row, err
	default:
		row.Name = name
		if row.BranchRow, err = c.addBranch(r, name, n.lineage, opt); err == nil {
			err = access.Enlist(c.tx, r, row)
		}
	}
	if err == nil && (opt.ACL != nil || opt.WithRepo && !c.who.Admin) {
		err = c.ownBranch(r, row, opt.ACL)
	}
	return r, row, err
}

// MayCreateBranch says with ErrDenied why the caller may not make branches of a
// repo, nor the repo if there is none; see BranchOptions.WithRepo.
func (v *View) MayCreateBranch(repo string) error {
	_, err := v.mayCreateBranch(repo, true)
	if errors.Is(err, ErrNoSuchRepo) {
		err = nil
	}
	return err
}

// mayCreateBranch reads the repo that is to have a branch. ErrNoSuchRepo, ErrDenied.
func (v *View) mayCreateBranch(repo string, withRepo bool) (catalog.RepoRow, error) {
	r, err := catalog.ReadRepo(v.tx, repo)
	if errors.Is(err, ErrNoSuchRepo) && withRepo {
		return r, cmp.Or(v.mayCreate(), err)
	}
	if err == nil {
		err = v.administers(r)
	}
	if withRepo && errors.Is(err, ErrDenied) && v.mayCreate() == nil {
		err = fmt.Errorf("%w: %w: %s belongs to somebody else", ErrDenied, ErrRepoExists, repo)
	}
	return r, err
}

// addBranch makes a branch of a repo that is there.
func (c *change) addBranch(r catalog.RepoRow, name string, lineage commits.LineageID, opt *BranchOptions) (row catalog.BranchRow, err error) {
	if name == "" {
		return row, fmt.Errorf("%w: %s", ErrRepoExists, r.Name)
	}
	var fork commits.Pos
	if opt.From != nil {
		if opt.From.Repo != r.Name {
			return row, fmt.Errorf("%w: a branch of %s cannot begin at a commit of %s", ErrInvalidArgument, r.Name, opt.From.Repo)
		}
		at, err := catalog.ResolveIn(c.tx, r, *opt.From)
		if err != nil {
			return row, err
		}
		if at.Open {
			return row, fmt.Errorf("%w: commit %s is still open", ErrInvalidArgument, at.ID)
		}
		fork = at.Pos
	}
	return catalog.CreateBranch(c.tx, r, name, lineage, fork, c.mover())
}

// ownBranch gives a new branch an owner.
func (c *change) ownBranch(r catalog.RepoRow, b catalog.NamedBranch, a *ACL) error {
	set, err := access.ReadSettings(c.tx, &catalog.Snapshot{Repo: r.Name, Row: r, Branch: b.Name, Home: b.Home()})
	if err != nil {
		return err
	}
	return c.relist(r, b, func() error {
		set.ACL = ACL{Owner: c.who.ID}
		if a != nil {
			set.ACL = *a
		}
		return set.Write(c.tx)
	})
}

// Branch describes a branch, for who may list it.
func (fs *FS) Branch(ctx context.Context, repo, name string) (b Branch, err error) {
	err = fs.View(ctx, func(v *View) error {
		s, err := v.Open(Ref{Repo: repo, Branch: name}, ActList, "")
		if err != nil {
			return err
		}
		row, err := catalog.ReadBranch(v.tx, s.Row, name)
		if err == nil {
			b, err = row.Describe(v.tx, s.Row, name)
		}
		return err
	})
	return b, err
}

// Branches lists up to limit branches (0: all) that the caller sees, whose names
// sort after after.
func (fs *FS) Branches(ctx context.Context, repo, after string, limit int) (list []Branch, err error) {
	err = fs.View(ctx, func(v *View) error {
		r, err := catalog.ReadRepo(v.tx, repo)
		if err != nil {
			return err
		}
		seen, err := access.VisibleIn(v.tx, v.who, r, after, limit)
		if err == nil {
			list, err = catalog.DescribeBranches(v.tx, r, seen)
		}
		return err
	})
	return list, err
}

// Moves lists up to limit times (0: all) before number before (0: now) at
// which a branch was made to point elsewhere, newest first, for who administers
// the repo. A name keeps its moves when the branch goes and another one comes.
func (fs *FS) Moves(ctx context.Context, repo, branch string, before uint64, limit int) (list []Move, err error) {
	err = fs.View(ctx, func(v *View) error {
		r, err := v.managed(repo)
		if err == nil {
			list, err = catalog.Moves(v.tx, r, branch, before, limit)
		}
		return err
	})
	return list, err
}

// Reset is the outcome of a ResetBranch.
type Reset struct {
	Branch Branch // as it is then; of a dry run, as it would be
	// Left are the first commits that led to the head before and do not lead to
	// it now, newest first, and Count how many there are; of a dry run alone.
	Left  []Commit
	Count uint64
}

// maxLeft is how many commits a Reset names.
const maxLeft = 1000

// ResetBranch makes to, a commit of the same repo, the head of a branch. What
// the branch had is in its moves, and stays. Open commits that were started
// from what no longer leads to the head cannot be finished any more. A dry run
// says what would be left.
func (fs *FS) ResetBranch(ctx context.Context, repo, name string, to Ref, opt WriteOptions, dryRun bool) (Reset, error) {
	var done Reset
	if dryRun {
		err := fs.View(ctx, func(v *View) error {
			s, at, err := v.resetting(repo, name, to, &opt)
			if err != nil {
				return err
			}
			return v.left(s, at, &done)
		})
		return done, err
	}
	lineage, err := fs.sys.newLineage(ctx)
	if err != nil {
		return done, err
	}
	happened := func(tx objstore.Reader) (bool, error) {
		_, err := commits.ReadLineage(tx, lineage)
		return err == nil, nil
	}
	err = fs.record(ctx, objstore.Subject(repo+"/"+name), happened, func(c *change) (AuditLine, error) {
		s, at, err := c.resetting(repo, name, to, &opt)
		if err != nil {
			return AuditLine{}, err
		}
		line := inRepo("resetBranch", s.Row, name)
		line.Before, line.After = nameOf(s.ID), nameOf(at.ID)
		row, err := catalog.MoveBranch(c.tx, s.Row, name, lineage, at.Pos, "reset", c.mover())
		if err == nil {
			done.Branch, err = row.Describe(c.tx, s.Row, name)
		}
		return line, err
	})
	return done, err
}

// resetting finds the branch that is to be reset, and to what: a commit of which
// the caller may read everything.
func (v *View) resetting(repo, name string, to Ref, opt *WriteOptions) (s, at *Snapshot, err error) {
	if s, err = v.target(Ref{Repo: repo, Branch: name}, ActOwn, "", opt); err != nil {
		return nil, nil, err
	}
	if s.Protected {
		return nil, nil, unprotectFirst(name, repo)
	}
	if at, err = v.Open(to, ActReadAll, ""); err != nil {
		return nil, nil, err
	}
	if at.Open || at.Repo != repo {
		return nil, nil, fmt.Errorf("%w: a branch is reset to a finished commit of its repo", ErrInvalidArgument)
	}
	return s, at, nil
}

// left finds the commits that lead to s and not to at.
func (v *View) left(s, at *Snapshot, done *Reset) error {
	row, err := catalog.ReadBranch(v.tx, s.Row, s.Branch)
	if err != nil {
		return err
	}
	if done.Branch, err = row.Describe(v.tx, s.Row, s.Branch); err != nil {
		return err
	}
	done.Branch.Head, done.Branch.N, done.Branch.Time = at.ID, at.N, at.Time
	known, err := commits.ReadFrontier(v.tx, at.Pos)
	if err != nil || s.N == 0 {
		return err
	}
	return commits.Log(v.tx, s.Pos, func(c Commit) (bool, error) {
		if known.Has(c.Pos) {
			return false, nil // and so do all before it
		}
		if done.Count++; len(done.Left) < maxLeft {
			done.Left = append(done.Left, c)
		}
		return true, v.ctx.Err()
	})
}

// ProtectBranch makes a branch refuse writes, resets and its deletion with
// ErrDenied, or take them again.
func (fs *FS) ProtectBranch(ctx context.Context, repo, name string, protected bool) (b Branch, err error) {
	err = fs.record(ctx, objstore.Subject(repo+"/"+name), nil, func(c *change) (line AuditLine, err error) {
		s, err := c.Open(Ref{Repo: repo, Branch: name}, ActOwn, "")
		if err != nil {
			return line, err
		}
		row, err := catalog.ReadBranch(c.tx, s.Row, name)
		if err != nil {
			return line, err
		}
		if row.Protected != protected {
			line = inRepo("protectBranch", s.Row, name)
			line.Before, line.After = tellProtected(row.Protected), tellProtected(protected)
		}
		row.Protected = protected
		if err := catalog.SetBranch(c.tx, s.Row, name, row); err != nil {
			return line, err
		}
		b, err = row.Describe(c.tx, s.Row, name)
		return line, err
	})
	return b, err
}

// RestoreBranch brings back the branch of that name that was deleted last,
// and its repo if that went with it. ErrBranchExists if there is one of the
// name, or a tag; ErrNoSuchBranch if none was deleted.
func (fs *FS) RestoreBranch(ctx context.Context, repo, name string) (b Branch, err error) {
	if err := errors.Join(revision.CheckName(repo), revision.CheckName(name)); err != nil {
		return Branch{}, err
	}
	err = fs.record(ctx, objstore.Subject(repo+"/"+name), nil, func(c *change) (line AuditLine, err error) {
		with := ""
		r, err := c.managed(repo)
		if errors.Is(err, ErrNoSuchRepo) {
			var d catalog.DroppedRepo
			if d, err = c.droppedRepo(err, repo); err == nil {
				r, err = catalog.RestoreRepo(c.tx, d, repo)
			}
			with = ", and the repo"
		}
		if err != nil {
			return line, err
		}
		row, err := catalog.RestoreBranch(c.tx, r, name, c.mover())
		if err == nil {
			err = access.Enlist(c.tx, r, catalog.NamedBranch{Name: name, BranchRow: row})
		}
		if err == nil {
			b, err = row.Describe(c.tx, r, name)
		}
		line = inRepo("restoreBranch", r, name)
		line.After = strings.TrimPrefix(nameOf(b.Head)+with, ", ")
		return line, err
	})
	return b, err
}

// DeletedBranches lists up to limit (0: all) deleted branches of a repo, which
// may be deleted itself, whose names sort behind after, each as it was deleted
// last. ErrNoSuchRepo.
func (fs *FS) DeletedBranches(ctx context.Context, repo, after string, limit int) (list []DeletedBranch, err error) {
	err = fs.View(ctx, func(v *View) error {
		r, err := v.managed(repo)
		if errors.Is(err, ErrNoSuchRepo) {
			var d catalog.DroppedRepo
			d, err = v.droppedRepo(err, repo)
			r = d.RepoRow
		}
		if err == nil {
			list, err = catalog.DroppedBranches(v.tx, r, after, limit)
		}
		return err
	})
	return list, err
}
