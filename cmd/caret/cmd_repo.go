package main

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"caret/api/client"
	"caret/api/v1"
)

func repoCommand(p process) *cli.Command {
	var create v1.Repo
	var force, deleted bool
	var restore v1.RestoreRepo
	return &cli.Command{
		Name: "repo", Usage: "create, list, inspect, update, delete and restore repos",
		Subcommands: []*cli.Command{
			{
				Name: "create", Usage: "make a repo with an empty default branch", ArgsUsage: "REPO",
				Description: "EXAMPLES:\n   caret repo create sales -d \"monthly figures\"",
				Flags: clientFlags(outputFlags(
					&cli.StringFlag{Name: "description", Aliases: []string{"d"}, Usage: "`TEXT` on what it is for", Destination: &create.Description},
					&cli.StringFlag{Name: "default-branch", Usage: "`NAME` of the branch that the bare name means", Value: "master", Destination: &create.DefaultBranch},
				)...),
				Action: onOne(p, func(arg, _ string) (string, error) { return newRepoTarget(arg) }, func(c *call, repo string) error { return repoCreate(c, repo, create) }),
			},
			{
				Name: "list", Usage: "list repos", Aliases: []string{"ls"},
				Description: "EXAMPLES:\n   caret repo list\n   caret repo list -o json\n   caret repo list --deleted",
				Flags:       clientFlags(pagedFlags(&cli.BoolFlag{Name: "deleted", Usage: "those that can be restored", Destination: &deleted})...),
				Action:      onServer(p, func(c *call) error { return repoList(c, deleted) }),
			},
			{
				Name: "inspect", Usage: "describe a repo", ArgsUsage: "REPO",
				Description: "EXAMPLES:\n   caret repo inspect sales -o json",
				Flags:       clientFlags(outputFlags()...),
				Action:      onRepo(p, repoInspect),
			},
			{
				Name: "update", Usage: "change a repo's description or its default branch", ArgsUsage: "REPO",
				Description: "EXAMPLES:\n   caret repo update sales -d \"monthly figures\"\n   caret repo update sales --default-branch main",
				Flags: clientFlags(outputFlags(
					&cli.StringFlag{Name: "description", Aliases: []string{"d"}, Usage: "`TEXT` on what it is for; \"\" for none"},
					&cli.StringFlag{Name: "default-branch", Usage: "`NAME` of the branch that the bare name means"},
				)...),
				Action: onRepo(p, repoUpdate),
			},
			{
				Name: "delete", Usage: "delete a repo with all its branches", Aliases: []string{"rm"}, ArgsUsage: "REPO",
				Description: "EXAMPLES:\n   caret repo delete sales --force --dry-run\n   caret repo delete sales --force --yes",
				Flags:       removalFlags(&cli.BoolFlag{Name: "force", Usage: "though it has commits", Destination: &force}),
				Action:      onRepo(p, func(c *call, repo string) error { return repoDelete(c, repo, force) }),
			},
			{
				Name: "restore", Usage: "bring a deleted repo back with its branches, tags and grants", ArgsUsage: "REPO",
				Description: "Of several of one name it is the one that was deleted last, unless --id names\nanother.\n\n" +
					"EXAMPLES:\n   caret repo restore sales\n   caret repo restore sales --as sales-2026\n   caret repo restore sales --id 7",
				Flags: clientFlags(outputFlags(
					&cli.StringFlag{Name: "as", Usage: "`NAME` that it gets instead of its own", Destination: &restore.As},
					&cli.Uint64Flag{Name: "id", Usage: "`ID` of the repo, as `caret repo list --deleted` shows it", DefaultText: "the one deleted last", Destination: &restore.ID},
				)...),
				Action: onRepo(p, func(c *call, repo string) error { return repoRestore(c, repo, restore) }),
			},
		},
	}
}

func repoCreate(c *call, repo string, in v1.Repo) error {
	in.Name = repo
	r, err := c.cl.CreateRepo(c.ctx, in)
	if err != nil {
		return err
	}
	c.warn(r.Warning)
	fmt.Fprintf(c.stderr, "created repo %s; write to s3://%s.%s\n", r.Name, r.DefaultBranch, r.Name)
	return c.pr.result(r, "")
}

func repoList(c *call, deleted bool) error {
	pr := c.pr
	if deleted {
		repos := client.Each(func(after string) (v1.Page[v1.DeletedRepo], error) { return c.cl.DeletedRepos(c.ctx, after, 0) })
		return list(pr, repos, "NAME\tID\tDEFAULT\tDELETED\tDESCRIPTION", func(r v1.DeletedRepo) []string {
			return []string{pr.cut(r.Name, 24), fmt.Sprint(r.ID), pr.cut(r.DefaultBranch, 12), pr.time(r.Deleted), oneLine(r.Description)}
		})
	}
	repos := client.Each(func(after string) (v1.Page[v1.Repo], error) { return c.cl.Repos(c.ctx, after, 0) })
	return list(pr, repos, "NAME\tDEFAULT\tCREATED\tDESCRIPTION", func(r v1.Repo) []string {
		return []string{pr.cut(r.Name, 24), pr.cut(r.DefaultBranch, 12), pr.time(r.Created), oneLine(r.Description)}
	})
}

func repoInspect(c *call, repo string) error {
	r, err := c.cl.Repo(c.ctx, repo)
	if err != nil {
		return err
	}
	return c.pr.details(r, "name", r.Name, "description", r.Description, "default branch", r.DefaultBranch,
		"created", c.pr.time(r.Created), "owner", r.Owner)
}

func repoUpdate(c *call, repo string) error {
	var in v1.UpdateRepo
	for name, field := range map[string]**string{"description": &in.Description, "default-branch": &in.DefaultBranch} {
		if c.line.IsSet(name) {
			value := c.line.String(name)
			*field = &value
		}
	}
	if in == (v1.UpdateRepo{}) {
		return usagef("nothing to change; say --description, --default-branch or both")
	}
	r, err := c.cl.UpdateRepo(c.ctx, repo, in)
	if err != nil {
		return err
	}
	fmt.Fprintf(c.stderr, "updated repo %s; s3://%s means its branch %s\n", r.Name, r.Name, r.DefaultBranch)
	return c.pr.result(r, "")
}

func repoDelete(c *call, repo string, force bool) error {
	if ok, err := remove(c, func() (any, string, error) {
		gone, err := c.cl.DeleteRepoDryRun(c.ctx, repo, force)
		return gone, repoRemoval(repo, gone), err
	}, func() error { return c.cl.DeleteRepo(c.ctx, repo, force) }); !ok || err != nil {
		return err
	}
	fmt.Fprintf(c.stderr, "deleted repo %s; `caret repo restore %s` brings it back\n", repo, repo)
	return nil
}

func repoRestore(c *call, repo string, in v1.RestoreRepo) error {
	r, err := c.cl.RestoreRepo(c.ctx, repo, in)
	if err != nil {
		return err
	}
	fmt.Fprintf(c.stderr, "restored repo %s with %s\n", r.Name, count(r.BranchCount, "branch", "branches"))
	return c.pr.result(r, "")
}
