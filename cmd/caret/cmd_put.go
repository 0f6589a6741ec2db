package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"mime"
	"os"
	"path"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/dustin/go-humanize"
	"github.com/urfave/cli/v2"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"caret/api/client"
)

func putCommand(p process) *cli.Command {
	return &cli.Command{
		Name: "put", Usage: "store a file, or a folder as one commit, and print the commit's id", ArgsUsage: "REPO[@BRANCH]:PATH SOURCE",
		Description: "SOURCE is a file, a folder with -r, or - for standard input. If PATH is empty or\n" +
			"ends in a slash, the names of the files are added to it.\n\n" +
			"EXAMPLES:\n   caret put sales@master:a.csv a.csv -m \"first figures\"\n   caret put sales@master:june/ -r ./out -m june\n   date | caret put sales:now -",
		Flags: clientFlags(
			&cli.BoolFlag{Name: "recursive", Aliases: []string{"r"}, Usage: "SOURCE is a folder"},
			&cli.StringFlag{Name: "message", Aliases: []string{"m"}, Usage: "`TEXT` of the commit"},
			&cli.IntFlag{Name: "parallel", Usage: "`N` transfers at a time", Value: 16},
		),
		Action: func(c *cli.Context) error {
			args, err := arguments(c, "REPO[@BRANCH]:PATH", "SOURCE")
			if err != nil {
				return err
			}
			t, err := parseTarget(args[0])
			if err != nil {
				return err
			}
			cl, err := connect(c, p)
			if err != nil {
				return err
			}
			u := upload{cl: cl, p: p, to: t, source: args[1], message: c.String("message"), parallel: c.Int("parallel")}
			if u.parallel < 1 {
				return usagef("--parallel %d: it is at least 1", u.parallel)
			}
			if c.Bool("recursive") {
				return u.folder(c.Context)
			}
			return u.single(c.Context)
		},
	}
}

// upload is a put under way.
type upload struct {
	cl       *client.Client
	p        process
	to       target
	source   string
	message  string
	parallel int
}

// single stores one file.
func (u *upload) single(ctx context.Context) error {
	name := u.to.Path
	if u.source == "-" {
		if name == "" || strings.HasSuffix(name, "/") {
			return usagef("%q: standard input needs a full path", u.to)
		}
		return u.send(ctx, name, u.p.stdin, -1)
	}
	f, err := os.Open(u.source)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if info.IsDir() {
		return usagef("%s is a folder; give -r to store it", u.source)
	}
	if name == "" || strings.HasSuffix(name, "/") {
		name += filepath.Base(u.source)
	}
	size := info.Size()
	if !info.Mode().IsRegular() {
		size = -1
	}
	return u.send(ctx, name, f, size)
}

func (u *upload) send(ctx context.Context, name string, r io.Reader, size int64) error {
	bar := newBar(u.p, size, "storing")
	out, err := u.cl.Put(ctx, u.to.Repo, u.to.Expr, name, contentType(name), u.message, bar.reader(r), size)
	bar.finish()
	if err != nil {
		return err
	}
	fmt.Fprintln(u.p.stdout, out.Commit)
	return nil
}

func contentType(name string) string { return mime.TypeByExtension(path.Ext(name)) }

// localFile is a file to be stored.
type localFile struct {
	file, path string
	size       int64
}

// folder stores all files of a folder in one commit.
func (u *upload) folder(ctx context.Context) error {
	if u.source == "-" {
		return usagef("a tar on standard input cannot be stored yet; unpack it and give the folder")
	}
	files, total, err := u.find()
	if err != nil {
		return err
	}
	if len(files) == 0 {
		return fmt.Errorf("%s holds no files", u.source)
	}
	bar := newBar(u.p, total, "storing "+count(len(files), "file"))
	id, err := inOneCommit(ctx, u.cl, u.to.Repo, u.to.Expr, u.message, func(id string) error {
		g, ctx := errgroup.WithContext(ctx)
		g.SetLimit(u.parallel)
		for _, f := range files {
			g.Go(func() error { return u.stage(ctx, id, f, bar) })
		}
		return g.Wait()
	})
	bar.finish()
	if err != nil {
		return err
	}
	fmt.Fprintln(u.p.stdout, id)
	fmt.Fprintf(u.p.stderr, "stored %s, %s, in one commit\n", count(len(files), "file"), humanize.IBytes(uint64(total)))
	return nil
}

func (u *upload) stage(ctx context.Context, id string, lf localFile, bar *bar) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	f, err := os.Open(lf.file)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := u.cl.Put(ctx, u.to.Repo, id, lf.path, contentType(lf.path), "", bar.reader(f), lf.size); err != nil {
		return fmt.Errorf("%s: %w", lf.file, err)
	}
	return nil
}

// find lists the files of the folder. What cannot be stored as it is is an
// error, so that nothing is left out in silence.
func (u *upload) find() (files []localFile, total int64, err error) {
	info, err := os.Stat(u.source)
	if err != nil {
		return nil, 0, err
	}
	if !info.IsDir() {
		return nil, 0, usagef("%s is not a folder; leave -r out", u.source)
	}
	root, err := filepath.EvalSymlinks(u.source)
	if err != nil {
		return nil, 0, err
	}
	prefix := u.to.Path
	if prefix != "" && !strings.HasSuffix(prefix, "/") {
		prefix += "/"
	}
	var bad []error
	err = filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			return nil
		}
		var lf localFile
		if err == nil {
			lf, err = storable(root, name, prefix, d)
		}
		if err != nil {
			bad = append(bad, err)
			return nil
		}
		files = append(files, lf)
		total += lf.size
		return nil
	})
	if err == nil && len(bad) > 0 {
		err = fmt.Errorf("nothing was stored, because of %s that cannot be:\n%w", count(len(bad), "file"), some(bad))
	}
	return files, total, err
}

// storable says what a file is stored as, or why it cannot be.
func storable(root, name, prefix string, d fs.DirEntry) (localFile, error) {
	rel, err := filepath.Rel(root, name)
	if err != nil {
		return localFile{}, err
	}
	switch {
	case d.Type()&fs.ModeSymlink != 0:
		return localFile{}, fmt.Errorf("%q is a symbolic link", name)
	case !d.Type().IsRegular():
		return localFile{}, fmt.Errorf("%q is not a regular file", name)
	case !utf8.ValidString(rel):
		return localFile{}, fmt.Errorf("%q has a name that is not UTF-8", name)
	}
	info, err := d.Info()
	if err == nil {
		err = unix.Access(name, unix.R_OK)
	}
	if err != nil {
		return localFile{}, fmt.Errorf("%q: %w", name, err)
	}
	return localFile{name, prefix + filepath.ToSlash(rel), info.Size()}, nil
}

// some is the first few of many errors, a line each.
func some(errs []error) error {
	const few = 10
	if len(errs) <= few {
		return errors.Join(errs...)
	}
	return errors.Join(errors.Join(errs[:few]...), fmt.Errorf("and %d more", len(errs)-few))
}
