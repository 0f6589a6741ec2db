package pfs

import (
	"context"
	"fmt"
	"slices"
	"sort"

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

// Diff lists the files that differ between two snapshots of a repo, by path, for
// who may list both. An open commit counts with what is staged in it. It takes
// time in proportion to what was changed since the two have parted.
// ErrInvalidArgument if they are of two repos.
func (fs *FS) Diff(ctx context.Context, from, to Ref, opt DiffOptions) ([]Difference, error) {
	var list []Difference
	err := fs.EachDifference(ctx, from, to, opt, func(d Difference) error {
		list = append(list, d)
		return nil
	})
	return list, err
}

// EachDifference calls fn for what Diff would list, as it is found, outside of
// any transaction: fn may take its time. Whether the caller still may is decided
// for every page.
func (fs *FS) EachDifference(ctx context.Context, from, to Ref, opt DiffOptions, fn func(Difference) error) error {
	var a, b *Snapshot
	var paths []string
	err := fs.View(ctx, func(v *View) (err error) {
		if a, err = v.Open(from, ActList, ""); err != nil {
			return err
		}
		if b, err = v.Open(to, ActList, ""); err != nil {
			return err
		}
		paths, err = changedPaths(v.tx, a, b, opt.Prefix)
		return err
	})
	if err != nil {
		return err
	}
	tally := fs.sys.tally()
	defer tally.Release()
	if err := countPaths(ctx, tally, paths); err != nil {
		return err
	}
	if opt.After != "" {
		paths = paths[sort.SearchStrings(paths, opt.After+"\x00"):]
	}
	n := 0
	return fs.compare(ctx, a, b, paths, func(d Difference) (bool, error) {
		n++
		return opt.Limit == 0 || n < opt.Limit, fn(d)
	})
}

// changedPaths are the paths under prefix, in order, that may differ.
func changedPaths(tx objstore.Reader, a, b *Snapshot, prefix string) ([]string, error) {
	if a.Row.ID != b.Row.ID {
		return nil, fmt.Errorf("%w: %s and %s share no history", ErrInvalidArgument, a.Repo, b.Repo)
	}
	return a.sys.forks.ChangedPaths(tx, a.Side(), b.Side(), prefix)
}

// diffPage is how many paths are compared in one transaction.
const diffPage = 500

// compare calls fn, outside of any transaction, for those of the paths that
// differ, until it returns false.
func (fs *FS) compare(ctx context.Context, a, b *Snapshot, paths []string, fn func(Difference) (bool, error)) error {
	for page := range slices.Chunk(paths, diffPage) {
		var list []Difference
		err := fs.View(ctx, func(v *View) error {
			before, err := v.again(a, ActList, "")
			if err != nil {
				return err
			}
			behind, err := v.again(b, ActList, "")
			if err != nil {
				return err
			}
			list, err = comparePage(v.tx, before, behind, page)
			return err
		})
		if err != nil {
			return err
		}
		for _, d := range list {
			if err := ctx.Err(); err != nil {
				return err
			}
			if more, err := fn(d); err != nil || !more {
				return err
			}
		}
	}
	return nil
}

// comparePage lists those of the paths that differ and are shown.
func comparePage(tx objstore.Reader, a, b *Snapshot, paths []string) ([]Difference, error) {
	all, err := differing(tx, a, b, paths)
	if err != nil {
		return nil, err
	}
	var list []Difference
	err = eachShown(tx, a, b, all, func(d Difference, shown bool) {
		if shown {
			list = append(list, d)
		}
	})
	return list, err
}

// differing lists those of the paths that differ; the others were changed, and changed
// back.
func differing(tx objstore.Reader, a, b *Snapshot, paths []string) ([]Difference, error) {
	before, err := a.files(tx, paths)
	if err != nil {
		return nil, err
	}
	behind, err := b.files(tx, paths)
	if err != nil {
		return nil, err
	}
	var list []Difference
	for i, path := range paths {
		if !commits.SameFile(before[i], behind[i]) {
			list = append(list, Difference{path, fileInfo(path, before[i]), fileInfo(path, behind[i])})
		}
	}
	return list, nil
}

// eachShown calls fn for differences between two snapshots and says whether they are shown.
func eachShown(tx objstore.Reader, a, b *Snapshot, list []Difference, fn func(d Difference, shown bool)) error {
	was, err := a.shown(tx, true)
	if err != nil {
		return err
	}
	is, err := b.shown(tx, true)
	if err != nil {
		return err
	}
	for _, d := range list {
		shown, err := bothShown(d.Path, was, stateIn(d.Old), is, stateIn(d.New))
		if err != nil {
			return err
		}
		fn(d, shown)
	}
	return nil
}

// bothShown says whether the two states of path, nil being no file, are shown.
func bothShown(path string, was *present, old *commits.State, is *present, now *commits.State) (bool, error) {
	shown := true
	var err error
	if old != nil {
		shown, err = was.has(path, old.Commit)
	}
	if now != nil && shown && err == nil {
		shown, err = is.has(path, now.Commit)
	}
	return shown, err
}

// files are the files at paths, nil where there is none.
func (s *Snapshot) files(tx objstore.Reader, paths []string) ([]*commits.State, error) {
	v, err := s.view(tx)
	if err != nil {
		return nil, err
	}
	return v.Files(paths)
}

func fileInfo(path string, s *commits.State) *Info {
	if s == nil {
		return nil
	}
	return &Info{Path: path, State: *s}
}
