package main

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"caret/api/client"
	"caret/api/v1"
)

func userCommand(p process) *cli.Command {
	return &cli.Command{
		Name: "user", Usage: "create, list, inspect and delete users",
		Subcommands: []*cli.Command{
			{
				Name: "create", Usage: "make a user, who then needs a key", ArgsUsage: "USER",
				Description: "EXAMPLES:\n   caret user create alice --name \"Alice A.\"\n   caret key create alice",
				Flags: clientFlags(
					&cli.StringFlag{Name: "name", Usage: "the `NAME` for people"},
					&cli.BoolFlag{Name: "admin", Usage: "may do everything"},
				),
				Action: func(c *cli.Context) error { return userCreate(c, p) },
			},
			{
				Name: "list", Usage: "list users", Aliases: []string{"ls"},
				Description: "EXAMPLES:\n   caret user list",
				Flags:       clientFlags(outputFlags()...),
				Action:      func(c *cli.Context) error { return userList(c, p) },
			},
			{
				Name: "inspect", Usage: "describe a user", ArgsUsage: "USER",
				Description: "EXAMPLES:\n   caret user inspect alice",
				Flags:       clientFlags(outputFlags()...),
				Action:      func(c *cli.Context) error { return userInspect(c, p) },
			},
			{
				Name: "delete", Usage: "delete a user and its keys; what it owns stays", Aliases: []string{"rm"}, ArgsUsage: "USER",
				Description: "EXAMPLES:\n   caret user delete alice --yes",
				Flags:       removalFlags(),
				Action:      func(c *cli.Context) error { return userDelete(c, p) },
			},
		},
	}
}

// onName connects and reads the one argument, a plain name.
func onName(c *cli.Context, p process, what string) (*client.Client, string, error) {
	args, err := arguments(c, what)
	if err != nil {
		return nil, "", err
	}
	cl, err := connect(c, p)
	return cl, args[0], err
}

func userCreate(c *cli.Context, p process) error {
	cl, name, err := onName(c, p, "USER")
	if err != nil {
		return err
	}
	u, err := cl.CreateUser(c.Context, v1.User{Name: name, Display: c.String("name"), Admin: c.Bool("admin")})
	if err != nil {
		return err
	}
	fmt.Fprintln(p.stdout, u.ID)
	fmt.Fprintf(p.stderr, "created user %s; give it a key: caret key create %s\n", u.Name, u.Name)
	return nil
}

func userList(c *cli.Context, p process) error {
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
	users := client.Each(func(after string) (v1.Page[v1.User], error) { return cl.Users(c.Context, after, 0) })
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

func userInspect(c *cli.Context, p process) error {
	pr, err := newPrinter(c, p)
	if err != nil {
		return err
	}
	cl, name, err := onName(c, p, "USER")
	if err != nil {
		return err
	}
	u, err := cl.User(c.Context, name)
	if err != nil {
		return err
	}
	return pr.details(u, "user", u.Name, "name", u.Display, "id", u.ID, "admin", yes(u.Admin), "created", pr.time(u.Created))
}

func userDelete(c *cli.Context, p process) error {
	cl, name, err := onName(c, p, "USER")
	if err != nil {
		return err
	}
	if ok, err := goAhead(c, p, func() (string, error) {
		if _, err := cl.User(c.Context, name); err != nil {
			return "", err
		}
		keys, err := client.All(func(after string) (v1.Page[v1.Key], error) { return cl.Keys(c.Context, name, after, 0) })
		return fmt.Sprintf("delete user %s and %s", name, count(len(keys), "key")), err
	}); !ok || err != nil {
		return err
	}
	if err := cl.DeleteUser(c.Context, name); err != nil {
		return err
	}
	fmt.Fprintf(p.stderr, "deleted user %s\n", name)
	return nil
}
