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

func logLimit() cli.Flag {
	return &cli.IntFlag{Name: "limit", Aliases: []string{"n"}, Usage: "at most `N` commits", Value: 0}
}

// logFlags choose which commits are shown.
func logFlags() []cli.Flag {
	return []cli.Flag{
		logLimit(),
		&cli.StringFlag{Name: "since", Usage: "commits at `TIME` or later: 2026-11-20, 2026-11-20T12:00:00Z, or so long ago, as 90m, 24h, 7d"},
		&cli.StringFlag{Name: "until", Usage: "commits at `TIME` or before"},
		&cli.StringFlag{Name: "author", Usage: "commits whose author has `TEXT` in the name"},
		&cli.StringFlag{Name: "message", Aliases: []string{"grep"}, Usage: "commits that have `TEXT` in the message"},
	}
}

func logCommand(p process) *cli.Command {
	return &cli.Command{
		Name: "log", Usage: "show the commits that lead to a state, or changed a path", ArgsUsage: "REPO[@EXPR][:PATH]",
		Description: "A PATH that ends in a slash stands for everything under it.\n\nEXAMPLES:\n   caret log sales\n   caret log sales@dev:june/ -n 5\n" +
			"   caret log sales@master:a.csv -o json\n   caret log sales --since 7d --author alice --message june",
		Flags:  clientFlags(outputFlags(logFlags()...)...),
		Action: func(c *cli.Context) error { return logRun(c, p) },
	}
}

// logFilter reads the flags.
func logFilter(c *cli.Context, t target) (client.LogFilter, error) {
	f := client.LogFilter{Path: t.Path, Author: c.String("author"), Message: c.String("message")}
	for name, to := range map[string]*time.Time{"since": &f.Since, "until": &f.Until} {
		text := c.String(name)
		if text == "" {
			continue
		}
		at, err := parseTime(text, time.Now())
		if day, dayErr := time.Parse(time.DateOnly, text); dayErr == nil && name == "until" {
			at = day.AddDate(0, 0, 1).Add(-time.Millisecond) // all of it
		}
		if err != nil {
			return f, usagef("--%s %q: it is a time such as 2026-11-20T12:00:00Z, a day as 2026-11-20, or how long ago, as 90m, 24h, 7d", name, text)
		}
		*to = at
	}
	return f, nil
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

// readLog goes through the commits that lead to a target, newest first, up
// to limit of them (0: all).
func readLog(c *cli.Context, cl *client.Client, t target, limit int) (iter.Seq2[v1.Commit, error], error) {
	if limit < 0 {
		return nil, usagef("--limit %d: it is a number of commits", limit)
	}
	f, err := logFilter(c, t)
	if err != nil {
		return nil, err
	}
	return first(client.Each(func(after string) (v1.Page[v1.Commit], error) {
		return cl.Log(c.Context, t.Repo, t.Expr, f, after, limit)
	}), limit), nil
}

func logRun(c *cli.Context, p process) error {
	pr, err := newPrinter(c, p)
	if err != nil {
		return err
	}
	cl, t, err := onTarget(c, p, "REPO[@EXPR][:PATH]")
	if err != nil {
		return err
	}
	log, err := readLog(c, cl, t, c.Int("limit"))
	if err != nil {
		return err
	}
	if t.Path != "" {
		log = orElse(log, func() error { return unchanged(t) })
	}
	return listCommits(pr, log)
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
