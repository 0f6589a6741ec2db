package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

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
	files, err := client.All(func(after string) (v1.Page[v1.File], error) {
		return cl.Files(c.Context, t.Repo, t.Expr, t.Path, delimiter, after, 0)
	})
	if err != nil {
		return err
	}
	if pr.json {
		return list(pr, files, "", nil)
	}
	if !c.Bool("long") {
		for _, f := range files {
			fmt.Fprintln(p.stdout, oneLine(f.Prefix+f.Path))
		}
		return nil
	}
	return list(pr, files, "SIZE\tMODIFIED\tCOMMIT\tPATH", func(f v1.File) []string {
		if f.Prefix != "" {
			return []string{"-", "-", "-", oneLine(f.Prefix)}
		}
		return []string{pr.size(f.Size), pr.timeOf(f.Modified), pr.short(f.Commit), oneLine(f.Path)}
	})
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
				return err
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
		err = usagef("%q names no file; write %s:PATH", c.Args().First(), t.Repo)
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
			return download(c.Context, cl, t, p.stdout)
		},
	}
}

func rmCommand(p process) *cli.Command {
	return &cli.Command{
		Name: "rm", Usage: "delete files in one commit; history keeps them", ArgsUsage: "REPO[@BRANCH]:PATH...",
		Description: "EXAMPLES:\n   caret rm sales@master:a.csv\n   caret rm -r sales@dev:june/ -m \"june was wrong\"",
		Flags: clientFlags(
			&cli.BoolFlag{Name: "recursive", Aliases: []string{"r"}, Usage: "everything whose path begins with PATH"},
			&cli.StringFlag{Name: "message", Aliases: []string{"m"}, Usage: "`TEXT` of the commit"},
		),
		Action: func(c *cli.Context) error { return rm(c, p) },
	}
}

func rm(c *cli.Context, p process) error {
	args, err := arguments(c, "REPO[@BRANCH]:PATH...")
	if err != nil {
		return err
	}
	cl, err := connect(c, p)
	if err != nil {
		return err
	}
	var first target
	in := v1.Delete{Message: c.String("message")}
	for i, a := range args {
		t, err := parseTarget(a)
		if err != nil {
			return err
		}
		if t.Path == "" {
			return usagef("%q names no file; write %s:PATH", a, t.Repo)
		}
		if i == 0 {
			first = t
		} else if t.Repo != first.Repo || t.Expr != first.Expr {
			return usagef("%q and %q are not on one branch, so they cannot be deleted in one commit", args[0], a)
		}
		if !c.Bool("recursive") {
			in.Paths = append(in.Paths, t.Path)
			continue
		}
		files, err := client.All(func(after string) (v1.Page[v1.File], error) {
			return cl.Files(c.Context, t.Repo, t.Expr, t.Path, "", after, 0)
		})
		if err != nil {
			return err
		}
		for _, f := range files {
			in.Paths = append(in.Paths, f.Path)
		}
	}
	in.Ref = first.Expr
	out, err := deleteAll(c.Context, cl, first.Repo, in)
	if err != nil {
		return err
	}
	if out.Files == 0 {
		return &client.Error{Status: 404, Message: "no such file: " + strings.Join(args, ", "), Hint: "`caret ls` shows what there is"}
	}
	fmt.Fprintln(p.stdout, out.Commit)
	fmt.Fprintf(p.stderr, "deleted %d files\n", out.Files)
	return nil
}

// deletePage is how many files are deleted by one request.
const deletePage = 1000

// deleteAll deletes any number of files in one commit.
func deleteAll(ctx context.Context, cl *client.Client, repo string, in v1.Delete) (v1.Written, error) {
	if len(in.Paths) == 0 {
		return v1.Written{}, nil
	}
	if len(in.Paths) <= deletePage {
		return cl.Delete(ctx, repo, in)
	}
	total := 0
	id, err := inOneCommit(ctx, cl, repo, in.Ref, in.Message, func(id string) error {
		for page := range slices.Chunk(in.Paths, deletePage) {
			out, err := cl.Delete(ctx, repo, v1.Delete{Ref: id, Paths: page})
			if err != nil {
				return err
			}
			total += out.Files
		}
		return nil
	})
	return v1.Written{Commit: id, Files: total}, err
}

// inOneCommit runs write with the id of an open commit and finishes that, or
// aborts it if write fails.
func inOneCommit(ctx context.Context, cl *client.Client, repo, branch, message string, write func(id string) error) (string, error) {
	open, err := cl.StartCommit(ctx, repo, branch, message)
	if err != nil {
		return "", err
	}
	if err = write(open.ID); err == nil {
		// As with a plain write, what comes last wins.
		_, err = cl.FinishCommit(ctx, repo, open.ID, v1.FinishCommit{Strategy: "theirs"})
	}
	if err != nil {
		abort := cl.AbortCommit(context.WithoutCancel(ctx), repo, open.ID)
		return "", errors.Join(err, abort)
	}
	return open.ID, nil
}
