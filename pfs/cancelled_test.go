package pfs

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"testing"

	"caret/objstore"
	"caret/objstore/memory"
	"caret/pfs/archive"
	"caret/pfs/upload"
)

// ending is a store that ends the context of who uses it at one of its transactions.
type ending struct {
	objstore.Store
	end *ender
}

// ender ends a context at transaction number at, before it or behind it.
type ender struct {
	at     int
	behind bool
	seen   int
	cancel context.CancelFunc
}

func (e *ender) around(run func() error) error {
	if e.cancel == nil {
		return run()
	}
	e.seen++
	now := e.seen == e.at
	if now && !e.behind {
		e.cancel()
	}
	err := run()
	if now && e.behind {
		e.cancel()
	}
	return err
}

func (s ending) Rows() objstore.Rows { return endingRows{s.Store.Rows(), s.end} }

type endingRows struct {
	objstore.Rows
	end *ender
}

func (r endingRows) View(ctx context.Context, fn func(objstore.Reader) error) error {
	return r.end.around(func() error { return r.Rows.View(ctx, fn) })
}

func (r endingRows) Update(ctx context.Context, about objstore.Subject, fn func(objstore.Writer) error) error {
	return r.end.around(func() error { return r.Rows.Update(ctx, about, fn) })
}

// cancelFS is a file system with something for every operation to do.
type cancelFS struct {
	*FS
	t           *testing.T
	end         *ender
	master, dev Ref
	first       CommitID
	open        CommitID
	uploaded    Upload
}

func newCancelFS(t *testing.T) *cancelFS {
	t.Helper()
	end := &ender{}
	fs, err := openRoot(t.Context(), ending{memory.New(), end}, Options{manual: true, LayerAbove: 5})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { fs.sys.Close() })
	mustRepo(t, fs, "r")
	x := &cancelFS{FS: fs, t: t, end: end, master: Ref{Repo: "r", Branch: "master"}, dev: Ref{Repo: "r", Branch: "dev"}}
	for i := range 4 {
		x.first = mustPut(t, fs, x.master, fmt.Sprint("f", i), "1")
	}
	if _, err := fs.CreateBranch(t.Context(), "r", "dev", BranchOptions{From: &x.master}); err != nil {
		t.Fatal(err)
	}
	mustPut(t, fs, x.dev, "f0", "dev")
	mustPut(t, fs, x.master, "f1", "2")
	o, err := fs.StartCommit(t.Context(), x.master, WriteOptions{})
	if err != nil {
		t.Fatal(err)
	}
	x.open = o.ID
	for i := range 9 {
		mustPut(t, fs, openRef("r", o.ID), fmt.Sprint("staged", i), "x")
	}
	if x.uploaded, err = fs.CreateUpload(t.Context(), x.master, "up", Attrs{}, WriteOptions{}); err != nil {
		t.Fatal(err)
	}
	part := FilePart{Content: store(t, fs, string(tarOf(t)))}
	if _, err := fs.PutPart(t.Context(), x.master, "up", x.uploaded.ID, 1, part, Checksum{}); err != nil {
		t.Fatal(err)
	}
	return x
}

func tarOf(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for i := range 3 {
		if err := w.WriteHeader(&tar.Header{Name: fmt.Sprint("member", i), Size: 1, Mode: 0o600}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// unpackInto adds the members of an archive to a batch.
func (x *cancelFS) unpackInto(ctx context.Context, r io.Reader, b *Batch) error {
	a, err := archive.New(r, archive.Options{})
	if err != nil {
		return err
	}
	for {
		m, err := a.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		w := x.NewFile(ctx, m.Size)
		defer w.Abort()
		if _, err := w.ReadFrom(m); err != nil {
			return err
		}
		part, err := w.Close()
		if err != nil {
			return err
		}
		if err := b.Add(ctx, m.Path, part, Attrs{}); err != nil {
			return err
		}
	}
}

// state is what the branch and the open commit show.
func (x *cancelFS) state() (string, int) {
	x.t.Helper()
	s, err := x.Open(context.Background(), x.master, ActList, "")
	if err != nil {
		x.t.Fatal(err)
	}
	_, staged, err := x.OpenCommit(context.Background(), openRef("r", x.open))
	if err != nil {
		staged = -1
	}
	return s.ID.String(), staged
}

// many adds files to a batch and finishes it.
func (x *cancelFS) many(ctx context.Context, to Ref, n int) (err error) {
	c := store(x.t, x.FS, "x")
	b, err := x.NewBatch(ctx, to, WriteOptions{})
	if err != nil {
		return err
	}
	defer func() {
		if closed := b.Close(); closed != nil {
			x.t.Errorf("close: %v", closed)
		}
	}()
	for i := range n {
		if err := b.Add(ctx, fmt.Sprintf("many%04d", i), FilePart{Content: c}, Attrs{}); err != nil {
			return err
		}
	}
	_, err = b.Finish(ctx)
	return err
}

// TestCancelled: whenever the context of an operation ends, it says what has happened:
// no error if all of it has, an error if nothing has, and nothing comes between.
func TestCancelled(t *testing.T) {
	t.Parallel()
	for name, op := range map[string]func(ctx context.Context, x *cancelFS) error{
		"put": func(ctx context.Context, x *cancelFS) error {
			_, err := x.Put(ctx, x.master, "f", store(x.t, x.FS, "x"), Attrs{}, WriteOptions{})
			return err
		},
		"batch":                func(ctx context.Context, x *cancelFS) error { return x.many(ctx, x.master, 3) },
		"large batch":          func(ctx context.Context, x *cancelFS) error { return x.many(ctx, x.master, 1200) },
		"batch to an open one": func(ctx context.Context, x *cancelFS) error { return x.many(ctx, openRef("r", x.open), 3) },
		"large to an open one": func(ctx context.Context, x *cancelFS) error { return x.many(ctx, openRef("r", x.open), 1200) },
		"finish": func(ctx context.Context, x *cancelFS) error {
			_, err := x.FinishCommit(ctx, openRef("r", x.open), FinishOptions{})
			return err
		},
		"merge": func(ctx context.Context, x *cancelFS) error {
			_, err := x.Merge(ctx, x.master, x.dev, MergeOptions{})
			return err
		},
		"revert": func(ctx context.Context, x *cancelFS) error {
			_, err := x.Revert(ctx, x.master, x.master, UndoOptions{})
			return err
		},
		"restore": func(ctx context.Context, x *cancelFS) error {
			_, err := x.RestoreFiles(ctx, x.master, openRef("r", x.first), "", UndoOptions{})
			return err
		},
		"copy": func(ctx context.Context, x *cancelFS) error {
			_, err := x.CopyFiles(ctx, x.master, "f", x.master, "copy", WriteOptions{})
			return err
		},
		"delete": func(ctx context.Context, x *cancelFS) error {
			_, err := x.Delete(ctx, x.master, Files("f0", "f1"), WriteOptions{})
			return err
		},
		"archive of parts": func(ctx context.Context, x *cancelFS) error {
			_, err := x.CompleteInto(ctx, x.master, "up", x.uploaded.ID, []upload.CompletedPart{{Number: 1}}, WriteOptions{},
				func(r io.Reader, b *Batch) error { return x.unpackInto(ctx, r, b) })
			return err
		},
		"upload": func(ctx context.Context, x *cancelFS) error {
			_, err := x.CompleteUpload(ctx, x.master, "up", x.uploaded.ID, []upload.CompletedPart{{Number: 1}}, Checksum{}, WriteOptions{})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			all := -1 // what is staged in the end
			for _, behind := range []bool{false, true} {
				for at := 1; ; at++ {
					x := newCancelFS(t)
					was, stagedBefore := x.state()
					ctx, cancel := context.WithCancel(t.Context())
					*x.end = ender{at: at, behind: behind, cancel: cancel}
					err := op(ctx, x)
					seen := x.end.seen
					*x.end = ender{}
					cancel()
					now, staged := x.state()
					done := now != was || staged != stagedBefore
					if done != (err == nil) {
						t.Errorf("ended at transaction %d, behind %v: made %v, and %v is told", at, behind, done, err)
					}
					if done && all < 0 {
						all = staged
					}
					if done && now == was && staged != all {
						t.Errorf("ended at transaction %d, behind %v: %d changes are staged", at, behind, staged)
					}
					if seen < at {
						break
					}
				}
			}
		})
	}
}

// TestCancelledBetweenHalves: versions whose rows are too long for one commit are all
// removed, or none, whenever the context ends.
func TestCancelledBetweenHalves(t *testing.T) {
	t.Parallel()
	for at := 1; ; at++ {
		p := newPartsFS(t, 6)
		end := &ender{}
		fs, err := openRoot(t.Context(), ending{p.store, end}, Options{manual: true})
		if err != nil {
			t.Fatal(err)
		}
		defer fs.sys.Close()
		before, err := fs.Open(t.Context(), p.master, ActList, "")
		if err != nil {
			t.Fatal(err)
		}
		head := expr(t, "HEAD")
		list := Files()
		for i := range p.files {
			list = append(list, Deletion{Path: fmt.Sprintf("big/%03d", i), Version: &head})
		}
		ctx, cancel := context.WithCancel(t.Context())
		*end = ender{at: at, behind: true, cancel: cancel}
		done, err := fs.Delete(ctx, p.master, list, WriteOptions{})
		seen := end.seen
		*end = ender{}
		cancel()
		now, openErr := fs.Open(t.Context(), p.master, ActList, "")
		if openErr != nil {
			t.Fatal(openErr)
		}
		if made := now.ID != before.ID; made != (err == nil) {
			t.Errorf("ended behind transaction %d: made %v, and %v is told", at, made, err)
		}
		for i, it := range done.Items {
			if !it.Existed || it.Err != nil {
				t.Errorf("ended behind transaction %d: version %d: %+v", at, i, it)
			}
		}
		if err == nil {
			p.holds(p.master, "big/", "")
		}
		if seen < at {
			break
		}
	}
}
