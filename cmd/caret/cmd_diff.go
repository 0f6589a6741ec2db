package main

import (
	"fmt"
	"iter"
	"strings"

	"github.com/dustin/go-humanize"
	"github.com/urfave/cli/v2"

	"caret/api/v1"
)

func diffCommand(p process) *cli.Command {
	var o diffOptions
	return &cli.Command{
		Name: "diff", Usage: "show the files that differ between two states", ArgsUsage: "REPO@A REPO@B [PREFIX]",
		Description: "--content compares files of up to 1 MiB line by line; git apply takes that.\n\n" +
			"EXAMPLES:\n   caret diff sales@master^ sales@master\n   caret diff sales@master sales@dev june/ --stat\n" +
			"   caret diff sales@v1 sales@master --content",
		Flags: clientFlags(pagedFlags(
			&cli.BoolFlag{Name: "name-only", Usage: "paths alone", Destination: &o.nameOnly},
			&cli.BoolFlag{Name: "stat", Usage: "totals alone", Destination: &o.stat},
			&cli.BoolFlag{Name: "content", Usage: "what changed in the files, as git diff shows it", Destination: &o.content},
		)...),
		Action: onLine(p, func(c *call) error { return diff(c, o) }),
	}
}

// diffOptions are the flags of diff.
type diffOptions struct{ nameOnly, stat, content bool }

func diff(c *call, o diffOptions) error {
	names := []string{"REPO@A", "REPO@B", "PREFIX"}
	args, err := arguments(c.line, names[:max(2, min(c.line.NArg(), 3))]...)
	if err != nil {
		return err
	}
	var sides [2]target
	for i := range sides {
		if sides[i], err = parseTarget(args[i]); err != nil {
			return err
		}
		if sides[i].HasPath {
			return usagef("%q has a path; the prefix is an argument of its own", args[i])
		}
	}
	if sides[0].Repo != sides[1].Repo {
		return otherRepo(sides, args[2:])
	}
	prefix := ""
	if len(args) > 2 {
		prefix = args[2]
	}
	if count := boolCount(o.nameOnly, o.stat, o.content); count > 1 {
		return usagef("--name-only, --stat and --content exclude each other")
	}
	if err := c.connect(); err != nil {
		return err
	}
	if o.content {
		return diffContent(c, sides, prefix)
	}
	changes := c.cl.DiffAll(c.ctx, sides[0].Repo, sides[0].Expr, sides[1].Expr, prefix)
	return showDiff(c.pr, changes, o)
}

func boolCount(flags ...bool) (n int) {
	for _, f := range flags {
		if f {
			n++
		}
	}
	return n
}

// diffContent shows what changed in the files of two states, which stay as they
// are while that is read.
func diffContent(c *call, sides [2]target, prefix string) error {
	for i := range sides {
		at, err := c.cl.Resolve(c.ctx, sides[i].Repo, sides[i].Expr)
		if err != nil {
			return err
		}
		sides[i].Expr = pinned(at, sides[i].Expr)
	}
	x := contentDiff{cl: c.cl, a: sides[0], b: sides[1], json: c.pr.json}
	return x.show(c.ctx, c.pr, c.cl.DiffAll(c.ctx, sides[0].Repo, sides[0].Expr, sides[1].Expr, prefix))
}

// otherRepo is the error of two sides that are not of one repo, with what may
// have been meant by them, and by the arguments behind them.
func otherRepo(sides [2]target, more []string) error {
	a, b := sides[0], sides[1]
	text := fmt.Sprintf("%s and %s share no history: both sides are of one repo", a.Repo, b.Repo)
	switch {
	case a.Expr == "" && b.Expr == "" && len(more) > 0:
		text += fmt.Sprintf("; write %s@%s %s@%s", a.Repo, b.Repo, a.Repo, more[0])
	case b.Expr == "":
		text += fmt.Sprintf("; write %s %s@%s", a, a.Repo, b.Repo)
	}
	return usagef("%s", text)
}

func showDiff(pr printer, changes iter.Seq2[v1.Difference, error], o diffOptions) error {
	switch {
	case o.stat:
		return diffStat(pr, changes)
	case o.nameOnly && !pr.json:
		for d, err := range changes {
			if err != nil {
				return err
			}
			fmt.Fprintln(pr.w, oneLine(d.Path))
		}
		return nil
	}
	return listDiff(pr, changes)
}

func listDiff(pr printer, changes iter.Seq2[v1.Difference, error]) error {
	size := func(f *v1.File) string {
		if f == nil {
			return "-"
		}
		return pr.size(f.Size)
	}
	return list(pr, changes, "CHANGE\tOLD\tNEW\tPATH", func(d v1.Difference) []string {
		s := map[string]style{"added": green, "removed": red, "modified": yellow}[d.Change]
		what := d.Change
		if len(d.Differs) > 0 && d.Differs[0] != "content" { // which would come first
			what += " (" + strings.Join(d.Differs, ", ") + ")"
		}
		return []string{paint(pr.color, s, what), size(d.Old), size(d.New), paint(pr.color, s, oneLine(d.Path))}
	})
}

// diffTotals are what a diff comes to.
type diffTotals struct {
	Added    int   `json:"added"`
	Removed  int   `json:"removed"`
	Modified int   `json:"modified"`
	Old      int64 `json:"old_bytes"` // in removed and modified files before
	New      int64 `json:"new_bytes"` // in added and modified files after
}

func diffStat(pr printer, changes iter.Seq2[v1.Difference, error]) error {
	var t diffTotals
	for d, err := range changes {
		if err != nil {
			return err
		}
		*map[string]*int{"added": &t.Added, "removed": &t.Removed, "modified": &t.Modified}[d.Change]++
		if d.Old != nil {
			t.Old += d.Old.Size
		}
		if d.New != nil {
			t.New += d.New.Size
		}
	}
	if pr.json {
		return pr.value(t)
	}
	size := func(n int64) string {
		if pr.exact {
			return fmt.Sprint(n, " bytes")
		}
		return humanize.IBytes(uint64(max(n, 0)))
	}
	fmt.Fprintf(pr.w, "%d added, %d removed, %d modified; %s before, %s after\n", t.Added, t.Removed, t.Modified, size(t.Old), size(t.New))
	return nil
}
