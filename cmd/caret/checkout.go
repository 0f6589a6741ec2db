package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"syscall"

	"github.com/dustin/go-humanize"
	"golang.org/x/sync/errgroup"

	"caret/api/client"
	"caret/api/v1"
)

// checkout makes a folder what a tree is, and leaves alone what is not its own.
type checkout struct {
	fetch
	p       process
	pr      printer
	tree    tree
	opts    getOptions
	dest    string
	known   manifest
	skipped []error // why something is not as the tree has it

	mu   sync.Mutex
	done map[string]bool // files that are as the tree has them
}

// step is what is to be done with a file of the tree.
type step struct {
	file v1.File
	name string
	was  fs.FileInfo // what is in its place, nil if nothing is
	what verdict
	why  string // if it is kept
	hint string // what to do if it is not to be kept
}

type verdict int

const (
	fetched verdict = iota // to be fetched
	there                  // already
	kept                   // as it is, though it is not what the tree has
)

// overwrites is the hint for what --force would do.
const overwrites = "--force overwrites what was made or changed here"

// clears is the hint for what is in the way of a file.
const clears = "move away what is in the way; --delete removes what was fetched and is no longer in the commit"

// getFolder makes the folder dest what a tree is.
func getFolder(ctx context.Context, p process, pr printer, cl *client.Client, tr tree, dest string, o getOptions) error {
	c := checkout{fetch: fetch{cl: cl, from: tr.from, bar: &bar{}}, p: p, pr: pr, tree: tr, opts: o, dest: dest, done: make(map[string]bool)}
	if !o.dryRun {
		if err := os.MkdirAll(dest, 0o777); err != nil {
			return err
		}
	}
	var err error
	if c.root, err = os.OpenRoot(dest); errors.Is(err, fs.ErrNotExist) && o.dryRun {
		return c.tell(pr, c.fresh(), nil)
	}
	if err != nil {
		return err
	}
	defer c.root.Close() //nolint:errcheck // the files are closed
	if c.known, err = readManifest(c.root); errors.Is(err, errManifest) {
		fmt.Fprintf(p.stderr, "warning: %v, so it is not known of all files whether they were changed here\n", err)
	} else if err != nil {
		return err
	}
	gone, err := c.surplus(ctx)
	if err != nil {
		return err
	}
	steps, err := c.compare(ctx, gone)
	if err != nil {
		return err
	}
	if o.dryRun {
		return c.tell(pr, steps, gone)
	}
	err = c.apply(ctx, steps, gone)
	return leaves(ctx, err, "%s fetched; the same again fetches the rest", count(int(c.files.Load()), "file was", "files were"))
}

// fresh are the steps to a folder that is not there.
func (c *checkout) fresh() []step {
	steps := make([]step, len(c.tree.files))
	for i, f := range c.tree.files {
		steps[i] = step{file: f, name: c.tree.names[i]}
	}
	return steps
}

// tell lists what would be done.
func (c *checkout) tell(pr printer, steps []step, gone []surplus) error {
	var list []v1.Difference
	var bytes int64
	here, fetches := 0, 0
	for _, s := range steps {
		switch s.what {
		case there:
			here++
		case kept:
			c.keep(s)
		default:
			fetches++
			bytes += s.file.Size
			d := v1.Difference{Path: s.name, Change: "added", New: &v1.File{Path: s.name, Size: s.file.Size}}
			if s.was != nil {
				d.Change, d.Old = "modified", &v1.File{Path: s.name, Size: s.was.Size()}
			}
			list = append(list, d)
		}
	}
	for _, g := range gone {
		list = append(list, v1.Difference{Path: g.name, Change: "removed", Old: &v1.File{Path: g.name, Size: g.was.Size()}})
	}
	slices.SortFunc(list, func(a, b v1.Difference) int { return strings.Compare(a.Path, b.Path) })
	fmt.Fprintf(c.p.stderr, "would fetch %s, %s, and remove %d; %d there already\n", count(fetches, "file"), humanize.IBytes(uint64(bytes)), len(gone), here)
	return errors.Join(listDiff(pr, each(list)), c.verdict())
}

// apply takes the steps.
func (c *checkout) apply(ctx context.Context, steps []step, gone []surplus) error {
	if len(gone) > 0 {
		what := fmt.Sprintf("delete %s in %s that %s does not have", count(len(gone), "file"), c.dest, c.tree.from)
		if err := confirm(ctx, c.p, c.opts.yes, what); err != nil {
			return err
		}
	}
	// First of all, what may come is written down: wherever this ends, what has
	// come is known to be the store's.
	if err := updateManifest(ctx, c.root, func(m manifest) {
		for _, s := range steps {
			m.add(s.name, content{s.file.Hash, s.file.Size})
		}
	}); err != nil {
		return err
	}
	removed := c.remove(gone)
	bad := c.makeFolders(steps)
	if err := c.fetchAll(ctx, steps, bad); err != nil {
		return err
	}
	c.tidy(slices.Collect(maps.Keys(c.done)))
	if err := updateManifest(ctx, c.root, c.settle); err != nil {
		return err
	}
	fmt.Fprintf(c.p.stderr, "fetched %s, %s, of commit %s", count(int(c.files.Load()), "file"), humanize.IBytes(uint64(c.bytes.Load())), c.tree.commit)
	if here := len(c.done) - int(c.files.Load()); here > 0 {
		fmt.Fprintf(c.p.stderr, "; %d there already", here)
	}
	if removed > 0 {
		fmt.Fprintf(c.p.stderr, "; %d removed", removed)
	}
	fmt.Fprintln(c.p.stderr)
	return errors.Join(c.pr.result(got{
		Commit: c.tree.commit, Files: c.files.Load(), Bytes: c.bytes.Load(), There: len(c.done) - int(c.files.Load()), Removed: removed,
	}, ""), c.verdict())
}

// got is what was fetched into a folder.
type got struct {
	Commit  string `json:"commit"`
	Files   int64  `json:"files"`
	Bytes   int64  `json:"bytes"`
	There   int    `json:"there"`   // files that were there already
	Removed int    `json:"removed"` // files, by --delete
}

// settle leaves in a manifest what the folder now holds.
func (c *checkout) settle(m manifest) {
	for i, name := range c.tree.names {
		if c.done[name] {
			m[name] = []content{{c.tree.files[i].Hash, c.tree.files[i].Size}}
		}
	}
	for name := range m {
		if c.done[name] {
			continue
		}
		if _, err := c.root.Lstat(name); err != nil {
			delete(m, name)
		}
	}
}

// makeFolders makes the folders that files are fetched into, and those that
// the store has though they are empty. It returns why some cannot be.
func (c *checkout) makeFolders(steps []step) map[string]error {
	dirs := slices.Clone(c.tree.folders)
	for _, s := range steps {
		if s.what == fetched {
			dirs = append(dirs, path.Dir(s.name))
		}
	}
	slices.Sort(dirs)
	bad := make(map[string]error)
	for _, dir := range slices.Compact(dirs) {
		if err := c.root.MkdirAll(dir, 0o777); err != nil {
			bad[dir] = err
		}
	}
	for _, dir := range c.tree.folders {
		if err := bad[dir]; err != nil {
			c.skip(dir, err)
		}
	}
	return bad
}

// maxFailures is how many files may fail before none is tried any more.
const maxFailures = 100

// fetchAll fetches what is to be. What is wrong with one file does not keep
// the others.
func (c *checkout) fetchAll(ctx context.Context, steps []step, bad map[string]error) error {
	var bytes int64
	todo := 0
	for _, s := range steps {
		switch s.what {
		case there:
			c.done[s.name] = true
		case kept:
			c.keep(s)
		case fetched:
			todo++
			bytes += s.file.Size
		}
	}
	c.bar = newTransfer(c.p, "fetching", todo, bytes)
	defer c.bar.finish()
	failed := 0
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(c.opts.parallel)
	for _, s := range steps {
		if s.what != fetched {
			continue
		}
		g.Go(func() error {
			err := bad[path.Dir(s.name)]
			if err == nil {
				err = c.file(ctx, s.file, s.name, s.was)
			}
			c.mu.Lock()
			defer c.mu.Unlock()
			switch {
			case err == nil:
				c.done[s.name] = true
				c.bar.file()
				return nil
			case ctx.Err() != nil || !ofOneFile(err):
				return err
			}
			c.skip(s.name, err)
			if failed++; failed == maxFailures {
				return fmt.Errorf("%d files have failed:\n%w", failed, some(c.skipped))
			}
			return nil
		})
	}
	return g.Wait()
}

// ofOneFile says whether err is about one file alone, so that others may do.
func ofOneFile(err error) bool {
	var refused *client.Error
	var errno syscall.Errno
	switch {
	case errors.Is(err, errDiffers), errors.Is(err, errTaken), errors.Is(err, errEarly), errors.Is(err, errInTheWay), errors.As(err, &refused):
		return true
	case errors.As(err, &errno):
		switch errno {
		case syscall.ENAMETOOLONG, syscall.EINVAL, syscall.EILSEQ, syscall.ENOTDIR, syscall.EISDIR, syscall.EEXIST,
			syscall.ENOTEMPTY, syscall.ELOOP, syscall.EACCES, syscall.EPERM, syscall.ENOENT, syscall.ETXTBSY, syscall.EXDEV:
			return true
		}
		return false
	}
	var at *fs.PathError // such as that a link leads out of the folder
	return errors.As(err, &at)
}

// keep notes that a file stays as it is.
func (c *checkout) keep(s step) {
	err := fmt.Errorf("%q: %s", s.name, s.why)
	if s.hint != "" {
		err = &hinted{err, s.hint}
	}
	c.skipped = append(c.skipped, err)
}

// skip notes that a file could not be fetched.
func (c *checkout) skip(name string, err error) {
	if errors.Is(err, errTaken) {
		err = &hinted{err, overwrites}
	}
	c.skipped = append(c.skipped, fmt.Errorf("%q: %w", name, err))
}

// verdict is the error that not everything is as the tree has it, if so.
func (c *checkout) verdict() error {
	return partly("not as the commit has them", append(c.tree.odd, c.skipped...))
}

// incomplete is that some files are not what they were to be. It has no code
// of its own, whatever the reasons.
type incomplete struct{ text string }

func (e *incomplete) Error() string { return e.text }

// partly is the error that some files were left as they are, nil if none was.
func partly(what string, reasons []error) error {
	if len(reasons) == 0 {
		return nil
	}
	var hints []string
	lines := make([]error, len(reasons))
	for i, err := range reasons {
		lines[i] = errors.New(describe(err))
		if hint := hintFor(err); hint != "" && !slices.Contains(hints, hint) {
			hints = append(hints, hint)
		}
	}
	err := &incomplete{fmt.Sprintf("%s %s:\n%v", count(len(reasons), "file is", "files are"), what, some(lines))}
	if len(hints) == 0 {
		return err
	}
	return &hinted{err, strings.Join(hints[:min(len(hints), 3)], "; ")}
}
