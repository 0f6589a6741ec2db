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
	return &cli.Command{
		Name: "branch", Usage: "create, list, inspect, reset, protect, delete, restore branches",
		Subcommands: []*cli.Command{
			{
				Name: "create", Usage: "make a branch, in an instant whatever it holds", ArgsUsage: "REPO@BRANCH",
				Description: "EXAMPLES:\n   caret branch create sales@dev\n   caret branch create sales@fix --from master^2\n   caret branch create sales@new --empty",
				Flags: clientFlags(
					&cli.StringFlag{Name: "from", Usage: "`EXPR` of the commit it begins at; the default branch if not given"},
					&cli.BoolFlag{Name: "empty", Usage: "begin with nothing"},
				),
				Action: func(c *cli.Context) error { return branchCreate(c, p) },
			},
			{
				Name: "list", Usage: "list the branches of a repo", Aliases: []string{"ls"}, ArgsUsage: "REPO",
				Description: "EXAMPLES:\n   caret branch list sales\n   caret branch list sales --deleted",
				Flags:       clientFlags(outputFlags(&cli.BoolFlag{Name: "deleted", Usage: "those that can be restored"})...),
				Action:      func(c *cli.Context) error { return branchList(c, p) },
			},
			{
				Name: "inspect", Usage: "describe a branch", ArgsUsage: "REPO@BRANCH",
				Description: "EXAMPLES:\n   caret branch inspect sales@master\n   caret branch inspect sales@master --history",
				Flags:       clientFlags(outputFlags(&cli.BoolFlag{Name: "history", Usage: "where it was made to point, newest first"})...),
				Action:      func(c *cli.Context) error { return branchInspect(c, p) },
			},
			{
				Name: "delete", Usage: "delete a branch; the last one takes its repo with it", Aliases: []string{"rm"}, ArgsUsage: "REPO@BRANCH",
				Description: "EXAMPLES:\n   caret branch delete sales@dev --dry-run\n   caret branch delete sales@dev --yes",
				Flags:       removalFlags(),
				Action:      func(c *cli.Context) error { return branchDelete(c, p) },
			},
			{
				Name: "restore", Usage: "bring a deleted branch back, and its repo with it", ArgsUsage: "REPO@BRANCH",
				Description: "EXAMPLES:\n   caret branch restore sales@dev",
				Flags:       clientFlags(),
				Action:      func(c *cli.Context) error { return branchRestore(c, p) },
			},
			{
				Name: "reset", Usage: "make another commit the head; what was there stays in history", ArgsUsage: "REPO@BRANCH",
				Description: "EXAMPLES:\n   caret branch reset sales@dev --to master --dry-run\n   caret branch reset sales@master --to HEAD^3 --yes",
				Flags:       removalFlags(&cli.StringFlag{Name: "to", Usage: "`EXPR` of the commit"}),
				Action:      func(c *cli.Context) error { return branchReset(c, p) },
			},
			{
				Name: "protect", Usage: "refuse writes, resets and deletion", ArgsUsage: "REPO@BRANCH",
				Description: "EXAMPLES:\n   caret branch protect sales@master",
				Flags:       clientFlags(),
				Action:      func(c *cli.Context) error { return branchProtect(c, p, true) },
			},
			{
				Name: "unprotect", Usage: "take writes, resets and deletion again", ArgsUsage: "REPO@BRANCH",
				Description: "EXAMPLES:\n   caret branch unprotect sales@master",
				Flags:       clientFlags(),
				Action:      func(c *cli.Context) error { return branchProtect(c, p, false) },
			},
		},
	}
}

// onBranch connects and reads the one argument, a branch, or a tag.
func onBranch(c *cli.Context, p process) (cl *client.Client, repo, branch string, err error) {
	args, err := arguments(c, c.Command.ArgsUsage)
	if err != nil {
		return nil, "", "", err
	}
	if repo, branch, err = branchTarget(args[0], c.Command.ArgsUsage); err != nil {
		return nil, "", "", err
	}
	cl, err = connect(c, p)
	return cl, repo, branch, err
}

func branchCreate(c *cli.Context, p process) error {
	cl, repo, branch, err := onBranch(c, p)
	if err != nil {
		return err
	}
	from := c.String("from")
	switch {
	case c.Bool("empty") && from != "":
		return usagef("--empty and --from exclude each other")
	case !c.Bool("empty") && from == "":
		from = "HEAD"
	}
	if err := checkExpr("--from", from); err != nil {
		return err
	}
	b, err := cl.CreateBranch(c.Context, repo, branch, from)
	if err != nil {
		return err
	}
	fmt.Fprintf(p.stderr, "created branch %s of repo %s", branch, repo)
	if b.Head != "" {
		fmt.Fprintf(p.stderr, " at commit %s", b.Head)
	}
	fmt.Fprintln(p.stderr)
	return nil
}

func branchList(c *cli.Context, p process) error {
	pr, err := newPrinter(c, p)
	if err != nil {
		return err
	}
	cl, repo, err := onRepo(c, p)
	if err != nil {
		return err
	}
	if c.Bool("deleted") {
		deleted := client.Each(func(after string) (v1.Page[v1.DeletedBranch], error) {
			return cl.DeletedBranches(c.Context, repo, after, 0)
		})
		return list(pr, deleted, "NAME\tHEAD\tCOMMITS\tDELETED", func(b v1.DeletedBranch) []string {
			return []string{pr.cut(b.Name, 30), pr.short(b.Head), fmt.Sprint(b.N), pr.time(b.Deleted)}
		})
	}
	branches := client.Each(func(after string) (v1.Page[v1.Branch], error) { return cl.Branches(c.Context, repo, after, 0) })
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

func branchInspect(c *cli.Context, p process) error {
	pr, err := newPrinter(c, p)
	if err != nil {
		return err
	}
	cl, repo, branch, err := onBranch(c, p)
	if err != nil {
		return err
	}
	if c.Bool("history") {
		moves := client.Each(func(after string) (v1.Page[v1.Move], error) { return cl.Moves(c.Context, repo, branch, after, 0) })
		return list(pr, moves, "TIME\tACTION\tFROM\tTO\tAUTHOR", func(m v1.Move) []string {
			return []string{pr.time(m.Time), m.Action, pr.short(m.From), pr.short(m.To), pr.cut(m.Author, 16)}
		})
	}
	b, err := cl.Branch(c.Context, repo, branch)
	if err != nil {
		return err
	}
	return pr.details(b, "name", b.Name, "repo", b.Repo, "head", b.Head, "commits", fmt.Sprint(b.N),
		"changed", pr.timeOf(b.Time), "created", pr.time(b.Created), "default", fmt.Sprint(b.Default), "protected", fmt.Sprint(b.Protected))
}

func branchDelete(c *cli.Context, p process) error {
	cl, repo, branch, err := onBranch(c, p)
	if err != nil {
		return err
	}
	if ok, err := goAhead(c, p, func() (string, error) { return describeBranchRemoval(c, cl, repo, branch) }); !ok || err != nil {
		return err
	}
	if err := cl.DeleteBranch(c.Context, repo, branch); err != nil {
		return err
	}
	and := ""
	if _, err := cl.Repo(c.Context, repo); client.Code(err) == "no_such_repo" {
		and = ", and with its last branch the repo"
	}
	fmt.Fprintf(p.stderr, "deleted branch %s of repo %s%s; `caret branch restore %s@%s` brings it back\n", branch, repo, and, repo, branch)
	return nil
}

func branchRestore(c *cli.Context, p process) error {
	cl, repo, branch, err := onBranch(c, p)
	if err != nil {
		return err
	}
	b, err := cl.RestoreBranch(c.Context, repo, branch)
	if err != nil {
		return err
	}
	fmt.Fprintf(p.stderr, "restored branch %s of repo %s with %s\n", branch, repo, count(int(b.N), "commit"))
	return nil
}

func branchReset(c *cli.Context, p process) error {
	cl, repo, branch, err := onBranch(c, p)
	if err != nil {
		return err
	}
	to := c.String("to")
	if to == "" {
		return usagef("--to is missing: the commit that %s is to be at", branch)
	}
	if err := checkExpr("--to", to); err != nil {
		return err
	}
	was, err := cl.Branch(c.Context, repo, branch)
	if err != nil {
		return err
	}
	if terminal(p.stdin) || c.Bool("dry-run") { // scripts need not say --yes: what was there can be had again
		if ok, err := goAhead(c, p, func() (string, error) { return describeReset(c, p, cl, was, to) }); !ok || err != nil {
			return err
		}
	}
	b, err := cl.ResetBranch(c.Context, repo, branch, to)
	if err != nil {
		return err
	}
	fmt.Fprintf(p.stderr, "branch %s of repo %s is at %s now; it was at %s\n", branch, repo, cmp.Or(b.Head, "no commit"), cmp.Or(was.Head, "no commit"))
	return nil
}

func branchProtect(c *cli.Context, p process, protected bool) error {
	cl, repo, branch, err := onBranch(c, p)
	if err != nil {
		return err
	}
	if _, err := cl.ProtectBranch(c.Context, repo, branch, protected); err != nil {
		return err
	}
	state := "protected"
	if !protected {
		state = "no longer protected"
	}
	fmt.Fprintf(p.stderr, "branch %s of repo %s is %s\n", branch, repo, state)
	return nil
}
