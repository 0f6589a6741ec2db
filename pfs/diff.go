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

// DiffOptions say which part of a diff is wanted.
type DiffOptions struct {
	Prefix string // only paths that begin with it
	After  string // only what sorts after it
	Limit  int    // at most so many; 0 is all
}

// Diff lists the files that differ between two snapshots of a repo, by path,
// in time proportional to what changed since their newest common commit.
// ErrInvalidArgument if they are of two repos or open commits.
func (fs *FS) Diff(ctx context.Context, from, to Ref, opt DiffOptions) ([]Difference, error) {
	var list []Difference
	err := fs.rows.View(ctx, func(tx objstore.Reader) error {
		list = nil
		a, err := fs.resolve(tx, from)
		if err != nil {
			return err
		}
		b, err := fs.resolve(tx, to)
		if err != nil {
			return err
		}
		if a.repo.ID != b.repo.ID {
			return fmt.Errorf("%w: %s and %s share no history", ErrInvalidArgument, a.Repo, b.Repo)
		}
		if a.Open || b.Open {
			return fmt.Errorf("%w: an open commit has no state to compare yet", ErrInvalidArgument)
		}
		return commits.Diff(tx, a.pos, b.pos, opt.Prefix, opt.After, func(d commits.Difference) (bool, error) {
			if err := ctx.Err(); err != nil {
				return false, err
			}
			list = append(list, Difference{Path: d.Path, Old: fileInfo(d.Path, d.Old), New: fileInfo(d.Path, d.New)})
			return opt.Limit == 0 || len(list) < opt.Limit, nil
		})
	})
	return list, translate(err)
}

func fileInfo(path string, s *commits.State) *Info {
	if s == nil {
		return nil
	}
	return &Info{Path: path, State: *s}
}
