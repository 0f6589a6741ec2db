package main

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"caret/api/client"
	"caret/api/v1"
)

func branchCommand(p process) *cli.Command {
	var create branchCreateOptions
	var deleted, history bool
	var to string // of reset
	return &cli.Command{
		Name: "branch", Usage: "create, list, inspect, reset, protect, delete, restore and grant branches",
		Subcommands: append([]*cli.Command{
			{
				Name: "create", Usage: "make a branch, in an instant whatever it holds", ArgsUsage: "REPO@BRANCH",
				Description: "EXAMPLES:\n   caret branch create sales@dev\n   caret branch create sales@fix --from master^2\n   caret branch create sales@new --empty",
				Flags: clientFlags(outputFlags(
					&cli.StringFlag{Name: "from", Usage: "`EXPR` of the commit it begins at; the default branch if not given", Destination: &create.from},
					&cli.BoolFlag{Name: "empty", Usage: "begin with nothing", Destination: &create.empty},
				)...),
				Action: onBranch(p, func(c *call, repo, branch string) error { return branchCreate(c, repo, branch, create) }),
			},
			{
				Name: "list", Usage: "list the branches of a repo", Aliases: []string{"ls"}, ArgsUsage: "REPO",
				Description: "EXAMPLES:\n   caret branch list sales\n   caret branch list sales --deleted",
				Flags:       clientFlags(pagedFlags(&cli.BoolFlag{Name: "deleted", Usage: "those that can be restored", Destination: &deleted})...),
				Action:      onRepo(p, func(c *call, repo string) error { return branchList(c, repo, deleted) }),
			},
			{
				Name: "inspect", Usage: "describe a branch", ArgsUsage: "REPO@BRANCH",
				Description: "EXAMPLES:\n   caret branch inspect sales@master\n   caret branch inspect sales@master --history",
				Flags:       clientFlags(pagedFlags(&cli.BoolFlag{Name: "history", Usage: "where it was made to point, newest first", Destination: &history})...),
				Action:      onBranch(p, func(c *call, repo, branch string) error { return branchInspect(c, repo, branch, history) }),
			},
			{
				Name: "delete", Usage: "delete a branch; the last one takes its repo with it", Aliases: []string{"rm"}, ArgsUsage: "REPO@BRANCH",
				Description: "EXAMPLES:\n   caret branch delete sales@dev --dry-run\n   caret branch delete sales@dev --yes",
				Flags:       removalFlags(ifHeadFlag()),
				Action:      onBranch(p, branchDelete),
			},
			{
				Name: "restore", Usage: "bring a deleted branch back, and its repo with it", ArgsUsage: "REPO@BRANCH",
				Description: "EXAMPLES:\n   caret branch restore sales@dev",
				Flags:       clientFlags(outputFlags()...),
				Action:      onBranch(p, branchRestore),
			},
			{
				Name: "reset", Usage: "make another commit the head; what was there stays in history", ArgsUsage: "REPO@BRANCH",
				Description: "EXAMPLES:\n   caret branch reset sales@dev --to master --dry-run\n   caret branch reset sales@master --to HEAD^3 --yes",
				Flags:       removalFlags(&cli.StringFlag{Name: "to", Usage: "`EXPR` of the commit", Destination: &to}, ifHeadFlag()),
				Action:      onBranch(p, func(c *call, repo, branch string) error { return branchReset(c, repo, branch, to) }),
			},
			{
				Name: "protect", Usage: "refuse writes, resets and deletion", ArgsUsage: "REPO@BRANCH",
				Description: "EXAMPLES:\n   caret branch protect sales@master",
				Flags:       clientFlags(outputFlags()...),
				Action:      onBranch(p, func(c *call, repo, branch string) error { return branchProtect(c, repo, branch, true) }),
			},
			{
				Name: "unprotect", Usage: "take writes, resets and deletion again", ArgsUsage: "REPO@BRANCH",
				Description: "EXAMPLES:\n   caret branch unprotect sales@master",
				Flags:       clientFlags(outputFlags()...),
				Action:      onBranch(p, func(c *call, repo, branch string) error { return branchProtect(c, repo, branch, false) }),
			},
		}, grantCommands(p)...),
	}
}

// branchCreateOptions are the flags of branch create.
type branchCreateOptions struct {
	from  string
	empty bool
}

func branchCreate(c *call, repo, branch string, o branchCreateOptions) error {
	switch {
	case o.empty && o.from != "":
		return usagef("--empty and --from exclude each other")
	case !o.empty && o.from == "":
		o.from = "HEAD"
	}
	if err := checkExpr("--from", o.from); err != nil {
		return err
	}
	b, err := c.cl.CreateBranch(c.ctx, repo, branch, o.from)
	if err != nil {
		return err
	}
	c.warn(b.Warning)
	fmt.Fprintf(c.stderr, "created branch %s of repo %s", branch, repo)
	if b.Head != "" {
		fmt.Fprintf(c.stderr, " at commit %s", b.Head)
	}
	fmt.Fprintln(c.stderr)
	return c.pr.result(b, "")
}

func branchList(c *call, repo string, deleted bool) error {
	pr := c.pr
	if deleted {
		branches := client.Each(func(after string) (v1.Page[v1.DeletedBranch], error) {
			return c.cl.DeletedBranches(c.ctx, repo, after, 0)
		})
		return list(pr, branches, "NAME\tHEAD\tCOMMITS\tDELETED", func(b v1.DeletedBranch) []string {
			return []string{pr.cut(b.Name, 30), pr.short(b.Head), fmt.Sprint(b.N), pr.time(b.Deleted)}
		})
	}
	branches := client.Each(func(after string) (v1.Page[v1.Branch], error) { return c.cl.Branches(c.ctx, repo, after, 0) })
	return list(pr, branches, "NAME\tHEAD\tCOMMITS\tCHANGED\tSTATE", func(b v1.Branch) []string {
		var state []string
		if b.Default {
			state = append(state, "default")
		}
		if b.Protected {
			state = append(state, "protected")
		}
		return []string{pr.cut(b.Name, 30), pr.short(b.Head), fmt.Sprint(b.N), pr.timeOf(b.Time), strings.Join(state, ", ")}
	})
}

func branchInspect(c *call, repo, branch string, history bool) error {
	pr := c.pr
	if history {
		moves := client.Each(func(after string) (v1.Page[v1.Move], error) { return c.cl.Moves(c.ctx, repo, branch, after, 0) })
		return list(pr, moves, "TIME\tACTION\tFROM\tTO\tAUTHOR", func(m v1.Move) []string {
			return []string{pr.time(m.Time), m.Action, pr.short(m.From), pr.short(m.To), pr.cut(m.Author, 16)}
		})
	}
	b, err := c.cl.Branch(c.ctx, repo, branch)
	if err != nil {
		return err
	}
	return pr.details(b, "name", b.Name, "repo", b.Repo, "head", b.Head, "commits", fmt.Sprint(b.N),
		"changed", pr.timeOf(b.Time), "created", pr.time(b.Created), "default", fmt.Sprint(b.Default), "protected", fmt.Sprint(b.Protected))
}

func branchDelete(c *call, repo, branch string) error {
	cl, err := c.writer()
	if err != nil {
		return err
	}
	if ok, err := remove(c, func() (any, string, error) {
		gone, err := cl.DeleteBranchDryRun(c.ctx, repo, branch)
		return gone, branchRemoval(repo, branch, gone), err
	}, func() error { return cl.DeleteBranch(c.ctx, repo, branch) }); !ok || err != nil {
		return err
	}
	and := ""
	if _, err := c.cl.Repo(c.ctx, repo); client.Code(err) == "no_such_repo" {
		and = ", and with its last branch the repo"
	}
	fmt.Fprintf(c.stderr, "deleted branch %s of repo %s%s; `caret branch restore %s@%s` brings it back\n", branch, repo, and, repo, branch)
	return nil
}

func branchRestore(c *call, repo, branch string) error {
	b, err := c.cl.RestoreBranch(c.ctx, repo, branch)
	if err != nil {
		return err
	}
	fmt.Fprintf(c.stderr, "restored branch %s of repo %s with %s\n", branch, repo, count(int(b.N), "commit"))
	return c.pr.result(b, "")
}

func branchReset(c *call, repo, branch, to string) error {
	if to == "" {
		return usagef("--to is missing: the commit that %s is to be at", branch)
	}
	if err := checkExpr("--to", to); err != nil {
		return err
	}
	cl, err := c.writer()
	if err != nil {
		return err
	}
	was, err := c.cl.Branch(c.ctx, repo, branch)
	if err != nil {
		return err
	}
	if c.pr.json && c.line.Bool("dry-run") {
		out, err := cl.ResetBranch(c.ctx, repo, branch, v1.ResetBranch{To: to, DryRun: true})
		if err == nil {
			err = c.pr.value(out)
		}
		return err
	}
	if terminal(c.stdin) || c.line.Bool("dry-run") { // scripts need not say --yes: what was there can be had again
		if ok, err := goAhead(c, func() (string, error) { return describeReset(c, cl, repo, branch, to) }); !ok || err != nil {
			return err
		}
	}
	b, err := cl.ResetBranch(c.ctx, repo, branch, v1.ResetBranch{To: to})
	if err != nil {
		return err
	}
	fmt.Fprintf(c.stderr, "branch %s of repo %s is at %s now; it was at %s\n", branch, repo, cmp.Or(b.Head, "no commit"), cmp.Or(was.Head, "no commit"))
	return c.pr.result(b, "")
}

// describeReset says which commits a branch leaves by a reset; a dry run lists
// them.
func describeReset(c *call, cl *client.Client, repo, branch, to string) (string, error) {
	out, err := cl.ResetBranch(c.ctx, repo, branch, v1.ResetBranch{To: to, DryRun: true})
	if err != nil {
		return "", err
	}
	if c.line.Bool("dry-run") && len(out.Left) > 0 {
		if err := listCommits(c.pr, each(out.Left)); err != nil {
			return "", err
		}
		if more := int(out.LeftCount) - len(out.Left); more > 0 {
			fmt.Fprintf(c.stdout, "and %d more\n", more)
		}
	}
	return fmt.Sprintf("reset branch %s of repo %s to %s; %s would no longer lead to the head",
		branch, repo, cmp.Or(out.Head, "no commit"), count(int(out.LeftCount), "commit")), nil
}

func branchProtect(c *call, repo, branch string, protected bool) error {
	b, err := c.cl.ProtectBranch(c.ctx, repo, branch, protected)
	if err != nil {
		return err
	}
	state := "protected"
	if !protected {
		state = "no longer protected"
	}
	fmt.Fprintf(c.stderr, "branch %s of repo %s is %s\n", branch, repo, state)
	return c.pr.result(b, "")
}
