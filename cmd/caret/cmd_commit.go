package main

import (
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"caret/api/client"
	"caret/api/v1"
)

func commitCommand(p process) *cli.Command {
	var log logOptions
	var open bool
	var message string // of start
	var finish v1.FinishCommit
	return &cli.Command{
		Name: "commit", Usage: "list and inspect commits; start, finish and abort open ones",
		Subcommands: []*cli.Command{
			{
				Name: "list", Usage: "list commits, newest first; --open lists those still written to", Aliases: []string{"ls"}, ArgsUsage: "REPO[@EXPR]",
				Description: "EXAMPLES:\n   caret commit list sales@master -n 10\n   caret commit list sales --open",
				Flags:       clientFlags(pagedFlags(append(log.flags(), &cli.BoolFlag{Name: "open", Usage: "open commits", Destination: &open})...)...),
				Action:      onTarget(p, func(c *call, t target) error { return commitList(c, t, log, open) }),
			},
			{
				Name: "inspect", Usage: "describe a commit and what it changed", ArgsUsage: "REPO@EXPR",
				Description: "EXAMPLES:\n   caret commit inspect sales@HEAD^",
				Flags:       clientFlags(pagedFlags()...),
				Action:      onTarget(p, commitInspect),
			},
			{
				Name: "start", Usage: "open a commit on a branch and print its id", ArgsUsage: "REPO[@BRANCH]",
				Description: "EXAMPLES:\n   id=$(caret commit start sales@master -m june)\n   aws s3 cp june.csv s3://$id.master.sales/\n   caret commit finish sales@$id",
				Flags:       clientFlags(outputFlags(messageFlag(&message), ifHeadFlag())...),
				Action:      onTarget(p, func(c *call, t target) error { return commitStart(c, t, message) }),
			},
			{
				Name: "finish", Usage: "make an open commit one of its branch, all or nothing", ArgsUsage: "REPO@ID",
				Description: "EXAMPLES:\n   caret commit finish sales@$id --strategy theirs",
				Flags: clientFlags(outputFlags(messageFlag(&finish.Message), ifHeadFlag(),
					&cli.StringFlag{Name: "strategy", Usage: "on conflicts keep `WHOSE` state: ours is the branch's, theirs the commit's", Destination: &finish.Strategy},
				)...),
				Action: onOpen(p, func(c *call, t target) error { return commitFinish(c, t, finish) }),
			},
			{
				Name: "abort", Usage: "drop an open commit and all that is staged in it", ArgsUsage: "REPO@ID",
				Description: "On a terminal it asks first, if something is staged.\n\nEXAMPLES:\n   caret commit abort sales@$id\n   caret commit abort sales@$id --dry-run",
				Flags:       removalFlags(),
				Action:      onOpen(p, commitAbort),
			},
		},
	}
}

func commitList(c *call, t target, o logOptions, open bool) error {
	pr := c.pr
	if t.HasPath {
		return usagef("%q has a path; `caret log` shows the commits that changed one", c.line.Args().First())
	}
	if !open {
		commits, err := readLog(c, t, o)
		if err == nil {
			err = listCommits(pr, commits)
		}
		if err != nil || pr.json {
			return err
		}
		for _, err := range openCommits(c, t.Repo) {
			if err != nil {
				break // they are not what was asked for
			}
		}
		return nil
	}
	if t.Expr != "" {
		return usagef("--open lists the open commits of a whole repo; write %s alone", t.Repo)
	}
	return list(pr, openCommits(c, t.Repo), "COMMIT\tBRANCH\tSTARTED\tEXPIRES\tAUTHOR\tMESSAGE", func(o v1.OpenCommit) []string {
		return []string{pr.short(o.ID), pr.cut(o.Branch, 12), pr.time(o.Started), pr.timeOf(o.Expires), pr.cut(o.Author, 8), pr.title(o.Message)}
	})
}

// openCommits are those of a repo. Behind the last it warns of those that are
// soon dropped.
func openCommits(c *call, repo string) iter.Seq2[v1.OpenCommit, error] {
	all := client.Each(func(after string) (v1.Page[v1.OpenCommit], error) { return c.cl.OpenCommits(c.ctx, repo, after, 0) })
	return func(yield func(v1.OpenCommit, error) bool) {
		soon := 0
		for o, err := range all {
			if err == nil && o.Expires != nil && time.Until(*o.Expires) < expiresSoon {
				soon++
			}
			if !yield(o, err) {
				return
			}
		}
		if soon > 0 {
			fmt.Fprintf(c.stderr, "warning: %s within %s unless written to, finished or aborted\n",
				count(soon, "open commit is dropped", "open commits are dropped"), expiresSoon)
		}
	}
}

// expiresSoon is when an open commit that nobody writes to is warned about.
const expiresSoon = 24 * time.Hour

func commitInspect(c *call, t target) error {
	pr := c.pr
	if t.Expr == "" {
		t.Expr = "HEAD"
	}
	x, err := c.cl.Commit(c.ctx, t.Repo, t.Expr)
	if err != nil {
		return err
	}
	changes := client.Each(func(after string) (v1.Page[v1.Change], error) { return c.cl.Changes(c.ctx, t.Repo, x.ID, after, 0) })
	if pr.json {
		all := []v1.Change{}
		for ch, err := range changes {
			if err != nil {
				return err
			}
			all = append(all, ch)
		}
		return pr.value(struct {
			v1.Commit
			Changes []v1.Change `json:"changes"`
		}{x, all})
	}
	state, expires, number := "", "", fmt.Sprint(x.N)
	if x.Open {
		state, expires, number = "open on branch "+x.Branch, pr.timeOf(x.Expires), ""
	}
	if err := pr.details(x, "commit", x.ID, "state", state, "expires", expires, "number", number, "parents", strings.Join(x.Parents, " "),
		"time", x.Time.UTC().Format("2006-01-02T15:04:05.000Z07:00"), "author", x.Author, "message", x.Message, "hash", x.Hash); err != nil {
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

func commitStart(c *call, t target, message string) error {
	cl, err := c.writer()
	if err != nil {
		return err
	}
	o, err := cl.StartCommit(c.ctx, t.Repo, t.Expr, message)
	if err != nil {
		return err
	}
	if err := c.pr.result(o, o.ID); err != nil {
		return err
	}
	fmt.Fprintf(c.stderr, "write to s3://%s.%s.%s and then: caret commit finish %s@%s\n", o.ID, o.Branch, o.Repo, o.Repo, o.ID)
	return nil
}

// onOpen is the action of a command on an open commit.
func onOpen(p process, run func(c *call, t target) error) cli.ActionFunc {
	return onTarget(p, func(c *call, t target) error {
		if t.Expr == "" || t.HasPath {
			return usagef("%q names no commit; write REPO@ID, with the ID that `caret commit start` printed", c.line.Args().First())
		}
		return run(c, t)
	})
}

func commitFinish(c *call, t target, in v1.FinishCommit) error {
	if in.Strategy != "" && in.Strategy != "ours" && in.Strategy != "theirs" {
		return usagef("--strategy %q: it is ours or theirs", in.Strategy)
	}
	cl, err := c.writer()
	if err != nil {
		return err
	}
	x, err := cl.FinishCommit(c.ctx, t.Repo, t.Expr, in)
	if err != nil {
		return err
	}
	return c.pr.result(x, x.ID)
}

func commitAbort(c *call, t target) error {
	if terminal(c.stdin) || c.line.Bool("dry-run") { // scripts need no --yes
		if ok, err := mayAbort(c, t); !ok || err != nil {
			return err
		}
	}
	var gone v1.Commit
	if c.pr.json {
		var err error
		if gone, err = c.cl.AbortCommitDryRun(c.ctx, t.Repo, t.Expr); err != nil {
			return err
		}
	}
	if err := c.cl.AbortCommit(c.ctx, t.Repo, t.Expr); err != nil {
		return err
	}
	fmt.Fprintf(c.stderr, "dropped open commit %s of repo %s\n", t.Expr, t.Repo)
	return c.pr.result(removed{Deleted: gone}, "")
}

// mayAbort is goAhead for an open commit, which is worth a question if
// something is staged in it.
func mayAbort(c *call, t target) (bool, error) {
	x, err := c.cl.AbortCommitDryRun(c.ctx, t.Repo, t.Expr)
	if err != nil || x.Files == 0 && !c.line.Bool("dry-run") {
		return err == nil, err
	}
	if c.pr.json && c.line.Bool("dry-run") {
		return false, c.pr.value(removed{x, true})
	}
	return goAhead(c, func() (string, error) {
		return fmt.Sprintf("drop open commit %s of repo %s and %s", x.ID, t.Repo, count(x.Files, "staged file")), nil
	})
}
