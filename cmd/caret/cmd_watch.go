package main

import (
	"encoding/json"
	"fmt"

	"github.com/urfave/cli/v2"

	"caret/api/v1"
)

func watchCommand(p process) *cli.Command {
	var o watchOptions
	return &cli.Command{
		Name: "watch", Usage: "print the commits of a branch as they are made", ArgsUsage: "REPO[@BRANCH]",
		Description: "Prints a line for each commit, oldest first, and waits for more until it is\n" +
			"interrupted or has printed N. A lost connection is made again, and each\n" +
			"commit is printed once. It ends with an error if the branch is deleted, or\n" +
			"reset to where the commits so far do not lead.\n\n" +
			"A line is COMMIT N TIME AUTHOR FILES MESSAGE, without a header; with -o json\n" +
			"it is a JSON object. There is no array around them, as it would never end.\n\n" +
			"EXAMPLES:\n   caret watch sales@master\n   caret watch sales@master --after HEAD~3 -n 3\n" +
			"   caret watch sales@master --path in/ | while read -r commit rest; do\n" +
			"     caret get \"sales@$commit:in/\" -r ./in && ./react ./in\n   done\n" +
			"   caret watch sales -o json --after \"$last\" | jq --unbuffered -r .id",
		Flags: clientFlags(outputFlags(
			&cli.StringFlag{Name: "after", Usage: "begin behind the commit `EXPR`, or with the first one for " + v1.Beginning + "; now if not given", Destination: &o.after},
			&cli.StringFlag{Name: "path", Usage: "only commits that changed `PATH`, or anything under it if it ends in a slash", Destination: &o.path},
			logLimit(&o.limit),
		)...),
		Action: onTarget(p, func(c *call, t target) error { return watch(c, t, o) }),
	}
}

// watchOptions are the flags of watch.
type watchOptions struct {
	after, path string
	limit       int // 0: none
}

func watch(c *call, t target, o watchOptions) error {
	if t.HasPath {
		return usagef("%q has a path; give it with --path", c.line.Args().First())
	}
	if o.limit < 0 {
		return usagef("--limit %d: it is a number of commits", o.limit)
	}
	if t.Expr == "" || t.Expr == "HEAD" {
		s, err := c.cl.Resolve(c.ctx, t.Repo, t.Expr)
		if err != nil {
			return err
		}
		t.Expr = s.Branch
	}
	for x, err := range first(c.cl.Watch(c.ctx, t.Repo, t.Expr, o.path, o.after), o.limit) {
		if err == nil {
			err = c.pr.line(x)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// line prints a commit of a stream: in columns as wide as most need, since
// nobody knows what follows, and with its time rather than its age.
func (p printer) line(x v1.Commit) error {
	if p.json {
		e := json.NewEncoder(jsonWriter{p.w})
		e.SetEscapeHTML(false)
		return e.Encode(x)
	}
	at := printer{exact: true}.time(x.Time)
	_, err := fmt.Fprintf(p.w, "%s  %6d  %s  %-10s  %5d  %s\n", p.short(x.ID), x.N, at, p.cut(x.Author, 10), x.Files, p.title(about(x)))
	return err
}
