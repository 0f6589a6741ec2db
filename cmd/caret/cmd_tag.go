package main

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"caret/api/client"
	"caret/api/v1"
)

func tagCommand(p process) *cli.Command {
	return &cli.Command{
		Name: "tag", Usage: "create, list, inspect and delete tags: fixed names for commits",
		Subcommands: []*cli.Command{
			{
				Name: "create", Usage: "name a commit", ArgsUsage: "REPO@TAG",
				Description: "EXAMPLES:\n   caret tag create sales@v1\n   caret tag create sales@june --at master^3",
				Flags:       clientFlags(&cli.StringFlag{Name: "at", Usage: "`EXPR` of the commit", Value: "HEAD"}),
				Action:      func(c *cli.Context) error { return tagCreate(c, p) },
			},
			{
				Name: "list", Usage: "list the tags of a repo", Aliases: []string{"ls"}, ArgsUsage: "REPO",
				Description: "EXAMPLES:\n   caret tag list sales",
				Flags:       clientFlags(outputFlags()...),
				Action:      func(c *cli.Context) error { return tagList(c, p) },
			},
			{
				Name: "inspect", Usage: "describe a tag", ArgsUsage: "REPO@TAG",
				Description: "EXAMPLES:\n   caret tag inspect sales@v1",
				Flags:       clientFlags(outputFlags()...),
				Action:      func(c *cli.Context) error { return tagInspect(c, p) },
			},
			{
				Name: "delete", Usage: "delete a tag; the commit stays", Aliases: []string{"rm"}, ArgsUsage: "REPO@TAG",
				Description: "EXAMPLES:\n   caret tag delete sales@v1 --yes",
				Flags:       removalFlags(),
				Action:      func(c *cli.Context) error { return tagDelete(c, p) },
			},
		},
	}
}

func tagCreate(c *cli.Context, p process) error {
	cl, repo, tag, err := onBranch(c, p)
	if err != nil {
		return err
	}
	if err := checkExpr("--at", c.String("at")); err != nil {
		return err
	}
	t, err := cl.CreateTag(c.Context, repo, tag, c.String("at"))
	if err != nil {
		return err
	}
	fmt.Fprintf(p.stderr, "tag %s of repo %s is commit %s; read it at s3://%s.%s\n", tag, repo, t.Commit, tag, repo)
	return nil
}

func tagList(c *cli.Context, p process) error {
	pr, err := newPrinter(c, p)
	if err != nil {
		return err
	}
	cl, repo, err := onRepo(c, p)
	if err != nil {
		return err
	}
	tags := client.Each(func(after string) (v1.Page[v1.Tag], error) { return cl.Tags(c.Context, repo, after, 0) })
	return list(pr, tags, "NAME\tCOMMIT\tCREATED", func(t v1.Tag) []string {
		return []string{pr.cut(t.Name, 40), pr.short(t.Commit), pr.time(t.Created)}
	})
}

func tagInspect(c *cli.Context, p process) error {
	pr, err := newPrinter(c, p)
	if err != nil {
		return err
	}
	cl, repo, tag, err := onBranch(c, p)
	if err != nil {
		return err
	}
	t, err := cl.Tag(c.Context, repo, tag)
	if err != nil {
		return err
	}
	return pr.details(t, "name", t.Name, "repo", t.Repo, "commit", t.Commit, "created", pr.time(t.Created))
}

func tagDelete(c *cli.Context, p process) error {
	cl, repo, tag, err := onBranch(c, p)
	if err != nil {
		return err
	}
	if ok, err := goAhead(c, p, func() (string, error) {
		t, err := cl.Tag(c.Context, repo, tag)
		return fmt.Sprintf("delete tag %s of repo %s, which is commit %s", tag, repo, t.Commit), err
	}); !ok || err != nil {
		return err
	}
	if err := cl.DeleteTag(c.Context, repo, tag); err != nil {
		return err
	}
	fmt.Fprintf(p.stderr, "deleted tag %s of repo %s\n", tag, repo)
	return nil
}
