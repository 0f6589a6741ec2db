package main

import (
	"fmt"
	"os"
	"regexp"
	"strings"

	"github.com/urfave/cli/v2"

	"caret/commits/revision"
)

// s3Name is a bucket, [commit.][branch.]repo, as an address or not, and what
// is in it; slashName is a target with a slash for its colon.
var (
	s3Name    = regexp.MustCompile(`^(s3://)?((?:[\w^~-]+\.)*)([\w-]+)(/.*)?$`)
	slashName = regexp.MustCompile(`^([^:/]+)/([^:]*)$`)
)

// bucketTarget is what a bucket's name, or an address in it, means.
func bucketTarget(s string) (target, bool) {
	m := s3Name.FindStringSubmatch(s)
	if m == nil || m[1] == "" && m[2] == "" {
		return target{}, false
	}
	t := target{Repo: m[3], HasPath: m[4] != "", Path: strings.TrimPrefix(m[4], "/")}
	first, branch, _ := strings.Cut(strings.TrimSuffix(m[2], "."), ".")
	t.Expr = first
	if len(first) >= 4 && strings.EqualFold(first[:4], "HEAD") && branch != "" {
		t.Expr = branch + strings.Replace(first[4:], "-", "~", 1)
	}
	return t, !strings.Contains(branch, ".") && checkTarget(target{Repo: t.Repo, Expr: t.Expr}.String()) == nil
}

// notTarget is the error of parseTarget with what was meant, if that shows.
func notTarget(s string, err error) error {
	t, ok := bucketTarget(s)
	repo, rest, _ := strings.Cut(s, "@")
	slashed := slashName.FindStringSubmatch(s)
	switch {
	case s == "":
		return usagef("an empty name; write REPO@EXPR:PATH")
	case ok && t.HasPath:
		return usagef("%q is S3's name for what is %s here; write that", s, t)
	case ok && (strings.HasPrefix(s, "s3://") || strings.Count(s, ".") > 1):
		return usagef("%q is a bucket; write %s", s, t)
	case ok:
		return &hinted{usagef("%q is a bucket; write %s", s, t), "for a file of that name write REPO:" + s}
	case slashed != nil && checkTarget(slashed[1]) == nil:
		text := fmt.Sprintf("%q has no colon before a path; write %s:%s", s, slashed[1], slashed[2])
		if rest == "" {
			text += ", or REPO:" + s
		}
		if rest == "" && revision.CheckName(slashed[2]) == nil {
			text += fmt.Sprintf(", or %s@%s if %s is a branch", slashed[1], slashed[2], slashed[2])
		}
		return usagef("%s", text)
	case repo == "" || s[0] == ':':
		return usagef("%q names no repo; write REPO%s", s, s)
	case strings.HasPrefix(rest, ":"):
		return usagef("%q has nothing behind the @; write %s%s", s, repo, rest)
	case isExpr(s):
		return usagef("%q names no repo; write REPO@%s", s, s)
	}
	return err
}

// isExpr says whether s means something behind an @ alone.
func isExpr(s string) bool {
	_, err := revision.Parse(s)
	return err == nil && revision.CheckName(s) != nil
}

// spread tells how to write what stands in a second argument, where one is
// expected.
func spread(c *cli.Context) string {
	first, extra := c.Args().Get(0), c.Args().Get(1)
	named := strings.Contains(first, "@")
	for _, f := range c.Command.Flags {
		kind := valueKind(f)
		if named && kind == "EXPR" || !named && strings.HasPrefix(kind, "REPO") && strings.Contains(extra, "@") {
			return fmt.Sprintf("; write --%s %s", f.Names()[0], extra)
		}
	}
	m := targetUsage.FindStringSubmatch(c.Command.ArgsUsage)
	if m == nil || checkTarget(first) != nil {
		return ""
	}
	ref, path := m[2], m[4]
	switch {
	case ref != "" && !named && revision.CheckName(extra) == nil:
		return fmt.Sprintf("; REPO@%s is one word, the repo first: %s@%s or %s@%s", ref, first, extra, extra, first)
	case ref != "" && !named && isExpr(extra):
		return fmt.Sprintf("; write %s@%s", first, extra)
	case path != "":
		return fmt.Sprintf("; write %s:%s", first, extra)
	}
	return ""
}

// checkOrder finds a local file in front of what it is to be in the store.
func checkOrder(args, names []string) error {
	if len(names) != 2 || names[1] != "SOURCE" || strings.ContainsAny(args[0], "@:") {
		return nil
	}
	t, err := parseTarget(args[1])
	_, noFile := os.Lstat(args[0])
	if _, missing := os.Lstat(args[1]); err != nil || missing == nil || t.Expr == "" && !t.HasPath && noFile != nil {
		return nil
	}
	return usagef("%q comes first, and %q behind it", args[1], args[0])
}

// elsewhere is how caret says what other tools have commands for.
var elsewhere = map[string]string{
	"mb": "repo create", "rb": "repo delete", "init": "repo create", "create": "repo create",
	"list": "repo list", "repos": "repo list", "buckets": "repo list", "branches": "branch list", "tags": "tag list", "users": "user list", "keys": "key list",
	"add": "put", "push": "put", "sync": "put", "upload": "put", "write": "put",
	"clone": "get", "pull": "get", "fetch": "get", "checkout": "get", "download": "get", "read": "cat",
	"copy": "cp", "move": "mv", "rename": "mv", "del": "rm", "delete": "rm", "remove": "rm",
	"history": "log", "commits": "log", "show": "commit inspect", "undo": "revert",
	"start": "serve", "server": "serve", "login": "env", "config": "env", "check": "fsck",
}

// otherFlags is what other tools call flags of caret.
var otherFlags = map[string]string{"patch": "content", "p": "content", "max-count": "limit", "cached": "open"}
