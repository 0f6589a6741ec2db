package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"caret/commits/revision"
	"caret/objstore/local"
	"caret/pfs"
)

// engine is a file system without a protocol above it.
type engine struct {
	store   *local.Store
	system  *pfs.System
	fs      *pfs.FS       // as root sees it
	objects atomic.Uint64 // that there are, as path names them from 1
	puts    atomic.Uint64 // so far; no two are of the same content
}

func (b *bench) openEngine(name string) (*engine, error) {
	e := new(engine)
	if err := e.open(b.ctx, filepath.Join(b.dir, name)); err != nil {
		return nil, err
	}
	_, err := e.fs.CreateRepo(b.ctx, pfs.Repo{Name: "bench"})
	return e, err
}

func (e *engine) open(ctx context.Context, dir string) (err error) {
	if e.store, err = local.Open(dir, local.Options{}); err != nil {
		return err
	}
	if e.system, err = pfs.Open(ctx, e.store, pfs.Options{Exclusive: true}); err != nil {
		return errors.Join(err, e.store.Close())
	}
	e.fs = e.system.As(pfs.Root)
	return nil
}

func (e *engine) close() error { return errors.Join(e.system.Close(), e.store.Close()) }

var head = pfs.Ref{Repo: "bench"}

// path spreads the n-th object over the key space.
func path(n uint64) string {
	x := n * 0x9e3779b97f4a7c15
	return fmt.Sprintf("data/%02x/%014x", x>>56, x&(1<<56-1))
}

// add puts a new object.
func (e *engine) add(ctx context.Context, size int) error {
	return e.put(ctx, e.objects.Add(1), size)
}

// put stores the n-th object, with content that no other has.
func (e *engine) put(ctx context.Context, n uint64, size int) error {
	id := e.puts.Add(1)
	data := make([]byte, size)
	for i := 0; i+8 <= len(data); i += 8 {
		binary.LittleEndian.PutUint64(data[i:], (id+uint64(i))*0x9e3779b97f4a7c15)
	}
	w := e.fs.NewFile(ctx, int64(size))
	defer w.Abort()
	if _, err := w.Write(data); err != nil {
		return err
	}
	p, err := w.Close()
	if err != nil {
		return err
	}
	_, err = e.fs.Put(ctx, head, path(n), p.Content, pfs.Attrs{ContentType: "application/octet-stream"}, pfs.WriteOptions{})
	return err
}

// parallel runs fn in n goroutines until stop says so, and counts.
func parallel(n int, stop func(done int64) bool, fn func(worker int) error) (int64, time.Duration, error) {
	var wg sync.WaitGroup
	var done atomic.Int64
	errs := make([]error, n)
	begin := time.Now()
	for i := range n {
		wg.Go(func() {
			for !stop(done.Load()) && errs[i] == nil {
				if errs[i] = fn(i); errs[i] == nil {
					done.Add(1)
				}
			}
		})
	}
	wg.Wait()
	return done.Load(), time.Since(begin), errors.Join(errs...)
}

// For is how long throughput is measured.
const measureFor = 4 * time.Second

func until(end time.Time) func(int64) bool {
	return func(int64) bool { return time.Now().After(end) }
}

var writerCounts = []int{1, 8, 32, 64}

// engine measures durable puts without HTTP.
func (b *bench) engine() error {
	e, err := b.openEngine("engine")
	if err != nil {
		return err
	}
	for _, n := range writerCounts {
		count, took, err := parallel(n, until(time.Now().Add(measureFor)), func(int) error { return e.add(b.ctx, 4096) })
		if err != nil {
			return err
		}
		b.add(fmt.Sprintf("engine: durable 4 KiB puts, %d writers", n), "/s", float64(count)/took.Seconds(), 0, true)
	}
	return e.close()
}

// indexed is the size of the objects of what measures the index: that grows
// with their number.
const indexed = 64

// repeat runs fn count times in 64 goroutines.
func repeat(count int64, fn func() error) (time.Duration, error) {
	var begun atomic.Int64
	_, took, err := parallel(64, func(int64) bool { return begun.Load() >= count }, func(int) error {
		if begun.Add(1) > count {
			return nil
		}
		return fn()
	})
	return took, err
}

// grow adds objects until there are total.
func (e *engine) grow(ctx context.Context, total uint64) error {
	_, err := repeat(int64(total-e.objects.Load()), func() error { return e.add(ctx, indexed) })
	return err
}

// change overwrites objects at random, a batch of them.
func (e *engine) change(ctx context.Context) (time.Duration, error) {
	total := e.objects.Load()
	return repeat(batch, func() error { return e.put(ctx, rand.Uint64N(total)+1, indexed) })
}

const (
	small = 10_000
	large = 1_000_000
	// A cost is averaged over rounds of batch commits: several memtables.
	rounds, batch = 10, 20_000
)

// million measures what depends on how much there is.
func (b *bench) million() error {
	e, err := b.openEngine("million")
	if err != nil {
		return err
	}
	if err := e.grow(b.ctx, large); err != nil {
		return err
	}
	// Closing writes out and compacts what is in memory.
	if err := errors.Join(e.close(), e.open(b.ctx, filepath.Join(b.dir, "million"))); err != nil {
		return err
	}
	u, err := e.store.DiskUsage()
	if err != nil {
		return err
	}
	b.add("index on disk per one-object commit, of 1,000,000", "bytes", float64(u.Index)/large, 0, false)
	b.add("log on disk per one-object commit", "bytes", float64(u.Log)/large, 0, false)
	b.add("packs on disk per one-object commit, of objects of 64 bytes", "bytes", float64(u.Packs)/large, 0, false)
	b.add("all of that", "bytes", float64(u.Index+u.Log+u.Packs)/large, 600, false)
	if err := b.reads(e); err != nil {
		return err
	}
	if err := b.commitCost(e); err != nil {
		return err
	}
	return e.close()
}

// commitCost compares commits to the branch of e with those to a small one,
// in turns, as the machine is not the same from minute to minute.
func (b *bench) commitCost(e *engine) error {
	few, err := b.openEngine("few")
	if err != nil {
		return err
	}
	if err := few.grow(b.ctx, small); err != nil {
		return err
	}
	var costs [2]time.Duration
	for range rounds {
		for i, e := range []*engine{few, e} {
			took, err := e.change(b.ctx)
			if err != nil {
				return err
			}
			costs[i] += took
		}
	}
	us := func(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1000 / rounds / batch }
	b.add("cost per commit in a branch of 10,000 objects", "us", us(costs[0]), 0, false)
	b.add("cost per commit in a branch of 1,000,000 objects", "us", us(costs[1]), 0, false)
	b.add("ratio of the two", "", float64(costs[1])/float64(costs[0]), 1.3, false)
	return few.close()
}

// timed is the median time of n runs.
func timed(n int, fn func(i int) error) (time.Duration, error) {
	times := make([]time.Duration, n)
	for i := range n {
		begin := time.Now()
		if err := fn(i); err != nil {
			return 0, err
		}
		times[i] = time.Since(begin)
	}
	return median(times), nil
}

func median(times []time.Duration) time.Duration {
	slices.Sort(times)
	return times[len(times)/2]
}

// old is the head back commits ago.
func old(back int) pfs.Ref {
	x, err := revision.Parse(fmt.Sprintf("HEAD^%d", back))
	if err != nil {
		panic(err)
	}
	return pfs.Ref{Repo: "bench", Version: x}
}

// stat finds a file in one transaction, as servers do.
func (e *engine) stat(ctx context.Context, ref pfs.Ref, path string) (s *pfs.Snapshot, info pfs.Info, err error) {
	err = e.fs.View(ctx, func(v *pfs.View) error {
		if s, err = v.Open(ref, pfs.ActRead, path); err != nil {
			return err
		}
		info, err = s.Stat(ctx, path)
		return err
	})
	return s, info, err
}

// list lists a page of files.
func (e *engine) list(ctx context.Context, ref pfs.Ref, opt pfs.ListOptions) (page pfs.ListPage, err error) {
	err = e.fs.View(ctx, func(v *pfs.View) error {
		s, err := v.Open(ref, pfs.ActList, "")
		if err == nil {
			page, err = s.List(ctx, opt)
		}
		return err
	})
	return page, err
}

// read opens a file, which reads its first chunk.
func (e *engine) read(ctx context.Context, ref pfs.Ref, path string) error {
	s, info, err := e.stat(ctx, ref, path)
	if err != nil {
		return err
	}
	r, err := s.Read(ctx, info, 0, -1)
	if err != nil {
		return err
	}
	return r.Close()
}

func (b *bench) reads(e *engine) error {
	read := func(ref pfs.Ref) func(int) error {
		return func(i int) error {
			return e.read(b.ctx, ref, path(uint64(i)*911%(large-100_000)+1))
		}
	}
	// In turns, as the machine is not the same from second to second.
	var times [2][]time.Duration
	for i := range 2000 {
		for k, get := range []func(int) error{read(head), read(old(50_000))} {
			begin := time.Now()
			// Another file each time: who reads one second finds it in memory.
			if err := get(2*i + k); err != nil {
				return err
			}
			times[k] = append(times[k], time.Since(begin))
		}
	}
	at, then := median(times[0]), median(times[1])
	b.add("GET at HEAD (engine, 1,000,000 commits)", "us", float64(at.Nanoseconds())/1000, 0, false)
	b.add("GET at HEAD^50000", "us", float64(then.Nanoseconds())/1000, 0, false)
	b.add("ratio of the two", "", float64(then)/float64(at), 2, false)
	for _, tt := range []struct {
		what  string
		ref   pfs.Ref
		limit float64
	}{
		{"list of 1000 of 1,000,000 at HEAD", head, 10}, {"list of 1000 at HEAD^50000", old(50_000), 25}, {"list of 1000 at HEAD^500000", old(500_000), 25},
	} {
		took, err := timed(50, func(i int) error {
			page, err := e.list(b.ctx, tt.ref, pfs.ListOptions{Prefix: "data/", After: fmt.Sprintf("data/%02x", i*5), Limit: 1000})
			if err == nil && len(page.Items) != 1000 {
				err = fmt.Errorf("a page of %d", len(page.Items))
			}
			return err
		})
		if err != nil {
			return err
		}
		b.add(tt.what, "ms", ms(took), tt.limit, false)
	}
	return b.diffs(e)
}

// diffs measures what is done with commits rather than with files.
func (b *bench) diffs(e *engine) error {
	differ, err := timed(20, func(int) error {
		list, err := e.fs.Diff(b.ctx, old(100), head, pfs.DiffOptions{})
		if err == nil && len(list) != 100 {
			err = fmt.Errorf("a diff of %d", len(list))
		}
		return err
	})
	if err != nil {
		return err
	}
	b.add("diff of 100 changes in a branch of 1,000,000", "ms", ms(differ), 20, false)
	took, err := timed(50, func(i int) error {
		_, err := e.fs.CreateBranch(b.ctx, "bench", fmt.Sprintf("b%d", i), pfs.BranchOptions{From: &head})
		return err
	})
	if err != nil {
		return err
	}
	b.add("create a branch of 1,000,000 objects", "ms", ms(took), 5, false)
	return b.merges(e)
}
