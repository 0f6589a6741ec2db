package main

import (
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"caret/api/client"
	"caret/api/v1"
	"caret/commits/revision"
)

// undoOptions are the flags of revert and restore.
type undoOptions struct{ onto, message string }

func revertCommand(p process) *cli.Command {
	var o undoOptions
	return &cli.Command{
		Name: "revert", Usage: "take back what a commit changed, in a new commit", ArgsUsage: "REPO@COMMIT",
		Description: "EXAMPLES:\n   caret revert sales@HEAD\n   caret revert sales@4f1d0123 --onto dev --dry-run",
		Flags:       clientFlags(outputFlags(ontoFlag(&o.onto), messageFlag(&o.message), ifHeadFlag(), dryRunFlag())...),
		Action:      onTarget(p, func(c *call, t target) error { return revert(c, t, o) }),
	}
}

func restoreCommand(p process) *cli.Command {
	var o undoOptions
	return &cli.Command{
		Name: "restore", Usage: "bring a file or a folder back as it was, in a new commit", ArgsUsage: "REPO@EXPR:PREFIX",
		Description: "Everything that begins with PREFIX becomes what it was; what was not there\n" +
			"goes.\n\n" +
			"EXAMPLES:\n   caret restore sales@master^3:june/\n   caret restore sales@v1:a.csv --onto dev",
		Flags:  clientFlags(outputFlags(ontoFlag(&o.onto), messageFlag(&o.message), ifHeadFlag(), dryRunFlag())...),
		Action: onTarget(p, func(c *call, t target) error { return restore(c, t, o) }),
	}
}

func messageFlag(to *string) cli.Flag {
	return &cli.StringFlag{Name: "message", Aliases: []string{"m"}, Usage: "`TEXT` of the commit", Destination: to}
}

func ontoFlag(to *string) cli.Flag {
	return &cli.StringFlag{Name: "onto", Usage: "`BRANCH` that is written to; the one that EXPR begins with, or the default one", Destination: to}
}

// branch is the one to write to: the flag's, or the one that may be named by
// the expression, which the server finds out.
func (o undoOptions) branch(expr string) string {
	if o.onto != "" {
		return o.onto
	}
	x, err := revision.Parse(expr)
	if err != nil || x.Base == "HEAD" || revision.IsPrefix(x.Base) || revision.IsID(x.Base) {
		return ""
	}
	return x.Base
}

func revert(c *call, t target, o undoOptions) error {
	if t.Expr == "" || t.HasPath {
		return usagef("%q names no commit; write REPO@COMMIT", c.line.Args().First())
	}
	cl, err := c.writer()
	if err != nil {
		return err
	}
	out, err := cl.Revert(c.ctx, t.Repo, v1.Revert{Branch: o.branch(t.Expr), Commit: t.Expr, Message: o.message, DryRun: c.line.Bool("dry-run")})
	if err != nil {
		return o.unclear(t, err)
	}
	return showUndone(c, out)
}

// unclear is err, with what to write if t begins with a name that is not a
// branch's.
func (o undoOptions) unclear(t target, err error) error {
	if client.Code(err) != "read_only" || o.onto != "" {
		return err
	}
	return &hinted{fmt.Errorf("%s says no branch to write to", t.Expr), "name it with --onto BRANCH"}
}

func restore(c *call, t target, o undoOptions) error {
	if t.Expr == "" || !t.HasPath {
		return usagef("%q names no state and prefix; write REPO@EXPR:PREFIX", c.line.Args().First())
	}
	if o.message == "" {
		o.message = strings.TrimSpace("restore " + t.Path + " from " + t.Expr)
	}
	cl, err := c.writer()
	if err != nil {
		return err
	}
	out, err := cl.RestoreFiles(c.ctx, t.Repo, v1.RestoreFiles{Branch: o.branch(t.Expr), From: t.Expr, Prefix: t.Path, Message: o.message, DryRun: c.line.Bool("dry-run")})
	if err != nil {
		return o.unclear(t, err)
	}
	if out.Files == 0 {
		if page, err := c.cl.Files(c.ctx, t.Repo, t.Expr, t.Path, "", "", 1); err == nil && len(page.Items) == 0 {
			return unslashed(t, notFound(t, "there is nothing under %q, neither then nor now", t))
		}
	}
	return showUndone(c, out)
}

func showUndone(c *call, out v1.Written) error {
	switch {
	case c.line.Bool("dry-run") && c.pr.json:
		return listDiff(c.pr, each(out.Changes))
	case out.Files == 0:
		fmt.Fprintln(c.stderr, "nothing to do: it is like that already")
		return c.pr.result(out, "")
	case c.line.Bool("dry-run"):
		fmt.Fprintf(c.stderr, "would change %s\n", count(out.Files, "file"))
		return listDiff(c.pr, each(out.Changes))
	}
	fmt.Fprintf(c.stderr, "changed %s\n", count(out.Files, "file"))
	return c.pr.result(out, out.Commit)
}
