package main

import (
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"caret/api/v1"
)

func dryRunFlag() cli.Flag {
	return &cli.BoolFlag{Name: "dry-run", Usage: "say what would be done, and do nothing"}
}

// removalFlags are those of a command by which something goes away.
func removalFlags(more ...cli.Flag) []cli.Flag {
	return clientFlags(outputFlags(append(more, dryRunFlag(), yesFlag())...)...)
}

// removed is what a command says as JSON that something went, or would go.
type removed struct {
	Deleted any  `json:"deleted"` // as the server describes it
	DryRun  bool `json:"dry_run,omitempty"`
}

// remove does away with something, unless the line or who is asked does not want
// that, and says whether it did. look says what would go, for programs and for
// people.
func remove(c *call, look func() (any, string, error), do func() error) (bool, error) {
	var gone any
	if c.pr.json { // also where nobody is asked
		var err error
		if gone, _, err = look(); err != nil {
			return false, err
		}
	}
	if c.pr.json && c.line.Bool("dry-run") {
		return false, c.pr.value(removed{gone, true})
	}
	ok, err := goAhead(c, func() (string, error) {
		_, text, err := look()
		return text, err
	})
	if err == nil && ok {
		err = do()
	}
	if err == nil && ok && c.pr.json {
		err = c.pr.value(removed{Deleted: gone})
	}
	return ok && err == nil, err
}

// goAhead says whether to do what the command is to do: not in a dry run,
// which only tells, and without --yes only if whoever is asked agrees. what
// says it, with what the server says would go.
func goAhead(c *call, what func() (string, error)) (bool, error) {
	dry := c.line.Bool("dry-run")
	if c.line.Bool("yes") && !dry {
		return true, nil
	}
	text, err := what()
	if err != nil {
		return false, err
	}
	if dry {
		fmt.Fprintln(c.stdout, oneLine("would "+text))
		return false, nil
	}
	return true, confirm(c.ctx, c.process, false, text)
}

// repoRemoval says what goes with a repo.
func repoRemoval(repo string, gone v1.Removal) string {
	some := strings.Join(gone.Branches, ", ")
	if gone.BranchCount > len(gone.Branches) {
		some += ", ..."
	}
	return fmt.Sprintf("delete repo %s with %s (%s) and %s", repo,
		count(gone.BranchCount, "branch", "branches"), some, count(int(gone.Commits), "commit"))
}

// branchRemoval says what goes with a branch.
func branchRemoval(repo, branch string, gone v1.Removal) string {
	text := fmt.Sprintf("delete branch %s of repo %s with %s", branch, repo, count(int(gone.Commits), "commit"))
	if gone.Repo {
		text += ", and with its last branch the repo"
	}
	return text
}
