package pfs

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"caret/commits"
	"caret/objstore"
	"caret/pfs/access"
	"caret/pfs/catalog"
)

// BranchDeletion says when a branch may go.
type BranchDeletion struct {
	// Empty refuses with ErrNotEmpty when its head holds files, or when other
	// branches of the repo would stay without a default.
	Empty  bool
	IfHead string // as in WriteOptions
	DryRun bool   // nothing is deleted; errors are the same
}

// DeleteBranch removes a branch; the last one takes its repo with it. What
// it held can be restored until its space is reclaimed. ErrConflict if it is to be
// empty and is written to all the time.
func (fs *FS) DeleteBranch(ctx context.Context, repo, name string, opt BranchDeletion) (Removal, error) {
	for try := 1; ; try++ {
		gone, err := fs.deleteBranch(ctx, repo, name, opt)
		if !errors.Is(err, errMoved) {
			return gone, err
		}
		if try == emptyTries {
			return Removal{}, fmt.Errorf("%w: branch %s of repo %s is written to all the time", ErrConflict, name, repo)
		}
	}
}

// emptyTries is how often it is looked whether a branch is empty that is written to
// meanwhile.
const emptyTries = 5

// deleteBranch is DeleteBranch, or errMoved if the branch has changed too much since it
// was found empty: that takes long where many files were.
func (fs *FS) deleteBranch(ctx context.Context, repo, name string, opt BranchDeletion) (gone Removal, err error) {
	var empty *Snapshot
	if opt.DryRun || opt.Empty {
		err := fs.View(ctx, func(v *View) (err error) {
			if empty, gone, err = v.branchRemoval(repo, name, &opt); err == nil && opt.Empty {
				err = v.checkEmpty(empty)
			}
			return err
		})
		if err != nil || opt.DryRun {
			return gone, err
		}
	}
	err = fs.record(ctx, objstore.Subject(repo+"/"+name), nil, func(c *change) (AuditLine, error) {
		s, what, err := c.branchRemoval(repo, name, &opt)
		if err == nil && empty != nil {
			err = c.stillEmpty(s, empty)
		}
		if err != nil {
			return AuditLine{}, err
		}
		gone = what
		line := inRepo("deleteBranch", s.Row, name)
		line.Before = strings.TrimPrefix(nameOf(s.ID)+", "+gone.tell(), ", ")
		return line, c.dropBranch(s, gone.Repo)
	})
	return gone, err
}

// dropBranch takes away a branch's name, and its repo's with it if that is wanted.
func (c *change) dropBranch(s *Snapshot, repo bool) error {
	row, err := catalog.ReadBranch(c.tx, s.Row, s.Branch)
	if err == nil {
		err = access.Delist(c.tx, s.Row, catalog.NamedBranch{Name: s.Branch, BranchRow: row})
	}
	if err != nil {
		return err
	}
	with, by := uint64(0), c.mover()
	if repo {
		with = by.Number()
	}
	err = catalog.DropBranch(c.tx, s.Row, s.Branch, with, by)
	if err == nil && repo {
		err = catalog.DropRepo(c.tx, s.Row, with, by)
	}
	return err
}

// branchRemoval is what goes with a branch, or why it may not go; whether it is empty is
// for checkEmpty.
func (v *View) branchRemoval(repo, name string, opt *BranchDeletion) (*Snapshot, Removal, error) {
	var gone Removal
	on := Ref{Repo: repo, Branch: name}
	s, err := v.Open(on, ActOwn, "")
	if err == nil {
		err = v.checkHead(s, on, opt.IfHead)
	}
	if err != nil {
		return nil, gone, err
	}
	two, err := catalog.Branches(v.tx, s.Row, "", 2)
	if err != nil {
		return nil, gone, err
	}
	if opt.Empty && len(two) > 1 && s.Branch == s.Row.DefaultBranch {
		return nil, gone, fmt.Errorf("%w: repo %s has other branches than %s", ErrNotEmpty, s.Repo, s.Branch)
	}
	if s.Protected {
		return nil, gone, unprotectFirst(name, repo)
	}
	gone.add(Branch{Name: name, N: s.N})
	gone.Repo = len(two) == 1
	return s, gone, nil
}

func (v *View) checkEmpty(s *Snapshot) error {
	states, err := s.view(v.tx)
	if err != nil {
		return err
	}
	w := states.WalkHint("", 1)
	if w.Next() {
		return notEmpty(s)
	}
	return w.Err()
}

// stillEmpty is checkEmpty of a branch that was empty: only what it has changed since is
// looked at. errMoved if that is much.
func (v *View) stillEmpty(s, empty *Snapshot) error {
	if s.Row.ID != empty.Row.ID || s.Home != empty.Home {
		return errMoved
	}
	changed, err := s.changedSince(v.tx, empty, maxSince)
	if err != nil || len(changed) == 0 {
		return err
	}
	files, err := s.files(v.tx, slices.Collect(maps.Keys(changed)))
	if err == nil && slices.ContainsFunc(files, func(st *commits.State) bool { return st != nil }) {
		err = notEmpty(s)
	}
	return err
}

func notEmpty(s *Snapshot) error {
	return fmt.Errorf("%w: branch %s of repo %s holds files", ErrNotEmpty, s.Branch, s.Repo)
}
