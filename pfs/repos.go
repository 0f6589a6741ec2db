package pfs

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"caret/commits"
	"caret/commits/revision"
	"caret/objstore"
	"caret/pfs/access"
	"caret/pfs/catalog"
)

// newLineage is the number of a lineage to be.
func (s *System) newLineage(ctx context.Context) (commits.LineageID, error) {
	n, err := s.number(ctx, lineageSequence)
	return commits.LineageID(n), err
}

// mover is the caller as one who moves branches.
func (v *View) mover() catalog.Mover {
	return catalog.Mover{Name: v.who.Name, Time: v.moment()}
}

// repoNumbers are what a new repo needs.
type repoNumbers struct {
	id      uint64
	lineage commits.LineageID
}

func (s *System) newRepo(ctx context.Context) (n repoNumbers, err error) {
	if n.id, err = s.number(ctx, repoSequence); err == nil {
		n.lineage, err = s.newLineage(ctx)
	}
	return n, err
}

// wasCreated finds out whether the repo with an id was made.
func wasCreated(name string, id uint64) func(objstore.Reader) (bool, error) {
	return func(tx objstore.Reader) (bool, error) {
		r, err := catalog.ReadRepo(tx, name)
		return err == nil && r.ID == id, nil
	}
}

// CreateRepo makes a repo and its default branch, empty. It is the caller's, if r
// names no other owner. ErrRepoExists, ErrInvalidName.
func (fs *FS) CreateRepo(ctx context.Context, r Repo) (Repo, error) {
	r.DefaultBranch = cmp.Or(r.DefaultBranch, DefaultBranch)
	if err := errors.Join(revision.CheckName(r.Name), revision.CheckName(r.DefaultBranch), checkText("description", r.Description)); err != nil {
		return Repo{}, err
	}
	n, err := fs.sys.newRepo(ctx)
	if err != nil {
		return Repo{}, err
	}
	r.Created = fs.sys.timestamp()
	err = fs.record(ctx, objstore.Subject(r.Name), wasCreated(r.Name, n.id), func(c *change) (AuditLine, error) {
		if err := c.mayCreate(); err != nil {
			return AuditLine{}, err
		}
		r.Owner = cmp.Or(r.Owner, c.who.ID)
		row, err := c.createRepo(r, n)
		line := inRepo("createRepo", row, "")
		line.After = tellRepo(r)
		return line, err
	})
	return r, err
}

// mayCreate says with ErrDenied why the caller may not make repos.
func (v *View) mayCreate() error {
	_, err := access.Decide(v.tx, access.Request{Caller: v.who, Action: access.CreateRepo})
	return err
}

// createRepo makes a repo with its default branch.
func (c *change) createRepo(r Repo, n repoNumbers) (catalog.RepoRow, error) {
	row, err := catalog.CreateRepo(c.tx, n.id, r)
	if err != nil {
		return row, err
	}
	b := catalog.NamedBranch{Name: r.DefaultBranch}
	if b.BranchRow, err = catalog.CreateBranch(c.tx, row, b.Name, n.lineage, commits.Pos{}, c.mover()); err != nil {
		return row, err
	}
	return row, access.Enlist(c.tx, row, b)
}

// Repo describes a repo, for who may list its default branch.
func (fs *FS) Repo(ctx context.Context, name string) (Repo, error) {
	var r catalog.RepoRow
	err := fs.View(ctx, func(v *View) error {
		_, err := v.Open(Ref{Repo: name, KeyBranch: true}, ActList, "")
		if errors.Is(err, ErrNoSuchBranch) { // the default one is gone
			r, err = v.managed(name)
			return err
		}
		if err == nil {
			r, err = catalog.ReadRepo(v.tx, name)
		}
		return err
	})
	return r.Repo, err
}

// Repos lists up to limit repos (0: all) that the caller sees a branch of, whose
// names sort after after.
func (fs *FS) Repos(ctx context.Context, after string, limit int) ([]Repo, error) {
	var list []Repo
	err := fs.View(ctx, func(v *View) error {
		list = nil
		seen, all, err := v.reposSeen()
		if err != nil {
			return err
		}
		if all {
			return catalog.EachRepo(v.tx, after, func(r catalog.RepoRow) (bool, error) {
				list = append(list, r.Repo)
				return limit <= 0 || len(list) < limit, nil
			})
		}
		for _, name := range slices.Sorted(maps.Keys(seen)) {
			if name <= after || limit > 0 && len(list) == limit {
				continue
			}
			r, err := catalog.ReadRepo(v.tx, name)
			if err != nil {
				return err
			}
			list = append(list, r.Repo)
		}
		return nil
	})
	return list, err
}

// RepoUpdate is what is to change of a repo; nil leaves it as it is.
type RepoUpdate struct {
	Description   *string
	DefaultBranch *string // must be there
}

// UpdateRepo changes what is said of a repo, and what its bare name means.
// ErrNoSuchBranch if the new default branch is not there.
func (fs *FS) UpdateRepo(ctx context.Context, name string, u RepoUpdate) (Repo, error) {
	var r catalog.RepoRow
	err := fs.record(ctx, objstore.Subject(name), nil, func(c *change) (line AuditLine, err error) {
		if r, err = c.managed(name); err != nil {
			return line, err
		}
		old, was := r, tellRepo(r.Repo)
		if u.Description != nil {
			if err := checkText("description", *u.Description); err != nil {
				return line, err
			}
			r.Description = *u.Description
		}
		if u.DefaultBranch != nil {
			if _, err := catalog.ReadBranch(c.tx, r, *u.DefaultBranch); err != nil {
				return line, err
			}
			r.DefaultBranch = *u.DefaultBranch
		}
		if is := tellRepo(r.Repo); is != was {
			line = inRepo("updateRepo", r, "")
			line.Before, line.After = was, is
		}
		return line, c.setRepo(old, r)
	})
	return r.Repo, err
}

// Removal says what goes with a repo or a branch, or has gone.
type Removal struct {
	Branches []string // the first ones
	Count    int      // of branches
	Commits  uint64   // of these branches, one by one
	Repo     bool     // the repo goes too
}

// maxRemoved is how many branches a Removal names.
const maxRemoved = 5

// DeleteOptions say how something is deleted.
type DeleteOptions struct {
	Force  bool // a repo that holds commits, too
	DryRun bool // nothing is deleted; errors are the same
}

// repoStep is how many branches go in one transaction.
const repoStep = 100

// DeleteRepo removes a repo with its branches and tags; ErrNotEmpty if it
// holds a commit and force is not set. Its branches can be restored until
// their space is reclaimed. Very many branches go some at a time, the default one and the
// repo last, though ctx may end once that has begun.
func (fs *FS) DeleteRepo(ctx context.Context, name string, opt DeleteOptions) (Removal, error) {
	var r catalog.RepoRow
	var gone Removal
	err := fs.View(ctx, func(v *View) (err error) {
		r, _, gone, _, err = v.repoRemoval(name, opt.Force, 0)
		return err
	})
	if err != nil || opt.DryRun {
		return gone, err
	}
	gone = Removal{}
	for with := uint64(0); !gone.Repo; {
		var step Removal
		err := fs.record(ctx, objstore.Subject(name), nil, func(c *change) (line AuditLine, err error) {
			by := c.mover()
			with = cmp.Or(with, by.Number())
			step, err = c.dropSome(r, opt.Force, with, by)
			line = inRepo("deleteRepo", r, "")
			line.Before = step.tell()
			return line, err
		})
		if err != nil && gone.Count > 0 {
			err = fmt.Errorf("%d branches of repo %s are deleted, and can be restored; the others are not: %w", gone.Count, name, err)
		}
		if err != nil {
			return Removal{}, err
		}
		gone.join(step)
		ctx = context.WithoutCancel(ctx)
	}
	return gone, nil
}

// dropSome drops some branches of a repo, and the repo with the last of them; with is the
// number of the whole deletion.
func (c *change) dropSome(was catalog.RepoRow, force bool, with uint64, by catalog.Mover) (Removal, error) {
	r, branches, gone, more, err := c.repoRemoval(was.Name, force, repoStep)
	if err == nil && r.ID != was.ID {
		err = fmt.Errorf("%w: %s was deleted meanwhile; there is another one of that name", ErrNoSuchRepo, r.Name)
	}
	if err != nil {
		return gone, err
	}
	for _, b := range branches {
		if err := access.Delist(c.tx, r, b); err != nil {
			return gone, err
		}
		if err := catalog.DropBranch(c.tx, r, b.Name, with, by); err != nil {
			return gone, err
		}
	}
	if gone.Repo = !more; more {
		return gone, nil
	}
	return gone, catalog.DropRepo(c.tx, r, with, by)
}

// repoRemoval is what goes with a repo, or why it may not go: up to limit branches (0:
// all), the default one only if there are no more.
func (v *View) repoRemoval(name string, force bool, limit int) (r catalog.RepoRow, named []catalog.NamedBranch, gone Removal, more bool, err error) {
	gone.Repo = true
	if r, err = v.managed(name); err != nil {
		return r, nil, gone, false, err
	}
	most := limit
	if most > 0 {
		most++
	}
	if named, err = catalog.Branches(v.tx, r, "", most); err != nil {
		return r, nil, gone, false, err
	}
	if more = limit > 0 && len(named) > limit; more {
		named = slices.DeleteFunc(named, func(b catalog.NamedBranch) bool { return b.Name == r.DefaultBranch })
		named = named[:limit]
	}
	branches, err := catalog.DescribeBranches(v.tx, r, named)
	if err != nil {
		return r, nil, gone, more, err
	}
	for _, b := range branches {
		if b.N > 0 && !force {
			return r, nil, gone, more, fmt.Errorf("%w: repo %s has commits on branch %s", ErrNotEmpty, name, b.Name)
		}
	}
	for _, b := range branches {
		if b.Protected {
			return r, nil, gone, more, unprotectFirst(b.Name, name)
		}
		gone.add(b)
	}
	return r, named, gone, more, nil
}

func (r *Removal) add(b Branch) {
	if r.Count++; r.Count <= maxRemoved {
		r.Branches = append(r.Branches, b.Name)
	}
	r.Commits += b.N
}

// join adds what went after what went before.
func (r *Removal) join(next Removal) {
	r.Branches = append(r.Branches, next.Branches[:min(len(next.Branches), maxRemoved-len(r.Branches))]...)
	r.Count += next.Count
	r.Commits += next.Commits
	r.Repo = next.Repo
}

func unprotectFirst(branch, repo string) error {
	return fmt.Errorf("%w: branch %s of repo %s is protected: its owner, the repo's or an administrator has to unprotect it first", ErrDenied, branch, repo)
}
