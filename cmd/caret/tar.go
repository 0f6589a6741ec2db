package main

import (
	"archive/tar"
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"caret/api/client"
	"caret/api/v1"
	"caret/pfs/archive"
)

// smallFile is the size in bytes up to which files of a tar are held in
// memory, to be sent or fetched beside others; larger ones stream.
const smallFile = 1 << 20

// tarUpload is a tar on its way into an open commit.
type tarUpload struct {
	*upload
	id    string
	bar   *bar
	slots *semaphore.Weighted // for small files under way
	seen  map[string]bool
	bytes int64
	left  int // files of a checkout's own that are left out
}

// tar stores all files of a tar on standard input in one commit.
func (u *upload) tar(ctx context.Context) error {
	if terminal(u.p.stdin) {
		return usagef("a tar is not typed at a terminal; send one to standard input")
	}
	bar := newBar(u.p, -1, "storing a tar")
	defer bar.finish()
	// Reading must end with ctx, whatever standard input waits for.
	in, pipe := io.Pipe()
	defer in.Close() //nolint:errcheck // it has nothing to say
	defer context.AfterFunc(ctx, func() { pipe.CloseWithError(ctx.Err()) })()
	go func() {
		_, err := io.Copy(pipe, u.p.stdin)
		pipe.CloseWithError(err)
	}()
	members, err := archive.New(bar.reader(in), archive.Options{
		Prefix: asFolder(u.to.Path), Relative: true, MaxMembers: -1, MaxRatio: -1, // who sends it knows what is in it
	})
	if err != nil {
		return fmt.Errorf("standard input: %w", err)
	}
	t := tarUpload{upload: u, bar: bar, slots: semaphore.NewWeighted(int64(u.parallel)), seen: make(map[string]bool)}
	id, err := u.commit().write(ctx, u.cl, func(id string) error {
		t.id = id
		return t.members(ctx, members)
	})
	bar.finish()
	if err != nil {
		return err
	}
	if err := u.pr.result(v1.Written{Commit: id, Files: len(t.seen)}, id); err != nil {
		return err
	}
	fmt.Fprintf(u.p.stderr, "stored %s, %s, in one commit", count(len(t.seen), "file"), humanize.IBytes(uint64(t.bytes)))
	if t.left > 0 {
		fmt.Fprintf(u.p.stderr, "; left out %s that get keeps for itself", count(t.left, "file"))
	}
	fmt.Fprintln(u.p.stderr)
	return nil
}

// members stages all files of the tar.
func (t *tarUpload) members(ctx context.Context, members *archive.Reader) error {
	g, gctx := errgroup.WithContext(ctx)
	for {
		m, err := members.Next()
		switch {
		case err == nil:
			if err = t.meant(m); err == nil {
				err = t.member(gctx, g, m)
			}
			if err == nil || errors.Is(err, errLeft) {
				continue
			}
		case errors.Is(err, io.EOF) && len(t.seen) == 0 && len(t.filter) > 0:
			err = noneMeant("the tar")
		case errors.Is(err, io.EOF) && len(t.seen) == 0:
			err = errors.New("the tar holds no files")
		case errors.Is(err, io.EOF):
			err = nil
		default:
			err = fmt.Errorf("standard input: %w", err)
		}
		if failed := g.Wait(); failed != nil {
			return failed
		}
		return err
	}
}

// errLeft is that a file of the tar is left out.
var errLeft = errors.New("the file is left out")

// meant says whether a file of the tar is to be stored, as those of a folder would be.
func (t *tarUpload) meant(m *archive.Member) error {
	name := strings.TrimPrefix(m.Path, asFolder(t.to.Path))
	switch {
	case !t.filter.takes(name):
		return errLeft
	case reserved(path.Base(name)):
		t.left++
		return errLeft
	}
	return fitting(m.Path, t.force)
}

// member stages a file, a small one in the background.
func (t *tarUpload) member(ctx context.Context, g *errgroup.Group, m *archive.Member) error {
	slots := int64(1)
	if t.seen[m.Path] {
		slots = int64(t.parallel) // the last one of a path stays
	}
	if err := t.slots.Acquire(ctx, slots); err != nil {
		return err
	}
	t.seen[m.Path] = true
	t.bytes += m.Size
	if m.Size > smallFile {
		defer t.slots.Release(slots)
		return t.put(ctx, m.Path, input{m}, m.Size)
	}
	data := make([]byte, m.Size)
	if _, err := io.ReadFull(m, data); err != nil {
		t.slots.Release(slots)
		return fmt.Errorf("standard input: %w", err)
	}
	g.Go(func() error {
		defer t.slots.Release(slots)
		return t.put(ctx, m.Path, bytes.NewReader(data), m.Size)
	})
	return nil
}

func (t *tarUpload) put(ctx context.Context, name string, r io.Reader, size int64) error {
	if _, err := t.cl.Put(ctx, t.to.Repo, t.id, name, contentType(name), "", r, size); err != nil {
		return fmt.Errorf("%s: %w", oneLine(name), err)
	}
	return nil
}

// input tells what is wrong with standard input from what is wrong with the
// server that it is sent to.
type input struct{ io.Reader }

type inputError struct{ error }

func (e *inputError) Unwrap() error { return e.error }

func (in input) Read(p []byte) (int, error) {
	n, err := in.Reader.Read(p)
	if err != nil && err != io.EOF {
		err = &inputError{fmt.Errorf("standard input: %w", err)}
	}
	return n, err
}

// tarDownload is a tar of what is stored on its way out.
type tarDownload struct {
	fetch
	tree tree
	w    *tar.Writer
}

// getTar writes a tar of everything under a prefix to standard output.
func getTar(ctx context.Context, p process, cl *client.Client, tr tree, parallel int) error {
	if terminal(p.stdout) {
		return usagef("a tar is not for a terminal; send standard output to a file or a program")
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // ends what is under way when writing fails
	out := bufio.NewWriterSize(p.stdout, 64<<10)
	bar := newTransfer(p, "fetching", len(tr.files), tr.bytes)
	defer bar.finish()
	d := tarDownload{fetch: fetch{cl: cl, from: tr.from, bar: bar}, tree: tr, w: tar.NewWriter(out)}
	ahead := make(chan chan smallResult, parallel-1) // in the order of the files
	go func() {
		defer close(ahead)
		for _, f := range tr.files {
			result := make(chan smallResult, 1)
			select {
			case ahead <- result:
			case <-ctx.Done():
				return
			}
			go func() { result <- d.small(ctx, f) }()
		}
	}()
	if err := d.folders(); err != nil {
		return err
	}
	i := 0
	for result := range ahead {
		if err := d.write(ctx, i, <-result); err != nil {
			return err
		}
		i++
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := errors.Join(d.w.Close(), out.Flush()); err != nil {
		return err
	}
	bar.finish()
	fmt.Fprintf(p.stderr, "fetched %s, %s, of commit %s\n", count(len(tr.files), "file"), humanize.IBytes(uint64(tr.bytes)), tr.commit)
	return partly("not in the tar", tr.odd)
}

// folders adds those that are there though nothing may be in them.
func (d *tarDownload) folders() error {
	for _, name := range d.tree.folders {
		if err := d.w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: name + "/", Mode: 0o755}); err != nil {
			return err
		}
	}
	return nil
}

// smallResult is what a small file holds.
type smallResult struct {
	data []byte
	err  error
}

// small fetches a file that is small, and nothing of others.
func (d *tarDownload) small(ctx context.Context, f v1.File) smallResult {
	if f.Size > smallFile {
		return smallResult{}
	}
	var b bytes.Buffer
	err := d.stream(ctx, f, &b)
	return smallResult{b.Bytes(), err}
}

// write adds the i-th file to the tar.
func (d *tarDownload) write(ctx context.Context, i int, r smallResult) error {
	f := d.tree.files[i]
	if r.err != nil {
		return r.err
	}
	h := tar.Header{Typeflag: tar.TypeReg, Name: d.tree.names[i], Size: f.Size, Mode: 0o644}
	if f.Modified != nil {
		h.ModTime = f.Modified.Truncate(time.Second) // as tars have it
	}
	if err := d.w.WriteHeader(&h); err != nil {
		return fmt.Errorf("%s: %w", oneLine(f.Path), err)
	}
	if f.Size > smallFile {
		if err := d.stream(ctx, f, d.w); err != nil {
			return err
		}
		d.bar.file()
		return nil
	}
	_, err := d.w.Write(r.data)
	d.bar.file()
	return err
}
