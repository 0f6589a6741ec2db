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
		Flags: clientFlags(outputFlags(
			&cli.BoolFlag{Name: "recursive", Aliases: []string{"r"}, Usage: "everything under the folder PATH", Destination: &in.Recursive},
			&cli.BoolFlag{Name: "force", Usage: "copy to a PATH that no folder can hold, too", Destination: &force},
			messageFlag(&in.Message),
			ifHeadFlag(),
		)...),
		Action: onLine(p, func(c *call) error { return cp(c, in, force) }),
	}
}

// fromTo reads the two arguments of a command that copies or moves.
func fromTo(c *call, does string, recursive bool) (from, to target, err error) {
	args, err := arguments(c.line, strings.Fields(c.line.Command.ArgsUsage)...)
	if err != nil {
		return from, to, err
	}
	for i, t := range []*target{&from, &to} {
		if *t, err = parseTarget(args[i]); err != nil || !t.HasPath {
			err := usagef("%q is not REPO@EXPR:PATH: %s is within the store; use put and get for local files", args[i], c.line.Command.Name)
			if i == 1 && args[i] != "" && !strings.ContainsAny(args[i], "@:") {
				err = &hinted{err, fmt.Sprintf("a PATH of repo %s is %s:%s", from.Repo, from.Repo, args[i])}
			}
			return from, to, err
		}
	}
	switch {
	case strings.HasPrefix(to.Path, "/"):
		return from, to, rooted(to)
	case recursive:
		from.Path, to.Path = asFolder(from.Path), asFolder(to.Path)
	case from.Path == "" || strings.HasSuffix(from.Path, "/"):
		return from, to, usagef("%q names no file; give -r to %s everything under it", args[0], does)
	case asFolder(to.Path) == to.Path:
		to.Path += path.Base(from.Path)
	}
	return from, to, nil
}

func cp(c *call, in v1.Copy, force bool) error {
	from, to, err := fromTo(c, "copy", in.Recursive)
	if err != nil {
		return err
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
	in.FromRepo, in.From, in.FromPath = from.Repo, from.Expr, from.Path
	in.Ref, in.Path = to.Expr, to.Path
	out, err := cl.Copy(c.ctx, to.Repo, in)
	if client.Code(err) == "no_such_path" && in.Recursive {
		return nothingUnder(c.ctx, c.cl, from)
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(c.stderr, "copied %s\n", count(out.Files, "file"))
	return c.pr.result(out, out.Commit)
}
