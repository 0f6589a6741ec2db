package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"caret/api/client"
	"caret/api/v1"
)

// tree is everything under a prefix as one commit left it.
type tree struct {
	from    target // the state, whatever is written meanwhile
	commit  string
	files   []v1.File // by path
	names   []string  // of files, below the folder that they go to
	folders []string  // that are there though nothing may be in them
	odd     []error   // why others are not among the files
	bytes   int64     // of all files
}

// readTree lists what is under the prefix t and meant by the filter. Files
// that no folder can hold are odd.
func readTree(ctx context.Context, cl *client.Client, t target, wanted filter) (tree, error) {
	at, err := cl.Resolve(ctx, t.Repo, t.Expr)
	if err != nil {
		return tree{}, err
	}
	tr := tree{from: t, commit: at.ID}
	tr.from.Expr, tr.from.Path = pinned(at, t.Expr), asFolder(t.Path)
	before, all := "", 0
	for f, err := range client.Each(func(after string) (v1.Page[v1.File], error) {
		return cl.Files(ctx, t.Repo, tr.from.Expr, tr.from.Path, "", after, 0)
	}) {
		if err == nil {
			err = checkListed(f, tr.from.Path, before)
		}
		if err != nil {
			return tree{}, err
		}
		before = f.Path
		all++
		if name := strings.TrimPrefix(f.Path, tr.from.Path); wanted.takes(name) {
			tr.add(f, name)
		}
	}
	switch {
	case all == 0:
		return tree{}, nothingUnder(ctx, cl, t)
	case len(wanted) > 0 && len(tr.files)+len(tr.folders)+len(tr.odd) == 0:
		return tree{}, noneMeant(t.String())
	}
	tr.untangle()
	return tr, nil
}

// noneMeant is the error that a filter leaves nothing of all there is.
func noneMeant(where string) error {
	return &hinted{fmt.Errorf("--exclude and --include leave nothing of what is in %s", where), "the first pattern that fits a file decides about it"}
}

// add takes a file in, in its place.
func (tr *tree) add(f v1.File, name string) {
	if isFolder(f, name) {
		if name != "" {
			tr.folders = append(tr.folders, strings.TrimSuffix(name, "/"))
		}
		return
	}
	if why := misfit(name); why != "" {
		tr.odd = append(tr.odd, fmt.Errorf("%q: %s", f.Path, why))
		return
	}
	tr.files, tr.names = append(tr.files, f), append(tr.names, name)
	tr.bytes += f.Size
}

// untangle leaves out files that are folders as well: a folder holds one of
// both, and what is in it is more.
func (tr *tree) untangle() {
	clash := both(append(tr.names[:len(tr.names):len(tr.names)], tr.folders...))
	for _, dir := range tr.folders {
		clash[dir] = true
	}
	files, names := tr.files, tr.names
	tr.files, tr.names, tr.bytes = nil, nil, 0
	for i, f := range files {
		if clash[names[i]] {
			tr.odd = append(tr.odd, fmt.Errorf("%q: it is a folder too", f.Path))
			continue
		}
		tr.files, tr.names = append(tr.files, f), append(tr.names, filepath.FromSlash(names[i]))
		tr.bytes += f.Size
	}
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
