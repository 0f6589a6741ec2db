package main

import (
	"context"
	"fmt"
	"iter"
	"net/http"
	"strings"

	"github.com/urfave/cli/v2"

	"caret/api/client"
	"caret/api/v1"
)

func dryRunFlag() cli.Flag {
	return &cli.BoolFlag{Name: "dry-run", Usage: "say what would be done, and do nothing"}
}

// removalFlags are those of a command by which something goes away.
func removalFlags(more ...cli.Flag) []cli.Flag {
	return clientFlags(append(more, dryRunFlag(), yesFlag())...)
}

// goAhead says whether to do what the command is to do: not in a dry run,
// which only tells, and without --yes only if whoever is asked agrees. what
// says it, with what goes away.
func goAhead(c *cli.Context, p process, what func() (string, error)) (bool, error) {
	dry := c.Bool("dry-run")
	if c.Bool("yes") && !dry {
		return true, nil
	}
	text, err := what()
	if err != nil {
		return false, err
	}
	if dry {
		fmt.Fprintln(p.stdout, "would "+text)
		return false, nil
	}
	return true, confirm(c.Context, p, false, text)
}

// refused is the error of a dry run that the server would refuse to do.
func refused(status int, code, message, hint string) error {
	return &client.Error{Status: status, Code: code, Message: message, Hint: hint}
}

// unprotected says why a branch cannot go away.
func unprotected(b v1.Branch) error {
	if !b.Protected {
		return nil
	}
	return refused(http.StatusForbidden, "access_denied", fmt.Sprintf("branch %s of repo %s is protected", b.Name, b.Repo), "")
}

// describeRepoRemoval says what goes with a repo.
func describeRepoRemoval(c *cli.Context, cl *client.Client, repo string) (string, error) {
	if _, err := cl.Repo(c.Context, repo); err != nil {
		return "", err
	}
	var names []string
	commits := 0
	for b, err := range client.Each(func(after string) (v1.Page[v1.Branch], error) { return cl.Branches(c.Context, repo, after, 0) }) {
		if err == nil && c.Bool("dry-run") {
			err = unprotected(b)
		}
		if err != nil {
			return "", err
		}
		names = append(names, b.Name)
		commits += int(b.N)
	}
	if commits > 0 && c.Bool("dry-run") && !c.Bool("force") {
		return "", refused(http.StatusConflict, "not_empty", fmt.Sprintf("repo %s has commits", repo), "use --force if that is meant")
	}
	some := strings.Join(names[:min(len(names), 5)], ", ")
	if len(names) > 5 {
		some += ", ..."
	}
	return fmt.Sprintf("delete repo %s with %s (%s) and %s", repo,
		count(len(names), "branch", "branches"), some, count(commits, "commit")), nil
}

// describeBranchRemoval says what goes with a branch.
func describeBranchRemoval(c *cli.Context, cl *client.Client, repo, branch string) (string, error) {
	b, err := cl.Branch(c.Context, repo, branch)
	if err == nil && c.Bool("dry-run") {
		err = unprotected(b)
	}
	if err != nil {
		return "", err
	}
	text := fmt.Sprintf("delete branch %s of repo %s with %s", branch, repo, count(int(b.N), "commit"))
	two, err := cl.Branches(c.Context, repo, "", 2)
	if err == nil && len(two.Items) == 1 {
		text += ", and with its last branch the repo"
	}
	return text, err
}

// left lists the commits that lead to from, a commit's id, and not to the
// commit to. It reads both logs at the same pace, until they meet.
func left(ctx context.Context, cl *client.Client, repo, from, to string) ([]v1.Commit, error) {
	log := func(id string) (func() (v1.Commit, error, bool), func()) {
		return iter.Pull2(client.Each(func(after string) (v1.Page[v1.Commit], error) {
			return cl.Log(ctx, repo, id, client.LogFilter{}, after, 0)
		}))
	}
	if from == "" {
		return nil, nil
	}
	nextOld, stopOld := log(from)
	defer stopOld()
	nextNew, stopNew := log(to)
	defer stopNew()
	var olds []v1.Commit
	at := make(map[string]int) // of olds
	seen := make(map[string]bool)
	for {
		o, err, moreOld := nextOld()
		if err != nil || moreOld && seen[o.ID] {
			return olds, err
		}
		if moreOld {
			at[o.ID] = len(olds)
			olds = append(olds, o)
		}
		n, err, moreNew := nextNew()
		if err != nil || !moreOld && !moreNew {
			return olds, err
		}
		if i, ok := at[n.ID]; moreNew && ok {
			return olds[:i], nil
		}
		seen[n.ID] = true
	}
}

// describeReset says which commits a branch leaves by a reset to a commit;
// a dry run lists them.
func describeReset(c *cli.Context, p process, cl *client.Client, b v1.Branch, to string) (string, error) {
	x, err := cl.Commit(c.Context, b.Repo, to)
	if err == nil && c.Bool("dry-run") {
		err = unprotected(b)
	}
	if err != nil {
		return "", err
	}
	gone, err := left(c.Context, cl, b.Repo, b.Head, x.ID)
	if err != nil {
		return "", err
	}
	if c.Bool("dry-run") && len(gone) > 0 {
		pr, err := newPrinter(c, p)
		if err == nil {
			err = listCommits(pr, each(gone))
		}
		if err != nil {
			return "", err
		}
	}
	return fmt.Sprintf("reset branch %s of repo %s to %s; %s would no longer lead to the head",
		b.Name, b.Repo, x.ID, count(len(gone), "commit")), nil
}
