package main

import (
	"context"
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
	var o getOptions
	return &cli.Command{
		Name: "get", Usage: "fetch a file, or a folder as one commit left it", ArgsUsage: "REPO[@EXPR]:PATH [DEST]",
		Description: "DEST is a file, a folder, or - for standard output; the name of PATH in this\n" +
			"folder if it is not given. With -r it is a folder, or - for a tar on standard\n" +
			"output. Files that are there already are not fetched again, and large ones\n" +
			"that were cut off are continued.\n\nEXAMPLES:\n   caret get sales@HEAD^:a.csv\n   caret get sales@HEAD^:june/ -r ./june\n   caret get sales@v1:june/ -r - | gzip >june.tar.gz",
		Flags: clientFlags(
			&cli.BoolFlag{Name: "recursive", Aliases: []string{"r"}, Usage: "everything under PATH, into the folder DEST or as a tar", Destination: &o.recursive},
			&cli.IntFlag{Name: "parallel", Usage: "`N` transfers at a time", Value: 16, Destination: &o.parallel},
		),
		Action: onLine(p, func(c *call) error { return get(c, o) }),
	}
}

// getOptions are the flags of get.
type getOptions struct {
	recursive bool
	parallel  int
}

func get(c *call, o getOptions) error {
	names := []string{"REPO[@EXPR]:PATH"}
	if c.line.NArg() > 1 || o.recursive {
		names = append(names, "DEST")
	}
	args, err := arguments(c.line, names...)
	if err != nil {
		return err
	}
	t, err := parseTarget(args[0])
	if err != nil {
		return err
	}
	if o.parallel < 1 {
		return usagef("--parallel %d: it is at least 1", o.parallel)
	}
	if err := c.connect(); err != nil {
		return err
	}
	if o.recursive {
		tr, err := readTree(c.ctx, c.cl, t)
		if err != nil {
			return err
		}
		if args[1] == "-" {
			return getTar(c.ctx, c.process, c.cl, tr, o.parallel)
		}
		return getFolder(c.ctx, c.process, c.cl, tr, args[1], o.parallel)
	}
	if t.Path == "" || strings.HasSuffix(t.Path, "/") {
		return usagef("%q names no file; give -r to fetch everything under it", args[0])
	}
	dest := "."
	if len(args) > 1 {
		dest = args[1]
	}
	return getFile(c.ctx, c.process, c.cl, t, dest)
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
	// Who may read the file may not be one who is told of commits; then it is
	// fetched as it is at the moment.
	if at, err := cl.Resolve(ctx, t.Repo, t.Expr); err == nil {
		t.Expr = pinned(at, t.Expr)
	}
	f, err := cl.Stat(ctx, t.Repo, t.Expr, t.Path)
	if err != nil {
		return orFolder(ctx, cl, t, err, "give -r to fetch everything under it")
	}
	d := fetch{cl: cl, from: t, root: root, bar: newBar(p, f.Size, "fetching")}
	defer d.bar.finish()
	name := filepath.Base(dest)
	if err := d.file(ctx, f, name); err != nil {
		return err
	}
	d.tidy([]string{name})
	return nil
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

// tree is everything under a prefix as one commit left it.
type tree struct {
	from   target // the state, whatever is written meanwhile
	commit string
	files  []v1.File // by path
	names  []string  // of files, without the prefix
	bytes  int64     // of all files
}

// readTree lists everything under the prefix t.
func readTree(ctx context.Context, cl *client.Client, t target) (tree, error) {
	at, err := cl.Resolve(ctx, t.Repo, t.Expr)
	if err != nil {
		return tree{}, err
	}
	tr := tree{from: t, commit: at.ID}
	tr.from.Expr, tr.from.Path = pinned(at, t.Expr), asFolder(t.Path)
	tr.files, err = client.All(func(after string) (v1.Page[v1.File], error) {
		return cl.Files(ctx, t.Repo, tr.from.Expr, tr.from.Path, "", after, 0)
	})
	if err != nil {
		return tree{}, err
	}
	if len(tr.files) == 0 {
		return tree{}, nothingUnder(ctx, cl, t)
	}
	tr.names, tr.bytes, err = localNames(tr.files, tr.from.Path)
	return tr, err
}

// nothingUnder is the error that there are no files under a prefix.
func nothingUnder(ctx context.Context, cl *client.Client, t target) error {
	file := strings.TrimSuffix(t.Path, "/")
	if _, err := cl.Stat(ctx, t.Repo, t.Expr, file); err == nil {
		return usagef("%q is a file; leave -r out", file)
	}
	return unslashed(t, notFound(t, "there is nothing under %q", t))
}

// orFolder is err, or that t is no file but a folder, and what to do with that.
func orFolder(ctx context.Context, cl *client.Client, t target, err error, instead string) error {
	if client.Code(err) != "no_such_path" {
		return err
	}
	page, failed := cl.Files(ctx, t.Repo, t.Expr, asFolder(t.Path), "", "", 1)
	if failed != nil || len(page.Items) == 0 {
		return unslashed(t, err)
	}
	return notFile(t, instead)
}

// notFile is the error that t is a folder where a file is expected.
func notFile(t target, instead string) error {
	return &missing{fmt.Sprintf("%q is a folder", t.Path), instead}
}

// unslashed is err with a hint if t may not be there because its path begins
// with a slash.
func unslashed(t target, err error) error {
	rest := strings.TrimLeft(t.Path, "/")
	if rest == t.Path {
		return err
	}
	t.Path = rest
	return &missing{err.Error(), "paths begin without a slash: " + t.String()}
}

// getFolder makes the folder dest what a tree is, and leaves alone what else
// is in it.
func getFolder(ctx context.Context, p process, cl *client.Client, tr tree, dest string, parallel int) error {
	if err := os.MkdirAll(dest, 0o777); err != nil {
		return err
	}
	root, err := os.OpenRoot(dest)
	if err != nil {
		return err
	}
	defer root.Close() //nolint:errcheck // the files are closed
	made := map[string]bool{".": true}
	for _, name := range tr.names {
		if dir := filepath.Dir(name); !made[dir] {
			made[dir] = true
			if err := root.MkdirAll(dir, 0o777); err != nil {
				return err
			}
		}
	}
	d := fetch{cl: cl, from: tr.from, root: root, bar: newBar(p, tr.bytes, "fetching "+count(len(tr.files), "file"))}
	defer d.bar.finish()
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(parallel)
	for i, f := range tr.files {
		g.Go(func() error { return d.file(ctx, f, tr.names[i]) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	d.tidy(tr.names)
	d.bar.finish()
	fmt.Fprintf(p.stderr, "fetched %s, %s, of commit %s", count(int(d.files.Load()), "file"), humanize.IBytes(uint64(d.bytes.Load())), tr.commit)
	if there := len(tr.files) - int(d.files.Load()); there > 0 {
		fmt.Fprintf(p.stderr, "; %d there already", there)
	}
	fmt.Fprintln(p.stderr)
	return nil
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
