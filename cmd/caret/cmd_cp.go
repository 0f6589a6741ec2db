package main

import (
	"fmt"
	"path"
	"strings"

	"github.com/urfave/cli/v2"

	"caret/api/client"
	"caret/api/v1"
)

func cpCommand(p process) *cli.Command {
	var in v1.Copy
	var force bool
	return &cli.Command{
		Name: "cp", Usage: "copy files within the store, which moves no content", ArgsUsage: "REPO[@EXPR]:PATH REPO[@BRANCH]:PATH",
		Description: "If the second PATH is empty or ends in a slash, the name of the file is added\n" +
			"to it. With -r what is under the first PATH comes under the second one, in\n" +
			"one commit.\n\n" +
			"EXAMPLES:\n   caret cp sales@v1:a.csv sales@dev:b.csv\n   caret cp sales@HEAD^:june/a.csv sales:old/\n   caret cp -r sales:june/ archive:sales/june/ -m \"june is done\"",
		Flags: clientFlags(
			&cli.BoolFlag{Name: "recursive", Aliases: []string{"r"}, Usage: "everything under the folder PATH", Destination: &in.Recursive},
			&cli.BoolFlag{Name: "force", Usage: "copy to a PATH that no folder can hold, too", Destination: &force},
			messageFlag(&in.Message),
		),
		Action: onLine(p, func(c *call) error { return cp(c, in, force) }),
	}
}

func cp(c *call, in v1.Copy, force bool) error {
	args, err := arguments(c.line, "REPO[@EXPR]:PATH", "REPO[@BRANCH]:PATH")
	if err != nil {
		return err
	}
	var sides [2]target
	for i, a := range args {
		if sides[i], err = parseTarget(a); err != nil || !sides[i].HasPath {
			return usagef("%q is not REPO@EXPR:PATH: cp copies within the store; use put and get for local files", a)
		}
	}
	from, to := sides[0], sides[1]
	if strings.HasPrefix(to.Path, "/") {
		return rooted(to)
	}
	if in.Recursive {
		from.Path, to.Path = asFolder(from.Path), asFolder(to.Path)
	} else {
		if from.Path == "" || strings.HasSuffix(from.Path, "/") {
			return usagef("%q names no file; give -r to copy everything under it", args[0])
		}
		if asFolder(to.Path) == to.Path {
			to.Path += path.Base(from.Path)
		}
	}
	if err := fitting(to.Path, force); err != nil {
		return err
	}
	if err := c.connect(); err != nil {
		return err
	}
	in.FromRepo, in.From, in.FromPath = from.Repo, from.Expr, from.Path
	in.Ref, in.Path = to.Expr, to.Path
	out, err := c.cl.Copy(c.ctx, to.Repo, in)
	if client.Code(err) == "no_such_path" && in.Recursive {
		return nothingUnder(c.ctx, c.cl, from)
	}
	if err != nil {
		return err
	}
	fmt.Fprintln(c.stdout, oneLine(out.Commit))
	fmt.Fprintf(c.stderr, "copied %s\n", count(out.Files, "file"))
	return nil
}
