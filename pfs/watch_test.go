package pfs

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"caret/commits"
	"caret/commits/revision"
	"caret/objstore/local"
)

func mustWatch(t testing.TB, fs *FS, ref Ref, opt WatchOptions) *Watch {
	t.Helper()
	w, err := fs.Watch(t.Context(), ref, opt)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// take reads from a watch until it has want commits.
func take(t testing.TB, w *Watch, want int) []commits.ID {
	t.Helper()
	var ids []commits.ID
	for len(ids) < want {
		list, err := w.Next(t.Context(), nil)
		if err != nil {
			t.Fatalf("after %d commits: %v", len(ids), err)
		}
		for _, c := range list {
			ids = append(ids, c.ID)
		}
	}
	return ids
}

// nothing checks that a watch has nothing to tell.
func nothing(t testing.TB, w *Watch) {
	t.Helper()
	idle := make(chan time.Time, 1)
	idle <- time.Time{}
	if list, err := w.Next(t.Context(), idle); err != nil || len(list) > 0 {
		t.Errorf("%v, %v, want nothing", list, err)
	}
}

func wantIDs(t testing.TB, what string, got, want []commits.ID) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: %d commits %v, want %d %v", what, len(got), got, len(want), want)
	}
}

var main = Ref{Repo: "r", Branch: "master"}

func TestWatch(t *testing.T) {
	t.Parallel()
	fs := newFS(t)
	mustRepo(t, fs, "r")
	empty := mustWatch(t, fs, Ref{Repo: "r"}, WatchOptions{})
	nothing(t, empty)
	var all []commits.ID
	put := func(path string) {
		t.Helper()
		all = append(all, mustPut(t, fs, main, path, fmt.Sprint(len(all))))
	}
	const n = 2*watchPage + 10 // several pages
	for i := range n {
		put(fmt.Sprintf("d/%d", i%3))
	}
	wantIDs(t, "since before there were any", take(t, empty, n), all)
	wantIDs(t, "from the start", take(t, mustWatch(t, fs, main, WatchOptions{FromStart: true}), n), all)
	resumed := mustWatch(t, fs, main, WatchOptions{After: all[9]})
	wantIDs(t, "resumed", take(t, resumed, n-10), all[10:])
	now := mustWatch(t, fs, main, WatchOptions{})
	for _, w := range []*Watch{empty, resumed, now} {
		nothing(t, w)
	}
	folder := mustWatch(t, fs, main, WatchOptions{Path: "e/"})
	file := mustWatch(t, fs, main, WatchOptions{FromStart: true, Path: "e/x"})
	for range n {
		put("d/0")
	}
	put("e/x")
	put("e/y")
	wantIDs(t, "from now on", take(t, now, n+2), all[n:])
	wantIDs(t, "of a folder", take(t, folder, 2), all[2*n:])
	wantIDs(t, "of a file", take(t, file, 1), all[2*n:2*n+1])
	nothing(t, file)
	if file.Seen() != all[len(all)-1] {
		t.Errorf("seen %s, want the head", file.Seen())
	}
}

// follow reads from a watch in the background; the error that ends it comes
// last.
func follow(t testing.TB, w *Watch) (<-chan commits.ID, <-chan error) {
	ids, end := make(chan commits.ID), make(chan error, 1)
	ctx := t.Context()
	go func() {
		for {
			list, err := w.Next(ctx, nil)
			if err != nil {
				end <- err
				return
			}
			for _, c := range list {
				select {
				case ids <- c.ID:
				case <-ctx.Done():
				}
			}
		}
	}()
	return ids, end
}

// TestWatchKinds: whatever makes a commit is seen by who waits for it.
func TestWatchKinds(t *testing.T) {
	t.Parallel()
	fs := newFS(t)
	fs.sys.engine.LayerAbove = 1 // commits of more files are layers
	mustRepo(t, fs, "r")
	mustPut(t, fs, main, "a", "1")
	ctx := t.Context()
	ids, end := follow(t, mustWatch(t, fs, main, WatchOptions{}))
	for _, kind := range []struct {
		name  string
		write func() error
	}{
		{"put", func() error { mustPut(t, fs, main, "a", "2"); return nil }},
		{"delete", func() error {
			_, err := fs.Delete(ctx, main, Files("a"), WriteOptions{})
			return err
		}},
		{"finish", func() error {
			o, err := fs.StartCommit(ctx, main, WriteOptions{})
			if err != nil {
				return err
			}
			for i := range 3 {
				mustPut(t, fs, Ref{Repo: "r", Base: revision.Expr{Base: o.ID.String()}}, fmt.Sprint("f", i), "x")
			}
			_, err = fs.FinishCommit(ctx, openRef("r", o.ID), FinishOptions{})
			return err
		}},
		{"reset", func() error { // to a commit that the head leads to
			if _, err := fs.CreateBranch(ctx, "r", "ahead", BranchOptions{From: &main}); err != nil {
				return err
			}
			ahead := Ref{Repo: "r", Branch: "ahead"}
			mustPut(t, fs, ahead, "h", "x")
			_, err := resetBranch(ctx, fs, "r", "master", ahead, WriteOptions{})
			return err
		}},
		{"put after a reset", func() error { mustPut(t, fs, main, "a", "3"); return nil }},
	} {
		if err := kind.write(); err != nil {
			t.Fatalf("%s: %v", kind.name, err)
		}
		select {
		case id := <-ids:
			if b, err := fs.Branch(ctx, "r", "master"); err != nil || b.Head != id {
				t.Errorf("%s: %s, want %s, %v", kind.name, id, b.Head, err)
			}
		case err := <-end:
			t.Fatalf("%s: %v", kind.name, err)
		}
	}
}

// TestWatchEnds: a watch that cannot go on says why, to who waits and to who
// comes back later.
func TestWatchEnds(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	reset := func(fs *FS, to string) error {
		x, err := revision.Parse(to)
		if err == nil {
			_, err = resetBranch(ctx, fs, "r", "master", Ref{Repo: "r", Base: x}, WriteOptions{})
		}
		return err
	}
	drop := func(fs *FS) error { return deleteBranch(ctx, fs, "r", "master", BranchDeletion{}) }
	for _, tt := range []struct {
		name string
		do   func(*FS) error
		want error // nil: it goes on
	}{
		{"reset back", func(fs *FS) error { return reset(fs, "HEAD^") }, ErrDiverged},
		{"reset elsewhere", func(fs *FS) error { return reset(fs, "other") }, ErrDiverged},
		{"reset away and back", func(fs *FS) error {
			b, err := fs.Branch(ctx, "r", "master")
			return errors.Join(err, reset(fs, "other"), reset(fs, b.Head.String()))
		}, nil},
		{"deleted", drop, ErrNoSuchBranch},
		{"replaced", func(fs *FS) error {
			_, err := fs.CreateBranch(ctx, "r", "copy", BranchOptions{From: &main})
			err = errors.Join(err, drop(fs))
			_, err2 := fs.CreateBranch(ctx, "r", "master", BranchOptions{From: &Ref{Repo: "r", Branch: "copy"}})
			return errors.Join(err, err2)
		}, ErrNoSuchBranch},
		{"deleted and restored", func(fs *FS) error {
			err := drop(fs)
			_, err2 := fs.RestoreBranch(ctx, "r", "master")
			return errors.Join(err, err2)
		}, nil},
		{"repo deleted", func(fs *FS) error { return deleteRepo(ctx, fs, "r", DeleteOptions{Force: true}) }, ErrNoSuchBranch},
		{"shut down", func(fs *FS) error { fs.sys.EndWatches(); return nil }, ErrClosed},
		{"closed", func(fs *FS) error { return fs.sys.Close() }, ErrClosed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			fs := newFS(t)
			mustRepo(t, fs, "r")
			mustPut(t, fs, main, "a", "0")
			if _, err := fs.CreateBranch(ctx, "r", "other", BranchOptions{From: &main}); err != nil {
				t.Fatal(err)
			}
			mustPut(t, fs, Ref{Repo: "r", Branch: "other"}, "a", "1")
			later := mustWatch(t, fs, main, WatchOptions{})
			last := mustPut(t, fs, main, "a", "2")
			wantIDs(t, "before", take(t, later, 1), []commits.ID{last})
			if tt.want == nil {
				if err := tt.do(fs); err != nil {
					t.Fatal(err)
				}
				nothing(t, later)
				last = mustPut(t, fs, main, "a", "3")
				wantIDs(t, "behind", take(t, later, 1), []commits.ID{last})
				return
			}
			_, end := follow(t, mustWatch(t, fs, main, WatchOptions{}))
			if err := tt.do(fs); err != nil {
				t.Fatal(err)
			}
			if err := <-end; !errors.Is(err, tt.want) {
				t.Errorf("who waits: %v, want %v", err, tt.want)
			}
			if _, err := later.Next(ctx, nil); !errors.Is(err, tt.want) {
				t.Errorf("who comes later: %v, want %v", err, tt.want)
			}
		})
	}
}

func TestWatchRefused(t *testing.T) {
	t.Parallel()
	fs := newFS(t)
	mustRepo(t, fs, "r")
	mustPut(t, fs, main, "a", "0")
	if _, err := fs.CreateBranch(t.Context(), "r", "other", BranchOptions{From: &main}); err != nil {
		t.Fatal(err)
	}
	elsewhere := mustPut(t, fs, Ref{Repo: "r", Branch: "other"}, "a", "1")
	o, err := fs.StartCommit(t.Context(), main, WriteOptions{})
	if err != nil {
		t.Fatal(err)
	}
	x := func(s string) revision.Expr { return revision.Expr{Base: s} }
	for _, tt := range []struct {
		ref  Ref
		opt  WatchOptions
		want error
	}{
		{Ref{Repo: "absent"}, WatchOptions{}, ErrNoSuchRepo},
		{Ref{Repo: "r", Branch: "absent"}, WatchOptions{}, ErrNoSuchBranch},
		{Ref{Repo: "r", Base: x(elsewhere.String())}, WatchOptions{}, ErrInvalidArgument},
		{Ref{Repo: "r", Base: x(o.ID.String())}, WatchOptions{}, ErrInvalidArgument},
		{main, WatchOptions{After: o.ID}, ErrNoSuchCommit},
		{main, WatchOptions{After: elsewhere}, ErrDiverged},
	} {
		if _, err := fs.Watch(t.Context(), tt.ref, tt.opt); !errors.Is(err, tt.want) {
			t.Errorf("%v %+v: %v, want %v", tt.ref, tt.opt, err, tt.want)
		}
	}
}

// TestWatchMany: while many write in every way, whoever joins, leaves and
// resumes sees the branch's log, each commit once.
func TestWatchMany(t *testing.T) {
	t.Parallel()
	fs := newFS(t)
	fs.sys.engine.LayerAbove = 2
	mustRepo(t, fs, "r")
	ctx, stop := context.WithCancel(t.Context())
	var writers, watchers sync.WaitGroup
	for i := range 6 {
		writers.Go(func() { writeAnyhow(t, fs, rand.New(rand.NewPCG(1, uint64(i))), i) })
	}
	const many = 8
	var seen [many][]commits.ID
	for i := range seen {
		watchers.Go(func() { seen[i] = watchAnyhow(ctx, t, fs, rand.New(rand.NewPCG(2, uint64(i)))) })
	}
	writers.Wait()
	stop()
	watchers.Wait()
	s, err := fs.Open(t.Context(), main, ActList, "")
	if err != nil {
		t.Fatal(err)
	}
	log, err := s.Log(t.Context(), LogOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var want []commits.ID
	for _, c := range slices.Backward(log) {
		want = append(want, c.ID)
	}
	for i := range seen {
		wantIDs(t, fmt.Sprint("watcher ", i), seen[i], want)
	}
}

// writeAnyhow makes commits, and resets the branch to ones it leads to.
func writeAnyhow(t *testing.T, fs *FS, rnd *rand.Rand, who int) {
	ctx := t.Context()
	for i := range 40 {
		path := fmt.Sprint(who, "/", rnd.IntN(5))
		var err error
		switch rnd.IntN(6) {
		case 0:
			_, err = fs.Delete(ctx, main, Files(path), WriteOptions{})
		case 1:
			var b *Batch
			if b, err = fs.NewBatch(ctx, main, WriteOptions{}); err != nil {
				break
			}
			for k := range 1 + rnd.IntN(4) {
				err = errors.Join(err, b.Add(ctx, fmt.Sprint(path, k), FilePart{Content: store(t, fs, "x")}, Attrs{}))
			}
			if _, finish := b.Finish(ctx); !errors.Is(finish, ErrNoSuchBranch) { // it was reset meanwhile
				err = errors.Join(err, finish)
			}
			err = errors.Join(err, b.Close())
		case 2:
			ahead := Ref{Repo: "r", Branch: fmt.Sprint("ahead-", who, "-", i)}
			b, err2 := fs.CreateBranch(ctx, "r", ahead.Branch, BranchOptions{From: &main})
			if err = err2; err != nil || b.N == 0 {
				break
			}
			mustPut(t, fs, ahead, path, "x")
			_, err = resetBranch(ctx, fs, "r", "master", ahead, WriteOptions{IfHead: b.Head.String()})
			if errors.Is(err, ErrPrecondition) {
				err = nil // somebody else was faster
			}
		default:
			_, err = fs.Put(ctx, main, path, store(t, fs, "x"), Attrs{}, WriteOptions{})
		}
		if err != nil {
			t.Error(err)
		}
	}
}

// watchAnyhow sees all commits of a branch in any number of watches, the last
// of which begins when ctx has ended.
func watchAnyhow(ctx context.Context, t *testing.T, fs *FS, rnd *rand.Rand) []commits.ID {
	var ids []commits.ID
	again := func() *Watch {
		if len(ids) == 0 {
			return mustWatch(t, fs, main, WatchOptions{FromStart: true})
		}
		return mustWatch(t, fs, main, WatchOptions{After: ids[len(ids)-1]})
	}
	for ctx.Err() == nil {
		w := again()
		for range 1 + rnd.IntN(3) {
			list, err := w.Next(ctx, nil)
			if err != nil && ctx.Err() == nil {
				t.Error(err)
			}
			for _, c := range list {
				ids = append(ids, c.ID)
			}
		}
	}
	b, err := fs.Branch(t.Context(), "r", "master")
	if err != nil {
		t.Error(err)
	}
	return append(ids, take(t, again(), int(b.N)-len(ids))...)
}

// BenchmarkPutWatched puts with 32 writers while others watch: the branch
// that is written to, or other ones.
func BenchmarkPutWatched(b *testing.B) {
	for _, watchers := range []int{0, 1, 10, 100} {
		for _, branch := range []string{"master", "quiet"} {
			if watchers == 0 && branch == "quiet" {
				continue
			}
			b.Run(fmt.Sprintf("%d of %s", watchers, branch), func(b *testing.B) { benchWatched(b, watchers, branch) })
		}
	}
}

func benchWatched(b *testing.B, watchers int, branch string) {
	s, err := local.Open(b.TempDir(), local.Options{Reserve: -1})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	fs, err := openRoot(b.Context(), s, Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer fs.sys.Close()
	mustRepo(b, fs, "r")
	if _, err := fs.CreateBranch(b.Context(), "r", "quiet", BranchOptions{}); err != nil {
		b.Fatal(err)
	}
	ctx, stop := context.WithCancel(b.Context())
	var wg sync.WaitGroup
	for range watchers {
		w := mustWatch(b, fs, Ref{Repo: "r", Branch: branch}, WatchOptions{})
		wg.Go(func() {
			for {
				if _, err := w.Next(ctx, nil); err != nil {
					return
				}
			}
		})
	}
	c := store(b, fs, "x")
	var n atomic.Int64
	b.SetParallelism(16)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			path := strconv.FormatInt(n.Add(1)%10_000, 10)
			if _, err := fs.Put(b.Context(), main, path, c, Attrs{}, WriteOptions{}); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.StopTimer()
	stop()
	wg.Wait()
}
