package main

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"caret/api/client"
	"caret/api/v1"
)

func mvCommand(p process) *cli.Command {
	var in v1.MoveFiles
	var force bool
	return &cli.Command{
		Name: "mv", Usage: "give files another path, in one commit", ArgsUsage: "REPO[@BRANCH]:PATH REPO[@BRANCH]:PATH",
		Description: "Both are on one branch, or in one open commit: between branches nothing is\n" +
			"one commit; use cp, and then rm. If the second PATH is empty or ends in a\n" +
			"slash, the name of the file is added to it. With -r what is under the first\n" +
			"PATH comes under the second one. No content moves, and history has it as it\n" +
			"was.\n\n" +
			"EXAMPLES:\n   caret mv sales:a.csv sales:june/\n   caret mv -r sales@dev:june/ sales@dev:2026/june/ -m \"by year\"",
		Flags: clientFlags(outputFlags(
			&cli.BoolFlag{Name: "recursive", Aliases: []string{"r"}, Usage: "everything under the folder PATH", Destination: &in.Recursive},
			&cli.BoolFlag{Name: "force", Usage: "move to a PATH that no folder can hold, too", Destination: &force},
			messageFlag(&in.Message),
			ifHeadFlag(),
		)...),
		Action: onLine(p, func(c *call) error { return mv(c, in, force) }),
	}
}

func mv(c *call, in v1.MoveFiles, force bool) error {
	from, to, err := fromTo(c, "move", in.Recursive)
	if err != nil {
		return err
	}
	if from.Repo != to.Repo {
		return acrossBranches(from, to)
	}
	if err := fitting(to.Path, force); err != nil {
		return err
	}
	if err := c.connect(); err != nil {
		return err
	}
	cl, err := c.writer()
	if err != nil {
		return err
	}
	if from.Expr != to.Expr {
		if err := sameBranch(c, from, to); err != nil {
			return err
		}
	}
	in.Ref, in.From, in.To = from.Expr, from.Path, to.Path
	out, err := cl.MoveFiles(c.ctx, from.Repo, in)
	switch {
	case client.Code(err) == "no_such_path" && in.Recursive:
		return nothingUnder(c.ctx, c.cl, from)
	case err != nil:
		return orFolder(c.ctx, c.cl, from, err, "give -r to move everything under it")
	}
	fmt.Fprintf(c.stderr, "moved %s\n", count(out.Files, "file"))
	return c.pr.result(out, out.Commit)
}

// sameBranch says that what is spelt differently is not the same.
func sameBranch(c *call, from, to target) error {
	a, err := c.cl.Resolve(c.ctx, from.Repo, from.Expr)
	if err != nil {
		return err
	}
	b, err := c.cl.Resolve(c.ctx, to.Repo, to.Expr)
	if err != nil {
		return err
	}
	if a.Branch != b.Branch || a.Open != b.Open || a.Open && a.ID != b.ID || a.Writable != b.Writable {
		return acrossBranches(from, to)
	}
	return nil
}

// acrossBranches is the error of a move that would be two commits.
func acrossBranches(from, to target) error {
	rest := func(t target) string { t.Path, t.HasPath = "", false; return t.String() }
	return &hinted{
		usagef("%s and %s are not one branch, and a move is one commit", rest(from), rest(to)),
		fmt.Sprintf("copy with `caret cp`, and then `caret rm %s`", shellWord(from.String())),
	}
}
