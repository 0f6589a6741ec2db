package main

import (
	"context"
	"io"
	"mime"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync/atomic"

	"github.com/urfave/cli/v2"

	"caret/api/client"
)

func putCommand(p process) *cli.Command {
	var u upload
	return &cli.Command{
		Name: "put", Usage: "store a file, or a folder as one commit, and print its id", ArgsUsage: "REPO[@BRANCH]:PATH SOURCE",
		Description: "SOURCE is a file, or - for standard input; with -r a folder, of which only\n" +
			"what has changed is stored, or - for a tar, plain or in gzip or zstd. If PATH\n" +
			"is empty or ends in a slash, the names of the files are added to it. With -r\n" +
			"nothing is printed if nothing has changed, as then no commit is made." + filterHelp + "\n\n" +
			"EXAMPLES:\n   caret put sales@master:a.csv a.csv -m \"first figures\"\n   caret put sales@master:june/ -r ./out -m june\n" +
			"   caret put sales@master:june/ -r ./out --delete --dry-run\n   caret put sales: -r . --exclude .git/ --exclude '*.tmp'\n   date | caret put sales:now -\n" +
			"   tar c -C out . | caret put sales:june/ -r -",
		Flags: clientFlags(outputFlags(append(
			filterFlags(&u.filter),
			&cli.BoolFlag{Name: "recursive", Aliases: []string{"r"}, Usage: "SOURCE is a folder, or a tar on standard input", Destination: &u.recursive},
			&cli.BoolFlag{Name: "delete", Usage: "also delete, in the same commit, what is under PATH but not in the folder", Destination: &u.del},
			&cli.BoolFlag{Name: "dry-run", Usage: "list what would be stored and deleted, and change nothing", Destination: &u.dryRun},
			yesFlag(),
			&cli.StringFlag{Name: "links", Usage: "what to do with symbolic links in the folder, `HOW`: follow, skip or fail", Value: linksFail, Destination: &u.links},
			&cli.BoolFlag{Name: "force", Usage: "store under a PATH that no folder can hold, too", Destination: &u.force},
			messageFlag(&u.message),
			ifHeadFlag(),
			&cli.IntFlag{Name: "parallel", Usage: "`N` transfers at a time", Value: 16, Destination: &u.parallel},
		)...)...),
		Action: onLine(p, func(c *call) error { return put(c, u) }),
	}
}

func put(c *call, u upload) error {
	args, err := arguments(c.line, "REPO[@BRANCH]:PATH", "SOURCE")
	if err != nil {
		return err
	}
	t, err := parseTarget(args[0])
	if err != nil {
		return err
	}
	if u.ifHead, err = c.ifHead(); err != nil {
		return err
	}
	u.p, u.pr, u.to, u.source, u.yes = c.process, c.pr, t, args[1], c.line.Bool("yes")
	if err := u.check(); err != nil {
		return err
	}
	if err := c.connect(); err != nil {
		return err
	}
	u.cl = c.cl
	switch {
	case !u.recursive:
		err = u.single(c.ctx)
	case u.source == "-":
		err = u.tar(c.ctx)
	default:
		err = u.folder(c.ctx)
	}
	return leaves(c.ctx, err, "nothing was committed")
}

// check says why the options make no sense.
func (u *upload) check() error {
	folder := u.recursive && u.source != "-"
	switch {
	case strings.HasPrefix(u.to.Path, "/"):
		return rooted(u.to)
	case u.parallel < 1:
		return usagef("--parallel %d: it is at least 1", u.parallel)
	case (u.del || u.dryRun) && !folder:
		return usagef("--delete and --dry-run are for a folder, with -r")
	case len(u.filter) > 0 && !u.recursive:
		return usagef("--exclude and --include are for many files, with -r")
	case u.links != linksFail && u.links != linksSkip && u.links != linksFollow:
		return usagef("--links %q: it is follow, skip or fail", u.links)
	case u.links != linksFail && !folder:
		return usagef("--links is for a folder, with -r")
	case u.del && !u.dryRun:
		if err := canConfirm(u.p, u.yes, "--delete"); err != nil {
			return err
		}
	}
	return fitting(u.to.Path, u.force)
}

// rooted is the error that a path begins with a slash, which would be part of
// its name, and which no folder could hold.
func rooted(t target) error {
	meant := t
	meant.Path = strings.TrimLeft(t.Path, "/")
	return usagef("%q: paths begin without a slash; write %s", t, meant)
}

// upload is a put under way.
type upload struct {
	cl       *client.Client
	p        process
	pr       printer
	to       target
	source   string
	message  string
	ifHead   string
	parallel int
	links    string // what to do with symbolic ones
	filter   filter
	force    bool     // store what no folder can hold
	dir      *os.Root // the folder
	del      bool     // what the folder does not have
	dryRun   bool
	yes      bool

	recursive bool // the source is a folder or a tar
}

// single stores one file.
func (u *upload) single(ctx context.Context) error {
	name := u.to.Path
	if u.source == "-" {
		if name == "" || strings.HasSuffix(name, "/") {
			return usagef("%q: standard input needs a full path", u.to)
		}
		return u.send(ctx, name, input{u.p.stdin}, -1)
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
		if err := fitting(name, u.force); err != nil {
			return err
		}
	}
	if !info.Mode().IsRegular() || info.Size() == 0 { // as those of /proc say
		return u.send(ctx, name, input{f}, -1)
	}
	return u.send(ctx, name, &steady{f, info, info.Size()}, info.Size())
}

func (u *upload) send(ctx context.Context, name string, r io.Reader, size int64) error {
	bar := newBar(u.p, size, "storing")
	body := &ending{Reader: bar.reader(r), left: size}
	body.ended.Store(size == 0)
	out, err := u.cl.IfHead(u.ifHead).Put(ctx, u.to.Repo, u.to.Expr, name, contentType(name), u.message, body, size)
	bar.finish()
	if body.ended.Load() {
		err = leaves(ctx, err, "all was sent, so it may have been committed; `caret log` tells")
	}
	if err != nil {
		return err
	}
	return u.pr.result(out, out.Commit)
}

// commit is the one that many files become.
func (u *upload) commit() oneCommit {
	return oneCommit{repo: u.to.Repo, branch: u.to.Expr, message: u.message, ifHead: u.ifHead}
}

// ending knows whether all of a body was read: then the server may act on it.
type ending struct {
	io.Reader
	left  int64 // bytes, less than none if it is not known
	ended atomic.Bool
}

func (e *ending) Read(p []byte) (int, error) {
	n, err := e.Reader.Read(p)
	if e.left -= int64(n); e.left == 0 || err == io.EOF {
		e.ended.Store(true)
	}
	return n, err
}

func contentType(name string) string { return mime.TypeByExtension(path.Ext(name)) }
