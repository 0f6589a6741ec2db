package main

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"caret/api/client"
	"caret/api/v1"
)

func keyCommand(p process) *cli.Command {
	var create v1.Key
	var scope string
	return &cli.Command{
		Name: "key", Usage: "create, list, inspect and delete access keys",
		Subcommands: []*cli.Command{
			{
				Name: "create", Usage: "make an access key; its secret is shown this once", ArgsUsage: "USER",
				Description: "EXAMPLES:\n   caret key create alice\n   caret key create alice --read-only --repo sales@dev",
				Flags: clientFlags(outputFlags(
					&cli.BoolFlag{Name: "read-only", Usage: "it only reads", Destination: &create.ReadOnly},
					&cli.StringFlag{Name: "repo", Usage: "it is for `REPO[@BRANCH]` alone", Destination: &scope},
				)...),
				Action: onName(p, func(c *call, user string) error { return keyCreate(c, user, create, scope) }),
			},
			{
				Name: "list", Usage: "list keys, without their secrets", Aliases: []string{"ls"}, ArgsUsage: "[USER]",
				Description: "EXAMPLES:\n   caret key list\n   caret key list alice",
				Flags:       clientFlags(pagedFlags()...),
				Action:      onLine(p, keyList),
			},
			{
				Name: "inspect", Usage: "describe a key, without its secret", ArgsUsage: "ACCESS_KEY",
				Description: "EXAMPLES:\n   caret key inspect CARETABCDEFGHIJKLMNO",
				Flags:       clientFlags(outputFlags()...),
				Action:      onName(p, keyInspect),
			},
			{
				Name: "delete", Usage: "delete a key", Aliases: []string{"rm"}, ArgsUsage: "ACCESS_KEY",
				Description: "EXAMPLES:\n   caret key delete CARETABCDEFGHIJKLMNO --yes",
				Flags:       removalFlags(),
				Action:      onName(p, keyDelete),
			},
		},
	}
}

func keyCreate(c *call, user string, k v1.Key, scope string) error {
	k.User = user
	if scope != "" {
		t, err := parseTarget(scope)
		if err != nil {
			return err
		}
		if t.HasPath {
			return usagef("--repo %q: REPO or REPO@BRANCH is expected", scope)
		}
		k.Repo, k.Branch = t.Repo, t.Expr
	}
	k, err := c.cl.CreateKey(c.ctx, k)
	if err != nil {
		return err
	}
	return c.pr.details(k, "access_key", k.AccessKey, "secret_key", k.SecretKey)
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

// may is what a key is good for.
func may(k v1.Key) string {
	if k.ReadOnly {
		return "read"
	}
	return "write"
}

func keyList(c *call) error {
	pr := c.pr
	user := ""
	if c.line.NArg() > 0 {
		args, err := arguments(c.line, "USER")
		if err != nil {
			return err
		}
		user = args[0]
	}
	if err := c.connect(); err != nil {
		return err
	}
	keys := client.Each(func(after string) (v1.Page[v1.Key], error) { return c.cl.Keys(c.ctx, user, after, 0) })
	return list(pr, keys, "ACCESS KEY\tUSER\tMAY\tFOR\tCREATED", func(k v1.Key) []string {
		return []string{k.AccessKey, pr.cut(k.User, 16), may(k), pr.cut(scopeOf(k), 16), pr.time(k.Created)}
	})
}

func keyInspect(c *call, key string) error {
	k, err := c.cl.Key(c.ctx, key)
	if err != nil {
		return err
	}
	return c.pr.details(k, "access_key", k.AccessKey, "user", k.User, "may", may(k), "for", scopeOf(k), "created", c.pr.time(k.Created))
}

func keyDelete(c *call, key string) error {
	if ok, err := remove(c, func() (any, string, error) {
		k, err := c.cl.DeleteKeyDryRun(c.ctx, key)
		return k, fmt.Sprintf("delete key %s of user %s, which is for %s", key, k.User, scopeOf(k)), err
	}, func() error { return c.cl.DeleteKey(c.ctx, key) }); !ok || err != nil {
		return err
	}
	fmt.Fprintf(c.stderr, "deleted key %s\n", key)
	return nil
}
