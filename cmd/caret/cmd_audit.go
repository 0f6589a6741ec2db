package main

import (
	"cmp"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"caret/api/client"
	"caret/api/v1"
)

// auditOptions choose which lines are shown.
type auditOptions struct {
	limit        int // 0: all
	since, until string
	user, repo   string
}

func auditCommand(p process) *cli.Command {
	var o auditOptions
	return &cli.Command{
		Name: "audit", Usage: "show who changed users, keys, grants, settings, branches and tags",
		Description: "EXAMPLES:\n   caret audit -n 20\n   caret audit --since 7d --by alice\n   caret audit --repo sales -o json\n\n" +
			"The newest is first. Only administrators may, and the owner of a repo\n" +
			"with --repo. What commits change is not in it: `caret log` shows that.\n" +
			"With -o json there are the access keys and the requests, too.",
		Flags: clientFlags(pagedFlags(
			&cli.IntFlag{Name: "limit", Aliases: []string{"n"}, Usage: "at most `N` lines", Destination: &o.limit},
			&cli.StringFlag{Name: "since", Usage: "what was done at `TIME` or later: 2026-11-20, 2026-11-20T12:00:00Z, or so long ago, as 90m, 24h, 7d", Destination: &o.since},
			&cli.StringFlag{Name: "until", Usage: "what was done at `TIME` or before", Destination: &o.until},
			&cli.StringFlag{Name: "by", Usage: "what `USER` did", Destination: &o.user},
			&cli.StringFlag{Name: "repo", Usage: "what was done to `REPO`", Destination: &o.repo},
		)...),
		Action: onServer(p, func(c *call) error { return auditRun(c, o) }),
	}
}

func auditRun(c *call, o auditOptions) error {
	if o.limit < 0 {
		return usagef("--limit %d: it is a number of lines", o.limit)
	}
	f := client.AuditFilter{User: o.user, Repo: o.repo}
	if err := parseSpan(o.since, o.until, &f.Since, &f.Until, time.Now()); err != nil {
		return err
	}
	lines := client.Each(func(after string) (v1.Page[v1.AuditLine], error) {
		return c.cl.Audit(c.ctx, f, after, o.limit)
	})
	return list(c.pr, first(lines, o.limit), "TIME\tUSER\tADDRESS\tACTION\tON\tCHANGE", func(l v1.AuditLine) []string {
		or := func(s string) string { return oneLine(cmp.Or(s, "-")) }
		return []string{c.pr.time(l.Time), or(l.User), or(l.Address), or(l.Action), or(auditedThing(l)), or(commitIDs.ReplaceAllStringFunc(auditedChange(l), c.pr.short))}
	})
}

var commitIDs = regexp.MustCompile(`\b[0-9a-f]{32}\b`)

// auditedChange is what was, and what is.
func auditedChange(l v1.AuditLine) string {
	switch {
	case l.Before == "":
		return l.After
	case l.After == "":
		return "was " + l.Before
	}
	return l.Before + " -> " + l.After
}

// auditedThing is what a line is about, as it is written on the command line.
func auditedThing(l v1.AuditLine) string {
	s := l.Name
	if l.Repo != "" {
		s = l.Repo
		if l.Ref != "" {
			s += "@" + l.Ref
		}
		if l.Path != "" {
			s += ":" + l.Path
		}
	}
	if l.More > 0 {
		s += fmt.Sprintf(" and %d more", l.More)
	}
	return strings.TrimSpace(s)
}
