package main

import (
	"fmt"
	"iter"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"caret/api/client"
	"caret/api/v1"
	"caret/commits/revision"
)

// logOptions choose which commits are shown.
type logOptions struct {
	limit           int // 0: all
	since, until    string
	author, message string
	graph           bool
}

func logLimit(to *int) cli.Flag {
	return &cli.IntFlag{Name: "limit", Aliases: []string{"n"}, Usage: "at most `N` commits", Value: 0, Destination: to}
}

// flags set the options.
func (o *logOptions) flags() []cli.Flag {
	return []cli.Flag{
		logLimit(&o.limit),
		&cli.StringFlag{Name: "since", Usage: "commits at `TIME` or later: 2026-11-20, 2026-11-20T12:00:00Z, or so long ago, as 90m, 24h, 7d", Destination: &o.since},
		&cli.StringFlag{Name: "until", Usage: "commits at `TIME` or before", Destination: &o.until},
		&cli.StringFlag{Name: "author", Usage: "commits whose author has `TEXT` in the name", Destination: &o.author},
		&cli.StringFlag{Name: "message", Aliases: []string{"grep"}, Usage: "commits that have `TEXT` in the message", Destination: &o.message},
	}
}

func logCommand(p process) *cli.Command {
	var o logOptions
	return &cli.Command{
		Name: "log", Usage: "show the commits that lead to a state, or changed a path", ArgsUsage: "REPO[@EXPR][:PATH]",
		Description: "A PATH that ends in a slash stands for everything under it. A merge is one\n" +
			"commit; --graph shows those that were merged too.\n\n" +
			"EXAMPLES:\n   caret log sales\n   caret log sales@master --graph -n 20\n   caret log sales@dev:june/ -n 5\n" +
			"   caret log sales@master:a.csv -o json\n   caret log sales --since 7d --author alice --message june",
		Flags: clientFlags(pagedFlags(append(o.flags(),
			&cli.BoolFlag{Name: "graph", Usage: "all commits that lead there, with lines from each to its parents", Destination: &o.graph},
		)...)...),
		Action: onTarget(p, func(c *call, t target) error { return logRun(c, t, o) }),
	}
}

// filter is what the server is asked for.
func (o logOptions) filter(t target) (client.LogFilter, error) {
	f := client.LogFilter{Path: t.Path, Author: o.author, Message: o.message}
	return f, parseSpan(o.since, o.until, &f.Since, &f.Until, time.Now())
}

// parseSpan reads the flags since and until; what is empty stays as it is.
func parseSpan(since, until string, from, to *time.Time, now time.Time) error {
	for _, limit := range []struct {
		flag, text string
		to         *time.Time
	}{{"since", since, from}, {"until", until, to}} {
		if limit.text == "" {
			continue
		}
		at, err := parseTime(limit.text, now)
		if day, dayErr := time.Parse(time.DateOnly, limit.text); dayErr == nil && limit.flag == "until" {
			at = day.AddDate(0, 0, 1).Add(-time.Millisecond) // all of it
		}
		if err != nil {
			return usagef("--%s %q: it is a time such as 2026-11-20T12:00:00Z, a day as 2026-11-20, or how long ago, as 90m, 24h, 7d", limit.flag, limit.text)
		}
		*limit.to = at
	}
	return nil
}

// parseTime reads a time, a day (UTC), or how long before now.
func parseTime(s string, now time.Time) (time.Time, error) {
	if days, ok := strings.CutSuffix(s, "d"); ok {
		if n, err := strconv.ParseUint(days, 10, 16); err == nil {
			return now.AddDate(0, 0, -int(n)), nil
		}
	}
	if d, err := time.ParseDuration(s); err == nil && d >= 0 {
		return now.Add(-d), nil
	}
	if t, err := time.Parse(time.DateOnly, s); err == nil {
		return t, nil
	}
	return time.Parse(time.RFC3339Nano, s)
}

// readLog goes through the commits that lead to a target, newest first.
func readLog(c *call, t target, o logOptions) (iter.Seq2[v1.Commit, error], error) {
	if o.limit < 0 {
		return nil, usagef("--limit %d: it is a number of commits", o.limit)
	}
	f, err := o.filter(t)
	if err != nil {
		return nil, err
	}
	return first(client.Each(func(after string) (v1.Page[v1.Commit], error) {
		return c.cl.Log(c.ctx, t.Repo, t.Expr, f, after, o.limit)
	}), o.limit), nil
}

func logRun(c *call, t target, o logOptions) error {
	if o.graph {
		return logGraph(c, t, o)
	}
	log, err := readLog(c, t, o)
	if err != nil {
		return err
	}
	if t.Path != "" {
		log = orElse(log, func() error { return unchanged(t) })
	}
	return listCommits(c.pr, log)
}

// unchanged is the error that no commit changed a path.
func unchanged(t target) error {
	text := fmt.Sprintf("no commit that leads there changed %q", t.Path)
	if revision.CheckName(t.Path) == nil && t.Expr == "" {
		text += fmt.Sprintf("; the commits of a branch are %s@%s", t.Repo, t.Path)
	}
	return notFound(t, "%s", text)
}

// about is the message of a commit, or what it changed if it has none.
func about(x v1.Commit) string {
	switch {
	case x.Message != "" || x.Path == "":
		return x.Message
	case x.Files == 1:
		return "(" + x.Path + ")"
	}
	return fmt.Sprintf("(%s and %d more)", x.Path, x.Files-1)
}

func listCommits(pr printer, commits iter.Seq2[v1.Commit, error]) error {
	return list(pr, commits, "COMMIT\tN\tTIME\tAUTHOR\tFILES\tMESSAGE", func(x v1.Commit) []string {
		return []string{pr.short(x.ID), fmt.Sprint(x.N), pr.time(x.Time), pr.cut(x.Author, 10), fmt.Sprint(x.Files), pr.title(about(x))}
	})
}
