package main

import (
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"caret/api/v1"
	"caret/commits/revision"
)

func mergeCommand(p process) *cli.Command {
	var in v1.Merge
	return &cli.Command{
		Name: "merge", Usage: "make what one branch has part of another, in one commit", ArgsUsage: "REPO FROM INTO",
		Description: "FROM is a branch, a tag or a commit, INTO a branch. Of each path the side\n" +
			"counts that differs from what both had when they parted, or were last merged.\n" +
			"Where both do, that is a conflict, and nothing is merged unless a strategy\n" +
			"decides: ours is INTO's state, theirs FROM's. --strategy PATTERN=WHOSE\n" +
			"decides for some paths: * is any part of a name, ** any folders, and a slash\n" +
			"at the end everything under it.\n\n" +
			"EXAMPLES:\n   caret merge sales dev master\n   caret merge sales dev master --dry-run\n" +
			"   caret merge sales dev master --strategy theirs --no-ff -m \"june\"\n" +
			"   caret merge sales v1 dev --strategy 'raw/=theirs' --strategy ours",
		Flags: clientFlags(outputFlags(messageFlag(&in.Message), ifHeadFlag(),
			&cli.StringSliceFlag{Name: "strategy", Usage: "on conflicts keep `WHOSE` state: ours, theirs, or PATTERN=ours, PATTERN=theirs; the first that fits"},
			&cli.BoolFlag{Name: "no-ff", Usage: "make a merge commit even if INTO could simply be moved on", Destination: &in.NoFastForward},
			&cli.BoolFlag{Name: "squash", Usage: "make an ordinary commit, which does not remember where it is from", Destination: &in.Squash},
			&cli.BoolFlag{Name: "dry-run", Usage: "show what would be merged", Destination: &in.DryRun},
		)...),
		Action: onLine(p, func(c *call) error { return merge(c, in) }),
	}
}

func merge(c *call, in v1.Merge) error {
	pr := c.pr
	if err := checkSides(c.line.Args().Slice()); err != nil {
		return err
	}
	args, err := arguments(c.line, "REPO", "FROM", "INTO")
	if err != nil {
		return err
	}
	repo, err := repoTarget(args[0])
	if err != nil {
		return err
	}
	if err := checkExpr("FROM", args[1]); err != nil {
		return err
	}
	if err := revision.CheckName(args[2]); err != nil {
		return usagef("INTO is a branch: %v", err)
	}
	in.From, in.Into = args[1], args[2]
	if in.Rules, err = mergeRules(c.line.StringSlice("strategy")); err != nil {
		return err
	}
	if err := c.connect(); err != nil {
		return err
	}
	cl, err := c.writer()
	if err != nil {
		return err
	}
	out, err := cl.Merge(c.ctx, repo, in)
	if err != nil {
		return err
	}
	if in.DryRun {
		return showPlan(c.process, pr, in, out)
	}
	if pr.json {
		return pr.value(out)
	}
	fmt.Fprintln(c.stdout, oneLine(out.Commit))
	fmt.Fprintln(c.stderr, mergeDone(in, out))
	return nil
}

// checkSides finds sides that are written as in other commands, with the repo.
func checkSides(args []string) error {
	if len(args) != 2 {
		return nil
	}
	from, err := parseTarget(args[0])
	if err != nil || from.Expr == "" || from.HasPath {
		return nil //nolint:nilerr // that is found out later
	}
	into := args[1]
	if t, err := parseTarget(into); err == nil && t.Expr != "" {
		into = t.Expr
	}
	return usagef("the repo comes first, and both sides behind it; write %s %s %s", from.Repo, from.Expr, into)
}

// mergeRules reads WHOSE and PATTERN=WHOSE. What has no pattern comes last, as
// it fits everything.
func mergeRules(flags []string) ([]v1.MergeRule, error) {
	var rules, last []v1.MergeRule
	for _, f := range flags {
		r := v1.MergeRule{Strategy: f}
		if i := strings.LastIndexByte(f, '='); i >= 0 {
			r.Pattern, r.Strategy = f[:i], f[i+1:]
		}
		if r.Strategy != "ours" && r.Strategy != "theirs" || r.Pattern == "" && r.Strategy != f {
			return nil, usagef("--strategy %q: it is ours, theirs, PATTERN=ours or PATTERN=theirs", f)
		}
		if r.Pattern == "" {
			last = append(last, r)
		} else {
			rules = append(rules, r)
		}
	}
	if len(last) > 1 {
		return nil, usagef("--strategy %s and --strategy %s exclude each other", last[0].Strategy, last[1].Strategy)
	}
	return append(rules, last...), nil
}

func mergeDone(in v1.Merge, out v1.Merged) string {
	switch {
	case out.UpToDate:
		return fmt.Sprintf("nothing to do: %s has all of %s already", in.Into, in.From)
	case out.FastForward:
		return fmt.Sprintf("moved %s on to %s, which changes %s", in.Into, in.From, count(out.Files, "file"))
	}
	return fmt.Sprintf("merged %s into %s, which changes %s", in.From, in.Into, count(out.Files, "file"))
}

// showPlan shows what a dry run found.
func showPlan(p process, pr printer, in v1.Merge, out v1.Merged) error {
	if pr.json {
		return pr.value(out)
	}
	if len(out.Changes) > 0 {
		if err := listDiff(pr, each(out.Changes)); err != nil {
			return err
		}
	}
	if more := out.Files - len(out.Changes); more > 0 {
		fmt.Fprintf(p.stderr, "and %d more\n", more)
	}
	if out.ConflictCount > 0 {
		if err := listConflicts(pr, out.Conflicts); err != nil {
			return err
		}
		fmt.Fprintf(p.stderr, "would fail with %s; decide with --strategy\n", count(out.ConflictCount, "conflict"))
		return nil
	}
	switch n := count(out.Files, "file"); {
	case out.UpToDate:
		fmt.Fprintln(p.stderr, mergeDone(in, out))
	case out.FastForward:
		fmt.Fprintf(p.stderr, "would move %s on to %s, which changes %s\n", in.Into, in.From, n)
	default:
		fmt.Fprintf(p.stderr, "would merge %s into %s, which changes %s\n", in.From, in.Into, n)
	}
	return nil
}

// listConflicts shows both sides of paths that both changed: their sizes, and
// the commits that have them.
func listConflicts(pr printer, conflicts []v1.Conflict) error {
	side := func(f *v1.File) string {
		if f == nil {
			return "no file"
		}
		return pr.size(f.Size) + " " + pr.short(f.Commit)
	}
	return list(pr, each(conflicts), "OURS\tTHEIRS\tCONFLICT", func(x v1.Conflict) []string {
		if x.Ours == nil && x.Theirs == nil { // they cannot both be no file
			return []string{"not shown", "not shown", oneLine(x.Path)}
		}
		return []string{side(x.Ours), side(x.Theirs), oneLine(x.Path)}
	})
}
