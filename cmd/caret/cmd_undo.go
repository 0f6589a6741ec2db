package main

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/urfave/cli/v2"

	"caret/api/client"
	"caret/api/v1"
	"caret/commits/revision"
)

func revertCommand(p process) *cli.Command {
	return &cli.Command{
		Name: "revert", Usage: "take back what a commit changed, in a new commit", ArgsUsage: "REPO@COMMIT",
		Description: "EXAMPLES:\n   caret revert sales@HEAD\n   caret revert sales@4f1d0123 --onto dev --dry-run",
		Flags:       clientFlags(ontoFlag(), messageFlag(), dryRunFlag()),
		Action:      func(c *cli.Context) error { return revert(c, p) },
	}
}

func restoreCommand(p process) *cli.Command {
	return &cli.Command{
		Name: "restore", Usage: "bring a file or a folder back as it was, in a new commit", ArgsUsage: "REPO@EXPR:PREFIX",
		Description: "Everything that begins with PREFIX becomes what it was; what was not there\n" +
			"goes.\n\n" +
			"EXAMPLES:\n   caret restore sales@master^3:june/\n   caret restore sales@v1:a.csv --onto dev",
		Flags:  clientFlags(ontoFlag(), messageFlag(), dryRunFlag()),
		Action: func(c *cli.Context) error { return restore(c, p) },
	}
}

func messageFlag() cli.Flag {
	return &cli.StringFlag{Name: "message", Aliases: []string{"m"}, Usage: "`TEXT` of the commit"}
}

func ontoFlag() cli.Flag {
	return &cli.StringFlag{Name: "onto", Usage: "`BRANCH` that is written to; the one that EXPR begins with, or the default one"}
}

// onto is the branch to write to: the flag's, or the one that may be named by
// the expression, which the server finds out.
func onto(c *cli.Context, expr string) string {
	if b := c.String("onto"); b != "" {
		return b
	}
	x, err := revision.Parse(expr)
	if err != nil || x.Base == "HEAD" || revision.IsPrefix(x.Base) || revision.IsID(x.Base) {
		return ""
	}
	return x.Base
}

func revert(c *cli.Context, p process) error {
	cl, t, err := onTarget(c, p, "REPO@COMMIT")
	if err != nil {
		return err
	}
	if t.Expr == "" || t.HasPath {
		return usagef("%q names no commit; write REPO@COMMIT", c.Args().First())
	}
	out, err := cl.Revert(c.Context, t.Repo, v1.Revert{Branch: onto(c, t.Expr), Commit: t.Expr, Message: c.String("message"), DryRun: c.Bool("dry-run")})
	if err != nil {
		return ontoWhat(c, t, err)
	}
	return showUndone(c, p, out)
}

// ontoWhat is err, with what to write if t begins with a name that is not a
// branch's.
func ontoWhat(c *cli.Context, t target, err error) error {
	if client.Code(err) != "read_only" || c.String("onto") != "" {
		return err
	}
	return refused(http.StatusForbidden, "read_only", t.Expr+" says no branch to write to", "name it with --onto BRANCH")
}

func restore(c *cli.Context, p process) error {
	cl, t, err := onTarget(c, p, "REPO@EXPR:PREFIX")
	if err != nil {
		return err
	}
	if t.Expr == "" || !t.HasPath {
		return usagef("%q names no state and prefix; write REPO@EXPR:PREFIX", c.Args().First())
	}
	message := c.String("message")
	if message == "" {
		message = strings.TrimSpace("restore " + t.Path + " from " + t.Expr)
	}
	out, err := cl.RestoreFiles(c.Context, t.Repo, v1.RestoreFiles{Branch: onto(c, t.Expr), From: t.Expr, Prefix: t.Path, Message: message, DryRun: c.Bool("dry-run")})
	if err != nil {
		return ontoWhat(c, t, err)
	}
	if out.Files == 0 {
		if page, err := cl.Files(c.Context, t.Repo, t.Expr, t.Path, "", "", 1); err == nil && len(page.Items) == 0 {
			return unslashed(t, notFound(t, "there is nothing under %q, neither then nor now", t))
		}
	}
	return showUndone(c, p, out)
}

func showUndone(c *cli.Context, p process, out v1.Written) error {
	switch {
	case out.Files == 0:
		fmt.Fprintln(p.stderr, "nothing to do: it is like that already")
		return nil
	case c.Bool("dry-run"):
		pr, err := newPrinter(c, p)
		if err != nil {
			return err
		}
		fmt.Fprintf(p.stderr, "would change %s\n", count(out.Files, "file"))
		return listDiff(pr, each(out.Changes))
	}
	fmt.Fprintln(p.stdout, out.Commit)
	fmt.Fprintf(p.stderr, "changed %s\n", count(out.Files, "file"))
	return nil
}
