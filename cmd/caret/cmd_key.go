package main

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"caret/api/client"
	"caret/api/v1"
)

func keyCommand(p process) *cli.Command {
	return &cli.Command{
		Name: "key", Usage: "create, list and delete access keys",
		Subcommands: []*cli.Command{
			{
				Name: "create", Usage: "make an access key; its secret is shown this once", ArgsUsage: "USER",
				Description: "EXAMPLES:\n   caret key create alice\n   caret key create alice --read-only --repo sales@dev",
				Flags: clientFlags(outputFlags(
					&cli.BoolFlag{Name: "read-only", Usage: "it only reads"},
					&cli.StringFlag{Name: "repo", Usage: "it is for `REPO[@BRANCH]` alone"},
				)...),
				Action: func(c *cli.Context) error { return keyCreate(c, p) },
			},
			{
				Name: "list", Usage: "list keys, without their secrets", Aliases: []string{"ls"}, ArgsUsage: "[USER]",
				Description: "EXAMPLES:\n   caret key list\n   caret key list alice",
				Flags:       clientFlags(outputFlags()...),
				Action:      func(c *cli.Context) error { return keyList(c, p) },
			},
			{
				Name: "delete", Usage: "delete a key", Aliases: []string{"rm"}, ArgsUsage: "ACCESS_KEY",
				Description: "EXAMPLES:\n   caret key delete CARETABCDEFGHIJKLMNO --yes",
				Flags:       clientFlags(&cli.BoolFlag{Name: "yes", Usage: "do not ask"}),
				Action:      func(c *cli.Context) error { return keyDelete(c, p) },
			},
		},
	}
}

func keyCreate(c *cli.Context, p process) error {
	pr, err := newPrinter(c, p)
	if err != nil {
		return err
	}
	cl, user, err := onName(c, p, "USER")
	if err != nil {
		return err
	}
	k := v1.Key{User: user, ReadOnly: c.Bool("read-only")}
	if scope := c.String("repo"); scope != "" {
		t, err := parseTarget(scope)
		if err != nil {
			return err
		}
		if t.HasPath {
			return usagef("--repo %q: REPO or REPO@BRANCH is expected", scope)
		}
		k.Repo, k.Branch = t.Repo, t.Expr
	}
	if k, err = cl.CreateKey(c.Context, k); err != nil {
		return err
	}
	return pr.details(k, "access_key", k.AccessKey, "secret_key", k.SecretKey)
}

// scopeOf is what a key is for.
func scopeOf(k v1.Key) string {
	switch {
	case k.Repo == "":
		return "everything"
	case k.Branch == "":
		return k.Repo
	}
	return k.Repo + "@" + k.Branch
}

func keyList(c *cli.Context, p process) error {
	pr, err := newPrinter(c, p)
	if err != nil {
		return err
	}
	user := ""
	if c.NArg() > 0 {
		args, err := arguments(c, "USER")
		if err != nil {
			return err
		}
		user = args[0]
	}
	cl, err := connect(c, p)
	if err != nil {
		return err
	}
	keys := client.Each(func(after string) (v1.Page[v1.Key], error) { return cl.Keys(c.Context, user, after, 0) })
	return list(pr, keys, "ACCESS KEY\tUSER\tMAY\tFOR\tCREATED", func(k v1.Key) []string {
		may := "write"
		if k.ReadOnly {
			may = "read"
		}
		return []string{k.AccessKey, pr.cut(k.User, 16), may, pr.cut(scopeOf(k), 20), pr.time(k.Created)}
	})
}

func keyDelete(c *cli.Context, p process) error {
	cl, key, err := onName(c, p, "ACCESS_KEY")
	if err != nil {
		return err
	}
	if err := confirm(c.Context, p, c.Bool("yes"), "delete key "+key); err != nil {
		return err
	}
	if err := cl.DeleteKey(c.Context, key); err != nil {
		return err
	}
	fmt.Fprintf(p.stderr, "deleted key %s\n", key)
	return nil
}
