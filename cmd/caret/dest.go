package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"caret/api/client"
	"caret/api/v1"
)

// destination says where the file t goes to: a name, at which a regular file may be
// replaced, or something that takes bytes and stays what it is, such as a
// device or a fifo. Like cp it goes through symbolic links.
func destination(ctx context.Context, p process, t target, dest string) (string, io.WriteCloser, error) {
	if dest == "-" {
		return "", output{p.stdout}, nil
	}
	info, err := os.Stat(dest)
	if err == nil && info.IsDir() {
		name := path.Base(t.Path)
		if why := misfit(name); why != "" {
			return "", nil, usagef("%q cannot be the name of a file: %s; give one as DEST", name, why)
		}
		dest = filepath.Join(dest, name)
		info, err = os.Stat(dest)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if _, err := os.Lstat(dest); err == nil {
			return "", nil, fmt.Errorf("%s is a symbolic link to what is not there", dest)
		}
		return dest, nil, nil
	case err != nil:
		return "", nil, err
	case info.IsDir():
		return "", nil, fmt.Errorf("%s is a folder", dest)
	case sameAs(p.stdout, info):
		return "", output{p.stdout}, nil
	case !info.Mode().IsRegular():
		f, err := openStream(ctx, dest)
		return "", f, err
	}
	real, err := filepath.EvalSymlinks(dest)
	return real, nil, err
}

// output is standard output, which others close.
type output struct{ io.Writer }

// Close implements io.Closer.
func (output) Close() error { return nil }

// sameAs says whether w is the file that info is of, as with /dev/stdout.
func sameAs(w io.Writer, info fs.FileInfo) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	out, err := f.Stat()
	return err == nil && os.SameFile(out, info)
}

// openStream opens what is no regular file for writing. A fifo is waited for
// until somebody reads it, and ctx ends that as well as writing to it.
func openStream(ctx context.Context, name string) (*os.File, error) {
	type result struct {
		f   *os.File
		err error
	}
	opened := make(chan result, 1)
	go func() {
		f, err := os.OpenFile(name, os.O_WRONLY|unix.O_NOCTTY, 0)
		opened <- result{f, err}
	}()
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case r := <-opened:
		if r.err == nil {
			context.AfterFunc(ctx, func() { r.f.SetWriteDeadline(time.Unix(1, 0)) }) //nolint:errcheck // it may have none
		}
		return r.f, r.err
	}
}

// statPinned describes a file, and names the state in which it is like that.
func statPinned(ctx context.Context, cl *client.Client, t target) (v1.File, target, error) {
	// Who may read the file may not be one who is told of commits; then it is
	// fetched as it is at the moment.
	if at, err := cl.Resolve(ctx, t.Repo, t.Expr); err == nil {
		t.Expr = pinned(at, t.Expr)
	}
	f, err := cl.Stat(ctx, t.Repo, t.Expr, t.Path)
	f.Path = t.Path
	if err == nil {
		err = checkFile(f)
	}
	return f, t, err
}

// download writes a file to w.
func download(ctx context.Context, cl *client.Client, t target, w io.Writer) error {
	f, t, err := statPinned(ctx, cl, t)
	if err != nil {
		return err
	}
	d := fetch{cl: cl, from: t, bar: &bar{}}
	err = d.stream(ctx, f, w)
	return leaves(ctx, err, "what was written is not the whole file")
}
