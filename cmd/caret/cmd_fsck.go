package main

import (
	"fmt"
	"iter"

	"github.com/dustin/go-humanize"
	"github.com/urfave/cli/v2"

	"caret/api/client"
	"caret/api/v1"
)

func fsckCommand(p process) *cli.Command {
	var opt client.CheckOptions
	return &cli.Command{
		Name: "fsck", Usage: "read all that is stored and say what is damaged", ArgsUsage: "[REPO]",
		Description: "EXAMPLES:\n   caret fsck\n   caret fsck sales --quick\n   caret fsck -o json >damaged.json\n\n" +
			"Reads every state of every file, of deleted branches and what is not\n" +
			"finished too, and all of their content, each part once, while the server\n" +
			"goes on. Only administrators may. A file whose content is damaged is healed\n" +
			"by uploading it again: the same bytes are then stored anew, for all versions\n" +
			"that have them.\n\n" +
			"The exit status is 1 if something is damaged.",
		Flags: clientFlags(outputFlags(
			&cli.BoolFlag{Name: "quick", Usage: "verify commits and states alone, and read no content", Destination: &opt.Quick},
		)...),
		Action: onLine(p, func(c *call) error { return fsck(c, opt) }),
	}
}

func fsck(c *call, opt client.CheckOptions) error {
	args, err := arguments(c.line, []string{"REPO"}[:min(c.line.NArg(), 1)]...)
	if err != nil {
		return err
	}
	if len(args) > 0 {
		if opt.Repo, err = repoTarget(args[0]); err != nil {
			return err
		}
	}
	if err := c.connect(); err != nil {
		return err
	}
	var done v1.Checked
	b := newBar(c.process, -1, "checking")
	opt.At = func(at v1.Checked) {
		b.at(fsckAt(at), at.Bytes)
		done = at
	}
	err = listDamage(c.pr, c.cl.Check(c.ctx, opt))
	b.finish()
	if err != nil {
		return err
	}
	fmt.Fprintf(c.stderr, "checked %s, %s and %s of content (%s)\n", count(done.Commits, "commit"),
		count(done.Files, "version of a file", "versions of files"), count(int(done.Blobs), "piece"), humanize.IBytes(uint64(max(done.Bytes, 0))))
	if done.Damaged == 0 {
		return nil
	}
	return &hinted{
		fmt.Errorf("%s damaged", count(done.Damaged, "place is", "places are")),
		"upload a file again to heal its content; other versions of it may be whole, as `caret log REPO@BRANCH:PATH` shows them",
	}
}

// fsckAt is what a check is at, for people.
func fsckAt(at v1.Checked) string {
	where := "checking"
	if at.Repo != "" {
		where += " " + target{Repo: at.Repo, Expr: at.Branch}.String()
	}
	if at.Damaged > 0 {
		where += fmt.Sprintf(", %d damaged", at.Damaged)
	}
	return oneLine(where)
}

func listDamage(pr printer, found iter.Seq2[v1.Damage, error]) error {
	or := func(s string) string {
		if s == "" {
			return "-"
		}
		return oneLine(s)
	}
	return list(pr, found, "KIND\tREPO\tBRANCH\tVERSION\tPATH\tDETAIL", func(d v1.Damage) []string {
		return []string{paint(pr.color, red, d.Kind), or(d.Repo), or(d.Branch), pr.short(d.Version), or(d.Path), oneLine(d.Detail)}
	})
}
