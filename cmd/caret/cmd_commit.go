package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"caret/api/client"
	"caret/api/v1"
)

func commitCommand(p process) *cli.Command {
	message := &cli.StringFlag{Name: "message", Aliases: []string{"m"}, Usage: "`TEXT` of the commit"}
	return &cli.Command{
		Name: "commit", Usage: "list and inspect commits; start, finish and abort open ones",
		Subcommands: []*cli.Command{
			{
				Name: "list", Usage: "list commits, newest first; --open lists those still written to", Aliases: []string{"ls"}, ArgsUsage: "REPO[@EXPR]",
				Description: "EXAMPLES:\n   caret commit list sales@master -n 10\n   caret commit list sales --open",
				Flags:       clientFlags(outputFlags(logLimit(), &cli.BoolFlag{Name: "open", Usage: "open commits"})...),
				Action:      func(c *cli.Context) error { return commitList(c, p) },
			},
			{
				Name: "inspect", Usage: "describe a commit and what it changed", ArgsUsage: "REPO@EXPR",
				Description: "EXAMPLES:\n   caret commit inspect sales@HEAD^",
				Flags:       clientFlags(outputFlags()...),
				Action:      func(c *cli.Context) error { return commitInspect(c, p) },
			},
			{
				Name: "start", Usage: "open a commit on a branch and print its id", ArgsUsage: "REPO[@BRANCH]",
				Description: "EXAMPLES:\n   id=$(caret commit start sales@master -m june)\n   aws s3 cp june.csv s3://$id.master.sales/\n   caret commit finish sales@$id",
				Flags:       clientFlags(message),
				Action:      func(c *cli.Context) error { return commitStart(c, p) },
			},
			{
				Name: "finish", Usage: "make an open commit one of its branch, all or nothing", ArgsUsage: "REPO@ID",
				Description: "EXAMPLES:\n   caret commit finish sales@$id --strategy theirs",
				Flags:       clientFlags(message, &cli.StringFlag{Name: "strategy", Usage: "on conflicts keep `WHOSE` state: ours is the branch's, theirs the commit's"}),
				Action:      func(c *cli.Context) error { return commitFinish(c, p) },
			},
			{
				Name: "abort", Usage: "drop an open commit and all that is staged in it", ArgsUsage: "REPO@ID",
				Description: "EXAMPLES:\n   caret commit abort sales@$id",
				Flags:       clientFlags(),
				Action:      func(c *cli.Context) error { return commitAbort(c, p) },
			},
		},
	}
}

func logLimit() cli.Flag {
	return &cli.IntFlag{Name: "limit", Aliases: []string{"n"}, Usage: "at most `N` commits", Value: 0}
}

func logCommand(p process) *cli.Command {
	return &cli.Command{
		Name: "log", Usage: "show the commits that lead to a state, or changed a path", ArgsUsage: "REPO[@EXPR][:PATH]",
		Description: "A PATH that ends in a slash stands for everything under it.\n\nEXAMPLES:\n   caret log sales\n   caret log sales@dev:june/ -n 5\n   caret log sales@master:a.csv -o json",
		Flags:       clientFlags(outputFlags(logLimit())...),
		Action:      func(c *cli.Context) error { return logRun(c, p) },
	}
}

// onTarget connects and reads the one argument.
func onTarget(c *cli.Context, p process, name string) (*client.Client, target, error) {
	args, err := arguments(c, name)
	if err != nil {
		return nil, target{}, err
	}
	t, err := parseTarget(args[0])
	if err != nil {
		return nil, t, err
	}
	cl, err := connect(c, p)
	return cl, t, err
}

// readLog reads up to limit commits (0: all).
func readLog(c *cli.Context, cl *client.Client, t target, limit int) ([]v1.Commit, error) {
	if limit < 0 {
		return nil, usagef("--limit %d: it is a number of commits", limit)
	}
	var all []v1.Commit
	for after := ""; ; {
		page, err := cl.Log(c.Context, t.Repo, t.Expr, t.Path, after, max(limit-len(all), 0))
		if err != nil {
			return nil, err
		}
		all = append(all, page.Items...)
		if page.Next == "" || limit > 0 && len(all) >= limit {
			return all, nil
		}
		after = page.Next
	}
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
	all, err := readLog(c, cl, t, c.Int("limit"))
	if err != nil {
		return err
	}
	return printCommits(pr, all)
}

func printCommits(pr printer, all []v1.Commit) error {
	return list(pr, all, "COMMIT\tN\tTIME\tAUTHOR\tFILES\tMESSAGE", func(x v1.Commit) []string {
		return []string{pr.short(x.ID), fmt.Sprint(x.N), pr.time(x.Time), cut(x.Author, 12), fmt.Sprint(x.Files), cut(x.Message, 28)}
	})
}

func commitList(c *cli.Context, p process) error {
	pr, err := newPrinter(c, p)
	if err != nil {
		return err
	}
	cl, t, err := onTarget(c, p, "REPO[@EXPR]")
	if err != nil {
		return err
	}
	if !c.Bool("open") {
		all, err := readLog(c, cl, t, c.Int("limit"))
		if err != nil {
			return err
		}
		return printCommits(pr, all)
	}
	open, err := cl.OpenCommits(c.Context, t.Repo)
	if err != nil {
		return err
	}
	return list(pr, open.Items, "COMMIT\tBRANCH\tSTARTED\tAUTHOR\tMESSAGE", func(o v1.OpenCommit) []string {
		return []string{o.ID, o.Branch, pr.time(o.Started), cut(o.Author, 12), cut(o.Message, 20)}
	})
}

func commitInspect(c *cli.Context, p process) error {
	pr, err := newPrinter(c, p)
	if err != nil {
		return err
	}
	cl, t, err := onTarget(c, p, "REPO@EXPR")
	if err != nil {
		return err
	}
	if t.Expr == "" {
		t.Expr = "HEAD"
	}
	x, err := cl.Commit(c.Context, t.Repo, t.Expr)
	if err != nil {
		return err
	}
	changes, err := client.All(func(after string) (v1.Page[v1.Change], error) { return cl.Changes(c.Context, t.Repo, x.ID, after, 0) })
	if err != nil {
		return err
	}
	if pr.json {
		return pr.value(struct {
			v1.Commit
			Changes []v1.Change `json:"changes"`
		}{x, changes})
	}
	if err := pr.details(x, "commit", x.ID, "number", fmt.Sprint(x.N), "parents", strings.Join(x.Parents, " "),
		"time", x.Time.Format(time.RFC3339), "author", x.Author, "message", x.Message, "hash", x.Hash); err != nil {
		return err
	}
	fmt.Fprintln(pr.w)
	return list(pr, changes, "CHANGE\tSIZE\tPATH", func(ch v1.Change) []string {
		if ch.Deleted {
			return []string{"deleted", "-", oneLine(ch.Path)}
		}
		return []string{"written", pr.size(ch.Size), oneLine(ch.Path)}
	})
}

func commitStart(c *cli.Context, p process) error {
	cl, t, err := onTarget(c, p, "REPO[@BRANCH]")
	if err != nil {
		return err
	}
	o, err := cl.StartCommit(c.Context, t.Repo, t.Expr, c.String("message"))
	if err != nil {
		return err
	}
	fmt.Fprintln(p.stdout, o.ID)
	fmt.Fprintf(p.stderr, "write to s3://%s.%s.%s and then: caret commit finish %s@%s\n", o.ID, o.Branch, o.Repo, o.Repo, o.ID)
	return nil
}

func commitFinish(c *cli.Context, p process) error {
	cl, t, err := onTarget(c, p, "REPO@ID")
	if err != nil {
		return err
	}
	x, err := cl.FinishCommit(c.Context, t.Repo, t.Expr, v1.FinishCommit{Message: c.String("message"), Strategy: c.String("strategy")})
	if err != nil {
		return err
	}
	fmt.Fprintln(p.stdout, x.ID)
	return nil
}

func commitAbort(c *cli.Context, p process) error {
	cl, t, err := onTarget(c, p, "REPO@ID")
	if err != nil {
		return err
	}
	return cl.AbortCommit(c.Context, t.Repo, t.Expr)
}
