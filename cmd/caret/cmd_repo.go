package main

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"caret/api/client"
	"caret/api/v1"
)

func repoCommand(p process) *cli.Command {
	return &cli.Command{
		Name: "repo", Usage: "create, list, inspect, update and delete repos",
		Subcommands: []*cli.Command{
			{
				Name: "create", Usage: "make a repo with an empty default branch", ArgsUsage: "REPO",
				Description: "EXAMPLES:\n   caret repo create sales -d \"monthly figures\"",
				Flags: clientFlags(
					&cli.StringFlag{Name: "description", Aliases: []string{"d"}, Usage: "`TEXT` on what it is for"},
					&cli.StringFlag{Name: "default-branch", Usage: "`NAME` of the branch that the bare name means", Value: "master"},
				),
				Action: func(c *cli.Context) error { return repoCreate(c, p) },
			},
			{
				Name: "list", Usage: "list repos", Aliases: []string{"ls"},
				Description: "EXAMPLES:\n   caret repo list\n   caret repo list -o json",
				Flags:       clientFlags(outputFlags()...),
				Action:      func(c *cli.Context) error { return repoList(c, p) },
			},
			{
				Name: "inspect", Usage: "describe a repo", ArgsUsage: "REPO",
				Description: "EXAMPLES:\n   caret repo inspect sales -o json",
				Flags:       clientFlags(outputFlags()...),
				Action:      func(c *cli.Context) error { return repoInspect(c, p) },
			},
			{
				Name: "update", Usage: "change a repo's description or its default branch", ArgsUsage: "REPO",
				Description: "EXAMPLES:\n   caret repo update sales -d \"monthly figures\"\n   caret repo update sales --default-branch main",
				Flags: clientFlags(
					&cli.StringFlag{Name: "description", Aliases: []string{"d"}, Usage: "`TEXT` on what it is for; \"\" for none"},
					&cli.StringFlag{Name: "default-branch", Usage: "`NAME` of the branch that the bare name means"},
				),
				Action: func(c *cli.Context) error { return repoUpdate(c, p) },
			},
			{
				Name: "delete", Usage: "delete a repo with all its branches", Aliases: []string{"rm"}, ArgsUsage: "REPO",
				Description: "EXAMPLES:\n   caret repo delete sales --force --dry-run\n   caret repo delete sales --force --yes",
				Flags:       removalFlags(&cli.BoolFlag{Name: "force", Usage: "though it has commits"}),
				Action:      func(c *cli.Context) error { return repoDelete(c, p) },
			},
		},
	}
}

// onRepo connects and reads the one argument, a repo.
func onRepo(c *cli.Context, p process) (*client.Client, string, error) {
	args, err := arguments(c, "REPO")
	if err != nil {
		return nil, "", err
	}
	repo, err := repoTarget(args[0])
	if err != nil {
		return nil, "", err
	}
	cl, err := connect(c, p)
	return cl, repo, err
}

func repoCreate(c *cli.Context, p process) error {
	cl, repo, err := onRepo(c, p)
	if err != nil {
		return err
	}
	r, err := cl.CreateRepo(c.Context, v1.Repo{Name: repo, Description: c.String("description"), DefaultBranch: c.String("default-branch")})
	if err != nil {
		return err
	}
	if n := 32 + 1 + len(r.DefaultBranch) + 1 + len(r.Name); n > 63 {
		fmt.Fprintf(p.stderr, "warning: bucket names of its commits have %d characters, and many S3 clients take no more than 63\n", n)
	}
	fmt.Fprintf(p.stderr, "created repo %s; write to s3://%s.%s\n", r.Name, r.DefaultBranch, r.Name)
	return nil
}

func repoList(c *cli.Context, p process) error {
	if _, err := arguments(c); err != nil {
		return err
	}
	pr, err := newPrinter(c, p)
	if err != nil {
		return err
	}
	cl, err := connect(c, p)
	if err != nil {
		return err
	}
	repos := client.Each(func(after string) (v1.Page[v1.Repo], error) { return cl.Repos(c.Context, after, 0) })
	return list(pr, repos, "NAME\tDEFAULT\tCREATED\tDESCRIPTION", func(r v1.Repo) []string {
		return []string{pr.cut(r.Name, 24), pr.cut(r.DefaultBranch, 12), pr.time(r.Created), oneLine(r.Description)}
	})
}

func repoInspect(c *cli.Context, p process) error {
	pr, err := newPrinter(c, p)
	if err != nil {
		return err
	}
	cl, repo, err := onRepo(c, p)
	if err != nil {
		return err
	}
	r, err := cl.Repo(c.Context, repo)
	if err != nil {
		return err
	}
	return pr.details(r, "name", r.Name, "description", r.Description, "default branch", r.DefaultBranch,
		"created", pr.time(r.Created), "owner", r.Owner)
}

func repoUpdate(c *cli.Context, p process) error {
	cl, repo, err := onRepo(c, p)
	if err != nil {
		return err
	}
	var in v1.UpdateRepo
	for name, field := range map[string]**string{"description": &in.Description, "default-branch": &in.DefaultBranch} {
		if c.IsSet(name) {
			value := c.String(name)
			*field = &value
		}
	}
	if in == (v1.UpdateRepo{}) {
		return usagef("nothing to change; say --description, --default-branch or both")
	}
	r, err := cl.UpdateRepo(c.Context, repo, in)
	if err != nil {
		return err
	}
	fmt.Fprintf(p.stderr, "updated repo %s; s3://%s means its branch %s\n", r.Name, r.Name, r.DefaultBranch)
	return nil
}

func repoDelete(c *cli.Context, p process) error {
	cl, repo, err := onRepo(c, p)
	if err != nil {
		return err
	}
	if ok, err := goAhead(c, p, func() (string, error) { return describeRepoRemoval(c, cl, repo) }); !ok || err != nil {
		return err
	}
	if err := cl.DeleteRepo(c.Context, repo, c.Bool("force")); err != nil {
		return err
	}
	fmt.Fprintf(p.stderr, "deleted repo %s\n", repo)
	return nil
}
