package main

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"caret/api/client"
	"caret/api/v1"
)

func userCommand(p process) *cli.Command {
	var create v1.User
	return &cli.Command{
		Name: "user", Usage: "create, list, inspect and delete users",
		Subcommands: []*cli.Command{
			{
				Name: "create", Usage: "make a user, who then needs a key", ArgsUsage: "USER",
				Description: "EXAMPLES:\n   caret user create alice --name \"Alice A.\"\n   caret key create alice",
				Flags: clientFlags(outputFlags(
					&cli.StringFlag{Name: "name", Usage: "the `NAME` for people", Destination: &create.Display},
					&cli.BoolFlag{Name: "admin", Usage: "may do everything", Destination: &create.Admin},
				)...),
				Action: onName(p, func(c *call, name string) error { return userCreate(c, name, create) }),
			},
			{
				Name: "list", Usage: "list users", Aliases: []string{"ls"},
				Description: "EXAMPLES:\n   caret user list",
				Flags:       clientFlags(pagedFlags()...),
				Action:      onServer(p, userList),
			},
			{
				Name: "inspect", Usage: "describe a user", ArgsUsage: "USER",
				Description: "EXAMPLES:\n   caret user inspect alice",
				Flags:       clientFlags(outputFlags()...),
				Action:      onName(p, userInspect),
			},
			{
				Name: "delete", Usage: "delete a user and its keys; what it owns stays", Aliases: []string{"rm"}, ArgsUsage: "USER",
				Description: "EXAMPLES:\n   caret user delete alice --yes",
				Flags:       removalFlags(),
				Action:      onName(p, userDelete),
			},
		},
	}
}

func userCreate(c *call, name string, in v1.User) error {
	in.Name = name
	u, err := c.cl.CreateUser(c.ctx, in)
	if err != nil {
		return err
	}
	fmt.Fprintf(c.stderr, "created user %s; give it a key: caret key create %s\n", u.Name, u.Name)
	return c.pr.result(u, u.ID)
}

func userList(c *call) error {
	pr := c.pr
	users := client.Each(func(after string) (v1.Page[v1.User], error) { return c.cl.Users(c.ctx, after, 0) })
	return list(pr, users, "USER\tADMIN\tCREATED\tNAME", func(u v1.User) []string {
		return []string{pr.cut(u.Name, 24), yes(u.Admin), pr.time(u.Created), oneLine(u.Display)}
	})
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "-"
}

func userInspect(c *call, name string) error {
	u, err := c.cl.User(c.ctx, name)
	if err != nil {
		return err
	}
	return c.pr.details(u, "user", u.Name, "name", u.Display, "id", u.ID, "admin", yes(u.Admin), "created", c.pr.time(u.Created))
}

func userDelete(c *call, name string) error {
	if ok, err := remove(c, func() (any, string, error) {
		gone, err := c.cl.DeleteUserDryRun(c.ctx, name)
		return gone, fmt.Sprintf("delete user %s and %s", name, count(gone.Keys, "key")), err
	}, func() error { return c.cl.DeleteUser(c.ctx, name) }); !ok || err != nil {
		return err
	}
	fmt.Fprintf(c.stderr, "deleted user %s\n", name)
	return nil
}
