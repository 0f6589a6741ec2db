package main

import (
	"cmp"
	"fmt"

	"github.com/urfave/cli/v2"

	"caret/api/v1"
)

// grantCommands are the commands of branches that are about grants.
func grantCommands(p process) []*cli.Command {
	var write bool
	return []*cli.Command{
		{
			Name: "grant", Usage: "let a user read a branch with all its files, or write to it too", ArgsUsage: "REPO@BRANCH USER",
			Description: "ACLs of S3 are beside that: there a grant on a bucket says nothing of the\nobjects in it.\n\n" +
				"EXAMPLES:\n   caret branch grant sales@dev alice\n   caret branch grant sales@dev bob --write",
			Flags:  clientFlags(outputFlags(&cli.BoolFlag{Name: "write", Usage: "to write to it, too", Destination: &write})...),
			Action: onGrant(p, func(c *call, repo, branch, user string) error { return branchGrant(c, repo, branch, user, write) }),
		},
		{
			Name: "revoke", Usage: "take the grant of a user away", ArgsUsage: "REPO@BRANCH USER",
			Description: "EXAMPLES:\n   caret branch revoke sales@dev alice",
			Flags:       clientFlags(outputFlags()...),
			Action:      onGrant(p, branchRevoke),
		},
		{
			Name: "grants", Usage: "list who was granted a branch", ArgsUsage: "REPO@BRANCH",
			Description: "EXAMPLES:\n   caret branch grants sales@dev",
			Flags:       clientFlags(outputFlags()...),
			Action:      onBranch(p, branchGrants),
		},
	}
}

// onGrant is the action of a command on a branch and a user.
func onGrant(p process, run func(c *call, repo, branch, user string) error) cli.ActionFunc {
	return onLine(p, func(c *call) error {
		args, err := arguments(c.line, "REPO@BRANCH", "USER")
		if err != nil {
			return err
		}
		repo, branch, err := branchTarget(args[0], "REPO@BRANCH")
		if err != nil {
			return err
		}
		if args[1] == "" {
			return usagef("the name of the user is empty; `caret user list` shows what there is")
		}
		if err := c.connect(); err != nil {
			return err
		}
		return run(c, repo, branch, args[1])
	})
}

func branchGrant(c *call, repo, branch, user string, write bool) error {
	may := "read"
	if write {
		may = "write"
	}
	g, err := c.cl.Grant(c.ctx, repo, branch, user, may)
	if err != nil {
		return err
	}
	fmt.Fprintf(c.stderr, "user %s may %s branch %s of repo %s\n", user, mayText(may), branch, repo)
	return c.pr.result(g, "")
}

func mayText(may string) string {
	if may == "write" {
		return "read and write"
	}
	return may
}

func branchRevoke(c *call, repo, branch, user string) error {
	if err := c.cl.Revoke(c.ctx, repo, branch, user); err != nil {
		return err
	}
	fmt.Fprintf(c.stderr, "user %s was granted branch %s of repo %s and is no longer\n", user, branch, repo)
	return c.pr.result(removed{Deleted: map[string]string{"user": user}}, "")
}

func branchGrants(c *call, repo, branch string) error {
	page, err := c.cl.Grants(c.ctx, repo, branch)
	if err != nil {
		return err
	}
	return list(c.pr, each(page.Items), "USER\tMAY", func(g v1.Grant) []string {
		return []string{c.pr.cut(cmp.Or(g.User, g.ID), 64), mayText(g.May)}
	})
}
