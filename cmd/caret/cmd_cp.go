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
	return &cli.Command{
		Name: "cp", Usage: "copy files within the store, which moves no content", ArgsUsage: "REPO[@EXPR]:PATH REPO[@BRANCH]:PATH",
		Description: "If the second PATH is empty or ends in a slash, the name of the file is added\n" +
			"to it. With -r what is under the first PATH comes under the second one, in\n" +
			"one commit.\n\n" +
			"EXAMPLES:\n   caret cp sales@v1:a.csv sales@dev:b.csv\n   caret cp sales@HEAD^:june/a.csv sales:old/\n   caret cp -r sales:june/ archive:sales/june/ -m \"june is done\"",
		Flags: clientFlags(
			&cli.BoolFlag{Name: "recursive", Aliases: []string{"r"}, Usage: "everything under the folder PATH"},
			messageFlag(),
		),
		Action: func(c *cli.Context) error { return cp(c, p) },
	}
}

func cp(c *cli.Context, p process) error {
	args, err := arguments(c, "REPO[@EXPR]:PATH", "REPO[@BRANCH]:PATH")
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
	if c.Bool("recursive") {
		from.Path, to.Path = asFolder(from.Path), asFolder(to.Path)
	} else {
		if from.Path == "" || strings.HasSuffix(from.Path, "/") {
			return usagef("%q names no file; give -r to copy everything under it", args[0])
		}
		if asFolder(to.Path) == to.Path {
			to.Path += path.Base(from.Path)
		}
	}
	cl, err := connect(c, p)
	if err != nil {
		return err
	}
	out, err := cl.Copy(c.Context, to.Repo, v1.Copy{
		FromRepo: from.Repo, From: from.Expr, FromPath: from.Path,
		Ref: to.Expr, Path: to.Path, Recursive: c.Bool("recursive"), Message: c.String("message"),
	})
	if client.Code(err) == "no_such_path" && c.Bool("recursive") {
		return nothingUnder(c.Context, cl, from)
	}
	if err != nil {
		return err
	}
	fmt.Fprintln(p.stdout, out.Commit)
	fmt.Fprintf(p.stderr, "copied %s\n", count(out.Files, "file"))
	return nil
}
