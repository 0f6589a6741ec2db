package main

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/dustin/go-humanize"
	"github.com/zeebo/blake3"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"caret/api/v1"
)

// localFile is a file to be stored.
type localFile struct {
	file, path string
	name       string // in the folder
	size       int64
	linked     bool     // links on the way to it are followed
	old        *v1.File // what is stored at path, nil if nothing is
	same       bool     // its content is that of old
}

// changes are what makes the store what a folder is.
type changes struct {
	store     []localFile
	bytes     int64 // of store
	unchanged int
	gone      []v1.File // to be deleted
}

// folder stores, in one commit, what of a folder is not stored like that
// already.
func (u *upload) folder(ctx context.Context) error {
	found, err := u.find()
	if err != nil {
		return err
	}
	found.remarks(u.p)
	if u.dir, err = os.OpenRoot(u.source); err != nil {
		return err
	}
	defer u.dir.Close() //nolint:errcheck // it was read
	switch {
	case len(found.files) == 0 && len(u.filter) > 0:
		return noneMeant(u.source)
	case len(found.files) == 0 && !u.del:
		return fmt.Errorf("%s holds no files", oneLine(u.source))
	}
	ch, err := u.compare(ctx, found)
	if err != nil {
		return err
	}
	if u.dryRun {
		fmt.Fprintf(u.p.stderr, "would store %s, %s, and delete %d; %d unchanged\n",
			count(len(ch.store), "file"), humanize.IBytes(uint64(ch.bytes)), len(ch.gone), ch.unchanged)
		return listDiff(u.pr, each(ch.all()))
	}
	if len(ch.store)+len(ch.gone) == 0 {
		fmt.Fprintf(u.p.stderr, "nothing to do: %s unchanged\n", count(ch.unchanged, "file"))
		return u.pr.result(v1.Written{}, "")
	}
	if len(ch.gone) > 0 {
		what := fmt.Sprintf("delete %s of %s that %s does not have", count(len(ch.gone), "file"), u.to, u.source)
		if err := confirm(ctx, u.p, u.yes, what); err != nil {
			return err
		}
	}
	bar := newTransfer(u.p, "storing", len(ch.store), ch.bytes)
	id, err := u.commit().write(ctx, u.cl, func(id string) error { return u.apply(ctx, id, ch, bar) })
	bar.finish()
	if err != nil {
		return err
	}
	if err := u.pr.result(v1.Written{Commit: id, Files: len(ch.store) + len(ch.gone)}, id); err != nil {
		return err
	}
	fmt.Fprintf(u.p.stderr, "stored %s, %s, in one commit", count(len(ch.store), "file"), humanize.IBytes(uint64(ch.bytes)))
	if ch.unchanged > 0 {
		fmt.Fprintf(u.p.stderr, "; %d unchanged", ch.unchanged)
	}
	if len(ch.gone) > 0 {
		fmt.Fprintf(u.p.stderr, "; %d deleted", len(ch.gone))
	}
	fmt.Fprintln(u.p.stderr)
	return nil
}

// apply makes the changes in an open commit.
func (u *upload) apply(ctx context.Context, id string, ch changes, bar *bar) error {
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(u.parallel)
	for _, f := range ch.store {
		g.Go(func() error { return u.stage(gctx, id, f, bar) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	_, err := deleteIn(ctx, u.cl, u.to.Repo, id, paths(ch.gone))
	return err
}

func (u *upload) stage(ctx context.Context, id string, lf localFile, bar *bar) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	f, was, err := u.open(lf)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = u.cl.Put(ctx, u.to.Repo, id, lf.path, contentType(lf.path), "", bar.reader(&steady{f, was, lf.size}), lf.size)
	var in *inputError
	switch {
	case errors.As(err, &in): // no fault of the server
		return in.error
	case err != nil:
		return fmt.Errorf("%s: %w", oneLine(lf.file), err)
	}
	bar.file()
	return nil
}

// open opens a file of the folder, which may be another by now: what is
// elsewhere is not stored by way of a link, nor is a fifo waited for.
func (u *upload) open(lf localFile) (*os.File, fs.FileInfo, error) {
	open, name := u.dir.OpenFile, lf.name
	if lf.linked {
		open, name = os.OpenFile, lf.file
	}
	f, err := open(name, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", oneLine(lf.file), err)
	}
	info, err := f.Stat()
	if err == nil && (!info.Mode().IsRegular() || info.Size() != lf.size) {
		err = changing(oneLine(lf.file) + " has changed since the folder was listed")
	}
	if err != nil {
		return nil, nil, errors.Join(err, f.Close())
	}
	return f, info, nil
}

// all are the changes as a diff has them.
func (ch *changes) all() []v1.Difference {
	list := removals(ch.gone)
	for _, f := range ch.store {
		d := v1.Difference{Path: f.path, Change: "added", Old: f.old, New: &v1.File{Path: f.path, Size: f.size}}
		if f.old != nil {
			d.Change = "modified"
		}
		list = append(list, d)
	}
	slices.SortFunc(list, func(a, b v1.Difference) int { return cmp.Compare(a.Path, b.Path) })
	return list
}

// compare finds out what of files is to be stored. It goes by content alone:
// what type a name has differs from machine to machine.
func (u *upload) compare(ctx context.Context, found *walk) (changes, error) {
	files := found.files
	at, err := u.cl.Resolve(ctx, u.to.Repo, u.to.Expr)
	if err != nil {
		return changes{}, err
	}
	if !at.Writable {
		return changes{}, &hinted{fmt.Errorf("%s is history, which cannot be written to", u.to), "write to a branch, REPO@BRANCH, or to an open commit"}
	}
	slices.SortFunc(files, func(a, b localFile) int { return cmp.Compare(a.path, b.path) })
	have, err := u.stored(ctx, pinned(at, u.to.Expr), files)
	if err != nil {
		return changes{}, err
	}
	var total int64
	for i := range files {
		f := &files[i]
		if old, ok := have[f.path]; ok {
			f.old, f.same = &old, old.Size == f.size
			delete(have, f.path)
		}
		if f.same {
			total += f.size
		}
	}
	if err := u.hash(ctx, files, total); err != nil {
		return changes{}, err
	}
	var ch changes
	for _, f := range files {
		if f.same {
			ch.unchanged++
			continue
		}
		ch.store = append(ch.store, f)
		ch.bytes += f.size
	}
	if u.del {
		for path, f := range have {
			if !found.spares(strings.TrimPrefix(path, found.prefix)) {
				ch.gone = append(ch.gone, f)
			}
		}
	}
	return ch, nil
}

// stored are the files of a state that have the paths of files, which are
// sorted, and all others under the prefix if those are to be deleted. What
// lies between the paths is passed over a page at a time.
func (u *upload) stored(ctx context.Context, ref string, files []localFile) (map[string]v1.File, error) {
	have := make(map[string]v1.File)
	for after := ""; ; {
		page, err := u.cl.Files(ctx, u.to.Repo, ref, asFolder(u.to.Path), "", after, 0)
		if err != nil {
			return nil, err
		}
		for _, f := range page.Items {
			have[f.Path] = f
		}
		if after = page.Next; after == "" {
			return have, nil
		}
		if u.del {
			continue
		}
		i, _ := slices.BinarySearchFunc(files, after+"\x00", func(f localFile, path string) int { return cmp.Compare(f.path, path) })
		if i == len(files) {
			return have, nil
		}
		_, last := utf8.DecodeLastRuneInString(files[i].path)
		after = max(after, files[i].path[:len(files[i].path)-last]) // sorts before it
	}
}

// hash finds out which of the files that may be the same as stored are.
func (u *upload) hash(ctx context.Context, files []localFile, total int64) error {
	bar := newTransfer(u.p, "comparing", 0, total)
	defer bar.finish()
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(min(u.parallel, runtime.GOMAXPROCS(0)))
	for i := range files {
		lf := &files[i]
		if !lf.same {
			continue
		}
		g.Go(func() error {
			f, _, err := u.open(*lf)
			if err != nil {
				return err
			}
			defer f.Close()
			sum, err := hashOf(bar.reader(until{ctx, f}))
			lf.same = sum == lf.old.Hash
			return err
		})
	}
	return g.Wait()
}

// hashOf is the BLAKE3 hash of what r reads, as listings have it.
func hashOf(r io.Reader) (string, error) {
	h := blake3.New()
	_, err := io.Copy(h, r)
	return hex.EncodeToString(h.Sum(nil)), err
}

// until reads until ctx ends.
type until struct {
	ctx context.Context
	io.Reader
}

func (u until) Read(p []byte) (int, error) {
	if err := u.ctx.Err(); err != nil {
		return 0, err
	}
	return u.Reader.Read(p)
}

// asFolder is a prefix that ends in a slash, or is empty.
func asFolder(prefix string) string {
	if prefix == "" || strings.HasSuffix(prefix, "/") {
		return prefix
	}
	return prefix + "/"
}

// pinned is an expression for the state that expr means at the moment,
// whatever is written meanwhile. It is by the branch where there is one: a
// commit named alone is for those who may read the default branch.
func pinned(at v1.Snapshot, expr string) string {
	switch {
	case at.ID == "":
		return expr
	case at.Open, at.Branch == "":
		return at.ID
	}
	return fmt.Sprintf("%s.%d", at.Branch, at.N)
}
