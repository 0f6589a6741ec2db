package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"caret/api/client"
	"caret/api/v1"
)

func rmCommand(p process) *cli.Command {
	var r removal
	return &cli.Command{
		Name: "rm", Usage: "delete files in one commit; history keeps them", ArgsUsage: "REPO[@BRANCH]:PATH...",
		Description: "On a terminal -r asks first.\n\nEXAMPLES:\n   caret rm sales@master:a.csv\n   caret rm -r sales@dev:june/ -m \"june was wrong\"\n" +
			"   caret rm -r sales@dev:june/ --dry-run",
		Flags: clientFlags(outputFlags(
			&cli.BoolFlag{Name: "recursive", Aliases: []string{"r"}, Usage: "also everything under the folder PATH", Destination: &r.recursive},
			&cli.BoolFlag{Name: "dry-run", Usage: "list what would be deleted, and change nothing", Destination: &r.dryRun},
			yesFlag(),
			messageFlag(&r.message),
			ifHeadFlag(),
		)...),
		Action: onLine(p, func(c *call) error { return rm(c, r) }),
	}
}

func rm(c *call, r removal) error {
	args, err := arguments(c.line, "REPO[@BRANCH]:PATH...")
	if err != nil {
		return err
	}
	if r.targets, err = onOneBranch(args); err != nil {
		return err
	}
	if r.ifHead, err = c.ifHead(); err != nil {
		return err
	}
	if err := c.connect(); err != nil {
		return err
	}
	r.cl, r.p, r.pr = c.cl, c.process, c.pr
	r.yes = c.line.Bool("yes") || !terminal(c.stdin) // a commit can be taken back
	return r.run(c.ctx)
}

// onOneBranch reads files that must be on one branch.
func onOneBranch(args []string) ([]target, error) {
	var targets []target
	for _, a := range args {
		t, err := parseTarget(a)
		if err != nil {
			return nil, err
		}
		if t.Path == "" {
			return nil, usagef("%q names no file; write %s:PATH", a, strings.TrimSuffix(t.String(), ":"))
		}
		targets = append(targets, t)
		if t.Repo != targets[0].Repo || t.Expr != targets[0].Expr {
			return nil, usagef("%q and %q are not on one branch, so one commit cannot delete both", args[0], a)
		}
	}
	return targets, nil
}

// removal is an rm under way.
type removal struct {
	cl        *client.Client
	p         process
	pr        printer
	targets   []target
	message   string
	ifHead    string
	recursive bool
	dryRun    bool
	yes       bool
}

// run deletes files of one branch in one commit.
func (r *removal) run(ctx context.Context) error {
	in := v1.Delete{Ref: r.targets[0].Expr, Message: r.message}
	for _, t := range r.targets {
		in.Paths = append(in.Paths, t.Path)
	}
	slices.Sort(in.Paths)
	in.Paths = slices.Compact(in.Paths)
	if r.recursive {
		var err error
		if in.Paths, err = r.find(ctx); err != nil {
			return err
		}
	}
	if r.dryRun || r.recursive && !r.yes && len(in.Paths) > 0 {
		would, err := deletable(ctx, r.cl.IfHead(r.ifHead), r.targets[0].Repo, in)
		switch {
		case err != nil:
			return err
		case r.dryRun && would.Files == 0:
			return r.nothing(ctx)
		case r.dryRun:
			fmt.Fprintf(r.p.stderr, "would delete %s\n", count(would.Files, "file"))
			return listDiff(r.pr, each(would.Changes))
		}
		if err := confirm(ctx, r.p, false, fmt.Sprintf("delete %s of %s", count(would.Files, "file"), r.names())); err != nil {
			return err
		}
	}
	out, err := deleteAll(ctx, r.cl, r.targets[0].Repo, r.ifHead, in)
	if err != nil {
		return err
	}
	if out.Files == 0 {
		return r.nothing(ctx)
	}
	if err := r.pr.result(out, out.Commit); err != nil {
		return err
	}
	fmt.Fprintf(r.p.stderr, "deleted %s\n", count(out.Files, "file"))
	if missing := len(in.Paths) - out.Files; missing > 0 {
		fmt.Fprintf(r.p.stderr, "%s not there\n", count(missing, "file was", "files were"))
	}
	return nil
}

// nothing is the error that no target is a file.
func (r *removal) nothing(ctx context.Context) error {
	t, err := r.targets[0], notFound(r.targets[0], "no such file: %s", r.names())
	if r.recursive || len(r.targets) > 1 {
		return err
	}
	if page, failed := r.cl.Files(ctx, t.Repo, t.Expr, asFolder(t.Path), "", "", 1); failed == nil && len(page.Items) > 0 {
		return notFile(t, "give -r to delete everything under it")
	}
	return unslashed(t, err)
}

func (r *removal) names() string {
	names := make([]string, len(r.targets))
	for i, t := range r.targets {
		names[i] = t.String()
	}
	return strings.Join(names, ", ")
}

// find lists the paths of what is to be deleted with folders, each once.
func (r *removal) find(ctx context.Context) ([]string, error) {
	found := make(map[string]bool)
	for _, t := range r.targets {
		// The first that begins with a path is the file of that path.
		page, err := r.cl.Files(ctx, t.Repo, t.Expr, t.Path, "", "", 1)
		if err != nil {
			return nil, err
		}
		if len(page.Items) > 0 && page.Items[0].Path == t.Path {
			found[t.Path] = true
		}
		for f, err := range client.Each(func(after string) (v1.Page[v1.File], error) {
			return r.cl.Files(ctx, t.Repo, t.Expr, asFolder(t.Path), "", after, 0)
		}) {
			if err != nil {
				return nil, err
			}
			found[f.Path] = true
		}
	}
	return slices.Sorted(maps.Keys(found)), nil
}

func paths(files []v1.File) []string {
	list := make([]string, len(files))
	for i, f := range files {
		list[i] = f.Path
	}
	return list
}

// removals are the deletions of files as a diff has them.
func removals(files []v1.File) []v1.Difference {
	list := make([]v1.Difference, len(files))
	for i := range files {
		list[i] = v1.Difference{Path: files[i].Path, Change: "removed", Old: &files[i]}
	}
	return list
}

// deletePage is how many files are deleted by one request.
const deletePage = 1000

// deletable is a dry run of deleteAll.
func deletable(ctx context.Context, cl *client.Client, repo string, in v1.Delete) (would v1.Written, err error) {
	in.DryRun = true
	for page := range slices.Chunk(in.Paths, deletePage) {
		in.Paths = page
		out, err := cl.Delete(ctx, repo, in)
		if err != nil {
			return would, err
		}
		would.Files += out.Files
		would.Changes = append(would.Changes, out.Changes...)
	}
	return would, nil
}

// deleteAll deletes any number of files in one commit.
func deleteAll(ctx context.Context, cl *client.Client, repo, ifHead string, in v1.Delete) (v1.Written, error) {
	if len(in.Paths) == 0 {
		return v1.Written{}, nil
	}
	if len(in.Paths) <= deletePage {
		return cl.IfHead(ifHead).Delete(ctx, repo, in)
	}
	total := 0
	into := oneCommit{repo: repo, branch: in.Ref, message: in.Message, ifHead: ifHead}
	id, err := into.write(ctx, cl, func(id string) (err error) {
		total, err = deleteIn(ctx, cl, repo, id, in.Paths)
		return err
	})
	return v1.Written{Commit: id, Files: total}, err
}

// deleteIn deletes any number of files in an open commit, and says how many
// there were.
func deleteIn(ctx context.Context, cl *client.Client, repo, id string, paths []string) (total int, err error) {
	for page := range slices.Chunk(paths, deletePage) {
		out, err := cl.Delete(ctx, repo, v1.Delete{Ref: id, Paths: page})
		if err != nil {
			return total, err
		}
		total += out.Files
	}
	return total, nil
}

// abortWithin is how long dropping an open commit may take when its writer
// has failed or was interrupted.
const abortWithin = 10 * time.Second

// oneCommit is a commit that many writes are to become.
type oneCommit struct{ repo, branch, message, ifHead string }

// write runs write with the id of an open commit and finishes that, or aborts
// it if write fails.
func (o oneCommit) write(ctx context.Context, cl *client.Client, write func(id string) error) (string, error) {
	repo, cond := o.repo, cl.IfHead(o.ifHead)
	if at, err := cl.Resolve(ctx, repo, o.branch); err != nil {
		return "", err
	} else if at.Open && o.ifHead != "" {
		return "", usagef("--if-head is for a branch; %s is an open commit, which is finished later", at.ID)
	} else if at.Open { // it is one commit already, which somebody else finishes
		if err := write(at.ID); err != nil {
			err = fmt.Errorf("%w; what went before that stays staged in open commit %s", err, at.ID)
			return "", leaves(ctx, err, "what went before that stays staged in open commit %s", at.ID)
		}
		return at.ID, nil
	}
	open, err := cond.StartCommit(ctx, repo, o.branch, o.message)
	if err != nil {
		return "", leaves(ctx, err, "nothing was committed")
	}
	if err = write(open.ID); err == nil {
		// As with a plain write, what comes last wins.
		_, err = cond.FinishCommit(ctx, repo, open.ID, v1.FinishCommit{Strategy: "theirs"})
	}
	if err == nil {
		return open.ID, nil
	}
	return "", dropOpen(ctx, cl, repo, open.ID, err)
}

// dropOpen aborts an open commit because of err, and returns that with what has
// become of it: an interrupt may have come when it was being finished.
func dropOpen(ctx context.Context, cl *client.Client, repo, id string, err error) error {
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), abortWithin)
	defer cancel()
	abort := cl.AbortCommit(last, repo, id)
	if abort == nil {
		return leaves(ctx, err, "nothing was committed")
	}
	if x, failed := cl.Commit(last, repo, id); failed == nil && !x.Open {
		return leaves(ctx, err, "commit %s was made", id)
	}
	if client.Code(abort) == "no_such_commit" {
		return leaves(ctx, err, "nothing was committed")
	}
	text := fmt.Sprintf("open commit %s could not be dropped; do it later by `caret commit abort %s@%s`", id, repo, id)
	return leaves(ctx, errors.Join(err, errors.New(text)), "%s", text)
}
