package pfs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"caret/commits"
	"caret/objstore"
	"caret/objstore/memory"
	"caret/pfs/lease"
	"caret/pfs/rows"
)

// states of all commits of a branch: id -> path -> version
func states(t testing.TB, fs *FS, branch string) (ids []CommitID, all map[CommitID]map[string]CommitID) {
	t.Helper()
	ctx := context.Background()
	s, err := fs.Open(ctx, Ref{Repo: "r", Branch: branch}, ActList, "")
	if errors.Is(err, ErrNoSuchBranch) {
		return nil, nil
	}
	if err != nil {
		t.Fatal(err)
	}
	all = map[CommitID]map[string]CommitID{}
	if s.N == 0 {
		return nil, all
	}
	log, err := s.Log(ctx, LogOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if uint64(len(log)) != s.N {
		t.Fatalf("log of %d, head %d", len(log), s.N)
	}
	for i, c := range log {
		if i > 0 && (log[i-1].Parents[0] != c.ID || log[i-1].ParentHash != c.Hash) {
			t.Fatalf("chain breaks")
		}
		if all[c.ID] != nil {
			t.Fatalf("commit %s twice", c.ID)
		}
		ids = append(ids, c.ID)
		m := map[string]CommitID{}
		at, err := fs.Open(ctx, openRef("r", c.ID), ActList, "")
		if err != nil {
			t.Fatal(err)
		}
		opt := ListOptions{Limit: 1000}
		for {
			page, err := at.List(ctx, opt)
			if err != nil {
				t.Fatal(err)
			}
			for _, it := range page.Items {
				m[it.Path] = it.Commit
			}
			if !page.Truncated {
				break
			}
			opt.After = page.Next
		}
		for p, v := range m {
			i, err := at.Stat(ctx, p)
			if err != nil || i.Commit != v {
				t.Fatalf("stat %q: %v", p, err)
			}
			if rand.IntN(10) > 0 {
				break
			}
		}
		all[c.ID] = m
		ch, err := fs.Changes(ctx, openRef("r", c.ID), "", 0)
		if err != nil || len(ch) != c.Files {
			t.Fatalf("commit %s says %d files, has %d, %v", c.ID, c.Files, len(ch), err)
		}
	}
	slices.Reverse(ids)
	return ids, all
}

func settle(t testing.TB, fs *FS, now *time.Time) {
	t.Helper()
	ctx := context.Background()
	before, was := states(t, fs, "master")
	for range 4 {
		*now = now.Add(3 * time.Hour)
		if err := errors.Join(fs.sys.jobs.Sweep(ctx), fs.sys.jobs.Work(ctx)); err != nil {
			t.Fatal(err)
		}
	}
	after, is := states(t, fs, "master")
	if !slices.Equal(before, after) {
		t.Fatalf("background work changed the log")
	}
	for id := range was {
		if !maps.Equal(was[id], is[id]) {
			t.Fatalf("background work changed commit %s: %v, %v", id, len(was[id]), len(is[id]))
		}
	}
	for _, k := range []byte{rows.Open, rows.Dropping, rows.Folding, rows.Upload, rows.Part} {
		if n := rowsOf(t, fs, k); n > 0 {
			t.Errorf("%d rows %c are left", n, k)
		}
	}
	err := fs.sys.db.View(ctx, func(tx objstore.Reader) error {
		page, err := tx.Page(objstore.Prefix([]byte{'d'}), 100_000)
		for _, r := range page {
			var id CommitID
			copy(id[:], r.Key[1:])
			if _, err := commits.Find(tx, id); err != nil || len(r.Value) > 0 {
				t.Errorf("a staged row is left: %q %v", r.Key[17:], err)
				break
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

type slowOp struct {
	name string
	prep func(t testing.TB, fs *FS) func(fs *FS) (CommitID, error)
}

func addMany(t testing.TB, fs *FS, b *Batch, from, to int) error {
	w := fs.NewFile(context.Background(), -1)
	defer w.Abort()
	io.WriteString(w, "bulk")
	part, err := w.Close()
	for i := from; i < to && err == nil; i++ {
		err = b.Add(context.Background(), fmt.Sprintf("bulk/%d", i), part, Attrs{})
	}
	return err
}

func slowOps() []slowOp {
	ctx := context.Background()
	var ops []slowOp
	for _, n := range []int{0, 2, 7} {
		for _, strategy := range []string{"", Ours, Theirs} {
			ops = append(ops, slowOp{fmt.Sprintf("finish %d %s", n, strategy), func(t testing.TB, fs *FS) func(fs *FS) (CommitID, error) {
				o, err := fs.StartCommit(ctx, Ref{Repo: "r"}, WriteOptions{})
				if err != nil {
					t.Fatal(err)
				}
				for i := range n {
					mustPut(t, fs, openRef("r", o.ID), fmt.Sprintf("s%d", i), "staged")
				}
				if strategy != "" {
					mustPut(t, fs, Ref{Repo: "r"}, "s1", "branch")
				}
				return func(fs *FS) (CommitID, error) {
					c, err := fs.FinishCommit(ctx, openRef("r", o.ID), FinishOptions{Strategy: strategy})
					return c.ID, err
				}
			}})
		}
	}
	ops = append(ops, slowOp{"batch", func(t testing.TB, fs *FS) func(fs *FS) (CommitID, error) {
		return func(fs *FS) (CommitID, error) {
			b, err := fs.NewBatch(ctx, Ref{Repo: "r"}, WriteOptions{})
			if err != nil {
				return CommitID{}, err
			}
			err = addMany(t, fs, b, 0, 1100)
			var id CommitID
			if err == nil {
				id, err = b.Finish(ctx)
			}
			return id, errors.Join(err, b.Close())
		}
	}}, slowOp{"merge", func(t testing.TB, fs *FS) func(fs *FS) (CommitID, error) {
		if _, err := fs.CreateBranch(ctx, "r", "side", BranchOptions{From: &Ref{Repo: "r"}}); err != nil {
			t.Fatal(err)
		}
		side := Ref{Repo: "r", Branch: "side"}
		b, err := fs.NewBatch(ctx, side, WriteOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if err := addMany(t, fs, b, 0, 1100); err != nil {
			t.Fatal(err)
		}
		if _, err := b.Finish(ctx); err != nil {
			t.Fatal(err)
		}
		b.Close()
		return func(fs *FS) (CommitID, error) {
			m, err := fs.Merge(ctx, Ref{Repo: "r"}, side, MergeOptions{NoFastForward: true})
			return m.Commit, err
		}
	}}, slowOp{"complete", func(t testing.TB, fs *FS) func(fs *FS) (CommitID, error) {
		id := uploaded(t, fs, Ref{Repo: "r"}, "p", "data")
		return func(fs *FS) (CommitID, error) {
			return fs.CompleteInto(ctx, Ref{Repo: "r"}, "p", id, []CompletedPart{{Number: 1}}, WriteOptions{}, func(r io.Reader, b *Batch) error { return addMany(t, fs, b, 0, 700) })
		}
	}}, slowOp{"work", func(t testing.TB, fs *FS) func(fs *FS) (CommitID, error) {
		for k := range 2 {
			o, err := fs.StartCommit(ctx, Ref{Repo: "r"}, WriteOptions{})
			if err != nil {
				t.Fatal(err)
			}
			for i := range 7 {
				mustPut(t, fs, openRef("r", o.ID), fmt.Sprintf("w%d", i), "staged")
			}
			if k == 0 {
				_, err = fs.FinishCommit(ctx, openRef("r", o.ID), FinishOptions{})
			} else {
				err = fs.AbortCommit(ctx, openRef("r", o.ID))
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		return func(fs *FS) (CommitID, error) { return CommitID{}, fs.sys.jobs.Work(ctx) }
	}})
	return ops
}

// TestSlow: before each update of what one process does its lease runs out and another
// process comes, which takes its work over or moves the branch; then the first goes on.
func TestSlow(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("long")
	}
	ctx := context.Background()
	between := map[string]func(t testing.TB, b *FS, again func(*FS) (CommitID, error)){
		"work":  func(t testing.TB, b *FS, _ func(*FS) (CommitID, error)) { work(t, b) },
		"again": func(t testing.TB, b *FS, again func(*FS) (CommitID, error)) { work(t, b); again(b) },
		"put": func(t testing.TB, b *FS, _ func(*FS) (CommitID, error)) {
			mustPut(t, b, Ref{Repo: "r"}, "s0", "put")
			mustPut(t, b, Ref{Repo: "r"}, "bulk/7", "put")
			work(t, b)
		},
		"many": func(t testing.TB, b *FS, _ func(*FS) (CommitID, error)) {
			for i := range 40 {
				mustPut(t, b, Ref{Repo: "r"}, fmt.Sprintf("s%d", i%3), "put")
			}
		},
		"layer": func(t testing.TB, b *FS, _ func(*FS) (CommitID, error)) {
			o, err := b.StartCommit(ctx, Ref{Repo: "r"}, WriteOptions{})
			if err != nil {
				t.Fatal(err)
			}
			for i := range 7 {
				mustPut(t, b, openRef("r", o.ID), fmt.Sprintf("w%d", i), "staged")
			}
			if _, err := b.FinishCommit(ctx, openRef("r", o.ID), FinishOptions{}); err != nil {
				t.Fatal(err)
			}
		},
		"reset": func(t testing.TB, b *FS, _ func(*FS) (CommitID, error)) {
			if _, err := b.ResetBranch(ctx, "r", "master", Ref{Repo: "r", Base: expr(t, ".1")}, WriteOptions{}, false); err != nil {
				t.Fatal(err)
			}
		},
		"restore": func(t testing.TB, b *FS, _ func(*FS) (CommitID, error)) {
			if _, err := b.DeleteBranch(ctx, "r", "master", BranchDeletion{}); err != nil {
				t.Fatal(err)
			}
			work(t, b)
			if _, err := b.RestoreBranch(ctx, "r", "master"); err != nil {
				t.Fatal(err)
			}
		},
		"replace": func(t testing.TB, b *FS, _ func(*FS) (CommitID, error)) {
			if _, err := b.DeleteBranch(ctx, "r", "master", BranchDeletion{}); err != nil {
				t.Fatal(err)
			}
			if _, err := b.CreateBranch(ctx, "r", "master", BranchOptions{}); err != nil {
				t.Fatal(err)
			}
			mustPut(t, b, Ref{Repo: "r"}, "other", "x")
		},
	}
	runs := 0
	for _, op := range slowOps() {
		for what, do := range between {
			for k := 1; ; k++ {
				now := time.UnixMilli(1_700_000_000_000).UTC()
				clock := func() time.Time { return now }
				shared := memory.New()
				var hook func()
				opts := Options{manual: true, Now: clock, LayerAbove: 4, foldPage: 2, OpenTTL: time.Hour, UploadTTL: time.Hour}
				a, err := openRoot(ctx, hooked{shared, &hook}, opts)
				if err != nil {
					t.Fatal(err)
				}
				b, err := openRoot(ctx, shared, opts)
				if err != nil {
					t.Fatal(err)
				}
				mustRepo(t, a, "r")
				if _, err := b.CreateBranch(ctx, "r", "keep", BranchOptions{}); err != nil {
					t.Fatal(err)
				}
				mustPut(t, a, Ref{Repo: "r"}, "s0", "base")
				run := op.prep(t, a)
				n := 0
				var snapshot map[CommitID]map[string]CommitID
				hook = func() {
					if n++; n != k {
						return
					}
					h := hook
					hook = nil
					now = now.Add(lease.TTL + time.Second)
					do(t, b, run)
					_, snapshot = states(t, b, "master")
					hook = h
				}
				id, err := run(a)
				reached := n >= k
				hook = nil
				runs++
				name := fmt.Sprintf("%s, %s at %d", op.name, what, k)
				_, all := states(t, b, "master")
				for old := range snapshot {
					if op.name != "x" && all[old] == nil {
						t.Errorf("%s: commit %s is gone", name, old)
					} else if !maps.Equal(all[old], snapshot[old]) {
						t.Errorf("%s: commit %s changed", name, old)
					}
				}
				if err == nil && !id.IsZero() && what != "reset" && what != "replace" && all[id] == nil {
					t.Errorf("%s: commit %s is not there", name, id)
				}
				if err != nil && op.name != "merge" && !id.IsZero() && all[id] != nil && what != "again" {
					t.Errorf("%s: commit %s is there in spite of %v", name, id, err)
				}
				if err != nil && !errors.Is(err, ErrConflict) && !errors.Is(err, ErrNoSuchBranch) && !errors.Is(err, ErrNoSuchCommit) && !errors.Is(err, ErrNoSuchUpload) {
					t.Errorf("%s: %v", name, err)
				}
				settle(t, b, &now)
				if t.Failed() {
					t.Fatalf("%s: %v", name, err)
				}
				if !reached {
					break
				}
			}
		}
	}
	t.Log(runs, "runs")
}

// TestRetries: outcomes that nobody knows, at random.
func TestRetries(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("long")
	}
	rounds := 1
	if s := os.Getenv("CARET_RETRY_ROUNDS"); s != "" {
		rounds, _ = strconv.Atoi(s)
	}
	ctx := context.Background()
	for seed := range uint64(rounds) {
		rnd := rand.New(rand.NewPCG(seed, uint64(time.Now().UnixNano())))
		armed := false
		now := time.UnixMilli(1_700_000_000_000).UTC()
		shared := memory.NewWith(memory.Options{Outcome: func() (bool, error) {
			if armed && rnd.IntN(4) == 0 {
				return rnd.IntN(2) == 0, errors.New("broke")
			}
			return true, nil
		}})
		fs, err := openRoot(ctx, shared, Options{manual: true, LayerAbove: 4, foldPage: 2, OpenTTL: time.Hour, UploadTTL: time.Hour, Now: func() time.Time { now = now.Add(time.Millisecond); return now }})
		if err != nil {
			t.Fatal(err)
		}
		mustRepo(t, fs, "r")
		if _, err := fs.CreateBranch(ctx, "r", "keep", BranchOptions{}); err != nil {
			t.Fatal(err)
		}
		mustPut(t, fs, Ref{Repo: "r"}, "s0", "base")
		ops := slowOps()
		for step := range 15 {
			op := ops[rnd.IntN(len(ops))]
			if op.name == "merge" {
				deleteBranch(ctx, fs, "r", "side", BranchDeletion{})
			}
			run := op.prep(t, fs)
			before, _ := states(t, fs, "master")
			for try := 0; ; try++ {
				now = now.Add(time.Second)
				armed = true
				id, err := run(fs)
				armed = false
				after, _ := states(t, fs, "master")
				if err != nil && !errors.Is(err, objstore.ErrUnknownOutcome) {
					if errors.Is(err, ErrConflict) && op.name != "work" && len(after) == len(before)+1 && try > 0 {
						t.Errorf("seed %d step %d %s: it had happened: %v", seed, step, op.name, err)
					}
					t.Fatalf("seed %d step %d %s try %d: %v", seed, step, op.name, try, err)
				}
				want := len(before) + 1
				if op.name == "work" || err != nil {
					want--
				}
				if len(after) != want && (op.name != "merge" || err != nil) {
					t.Fatalf("seed %d step %d %s try %d: %d commits, want %d; %v %v", seed, step, op.name, try, len(after), want, id, err)
				}
				if err == nil {
					break
				}
			}
			if rnd.IntN(5) == 0 {
				now = now.Add(10 * time.Minute)
				armed = true
				fs.sys.jobs.Work(ctx)
				armed = false
			}
		}
		settle(t, fs, &now)
		if t.Failed() {
			return
		}
	}
}
