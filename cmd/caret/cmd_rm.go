package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"caret/api/client"
	"caret/api/v1"
)

func rmCommand(p process) *cli.Command {
	return &cli.Command{
		Name: "rm", Usage: "delete files in one commit; history keeps them", ArgsUsage: "REPO[@BRANCH]:PATH...",
		Description: "EXAMPLES:\n   caret rm sales@master:a.csv\n   caret rm -r sales@dev:june/ -m \"june was wrong\"",
		Flags: clientFlags(
			&cli.BoolFlag{Name: "recursive", Aliases: []string{"r"}, Usage: "also everything under the folder PATH"},
			&cli.StringFlag{Name: "message", Aliases: []string{"m"}, Usage: "`TEXT` of the commit"},
		),
		Action: func(c *cli.Context) error {
			args, err := arguments(c, "REPO[@BRANCH]:PATH...")
			if err != nil {
				return err
			}
			targets, err := onOneBranch(args)
			if err != nil {
				return err
			}
			cl, err := connect(c, p)
			if err != nil {
				return err
			}
			return rm(c.Context, p, cl, targets, c.Bool("recursive"), c.String("message"))
		},
	}
}

// onOneBranch reads files that must be on one branch.
func onOneBranch(args []string) ([]target, error) {
	var targets []target
	for _, a := range args {
		t, err := parseTarget(a)
		if err != nil {
			return nil, err
		}
		if t.Path == "" {
			return nil, usagef("%q names no file; write %s:PATH", a, t.Repo)
		}
		targets = append(targets, t)
		if t.Repo != targets[0].Repo || t.Expr != targets[0].Expr {
			return nil, usagef("%q and %q are not on one branch, so one commit cannot delete both", args[0], a)
		}
	}
	return targets, nil
}

// rm deletes files of one branch in one commit.
func rm(ctx context.Context, p process, cl *client.Client, targets []target, recursive bool, message string) error {
	in := v1.Delete{Ref: targets[0].Expr, Message: message}
	for _, t := range targets {
		if !recursive {
			in.Paths = append(in.Paths, t.Path)
			continue
		}
		if !strings.HasSuffix(t.Path, "/") {
			in.Paths = append(in.Paths, t.Path) // the folder may be a file
			t.Path += "/"
		}
		for f, err := range client.Each(func(after string) (v1.Page[v1.File], error) {
			return cl.Files(ctx, t.Repo, t.Expr, t.Path, "", after, 0)
		}) {
			if err != nil {
				return err
			}
			in.Paths = append(in.Paths, f.Path)
		}
	}
	out, err := deleteAll(ctx, cl, targets[0].Repo, in)
	if err != nil {
		return err
	}
	if out.Files == 0 {
		names := make([]string, len(targets))
		for i, t := range targets {
			names[i] = t.String()
		}
		return notFound("no such file: %s", strings.Join(names, ", "))
	}
	fmt.Fprintln(p.stdout, out.Commit)
	fmt.Fprintf(p.stderr, "deleted %s\n", count(out.Files, "file"))
	if missing := len(in.Paths) - out.Files; missing > 0 && !recursive {
		fmt.Fprintf(p.stderr, "%s not there\n", count(missing, "file was", "files were"))
	}
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

// abortWithin is how long dropping an open commit may take when its writer
// has failed or was interrupted.
const abortWithin = 10 * time.Second

// inOneCommit runs write with the id of an open commit and finishes that, or
// aborts it if write fails.
func inOneCommit(ctx context.Context, cl *client.Client, repo, branch, message string, write func(id string) error) (string, error) {
	if at, err := cl.Resolve(ctx, repo, branch); err != nil {
		return "", err
	} else if at.Open { // it is one commit already, which somebody else finishes
		return at.ID, write(at.ID)
	}
	open, err := cl.StartCommit(ctx, repo, branch, message)
	if err != nil {
		return "", err
	}
	if err = write(open.ID); err == nil {
		// As with a plain write, what comes last wins.
		_, err = cl.FinishCommit(ctx, repo, open.ID, v1.FinishCommit{Strategy: "theirs"})
	}
	if err == nil {
		return open.ID, nil
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), abortWithin)
	defer cancel()
	if abort := cl.AbortCommit(last, repo, open.ID); abort != nil && client.Code(abort) != "no_such_commit" {
		err = errors.Join(err, fmt.Errorf("open commit %s could not be dropped; do it later by `caret commit abort %s@%s`", open.ID, repo, open.ID))
	}
	return "", err
}
