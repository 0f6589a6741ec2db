package pfs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"caret/commits"
	"caret/objstore"
	"caret/objstore/memory"
	"caret/pfs/lease"
)

// errDead is what a process gets of its store once it has been stopped: nothing
// that it does from then on is of any effect.
var errDead = errors.New("the process is dead")

// mortal is a store as one process sees it, which can be stopped dead: in the
// midst of whatever it does, and without a Close.
type mortal struct {
	objstore.Store
	rows *mortalRows
}

func (m mortal) Rows() objstore.Rows { return m.rows }
func (m mortal) Close() error        { return nil }

type mortalRows struct {
	objstore.Rows
	dead  bool
	left  int  // updates before it is stopped; -1: it is not
	after bool // the last one is committed, which nobody is told
}

func (r *mortalRows) View(ctx context.Context, fn func(objstore.Reader) error) error {
	if r.dead {
		return errDead
	}
	return r.Rows.View(ctx, fn)
}

func (r *mortalRows) Update(ctx context.Context, about objstore.Subject, fn func(objstore.Writer) error) error {
	if r.dead {
		return errDead
	}
	if r.left--; r.left == -1 {
		r.dead = true
		if r.after {
			r.Rows.Update(ctx, about, fn) // nobody is told
		}
		return errDead
	}
	return r.Rows.Update(ctx, about, fn)
}

func (r *mortalRows) Number(ctx context.Context, sequence string, floor uint64) (uint64, error) {
	if r.dead {
		return 0, errDead
	}
	return r.Rows.Number(ctx, sequence, floor)
}

// process is one of those that share a store.
type process struct {
	fs   *FS
	rows *mortalRows
}

// pair is two processes on one store, that take turns at random in everything
// the model knows. One of them is stopped dead now and then, and another one
// takes its place.
type pair struct {
	*machine
	shared objstore.Store
	both   [2]*process
}

// pairTTL is how long open commits are kept here.
const pairTTL = time.Hour

func (x *pair) start() *process {
	rows := &mortalRows{Rows: x.shared.Rows(), left: -1}
	fs, err := openRoot(x.ctx, mortal{x.shared, rows}, Options{
		Now: func() time.Time { return x.now }, LayerAbove: 1, manual: true, foldPage: 2, OpenTTL: pairTTL,
	})
	x.must(err)
	return &process{fs, rows}
}

// Check runs after every action, and says who does the next one.
func (x *pair) Check(t *rapid.T) {
	x.machine.Check(t)
	x.fs = x.both[rapid.IntRange(0, 1).Draw(t, "process")].fs
}

// Reopen ends a process in order.
func (x *pair) Reopen(t *rapid.T) {
	x.t = t
	i := rapid.IntRange(0, 1).Draw(t, "process that ends")
	x.must(x.both[i].fs.sys.Close())
	x.both[i] = x.start()
	x.fs = x.both[i].fs
}

// Work is what goes on in the background.
func (x *pair) Work(t *rapid.T) {
	x.t = t
	x.must(x.fs.sys.jobs.Work(x.ctx))
}

// kill runs do in a process that is stopped dead somewhere in it, and returns
// the one that is left, once it may take over. do's error is returned.
func (x *pair) kill(do func(*FS) error) (heir *FS, err error) {
	i := rapid.IntRange(0, 1).Draw(x.t, "process that dies")
	dying := x.both[i]
	dying.rows.left, dying.rows.after = rapid.IntRange(0, 6).Draw(x.t, "after updates"), rapid.Bool().Draw(x.t, "committed")
	err = do(dying.fs)
	dying.rows.dead = true
	if err != nil && !errors.Is(err, errDead) && !errors.Is(err, ErrConflict) {
		x.t.Fatalf("a dying process: %v", err)
	}
	x.now = x.now.Add(lease.TTL + time.Second)
	x.both[i] = x.start()
	x.fs = x.both[1-i].fs
	return x.fs, err
}

// record runs fn, which tells the model of the commit with an id, at the time at
// which that was made.
func (x *pair) record(id CommitID, fn func()) {
	c, err := x.fs.Commit(x.ctx, openRef(x.repo, id))
	x.must(err)
	now := x.now
	x.now = c.Time
	fn()
	x.now = now
}

// KillFinish: what a process was finishing is finished, or is open as it was.
func (x *pair) KillFinish(t *rapid.T) {
	x.t = t
	id, o := x.openCommit()
	strategy := rapid.SampledFrom([]string{"", Ours, Theirs}).Draw(t, "strategy")
	heir, err := x.kill(func(fs *FS) error {
		_, err := fs.FinishCommit(x.ctx, openRef(x.repo, id), FinishOptions{Strategy: strategy})
		return err
	})
	if _, err := heir.Commit(x.ctx, openRef(x.repo, id)); err == nil { // it was made visible
		if conflicts := x.conflicts(o); strategy == "" && len(conflicts) > 0 {
			t.Fatalf("finished over conflicts at %q", conflicts)
		}
		x.record(id, func() { x.finished(id, o, strategy) })
		return
	}
	if err == nil {
		t.Fatalf("finished commit %s is gone", id)
	}
	if strategy != Ours && rapid.Bool().Draw(t, "leave it open") {
		return
	}
	if b := x.model.branches[o.branch]; o.base > 0 && (len(b) < o.base || b[o.base-1].id != o.parent) {
		return // the branch was reset: it is open for ever
	}
	_, err = heir.FinishCommit(x.ctx, openRef(x.repo, id), FinishOptions{Strategy: Ours})
	x.must(err)
	x.finished(id, o, Ours)
}

// KillWork: folding and dropping go on where a process has left them.
func (x *pair) KillWork(t *rapid.T) {
	x.t = t
	heir, _ := x.kill(func(fs *FS) error { return fs.sys.jobs.Work(x.ctx) })
	x.must(heir.sys.jobs.Work(x.ctx))
	x.must(x.nothingLeft(heir))
}

// nothingLeft says what work in the background is left.
func (x *pair) nothingLeft(fs *FS) error {
	waiting, err := fs.sys.Folding(x.ctx)
	if err == nil && waiting {
		err = errors.New("layers are left to be folded")
	}
	return err
}

// KillExpire: open commits whose time is over go, whoever is stopped over it.
func (x *pair) KillExpire(t *rapid.T) {
	x.t = t
	x.now = x.now.Add(2 * pairTTL)
	heir, _ := x.kill(func(fs *FS) error { return errors.Join(fs.sys.jobs.Sweep(x.ctx), fs.sys.jobs.Work(x.ctx)) })
	x.must(heir.sys.jobs.Sweep(x.ctx))
	x.must(heir.sys.jobs.Work(x.ctx))
	for id := range x.model.open {
		if _, _, err := heir.OpenCommit(x.ctx, openRef(x.repo, id)); !errors.Is(err, ErrNoSuchCommit) {
			t.Fatalf("the open commit %s is there when its time is over: %v", id, err)
		}
		delete(x.model.open, id)
	}
}

// upload uploads a file in one part, but for its completion.
func (x *pair) upload(to Ref, p string, data string) string {
	u, err := x.fs.CreateUpload(x.ctx, to, p, Attrs{ContentType: "t/0"}, WriteOptions{})
	x.must(err)
	_, w, err := x.fs.NewPart(x.ctx, to, p, u.ID, 1, int64(len(data)))
	x.must(err)
	defer w.Abort()
	_, err = io.WriteString(w, data)
	x.must(err)
	part, err := w.Close()
	x.must(err)
	_, err = x.fs.PutPart(x.ctx, to, p, u.ID, 1, part, Checksum{})
	x.must(err)
	return u.ID
}

// KillComplete: an upload becomes one commit, not two nor none, of a file or of
// an archive's files.
func (x *pair) KillComplete(t *rapid.T) {
	x.t = t
	b, p, f := x.branch(), x.path(), x.file()
	f.ctype = "t/0"
	id := x.upload(x.ref(b), p, f.data)
	archive := rapid.Bool().Draw(t, "archive")
	complete := func(fs *FS) (CommitID, error) {
		parts := []CompletedPart{{Number: 1}}
		if !archive {
			done, err := fs.CompleteUpload(x.ctx, x.ref(b), p, id, parts, Checksum{}, WriteOptions{})
			return done.Commit, err
		}
		return fs.CompleteInto(x.ctx, x.ref(b), p, id, parts, WriteOptions{}, func(r io.Reader, batch *Batch) error {
			w := fs.NewFile(x.ctx, -1)
			defer w.Abort()
			if _, err := w.ReadFrom(r); err != nil {
				return err
			}
			part, err := w.Close()
			if err != nil {
				return err
			}
			return batch.Add(x.ctx, "dir/x", part, Attrs{ContentType: f.ctype})
		})
	}
	var first CommitID
	heir, err := x.kill(func(fs *FS) (err error) {
		first, err = complete(fs)
		return err
	})
	made, againErr := complete(heir)
	x.must(againErr)
	if err == nil && made != first {
		t.Fatalf("completed as %s, and again as %s", first, made)
	}
	if archive {
		p = "dir/x"
	}
	x.record(made, func() { x.commit(b, made, map[string]*modelFile{p: &f}) })
}

// KillBatch: of many files that never became a commit nothing stays.
func (x *pair) KillBatch(t *rapid.T) {
	x.t = t
	if rapid.IntRange(0, 9).Draw(t, "rarely") > 0 {
		return
	}
	b := x.branch()
	w := x.fs.NewFile(x.ctx, -1)
	defer w.Abort()
	part, err := w.Close()
	x.must(err)
	heir, _ := x.kill(func(fs *FS) error {
		batch, err := fs.NewBatch(x.ctx, x.ref(b), WriteOptions{})
		for i := 0; i < 600 && err == nil; i++ {
			err = batch.Add(x.ctx, fmt.Sprintf("bulk/%d", i), part, Attrs{})
		}
		return err
	})
	x.must(heir.sys.jobs.Work(x.ctx))
	err = heir.sys.db.View(x.ctx, func(tx objstore.Reader) error {
		page, err := tx.Page(objstore.Prefix([]byte{'d'}), 100_000)
		for _, row := range page {
			if slices.Contains([]string{"bulk/0", "bulk/1"}, string(row.Key[17:])) {
				t.Fatalf("what was staged is left: %q", row.Key)
			}
		}
		return err
	})
	x.must(err)
}

// TestTakeover: two processes on one store, one of which is stopped dead over
// and over at any point of what takes several transactions.
func TestTakeover(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		x := &pair{shared: memory.New(), machine: &machine{
			t: rt, ctx: t.Context(), repo: "repo", now: time.UnixMilli(1_700_000_000_000).UTC(),
			model: model{branches: map[string]modelBranch{DefaultBranch: nil}, open: map[commits.ID]*modelOpen{}},
		}}
		x.both = [2]*process{x.start(), x.start()}
		x.fs = x.both[0].fs
		_, err := x.fs.CreateRepo(x.ctx, Repo{Name: "repo"})
		x.must(err)
		rt.Repeat(rapid.StateMachineActions(x))
	})
}
