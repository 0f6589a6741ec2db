package main

import (
	"fmt"
	"time"

	"github.com/urfave/cli/v2"

	"caret/api/client"
	"caret/api/v1"
)

func tagCommand(p process) *cli.Command {
	var at, message string
	var deleted bool
	return &cli.Command{
		Name: "tag", Usage: "create, list, inspect, delete and restore tags: fixed names for commits",
		Subcommands: []*cli.Command{
			{
				Name: "create", Usage: "name a commit", ArgsUsage: "REPO@TAG",
				Description: "EXAMPLES:\n   caret tag create sales@v1\n   caret tag create sales@june --at master^3 -m \"as it was audited\"",
				Flags: clientFlags(outputFlags(
					&cli.StringFlag{Name: "at", Usage: "`EXPR` of the commit", Value: "HEAD", Destination: &at},
					&cli.StringFlag{Name: "message", Aliases: []string{"m"}, Usage: "`TEXT` on what it is", Destination: &message},
				)...),
				Action: onBranch(p, func(c *call, repo, tag string) error { return tagCreate(c, repo, tag, at, message) }),
			},
			{
				Name: "list", Usage: "list the tags of a repo", Aliases: []string{"ls"}, ArgsUsage: "REPO",
				Description: "EXAMPLES:\n   caret tag list sales\n   caret tag list sales --deleted",
				Flags:       clientFlags(pagedFlags(&cli.BoolFlag{Name: "deleted", Usage: "those that can be restored", Destination: &deleted})...),
				Action:      onRepo(p, func(c *call, repo string) error { return tagList(c, repo, deleted) }),
			},
			{
				Name: "inspect", Usage: "describe a tag", ArgsUsage: "REPO@TAG",
				Description: "EXAMPLES:\n   caret tag inspect sales@v1",
				Flags:       clientFlags(outputFlags()...),
				Action:      onBranch(p, tagInspect),
			},
			{
				Name: "delete", Usage: "delete a tag; the commit stays", Aliases: []string{"rm"}, ArgsUsage: "REPO@TAG",
				Description: "EXAMPLES:\n   caret tag delete sales@v1 --yes",
				Flags:       removalFlags(),
				Action:      onBranch(p, tagDelete),
			},
			{
				Name: "restore", Usage: "bring a deleted tag back", ArgsUsage: "REPO@TAG",
				Description: "EXAMPLES:\n   caret tag restore sales@v1",
				Flags:       clientFlags(outputFlags()...),
				Action:      onBranch(p, tagRestore),
			},
		},
	}
}

func tagCreate(c *call, repo, tag, at, message string) error {
	if err := checkExpr("--at", at); err != nil {
		return err
	}
	t, err := c.cl.CreateTag(c.ctx, repo, tag, at, message)
	if err != nil {
		return err
	}
	c.warn(t.Warning)
	fmt.Fprintf(c.stderr, "tag %s of repo %s is commit %s; read it at s3://%s.%s\n", tag, repo, t.Commit, tag, repo)
	return c.pr.result(t, "")
}

func tagList(c *call, repo string, deleted bool) error {
	pr := c.pr
	row := func(t v1.Tag, at time.Time) []string {
		return []string{pr.cut(t.Name, 40), pr.short(t.Commit), pr.time(at), pr.cut(t.Author, 16), pr.title(t.Message)}
	}
	if deleted {
		tags := client.Each(func(after string) (v1.Page[v1.DeletedTag], error) { return c.cl.DeletedTags(c.ctx, repo, after, 0) })
		return list(pr, tags, "NAME\tCOMMIT\tDELETED\tAUTHOR\tMESSAGE", func(t v1.DeletedTag) []string { return row(t.Tag, t.Deleted) })
	}
	tags := client.Each(func(after string) (v1.Page[v1.Tag], error) { return c.cl.Tags(c.ctx, repo, after, 0) })
	return list(pr, tags, "NAME\tCOMMIT\tCREATED\tAUTHOR\tMESSAGE", func(t v1.Tag) []string { return row(t, t.Created) })
}

func tagInspect(c *call, repo, tag string) error {
	t, err := c.cl.Tag(c.ctx, repo, tag)
	if err != nil {
		return err
	}
	return c.pr.details(t, "name", t.Name, "repo", t.Repo, "commit", t.Commit, "created", c.pr.time(t.Created), "author", t.Author, "message", t.Message)
}

func tagDelete(c *call, repo, tag string) error {
	if ok, err := remove(c, func() (any, string, error) {
		t, err := c.cl.DeleteTagDryRun(c.ctx, repo, tag)
		return t, fmt.Sprintf("delete tag %s of repo %s, which is commit %s", tag, repo, t.Commit), err
	}, func() error { return c.cl.DeleteTag(c.ctx, repo, tag) }); !ok || err != nil {
		return err
	}
	fmt.Fprintf(c.stderr, "deleted tag %s of repo %s; `caret tag restore %s@%s` brings it back\n", tag, repo, repo, tag)
	return nil
}

func tagRestore(c *call, repo, tag string) error {
	t, err := c.cl.RestoreTag(c.ctx, repo, tag)
	if err != nil {
		return err
	}
	fmt.Fprintf(c.stderr, "restored tag %s of repo %s, which is commit %s\n", tag, repo, t.Commit)
	return c.pr.result(t, "")
}
