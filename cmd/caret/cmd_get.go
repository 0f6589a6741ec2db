package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/urfave/cli/v2"
	"golang.org/x/sync/errgroup"

	"caret/api/client"
	"caret/api/v1"
)

func getCommand(p process) *cli.Command {
	return &cli.Command{
		Name: "get", Usage: "fetch a file, or a folder as one commit left it", ArgsUsage: "REPO[@EXPR]:PATH [DEST]",
		Description: "DEST is a file, a folder, or - for standard output; the name of PATH in this folder\n" +
			"if it is not given.\n\nEXAMPLES:\n   caret get sales@HEAD^:a.csv\n   caret get sales@HEAD^:june/ -r ./june",
		Flags: clientFlags(
			&cli.BoolFlag{Name: "recursive", Aliases: []string{"r"}, Usage: "everything under PATH, into the folder DEST"},
			&cli.IntFlag{Name: "parallel", Usage: "`N` transfers at a time", Value: 16},
		),
		Action: func(c *cli.Context) error { return get(c, p) },
	}
}

func get(c *cli.Context, p process) error {
	names := []string{"REPO[@EXPR]:PATH"}
	if c.NArg() > 1 || c.Bool("recursive") {
		names = append(names, "DEST")
	}
	args, err := arguments(c, names...)
	if err != nil {
		return err
	}
	t, err := parseTarget(args[0])
	if err != nil {
		return err
	}
	cl, err := connect(c, p)
	if err != nil {
		return err
	}
	if c.Bool("recursive") {
		return getFolder(c.Context, p, cl, t, args[1], max(c.Int("parallel"), 1))
	}
	if t.Path == "" || strings.HasSuffix(t.Path, "/") {
		return usagef("%q names no file; give -r to fetch everything under it", args[0])
	}
	dest := path.Base(t.Path)
	if len(args) > 1 {
		dest = args[1]
	}
	if dest == "-" {
		return download(c.Context, cl, t, p.stdout)
	}
	if info, err := os.Stat(dest); err == nil && info.IsDir() {
		dest = filepath.Join(dest, path.Base(t.Path))
	}
	return fetch(c.Context, cl, t, dest, newBar(p, -1, "fetching"))
}

// download writes a file to w.
func download(ctx context.Context, cl *client.Client, t target, w io.Writer) error {
	body, size, err := cl.Get(ctx, t.Repo, t.Expr, t.Path)
	if err != nil {
		return err
	}
	defer body.Close()
	n, err := io.Copy(w, body)
	if err == nil && n != size {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return fmt.Errorf("%s ended early: %w", t.Path, err)
	}
	return nil
}

// fetch writes a file under a temporary name that becomes dest once it is
// whole.
func fetch(ctx context.Context, cl *client.Client, t target, dest string, b *bar) error {
	f, err := os.CreateTemp(filepath.Dir(dest), ".caret-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	err = download(ctx, cl, t, b.writer(f))
	if err = errors.Join(err, f.Chmod(0o644), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), dest)
}

// getFolder fetches everything under a prefix as of one commit.
func getFolder(ctx context.Context, p process, cl *client.Client, t target, dest string, parallel int) error {
	if dest == "-" {
		return usagef("a tar on standard output cannot be written yet; name a folder")
	}
	snap, err := cl.Resolve(ctx, t.Repo, t.Expr)
	if err != nil {
		return err
	}
	if snap.ID != "" {
		t.Expr = snap.ID // whatever is written meanwhile
	}
	if t.Path != "" && !strings.HasSuffix(t.Path, "/") {
		t.Path += "/"
	}
	files, err := client.All(func(after string) (v1.Page[v1.File], error) {
		return cl.Files(ctx, t.Repo, t.Expr, t.Path, "", after, 0)
	})
	if err != nil {
		return err
	}
	if len(files) == 0 {
		return &client.Error{Status: 404, Message: fmt.Sprintf("there is nothing under %q", t), Hint: "`caret ls` shows what there is"}
	}
	names, total, err := localNames(files, t.Path)
	if err != nil {
		return err
	}
	b := newBar(p, total, fmt.Sprintf("fetching %d files", len(files)))
	defer b.finish()
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(parallel)
	for i, f := range files {
		g.Go(func() error {
			name := filepath.Join(dest, names[i])
			if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
				return err
			}
			return fetch(ctx, cl, target{Repo: t.Repo, Expr: t.Expr, Path: f.Path}, name, b)
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	fmt.Fprintf(p.stderr, "fetched %d files of commit %s\n", len(files), t.Expr)
	return nil
}

// localNames are the names of files in the folder they go to. Paths that no
// file system can hold beside each other, or that lead out of the folder,
// are an error before anything is written.
func localNames(files []v1.File, prefix string) ([]string, int64, error) {
	var total int64
	names := make([]string, len(files))
	seen := make(map[string]bool, len(files))
	var bad []error
	for i, f := range files {
		name := strings.TrimPrefix(f.Path, prefix)
		names[i] = filepath.FromSlash(name)
		total += f.Size
		if !filepath.IsLocal(names[i]) || path.Clean(name) != name || strings.ContainsRune(name, 0) {
			bad = append(bad, fmt.Errorf("%q cannot be the name of a file", f.Path))
			continue
		}
		seen[name] = true
	}
	for name := range seen {
		for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
			if seen[dir] {
				bad = append(bad, fmt.Errorf("%q is a file and a folder", prefix+dir))
			}
		}
	}
	if len(bad) > 0 {
		return nil, 0, fmt.Errorf("nothing was fetched:\n%w", errors.Join(bad[:min(len(bad), 10)]...))
	}
	return names, total, nil
}
