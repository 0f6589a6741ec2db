package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/urfave/cli/v2"
)

func getCommand(p process) *cli.Command {
	var o getOptions
	return &cli.Command{
		Name: "get", Usage: "fetch a file, or a folder as one commit left it", ArgsUsage: "REPO[@EXPR]:PATH [DEST]",
		Description: "DEST is a file, a folder, or - for standard output; the name of PATH in this\n" +
			"folder if it is not given. With -r it is a folder, or - for a tar on standard\n" +
			"output. Files that are there already are not fetched again, and large ones\n" +
			"that were cut off are continued. Of each file the BLAKE3 hash is checked.\n" +
			"Without -r a file that is there is replaced, whatever it holds.\n\n" +
			"With -r, " + manifestName + " in DEST notes what was fetched. A file that is\n" +
			"neither as it was fetched nor as the commit has it was changed here: it is\n" +
			"kept, which is said, and the exit status is 1." + filterHelp + "\n\n" +
			"EXAMPLES:\n   caret get sales@HEAD^:a.csv\n   caret get sales@HEAD^:june/ -r ./june\n   caret get sales:june/ -r ./june --delete --dry-run\n" +
			"   caret get sales@v1:june/ -r - --include '*.csv' | gzip >june.tar.gz",
		Flags: clientFlags(outputFlags(append(
			filterFlags(&o.filter),
			&cli.BoolFlag{Name: "recursive", Aliases: []string{"r"}, Usage: "everything under PATH, into the folder DEST or as a tar", Destination: &o.recursive},
			&cli.BoolFlag{Name: "delete", Usage: "also delete what is in the folder but not under PATH", Destination: &o.del},
			&cli.BoolFlag{Name: "force", Usage: "overwrite, and with --delete delete, what was made or changed here, too", Destination: &o.force},
			&cli.BoolFlag{Name: "dry-run", Usage: "list what would be fetched and deleted, and change nothing", Destination: &o.dryRun},
			yesFlag(),
			&cli.IntFlag{Name: "parallel", Usage: "`N` transfers at a time", Value: 16, Destination: &o.parallel},
		)...)...),
		Action: onLine(p, func(c *call) error { return get(c, o) }),
	}
}

// getOptions are the flags of get.
type getOptions struct {
	filter                             filter
	recursive, del, force, dryRun, yes bool
	parallel                           int
}

// check says why the options make no sense, with dest or without.
func (o *getOptions) check(p process, dest string) error {
	switch {
	case o.parallel < 1:
		return usagef("--parallel %d: it is at least 1", o.parallel)
	case (o.del || o.dryRun || o.force) && (!o.recursive || dest == "-"):
		return usagef("--delete, --force and --dry-run are for a folder, with -r")
	case len(o.filter) > 0 && !o.recursive:
		return usagef("--exclude and --include are for many files, with -r")
	case o.del && !o.dryRun:
		return canConfirm(p, o.yes, "--delete")
	}
	return nil
}

func get(c *call, o getOptions) error {
	o.yes = c.line.Bool("yes")
	names := []string{"REPO[@EXPR]:PATH"}
	if c.line.NArg() > 1 || o.recursive {
		names = append(names, "DEST")
	}
	args, err := arguments(c.line, names...)
	if err != nil {
		return err
	}
	t, err := parseTarget(args[0])
	if err != nil {
		return err
	}
	dest := "."
	if len(args) > 1 {
		dest = args[1]
	}
	if err := o.check(c.process, dest); err != nil {
		return err
	}
	if c.pr.json && dest == "-" {
		return usagef("-o json and - exclude each other: standard output is the file")
	}
	if err := c.connect(); err != nil {
		return err
	}
	if o.recursive {
		tr, err := readTree(c.ctx, c.cl, t, o.filter)
		if err != nil {
			return err
		}
		if dest == "-" {
			return leaves(c.ctx, getTar(c.ctx, c.process, c.cl, tr, o.parallel), "the tar is not whole")
		}
		return getFolder(c.ctx, c.process, c.pr, c.cl, tr, dest, o)
	}
	if t.Path == "" || strings.HasSuffix(t.Path, "/") {
		return usagef("%q names no file; give -r to fetch everything under it", args[0])
	}
	return getFile(c, t, dest)
}

// getFile fetches one file to a file, into a folder, or to what else takes bytes.
func getFile(c *call, t target, dest string) error {
	ctx, p, cl := c.ctx, c.process, c.cl
	dest, to, err := destination(ctx, p, t, dest)
	if err != nil {
		return err
	}
	if to != nil {
		err := errors.Join(download(ctx, cl, t, to), to.Close())
		return orFolder(ctx, cl, t, err, "give -r to fetch everything under it")
	}
	root, err := os.OpenRoot(filepath.Dir(dest))
	if err != nil {
		return err
	}
	defer root.Close() //nolint:errcheck // the files are closed
	f, t, err := statPinned(ctx, cl, t)
	if err != nil {
		return orFolder(ctx, cl, t, err, "give -r to fetch everything under it")
	}
	d := fetch{cl: cl, from: t, root: root, bar: newBar(p, f.Size, "fetching")}
	defer d.bar.finish()
	name := filepath.Base(dest)
	was, err := root.Lstat(name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if !d.has(ctx, f, name) {
		if err := d.file(ctx, f, name, was); err != nil {
			return leaves(ctx, err, "the file is not as it was stored yet; the same again fetches the rest")
		}
	}
	d.tidy([]string{name})
	return c.pr.result(f, "")
}
