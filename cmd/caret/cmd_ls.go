package main

import (
	"bufio"
	"errors"
	"fmt"
	"iter"
	"strings"

	"github.com/urfave/cli/v2"

	"caret/api/client"
	"caret/api/v1"
)

func lsCommand(p process) *cli.Command {
	var o lsOptions
	return &cli.Command{
		Name: "ls", Usage: "list files", ArgsUsage: "REPO[@EXPR][:PREFIX]",
		Description: "Names are relative to the folder that is listed; --full shows whole paths, as\n-o json does.\n\n" +
			"EXAMPLES:\n   caret ls sales\n   caret ls sales@HEAD^:june/ -l\n   caret ls sales -R -o json",
		Flags: clientFlags(pagedFlags(
			&cli.BoolFlag{Name: "long", Aliases: []string{"l"}, Usage: "with size, time and the commit that last changed each file", Destination: &o.long},
			&cli.BoolFlag{Name: "recursive", Aliases: []string{"R"}, Usage: "all files under the prefix", Destination: &o.recursive},
			&cli.BoolFlag{Name: "full", Usage: "whole paths, as other commands take them", Destination: &o.full},
		)...),
		Action: onTarget(p, func(c *call, t target) error { return ls(c, t, o) }),
	}
}

// lsOptions are the flags of ls.
type lsOptions struct{ long, recursive, full bool }

func ls(c *call, t target, o lsOptions) error {
	pr := c.pr
	delimiter := "/"
	if o.recursive {
		delimiter = ""
	}
	files := client.Each(func(after string) (v1.Page[v1.File], error) {
		return c.cl.Files(c.ctx, t.Repo, t.Expr, t.Path, delimiter, after, 0)
	})
	if t.Path != "" {
		files = orElse(files, func() error { return unslashed(t, notFound(t, "there is nothing under %q", t)) })
	}
	name := func(f v1.File) string { return oneLine(f.Prefix + f.Path) }
	if folder := t.Path[:strings.LastIndexByte(t.Path, '/')+1]; !o.full {
		name = func(f v1.File) string { return oneLine(strings.TrimPrefix(f.Prefix+f.Path, folder)) }
	}
	switch {
	case pr.json:
		return list(pr, files, "", nil)
	case o.long:
		return list(pr, files, "SIZE\tMODIFIED\tCOMMIT\tPATH", func(f v1.File) []string {
			if f.Prefix != "" {
				return []string{"-", "-", "-", name(f)}
			}
			return []string{pr.size(f.Size), pr.timeOf(f.Modified), pr.short(f.Commit), name(f)}
		})
	}
	return listNames(pr, files, name)
}

// listNames prints a name a line.
func listNames(pr printer, files iter.Seq2[v1.File, error], name func(v1.File) string) error {
	w := bufio.NewWriter(pr.w)
	for f, err := range files {
		if err != nil {
			return errors.Join(err, w.Flush())
		}
		fmt.Fprintln(w, name(f))
	}
	return w.Flush()
}

// orElse passes items on, or an error if there are none.
func orElse[T any](items iter.Seq2[T, error], none func() error) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		some := false
		for it, err := range items {
			some = true
			if !yield(it, err) {
				return
			}
		}
		if !some {
			var zero T
			yield(zero, none())
		}
	}
}

func statCommand(p process) *cli.Command {
	return &cli.Command{
		Name: "stat", Usage: "describe a file", ArgsUsage: "REPO[@EXPR]:PATH",
		Description: "EXAMPLES:\n   caret stat sales@HEAD^:a.csv",
		Flags:       clientFlags(outputFlags()...),
		Action:      onFile(p, stat),
	}
}

func stat(c *call, t target) error {
	f, err := c.cl.Stat(c.ctx, t.Repo, t.Expr, t.Path)
	if err != nil {
		return orFolder(c.ctx, c.cl, t, err, "`caret ls` lists it")
	}
	return c.pr.details(f, "path", f.Path, "size", c.pr.size(f.Size), "modified", c.pr.timeOf(f.Modified),
		"commit", f.Commit, "blake3", f.Hash, "content type", f.ContentType)
}

// onFile is the action of a command on a file.
func onFile(p process, run func(c *call, t target) error) cli.ActionFunc {
	return onTarget(p, func(c *call, t target) error {
		if t.Path == "" {
			return usagef("%q names no file; write %s:PATH", c.line.Args().First(), strings.TrimSuffix(t.String(), ":"))
		}
		return run(c, t)
	})
}

func catCommand(p process) *cli.Command {
	return &cli.Command{
		Name: "cat", Usage: "write a file to standard output", ArgsUsage: "REPO[@EXPR]:PATH",
		Description: "EXAMPLES:\n   caret cat sales@master^:a.csv",
		Flags:       clientFlags(),
		Action:      onFile(p, cat),
	}
}

func cat(c *call, t target) error {
	err := download(c.ctx, c.cl, t, c.stdout)
	return orFolder(c.ctx, c.cl, t, err, "`caret ls` lists it, and `caret get -r` fetches it")
}
