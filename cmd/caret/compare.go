package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"runtime"

	"golang.org/x/sync/errgroup"
)

// surplus is a file of the folder that the tree does not have, and that is to go.
type surplus struct {
	name string
	was  fs.FileInfo
}

// surplus finds what --delete removes: what was fetched once and is as it was,
// and with --force whatever else there is. Other files are kept.
func (c *checkout) surplus(ctx context.Context) ([]surplus, error) {
	if !c.opts.del {
		return nil, nil
	}
	wanted := make(map[string]bool, len(c.tree.names))
	for _, name := range c.tree.names {
		wanted[name] = true
	}
	var gone []surplus
	err := fs.WalkDir(c.root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case ctx.Err() != nil:
			return ctx.Err()
		case d.IsDir() && name != "." && c.opts.filter.passes(name):
			return fs.SkipDir
		case d.IsDir() || wanted[name] || reserved(path.Base(name)) || !c.opts.filter.takes(name):
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		why := ""
		if !c.opts.force {
			why = c.changed(ctx, name, info)
		}
		if why != "" {
			c.skipped = append(c.skipped, &hinted{fmt.Errorf("%q: it is not in the commit, and %s", name, why), "--force deletes what was made or changed here, too, and --exclude leaves it alone"})
			return nil
		}
		gone = append(gone, surplus{name, info})
		return nil
	})
	return gone, err
}

// changed says why a file may hold somebody's work; "" if it is what was fetched.
func (c *checkout) changed(ctx context.Context, name string, info fs.FileInfo) string {
	switch {
	case info.Mode()&fs.ModeSymlink != 0:
		return "a symbolic link is here"
	case !info.Mode().IsRegular():
		return "no regular file is here"
	case len(c.known[name]) == 0:
		return "it was not fetched from the store"
	}
	if c.known.mayHold(name, info.Size()) {
		sum, err := hashIn(ctx, c.root, name)
		if err != nil {
			return err.Error()
		}
		for _, x := range c.known[name] {
			if x.Hash == sum {
				return ""
			}
		}
	}
	return "it was changed here"
}

// remove deletes what is surplus, and the folders that become empty by that. It
// returns how many files it were.
func (c *checkout) remove(gone []surplus) int {
	n := 0
	for _, g := range gone {
		err := errTaken
		if c.still(g.name, g.was) {
			err = c.root.Remove(g.name)
		}
		if err != nil {
			c.skip(g.name, err)
			continue
		}
		n++
		for dir := path.Dir(g.name); dir != "." && c.root.Remove(dir) == nil; dir = path.Dir(dir) {
		}
	}
	return n
}

// compare finds out what is to be done with each file of the tree, once what
// is surplus is gone.
func (c *checkout) compare(ctx context.Context, gone []surplus) ([]step, error) {
	leaving := make(map[string]bool, len(gone))
	for _, g := range gone {
		leaving[g.name] = true
	}
	steps := make([]step, len(c.tree.files))
	blocked := make(map[string]string) // folders, and what is in their place
	var bytes int64
	for i, f := range c.tree.files {
		s := &steps[i]
		s.file, s.name = f, c.tree.names[i]
		if at := c.obstacle(path.Dir(s.name), leaving, blocked); at != "" {
			s.what, s.why, s.hint = kept, at, clears
			continue
		}
		if above(s.name, leaving) {
			continue
		}
		info, err := c.root.Lstat(s.name)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			s.what, s.why = kept, err.Error()
		default:
			s.was = info
			bytes += info.Size()
		}
	}
	b := newTransfer(c.p, "comparing", 0, bytes)
	defer b.finish()
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(min(c.opts.parallel, runtime.GOMAXPROCS(0)))
	for i := range steps {
		if s := &steps[i]; s.was != nil {
			g.Go(func() error {
				c.judge(ctx, s, leaving)
				b.add(s.was.Size())
				return ctx.Err()
			})
		}
	}
	return steps, g.Wait()
}

// above says whether something that is leaving is a folder of name by now.
func above(name string, leaving map[string]bool) bool {
	for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
		if leaving[dir] {
			return true
		}
	}
	return false
}

// obstacle says what is in the place of a folder, or of one that it is in.
func (c *checkout) obstacle(dir string, leaving map[string]bool, blocked map[string]string) string {
	if dir == "." {
		return ""
	}
	if at, ok := blocked[dir]; ok {
		return at
	}
	at := c.obstacle(path.Dir(dir), leaving, blocked)
	if info, err := c.root.Lstat(dir); at == "" && err == nil && !info.IsDir() && !leaving[dir] {
		at = fmt.Sprintf("%q is no folder here", dir)
		if info.Mode()&fs.ModeSymlink != 0 {
			at = fmt.Sprintf("%q is a symbolic link here", dir)
		}
	}
	blocked[dir] = at
	return at
}

// judge decides about a file in whose place there is something.
func (c *checkout) judge(ctx context.Context, s *step, leaving map[string]bool) {
	if s.was.IsDir() {
		if !c.emptied(s.name, leaving) {
			s.what, s.why, s.hint = kept, "it is a folder here, with files in it", clears
		}
		return
	}
	if c.has(ctx, s.file, s.name) {
		s.what = there
		return
	}
	if !c.opts.force {
		if s.why = c.changed(ctx, s.name, s.was); s.why != "" {
			s.what, s.hint = kept, overwrites
		}
	}
}

// emptied says whether nothing but folders is in a folder once what is leaving
// is gone.
func (c *checkout) emptied(dir string, leaving map[string]bool) bool {
	err := fs.WalkDir(c.root.FS(), dir, func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && !leaving[name] {
			err = fs.ErrExist
		}
		return err
	})
	return err == nil
}
