package pfs

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"caret/commits/revision"
	"caret/objstore"
	"caret/objstore/memory"
	"caret/pfs/upload"
)

// measured is a store that remembers the most that one Update has read and written.
type measured struct {
	objstore.Store
	reads, writes *atomic.Int64 // rows
	before        *func()       // is called before each Update
}

func (m measured) Rows() objstore.Rows { return measuredRows{m.Store.Rows(), m} }

type measuredRows struct {
	objstore.Rows
	m measured
}

func (r measuredRows) Update(ctx context.Context, about objstore.Subject, fn func(objstore.Writer) error) error {
	(*r.m.before)()
	return r.Rows.Update(ctx, about, func(tx objstore.Writer) error {
		w := &measuredWriter{Writer: tx}
		err := fn(w)
		r.m.reads.Store(max(r.m.reads.Load(), w.reads))
		r.m.writes.Store(max(r.m.writes.Load(), w.writes))
		return err
	})
}

type measuredWriter struct {
	objstore.Writer
	reads, writes int64
}

func (w *measuredWriter) Get(key []byte) ([]byte, error) {
	w.reads++
	return w.Writer.Get(key)
}

func (w *measuredWriter) GetMany(keys [][]byte) ([][]byte, error) {
	w.reads += int64(len(keys))
	return w.Writer.GetMany(keys)
}

func (w *measuredWriter) Page(r objstore.Range, limit int) ([]objstore.Row, error) {
	page, err := w.Writer.Page(r, limit)
	w.reads += int64(len(page)) + 1
	return page, err
}

func (w *measuredWriter) Set(key, value []byte) error {
	w.writes++
	return w.Writer.Set(key, value)
}

func (w *measuredWriter) Delete(key []byte) error {
	w.writes++
	return w.Writer.Delete(key)
}

// boundFS is a file system on such a store, with a repo that has a branch.
type boundFS struct {
	*FS
	testing.TB
	m      measured
	master Ref
}

func newBound(t *testing.T, opts Options) *boundFS {
	t.Helper()
	nothing := func() {}
	m := measured{memory.New(), new(atomic.Int64), new(atomic.Int64), &nothing}
	opts.manual = true
	fs, err := openRoot(t.Context(), m, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { fs.sys.Close() })
	mustRepo(t, fs, "r")
	return &boundFS{FS: fs, TB: t, m: m, master: Ref{Repo: "r", Branch: "master"}}
}

// holds runs fn, in which no update may read more than so many rows, nor write more.
func (b *boundFS) holds(what string, reads, writes int64, fn func() error) {
	b.Helper()
	b.m.reads.Store(0)
	b.m.writes.Store(0)
	if err := fn(); err != nil {
		b.Fatalf("%s: %v", what, err)
	}
	if r, w := b.m.reads.Load(), b.m.writes.Load(); r > reads || w > writes {
		b.Errorf("%s: an update reads %d rows and writes %d; at most %d and %d are wanted", what, r, w, reads, writes)
	}
}

// TestBoundedDelete: a transaction that deletes files looks at nothing that was not changed
// since they were looked for.
func TestBoundedDelete(t *testing.T) {
	t.Parallel()
	b := newBound(t, Options{})
	mustPut(t, b.FS, b.master, "f", "x")
	for _, n := range []int{900, 5000} {
		var paths []string
		for i := range n {
			paths = append(paths, fmt.Sprint("absent", i))
		}
		b.holds(fmt.Sprint("delete absent ", n), 100, 20, func() error {
			_, err := b.Delete(t.Context(), b.master, Files(paths...), WriteOptions{})
			return err
		})
	}
}

// TestBoundedRemoval: versions of a key with a long history are found ahead of the
// transaction that removes them, whatever is written meanwhile.
func TestBoundedRemoval(t *testing.T) {
	t.Parallel()
	b := newBound(t, Options{})
	var ids []CommitID
	for i := range 1000 {
		ids = append(ids, mustPut(t, b.FS, b.master, "k", fmt.Sprint(i)))
	}
	oldest := func(ids []CommitID) (list []Deletion) {
		for _, id := range ids {
			list = append(list, Deletion{Path: "k", Version: &revision.Expr{Base: id.String()}})
		}
		return list
	}
	b.holds("remove the oldest", 100, 20, func() error {
		done, err := b.Delete(t.Context(), b.master, oldest(ids[:100]), WriteOptions{})
		for i, it := range done.Items {
			if !it.Existed {
				t.Errorf("item %d was not removed", i)
			}
		}
		return err
	})
	d := &deleting{to: b.master, list: oldest(ids[100:200])}
	if err := b.View(t.Context(), func(v *View) error { return d.look(v, &WriteOptions{}) }); err != nil {
		t.Fatal(err)
	}
	newest := mustPut(t, b.FS, b.master, "k", "newest")
	mustPut(t, b.FS, b.master, "other", "x")
	if _, err := b.Delete(t.Context(), b.master, oldest(ids[150:160]), WriteOptions{}); err != nil { // by somebody else
		t.Fatal(err)
	}
	id, err := revision.NewID(b.sys.rand)
	if err != nil {
		t.Fatal(err)
	}
	var done Deleted
	b.holds("remove what was looked for before", 100, 20, func() error {
		return b.update(t.Context(), "", nil, func(c *change) (err error) {
			done, err = d.do(c, id, &WriteOptions{})
			return err
		})
	})
	for i, it := range done.Items {
		if gone := i >= 50 && i < 60; it.Existed == gone {
			t.Errorf("item %d: removed now %t, before %t", i, it.Existed, gone)
		}
	}
	s, err := b.Open(t.Context(), b.master, ActRead, "k")
	if err != nil {
		t.Fatal(err)
	}
	page, err := s.Versions(t.Context(), VersionsOptions{Prefix: "k", Limit: 2000})
	if err != nil || len(page.Items) != 801 || page.Items[0].Commit != newest || page.Items[800].Commit != ids[200] {
		t.Errorf("%d versions are left, %v", len(page.Items), err)
	}
}

// TestBoundedEmpty: that a branch has no file any more, where many were, is found out ahead
// of the transaction that deletes it.
func TestBoundedEmpty(t *testing.T) {
	t.Parallel()
	b := newBound(t, Options{LayerAbove: 10_000})
	var paths []string
	for i := range 450 {
		paths = append(paths, fmt.Sprint("f", i))
		mustPut(t, b.FS, b.master, paths[i], "x")
	}
	if _, err := b.CreateBranch(t.Context(), "r", "dev", BranchOptions{From: &b.master}); err != nil {
		t.Fatal(err)
	}
	dev := Ref{Repo: "r", Branch: "dev"}
	if _, err := b.Delete(t.Context(), dev, Files(paths...), WriteOptions{}); err != nil {
		t.Fatal(err)
	}
	b.holds("delete the branch", 50, 20, func() error {
		_, err := b.DeleteBranch(t.Context(), "r", "dev", BranchDeletion{Empty: true})
		return err
	})
	var empty *Snapshot
	mustRepo(t, b.FS, "s")
	look := func(v *View) (err error) {
		if empty, _, err = v.branchRemoval("s", "master", &BranchDeletion{Empty: true}); err == nil {
			err = v.checkEmpty(empty)
		}
		return err
	}
	if err := b.View(t.Context(), look); err != nil {
		t.Fatal(err)
	}
	mustPut(t, b.FS, Ref{Repo: "s"}, "f", "x")
	err := b.View(t.Context(), func(v *View) error {
		s, _, err := v.branchRemoval("s", "master", &BranchDeletion{Empty: true})
		if err == nil {
			err = v.stillEmpty(s, empty)
		}
		return err
	})
	if err == nil || !strings.Contains(err.Error(), "holds files") {
		t.Errorf("a file came meanwhile: %v", err)
	}
}

// TestBoundedSteps: what has very many of something goes some at a time.
func TestBoundedSteps(t *testing.T) {
	t.Parallel()
	b := newBound(t, Options{})
	for i := range 350 {
		if _, err := b.CreateBranch(t.Context(), "r", fmt.Sprint("b", i), BranchOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	b.holds("delete the repo", 10*repoStep, 10*repoStep, func() error {
		gone, err := b.DeleteRepo(t.Context(), "r", DeleteOptions{})
		if gone.Count != 351 || !gone.Repo || len(gone.Branches) != maxRemoved {
			t.Errorf("gone: %+v", gone)
		}
		return err
	})
	if _, err := b.RestoreBranch(t.Context(), "r", "b7"); err != nil {
		t.Errorf("restore: %v", err)
	}
	if _, err := b.CreateUser(t.Context(), User{Name: "u"}); err != nil {
		t.Fatal(err)
	}
	for range 2*keyStep + 10 {
		if _, err := b.CreateKey(t.Context(), Key{User: "u"}); err != nil {
			t.Fatal(err)
		}
	}
	b.holds("delete the user", 50, keyStep+20, func() error {
		n, err := b.DeleteUser(t.Context(), "u", false)
		if n != 2*keyStep+10 {
			t.Errorf("%d keys", n)
		}
		return err
	})
	if left, err := b.Keys(t.Context(), "", "", 0); err != nil || len(left) > 0 {
		t.Errorf("%d keys are left, %v", len(left), err)
	}
}

// TestBoundedUpload: the parts of an upload that is over go some at a time, and all of them.
func TestBoundedUpload(t *testing.T) {
	t.Parallel()
	b := newBound(t, Options{})
	u, err := b.CreateUpload(t.Context(), b.master, "k", Attrs{}, WriteOptions{})
	if err != nil {
		t.Fatal(err)
	}
	const parts = 2*upload.DropStep + 10
	err = b.sys.db.Update(t.Context(), "", func(tx objstore.Writer) error {
		for i := range parts {
			if err := upload.SetPart(tx, u.ID, i+1, upload.Part{}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	b.holds("abort", upload.DropStep+50, upload.DropStep+50, func() error {
		if err := b.AbortUpload(t.Context(), b.master, "k", u.ID); err != nil {
			return err
		}
		return b.sys.jobs.Work(t.Context())
	})
	err = b.sys.db.View(t.Context(), func(tx objstore.Reader) error {
		for _, kind := range []byte{'p', 'P', 'u'} {
			if page, err := tx.Page(objstore.Prefix([]byte{kind}), 1); err != nil || len(page) > 0 {
				return fmt.Errorf("rows of kind %c are left: %w", kind, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// TestBoundedMerge: a merge that is made in one transaction, and any merge commit, reads as
// much however long the histories are that it joins and however many merges there were.
func TestBoundedMerge(t *testing.T) {
	t.Parallel()
	b := newBound(t, Options{})
	mustPut(t, b.FS, b.master, "a", "0")
	dev := Ref{Repo: "r", Branch: "dev"}
	if _, err := b.CreateBranch(t.Context(), "r", "dev", BranchOptions{From: &b.master}); err != nil {
		t.Fatal(err)
	}
	for i := range 300 {
		mustPut(t, b.FS, dev, "b", fmt.Sprint(i))
		if _, err := b.Merge(t.Context(), b.master, dev, MergeOptions{NoFastForward: true}); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 300 {
		mustPut(t, b.FS, dev, "b", fmt.Sprint("more", i))
	}
	m := &merging{fs: b.FS, into: b.master, from: dev, opt: MergeOptions{NoFastForward: true}}
	b.holds("merge at once", 100, 20, func() error { return m.atOnce(t.Context()) })
	if m.done.Files != 1 || m.done.Commit.IsZero() {
		t.Errorf("merged: %+v", m.done)
	}
	mustPut(t, b.FS, dev, "b", "last")
	b.holds("merge", 100, 20, func() error {
		_, err := b.Merge(t.Context(), b.master, dev, MergeOptions{NoFastForward: true})
		return err
	})
	if found, err := b.Check(t.Context(), CheckOptions{Found: func(d Damage) error { return fmt.Errorf("damaged: %+v", d) }}); err != nil || found.Damaged > 0 {
		t.Errorf("check: %+v, %v", found, err)
	}
}

// TestBoundedFinish: the transaction that makes a large set visible does not read it, also
// if the branch changes what is in it all the time.
func TestBoundedFinish(t *testing.T) {
	t.Parallel()
	b := newBound(t, Options{LayerAbove: 10})
	open, err := b.StartCommit(t.Context(), b.master, WriteOptions{})
	if err != nil {
		t.Fatal(err)
	}
	to := Ref{Repo: "r"}
	to.Base.Base = open.ID.String()
	for i := range 300 {
		mustPut(t, b.FS, to, fmt.Sprint("f", i), "x")
	}
	changed := 0
	var before func()
	before = func() {
		if changed == 3 {
			return
		}
		changed++
		*b.m.before = func() {}
		mustPut(t, b.FS, b.master, fmt.Sprint("f", changed), "of the branch")
		*b.m.before = before
	}
	*b.m.before = before
	b.holds("finish", 100, 20, func() error {
		_, err := b.FinishCommit(t.Context(), to, FinishOptions{Strategy: Ours})
		return err
	})
	s, err := b.Open(t.Context(), b.master, ActRead, "")
	if err != nil {
		t.Fatal(err)
	}
	all := 0
	for _, err := range s.All(t.Context(), "") {
		if all++; err != nil {
			t.Fatal(err)
		}
	}
	if info, err := s.Stat(t.Context(), "f2"); all != 300 || err != nil || info.Size() != int64(len("of the branch")) {
		t.Errorf("%d files, f2: %+v, %v", all, info.Size(), err)
	}
}

// TestBoundedSettings: the CORS document of a branch is not read by who writes to it.
func TestBoundedSettings(t *testing.T) {
	t.Parallel()
	b := newBound(t, Options{})
	document := make([]byte, 64<<10)
	set := func(c []byte) {
		t.Helper()
		if err := b.ChangeSettings(t.Context(), b.master, ActOwn, func(s *Settings) error { s.CORS = c; return nil }); err != nil {
			t.Fatal(err)
		}
	}
	is := func(want int) {
		t.Helper()
		s, err := b.Open(t.Context(), b.master, ActOwn, "")
		if err != nil {
			t.Fatal(err)
		}
		if got, err := s.Settings(t.Context()); err != nil || len(got.CORS) != want {
			t.Errorf("%d bytes, want %d: %v", len(got.CORS), want, err)
		}
	}
	set(document)
	is(len(document))
	err := b.ChangeSettings(t.Context(), b.master, ActOwn, func(s *Settings) error { s.Tags = map[string]string{"a": "b"}; return nil })
	if err != nil {
		t.Fatal(err)
	}
	is(len(document))
	err = b.sys.db.View(t.Context(), func(tx objstore.Reader) error {
		page, err := tx.Page(objstore.Prefix([]byte{'s'}), 10)
		for _, row := range page {
			if len(row.Value) > 1000 {
				t.Errorf("a row of settings of %d bytes", len(row.Value))
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	set(nil)
	is(0)
}
