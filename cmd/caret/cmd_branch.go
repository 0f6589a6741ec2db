package main

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"caret/api/client"
	"caret/api/v1"
	"caret/commits"
)

func branchCommand(p process) *cli.Command {
	return &cli.Command{
		Name: "branch", Usage: "create, list, inspect and delete branches",
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
				Description: "EXAMPLES:\n   caret branch list sales",
				Flags:       clientFlags(outputFlags()...),
				Action:      func(c *cli.Context) error { return branchList(c, p) },
			},
			{
				Name: "inspect", Usage: "describe a branch", ArgsUsage: "REPO@BRANCH",
				Description: "EXAMPLES:\n   caret branch inspect sales@master",
				Flags:       clientFlags(outputFlags()...),
				Action:      func(c *cli.Context) error { return branchInspect(c, p) },
			},
			{
				Name: "delete", Usage: "delete a branch; the last one takes its repo with it", Aliases: []string{"rm"}, ArgsUsage: "REPO@BRANCH",
				Description: "EXAMPLES:\n   caret branch delete sales@dev --yes",
				Flags:       clientFlags(&cli.BoolFlag{Name: "yes", Usage: "do not ask"}),
				Action:      func(c *cli.Context) error { return branchDelete(c, p) },
			},
		},
	}
}

// onBranch connects and reads the one argument, a branch.
func onBranch(c *cli.Context, p process) (cl *client.Client, repo, branch string, err error) {
	args, err := arguments(c, "REPO@BRANCH")
	if err != nil {
		return nil, "", "", err
	}
	if repo, branch, err = branchTarget(args[0]); err != nil {
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
	if _, err := commits.ParseExpr(from); err != nil {
		return usagef("--from: %v", err)
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
	branches := client.Each(func(after string) (v1.Page[v1.Branch], error) { return cl.Branches(c.Context, repo, after, 0) })
	return list(pr, branches, "NAME\tHEAD\tCOMMITS\tCHANGED\tDEFAULT", func(b v1.Branch) []string {
		isDefault := ""
		if b.Default {
			isDefault = "default"
		}
		return []string{pr.cut(b.Name, 30), pr.short(b.Head), fmt.Sprint(b.N), pr.timeOf(b.Time), isDefault}
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
	b, err := cl.Branch(c.Context, repo, branch)
	if err != nil {
		return err
	}
	return pr.details(b, "name", b.Name, "repo", b.Repo, "head", b.Head, "commits", fmt.Sprint(b.N),
		"changed", pr.timeOf(b.Time), "created", pr.time(b.Created), "default", fmt.Sprint(b.Default))
}

func branchDelete(c *cli.Context, p process) error {
	cl, repo, branch, err := onBranch(c, p)
	if err != nil {
		return err
	}
	if err := confirm(c.Context, p, c.Bool("yes"), fmt.Sprintf("delete branch %s of repo %s", branch, repo)); err != nil {
		return err
	}
	if err := cl.DeleteBranch(c.Context, repo, branch); err != nil {
		return err
	}
	and := ""
	if _, err := cl.Repo(c.Context, repo); client.Code(err) == "no_such_repo" {
		and = ", and with its last branch the repo"
	}
	fmt.Fprintf(p.stderr, "deleted branch %s of repo %s%s\n", branch, repo, and)
	return nil
}
