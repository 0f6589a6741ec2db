package pfs

import (
	"context"
	"fmt"

	"caret/commits"
	"caret/objstore"
)

// Difference is a file that two snapshots have in different states; nil is
// no file.
type Difference struct {
	Path     string
	Old, New *Info
}

// Differs says what of a file that is in both snapshots is not the same.
func (d *Difference) Differs() (content, metadata, tags bool) {
	if d.Old == nil || d.New == nil {
		return false, false, false
	}
	return commits.Differs(&d.Old.State, &d.New.State)
}

// DiffOptions say which part of a diff is wanted.
type DiffOptions struct {
	Prefix string // only paths that begin with it
	After  string // only what sorts after it
	Limit  int    // at most so many; 0 is all
}

// Diff lists the files that differ between two snapshots of a repo, by path.
// An open commit counts with what is staged in it. It takes time in proportion
// to what was changed since the two have parted. ErrInvalidArgument if they
// are of two repos.
func (fs *FS) Diff(ctx context.Context, from, to Ref, opt DiffOptions) ([]Difference, error) {
	var list []Difference
	err := fs.EachDifference(ctx, from, to, opt, func(d Difference) error {
		list = append(list, d)
		return nil
	})
	return list, err
}

// EachDifference calls fn for what Diff would list, as it is found. fn is
// called from within a transaction and must not begin another.
func (fs *FS) EachDifference(ctx context.Context, from, to Ref, opt DiffOptions, fn func(Difference) error) error {
	return fs.rows.View(ctx, func(tx objstore.Reader) error {
		a, err := fs.resolve(tx, from)
		if err != nil {
			return err
		}
		b, err := fs.resolve(tx, to)
		if err != nil {
			return err
		}
		n := 0
		return fs.diff(ctx, tx, a, b, opt, func(d Difference) (bool, error) {
			n++
			return opt.Limit == 0 || n < opt.Limit, fn(d)
		})
	})
}

func (fs *FS) diff(ctx context.Context, tx objstore.Reader, a, b *Snapshot, opt DiffOptions, fn func(Difference) (bool, error)) error {
	if a.repo.ID != b.repo.ID {
		return fmt.Errorf("%w: %s and %s share no history", ErrInvalidArgument, a.Repo, b.Repo)
	}
	return fs.forks.Diff(tx, a.side(), b.side(), opt.Prefix, opt.After, func(d commits.Difference) (bool, error) {
		if err := ctx.Err(); err != nil {
			return false, err
		}
		return fn(Difference{Path: d.Path, Old: fileInfo(d.Path, d.Old), New: fileInfo(d.Path, d.New)})
	})
}

// side is the snapshot as package commits compares it.
func (s *Snapshot) side() commits.Side {
	side := commits.Side{Pos: s.pos}
	if s.Open {
		side.Open = s.ID
	}
	return side
}

func fileInfo(path string, s *commits.State) *Info {
	if s == nil {
		return nil
	}
	return &Info{Path: path, State: *s}
}
