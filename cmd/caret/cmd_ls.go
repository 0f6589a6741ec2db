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
	return &cli.Command{
		Name: "ls", Usage: "list files", ArgsUsage: "REPO[@EXPR][:PREFIX]",
		Description: "EXAMPLES:\n   caret ls sales\n   caret ls sales@HEAD^:june/ -l\n   caret ls sales -R -o json",
		Flags: clientFlags(outputFlags(
			&cli.BoolFlag{Name: "long", Aliases: []string{"l"}, Usage: "with size, time and the commit that last changed each file"},
			&cli.BoolFlag{Name: "recursive", Aliases: []string{"R"}, Usage: "all files under the prefix"},
		)...),
		Action: func(c *cli.Context) error { return ls(c, p) },
	}
}

func ls(c *cli.Context, p process) error {
	pr, err := newPrinter(c, p)
	if err != nil {
		return err
	}
	cl, t, err := onTarget(c, p, "REPO[@EXPR][:PREFIX]")
	if err != nil {
		return err
	}
	delimiter := "/"
	if c.Bool("recursive") {
		delimiter = ""
	}
	files := client.Each(func(after string) (v1.Page[v1.File], error) {
		return cl.Files(c.Context, t.Repo, t.Expr, t.Path, delimiter, after, 0)
	})
	if t.Path != "" {
		files = orElse(files, func() error { return unslashed(t, notFound(t, "there is nothing under %q", t)) })
	}
	switch {
	case pr.json:
		err = list(pr, files, "", nil)
	case c.Bool("long"):
		err = list(pr, files, "SIZE\tMODIFIED\tCOMMIT\tPATH", func(f v1.File) []string {
			if f.Prefix != "" {
				return []string{"-", "-", "-", oneLine(f.Prefix)}
			}
			return []string{pr.size(f.Size), pr.timeOf(f.Modified), pr.short(f.Commit), oneLine(f.Path)}
		})
	default:
		err = listNames(pr, files)
	}
	return err
}

// listNames prints a name a line.
func listNames(pr printer, files iter.Seq2[v1.File, error]) error {
	w := bufio.NewWriter(pr.w)
	for f, err := range files {
		if err != nil {
			return errors.Join(err, w.Flush())
		}
		fmt.Fprintln(w, oneLine(f.Prefix+f.Path))
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
		Action: func(c *cli.Context) error {
			pr, err := newPrinter(c, p)
			if err != nil {
				return err
			}
			cl, t, err := onFile(c, p)
			if err != nil {
				return err
			}
			f, err := cl.Stat(c.Context, t.Repo, t.Expr, t.Path)
			if err != nil {
				return orFolder(c.Context, cl, t, err, "`caret ls` lists it")
			}
			return pr.details(f, "path", f.Path, "size", pr.size(f.Size), "modified", pr.timeOf(f.Modified),
				"commit", f.Commit, "blake3", f.Hash, "content type", f.ContentType)
		},
	}
}

// onFile connects and reads the one argument, a file.
func onFile(c *cli.Context, p process) (*client.Client, target, error) {
	cl, t, err := onTarget(c, p, "REPO[@EXPR]:PATH")
	if err == nil && t.Path == "" {
		err = usagef("%q names no file; write %s:PATH", c.Args().First(), strings.TrimSuffix(t.String(), ":"))
	}
	return cl, t, err
}

func catCommand(p process) *cli.Command {
	return &cli.Command{
		Name: "cat", Usage: "write a file to standard output", ArgsUsage: "REPO[@EXPR]:PATH",
		Description: "EXAMPLES:\n   caret cat sales@master^:a.csv",
		Flags:       clientFlags(),
		Action: func(c *cli.Context) error {
			cl, t, err := onFile(c, p)
			if err != nil {
				return err
			}
			err = download(c.Context, cl, t, p.stdout)
			return orFolder(c.Context, cl, t, err, "`caret ls` lists it, and `caret get -r` fetches it")
		},
	}
}
