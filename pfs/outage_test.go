package pfs

import (
	"context"
	"errors"
	"io"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"caret/objstore"
	"caret/objstore/memory"
	"caret/pfs/rows"
)

// outage is a store in memory that can be made to take no writes, as one on a full
// disk.
type outage struct {
	*memory.Store
	why atomic.Pointer[error] // nil while it takes them
}

func newOutage() *outage {
	x := &outage{}
	x.Store = memory.NewWith(memory.Options{Fault: func(point string) error {
		if err := x.why.Load(); err != nil && point != "blob.get" && point != "rows.view" {
			return *err
		}
		return nil
	}})
	return x
}

func (x *outage) begin(why error) { x.why.Store(&why) }
func (x *outage) end()            { x.why.Store(nil) }

// shown is all that can be read of the repo r.
type shown struct {
	Heads   []Branch
	States  map[string]map[CommitID]map[string]CommitID
	Data    map[string]string
	Open    []OpenCommit
	Staged  map[CommitID][]Item
	Uploads []Upload
	Parts   [][]PartInfo
}

func show(t testing.TB, fs *FS) (all shown) {
	t.Helper()
	ctx := context.Background()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	var err error
	all.Heads, err = fs.Branches(ctx, "r", "", 0)
	must(err)
	all.States, all.Data, all.Staged = map[string]map[CommitID]map[string]CommitID{}, map[string]string{}, map[CommitID][]Item{}
	for _, b := range all.Heads {
		_, all.States[b.Name] = states(t, fs, b.Name)
		for path := range all.States[b.Name][b.Head] {
			all.Data[path], err = read(fs, Ref{Repo: "r", Branch: b.Name}, path)
			must(err)
		}
	}
	all.Open, err = fs.OpenCommits(ctx, "r", CommitID{}, 0)
	must(err)
	for _, o := range all.Open {
		s, err := fs.Open(ctx, openRef("r", o.ID), ActList, "")
		must(err)
		page, err := s.List(ctx, ListOptions{Limit: 1000})
		must(err)
		all.Staged[o.ID] = page.Items
	}
	master, err := fs.Open(ctx, Ref{Repo: "r"}, ActList, "")
	must(err)
	page, err := master.Uploads(ctx, UploadsOptions{Limit: 100})
	must(err)
	for _, u := range page.Items {
		u.Owner, u.Attempt = "", ""
		all.Uploads = append(all.Uploads, u.Upload)
		parts, err := fs.Parts(ctx, Ref{Repo: "r"}, u.Path, u.ID, 0, 100)
		must(err)
		all.Parts = append(all.Parts, parts.Parts)
	}
	return all
}

// refusesWrites checks that each kind of write says why.
func refusesWrites(t testing.TB, fs *FS, why error) {
	t.Helper()
	ctx, master := context.Background(), Ref{Repo: "r"}
	s, err := fs.Open(ctx, master, ActList, "")
	if err != nil {
		t.Fatal(err)
	}
	first, err := s.Stat(ctx, "first")
	if err != nil {
		t.Fatal(err)
	}
	for what, do := range map[string]func() error{
		"content": func() error {
			w := fs.NewFile(ctx, -1)
			defer w.Abort()
			io.WriteString(w, "new")
			_, err := w.Close()
			return err
		},
		"put":    func() error { _, err := fs.Copy(ctx, first, master, "copy", nil, WriteOptions{}); return err },
		"delete": func() error { _, err := fs.Delete(ctx, master, Files("first"), WriteOptions{}); return err },
		"repo":   func() error { _, err := fs.CreateRepo(ctx, Repo{Name: "other"}); return err },
		"branch": func() error { _, err := fs.CreateBranch(ctx, "r", "other", BranchOptions{From: &master}); return err },
		"start":  func() error { _, err := fs.StartCommit(ctx, master, WriteOptions{}); return err },
		"finish": func() error {
			o, err := fs.OpenCommits(ctx, "r", CommitID{}, 0)
			if err != nil || len(o) == 0 {
				return errors.Join(err, why)
			}
			_, err = fs.FinishCommit(ctx, openRef("r", o[0].ID), FinishOptions{})
			return err
		},
		"writable": func() error { return fs.sys.Writable(ctx) },
	} {
		if err := do(); !errors.Is(err, why) {
			t.Errorf("%s while the store takes no writes: %v", what, err)
		}
	}
}

// settled waits until there is nothing left to do in the background.
func settled(t testing.TB, fs *FS) {
	t.Helper()
	late := time.After(10 * time.Minute) // of the bubble's clock
	for {
		changed := fs.sys.db.Changed()
		n := rowsOf(t, fs, rows.Folding) + rowsOf(t, fs, rows.Dropping)
		if orphans := countInternal(t, fs); n+orphans == 0 {
			return
		}
		select {
		case <-changed:
		case <-late:
			t.Fatalf("%d rows still ask for work in the background", n)
		}
	}
}

// countInternal counts open commits that are part of a request.
func countInternal(t testing.TB, fs *FS) (n int) {
	t.Helper()
	err := fs.sys.db.View(context.Background(), func(tx objstore.Reader) error {
		n = 0
		return rows.Some(tx, []byte{rows.Open}, "", 0, func(_ string, value []byte) error {
			var o struct{ Internal bool }
			err := rows.Decode(nil, value, &o)
			if o.Internal {
				n++
			}
			return err
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestOutage: whatever a process that was stopped dead has left half done, a store
// that takes no writes opens and shows it all; what is left to do is done once there
// is room, without another start.
func TestOutage(t *testing.T) {
	t.Parallel()
	for _, op := range slowOps() {
		t.Run(op.name, func(t *testing.T) {
			t.Parallel()
			for k, dead := 0, true; dead; k++ {
				synctest.Test(t, func(t *testing.T) { dead = testOutage(t, op, k) })
				if testing.Short() {
					k += 2
				}
			}
		})
	}
}

// testOutage cuts op off after k updates, and says whether it got so far.
func testOutage(t *testing.T, op slowOp, k int) (dead bool) {
	shared := newOutage()
	dying := &mortalRows{Rows: shared.Rows(), left: -1}
	old, err := openRoot(t.Context(), mortal{shared, dying}, Options{LayerAbove: 1, manual: true})
	if err != nil {
		t.Fatal(err)
	}
	mustRepo(t, old, "r")
	mustPut(t, old, Ref{Repo: "r"}, "first", "1")
	uploaded(t, old, Ref{Repo: "r"}, "up", "part")
	do := op.prep(t, old)
	dying.left = k
	do(old) // it dies
	dead, dying.dead = dying.dead, true

	watcher, err := openRoot(t.Context(), shared, Options{LayerAbove: 1, manual: true, Exclusive: true})
	if err != nil {
		t.Fatal(err)
	}
	want := show(t, watcher)
	why := []error{ErrNoSpace, ErrFailed}[k%2]
	shared.begin(why)
	fs, err := openRoot(t.Context(), shared, Options{LayerAbove: 1, Exclusive: true})
	if err != nil {
		t.Fatalf("after %d updates: open: %v", k, err)
	}
	same := func(when string) {
		t.Helper()
		if diff := cmp.Diff(want, show(t, fs)); diff != "" {
			t.Fatalf("after %d updates, %s (-want +got):\n%s", k, when, diff)
		}
	}
	same("while no writes are taken")
	refusesWrites(t, fs, why)
	same("after writes that were refused")
	<-time.After(3 * time.Minute) // of the bubble's clock
	shared.end()
	settled(t, fs)
	same("when there is room")
	mustPut(t, fs, Ref{Repo: "r"}, "first", "2")
	for _, o := range want.Open {
		if _, err := fs.FinishCommit(t.Context(), openRef("r", o.ID), FinishOptions{Strategy: Ours}); err != nil {
			t.Errorf("after %d updates: finish what was left open: %v", k, err)
		}
	}
	settled(t, fs)
	if err := fs.sys.Close(); err != nil {
		t.Error(err)
	}
	return dead
}

// TestOutageOfFormat1: counters in rows of format 1 that cannot be brought up to date
// at a start are before the first number is given out.
func TestOutageOfFormat1(t *testing.T) {
	t.Parallel()
	shared := newOutage()
	if err := shared.Rows().Update(t.Context(), "", func(tx objstore.Writer) error {
		return errors.Join(rows.Set(tx, rows.Key(rows.OldCounter, "repo"), 7), rows.Set(tx, rows.Key(rows.OldCounter, "line"), 9))
	}); err != nil {
		t.Fatal(err)
	}
	shared.begin(ErrNoSpace)
	fs, err := openRoot(t.Context(), shared, Options{Exclusive: true, manual: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fs.CreateRepo(t.Context(), Repo{Name: "r"}); !errors.Is(err, ErrNoSpace) {
		t.Errorf("create: %v", err)
	}
	shared.end()
	mustRepo(t, fs, "r")
	if got := branchLineage(t, fs, "r", DefaultBranch); got <= 9 {
		t.Errorf("the new branch has lineage %d, which is taken", got)
	}
	if n := rowsOf(t, fs, rows.OldCounter); n > 0 {
		t.Errorf("%d counters are left", n)
	}
}

// TestLeaseInOutage: a lease that cannot be written is written when there is room, and
// what cannot be ended at a start is over all the same.
func TestLeaseInOutage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		shared := newOutage()
		dying := &mortalRows{Rows: shared.Rows(), left: -1}
		start := func(on objstore.Store) *FS {
			fs, err := openRoot(t.Context(), on, Options{Exclusive: true, manual: true})
			if err != nil {
				t.Fatal(err)
			}
			return fs
		}
		fs := start(mortal{shared, dying})
		mustRepo(t, fs, "r")
		o, err := fs.StartCommit(t.Context(), Ref{Repo: "r"}, WriteOptions{})
		if err != nil {
			t.Fatal(err)
		}
		mustPut(t, fs, openRef("r", o.ID), "a", "staged")
		dying.left = 2 // the lease, and that it is being finished
		if _, err := fs.FinishCommit(t.Context(), openRef("r", o.ID), FinishOptions{}); !errors.Is(err, errDead) {
			t.Fatal(err)
		}
		shared.begin(ErrNoSpace)
		fs = start(shared)
		if o, _, err := fs.OpenCommit(t.Context(), openRef("r", o.ID)); err != nil || o.Finishing {
			t.Fatalf("being finished by a process that is gone: %v, %v", o.Finishing, err)
		}
		for range 2 {
			if _, err := fs.FinishCommit(t.Context(), openRef("r", o.ID), FinishOptions{}); !errors.Is(err, ErrNoSpace) {
				t.Fatalf("finish: %v", err)
			}
		}
		if n := rowsOf(t, fs, rows.Lease); n != 1 {
			t.Errorf("%d leases, want that of the process that is gone", n)
		}
		shared.end()
		if _, err := fs.FinishCommit(t.Context(), openRef("r", o.ID), FinishOptions{}); err != nil {
			t.Fatal(err)
		}
		if n := rowsOf(t, fs, rows.Lease); n != 2 {
			t.Errorf("%d leases, want that of this process too", n)
		}
		if err := fs.sys.jobs.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := rowsOf(t, fs, rows.Lease); n != 1 {
			t.Errorf("%d leases, want that of this process alone", n)
		}
		shared.begin(ErrNoSpace)
		if err := fs.sys.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
}
