package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/dustin/go-humanize"
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
	dest := "."
	if len(args) > 1 {
		dest = args[1]
	}
	return getFile(c.Context, p, cl, t, dest)
}

// getFile fetches one file to a file, into a folder, or to standard output.
func getFile(ctx context.Context, p process, cl *client.Client, t target, dest string) error {
	if dest == "-" {
		return download(ctx, cl, t, p.stdout)
	}
	if info, err := os.Stat(dest); err == nil && info.IsDir() {
		name := path.Base(t.Path)
		if !isFileName(name) {
			return usagef("%q cannot be the name of a file; give one as DEST", name)
		}
		dest = filepath.Join(dest, name)
	}
	root, err := os.OpenRoot(filepath.Dir(dest))
	if err != nil {
		return err
	}
	defer root.Close() //nolint:errcheck // the files are closed
	// Only for the bar; the file may change until it is fetched.
	info, err := cl.Stat(ctx, t.Repo, t.Expr, t.Path)
	if err != nil {
		return err
	}
	b := newBar(p, info.Size, "fetching "+t.Path)
	defer b.finish()
	return fetch(ctx, cl, t, root, filepath.Base(dest), b)
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

// fetch writes a file under a temporary name that becomes name once it is
// whole. Nothing outside of root is touched, whatever links there are in it.
func fetch(ctx context.Context, cl *client.Client, t target, root *os.Root, name string, b *bar) error {
	temp := filepath.Join(filepath.Dir(name), ".caret-"+rand.Text())
	f, err := root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return err
	}
	err = errors.Join(download(ctx, cl, t, b.writer(f)), f.Close())
	if err == nil {
		err = root.Rename(temp, name)
	}
	if err != nil {
		root.Remove(temp) //nolint:errcheck // the first error tells more
	}
	return err
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
		if _, err := cl.Stat(ctx, t.Repo, t.Expr, strings.TrimSuffix(t.Path, "/")); err == nil {
			return usagef("%q is a file; leave -r out", strings.TrimSuffix(t.Path, "/"))
		}
		return notFound("there is nothing under %q", t)
	}
	names, total, err := localNames(files, t.Path)
	if err != nil {
		return err
	}
	if err := fetchAll(ctx, p, cl, t, files, names, total, dest, parallel); err != nil {
		return err
	}
	fmt.Fprintf(p.stderr, "fetched %s, %s, of commit %s\n", count(len(files), "file"), humanize.IBytes(uint64(total)), t.Expr)
	return nil
}

// fetchAll fetches files to names in the folder dest.
func fetchAll(ctx context.Context, p process, cl *client.Client, t target, files []v1.File, names []string, total int64, dest string, parallel int) error {
	if err := os.MkdirAll(dest, 0o777); err != nil {
		return err
	}
	root, err := os.OpenRoot(dest)
	if err != nil {
		return err
	}
	defer root.Close() //nolint:errcheck // the files are closed
	made := map[string]bool{".": true}
	for _, name := range names {
		if dir := filepath.Dir(name); !made[dir] {
			made[dir] = true
			if err := root.MkdirAll(dir, 0o777); err != nil {
				return err
			}
		}
	}
	b := newBar(p, total, "fetching "+count(len(files), "file"))
	defer b.finish()
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(parallel)
	for i, f := range files {
		if ctx.Err() != nil {
			break
		}
		g.Go(func() error {
			return fetch(ctx, cl, target{Repo: t.Repo, Expr: t.Expr, Path: f.Path}, root, names[i], b)
		})
	}
	return g.Wait()
}

// isFileName says whether name can be a file's in a folder.
func isFileName(name string) bool {
	return filepath.IsLocal(filepath.FromSlash(name)) && path.Clean(name) == name && name != "." && !strings.ContainsRune(name, 0)
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
		if !isFileName(name) {
			bad = append(bad, fmt.Errorf("%q cannot be the name of a file", f.Path))
			continue
		}
		seen[name] = true
	}
	both := make(map[string]bool)
	for _, name := range names {
		for dir := path.Dir(filepath.ToSlash(name)); dir != "." && dir != "/"; dir = path.Dir(dir) {
			if seen[dir] && !both[dir] {
				both[dir] = true
				bad = append(bad, fmt.Errorf("%q is a file and a folder", prefix+dir))
			}
		}
	}
	if len(bad) > 0 {
		return nil, 0, fmt.Errorf("nothing was fetched, because a folder cannot hold it all:\n%w", some(bad))
	}
	return names, total, nil
}
