package main

import (
	"context"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"time"

	"caret/commits/revision"
	"caret/pfs"
)

// branch is the head of a branch.
func branch(name string) pfs.Ref { return pfs.Ref{Repo: "bench", Branch: name} }

// putAt stores the content of another file, which moves no bytes, at path.
func (e *engine) putAt(ctx context.Context, to pfs.Ref, path string, like pfs.Info) error {
	_, err := e.fs.Copy(ctx, like, to, path, nil, pfs.WriteOptions{})
	return err
}

// some is a file that is there.
func (e *engine) some(ctx context.Context) (pfs.Info, error) {
	_, info, err := e.stat(ctx, head, path(1))
	return info, err
}

// merges measures merges of 100 changes into the branch of e.
func (b *bench) merges(e *engine) error {
	like, err := e.some(b.ctx)
	if err != nil {
		return err
	}
	var times []time.Duration
	for i := range 10 {
		name := fmt.Sprintf("m%d", i)
		if _, err := e.fs.CreateBranch(b.ctx, "bench", name, pfs.BranchOptions{From: &head}); err != nil {
			return err
		}
		for k := range 100 {
			if err := e.putAt(b.ctx, branch(name), fmt.Sprintf("merged/%d/%d", i, k), like); err != nil {
				return err
			}
		}
		if err := e.putAt(b.ctx, head, "changed", like); err != nil { // so that it is no fast-forward
			return err
		}
		begin := time.Now()
		done, err := e.fs.Merge(b.ctx, head, branch(name), pfs.MergeOptions{})
		if err == nil && (done.Files != 100 || done.FastForward) {
			err = fmt.Errorf("a merge of %+v", done)
		}
		if err != nil {
			return err
		}
		times = append(times, time.Since(begin))
	}
	b.add("merge of 100 changes into a branch of 1,000,000", "ms", ms(median(times)), 50, false)
	return nil
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// history measures what depends on the shape of history.
func (b *bench) history() error {
	e, err := b.openEngine("history")
	if err != nil {
		return err
	}
	const versions, between = 100, 1000
	for i := range uint64(versions) {
		if err := e.grow(b.ctx, (i+1)*(between-1)); err != nil {
			return err
		}
		like, err := e.some(b.ctx)
		if err != nil {
			return err
		}
		if err := e.putAt(b.ctx, head, "watched/file", like); err != nil {
			return err
		}
	}
	for _, of := range [][2]string{{"path", "watched/file"}, {"folder", "watched/"}} {
		took, err := timed(20, func(int) error {
			s, err := e.fs.Open(b.ctx, head, pfs.ActList, "")
			if err != nil {
				return err
			}
			log, err := s.Log(b.ctx, pfs.LogOptions{Path: of[1], Limit: versions})
			if err == nil && len(log) != versions {
				err = fmt.Errorf("a log of %d", len(log))
			}
			return err
		})
		if err != nil {
			return err
		}
		b.add("log of a "+of[0]+" that 100 of 100,000 commits changed", "ms", ms(took), 20, false)
	}
	if err := b.branches(e); err != nil {
		return err
	}
	return e.close()
}

// branches measures many branches, and deep ones.
func (b *bench) branches(e *engine) error {
	const many, deep, each = 10_000, 100, 10
	begin := time.Now()
	for i := range many {
		if _, err := e.fs.CreateBranch(b.ctx, "bench", fmt.Sprintf("many%d", i), pfs.BranchOptions{From: &head}); err != nil {
			return err
		}
	}
	b.add("create 10,000 branches of 100,000 objects, per branch", "ms", ms(time.Since(begin))/many, 5, false)
	like, err := e.some(b.ctx)
	if err != nil {
		return err
	}
	from := head
	for i := range deep {
		to := branch(fmt.Sprintf("deep%d", i))
		if _, err := e.fs.CreateBranch(b.ctx, "bench", to.Branch, pfs.BranchOptions{From: &from}); err != nil {
			return err
		}
		for k := range each {
			if err := e.putAt(b.ctx, to, fmt.Sprintf("deep/%d/%d", i, k), like); err != nil {
				return err
			}
		}
		from = to
	}
	// In turns, as the machine is not the same from second to second.
	var times [2][]time.Duration
	for i := range 2000 {
		for k, ref := range []pfs.Ref{head, from} {
			begin := time.Now()
			// Another file each time: who reads one second finds it in memory.
			if err := e.read(b.ctx, ref, path(uint64(2*i+k)*911%50_000+1)); err != nil {
				return err
			}
			times[k] = append(times[k], time.Since(begin))
		}
	}
	at, then := median(times[0]), median(times[1])
	b.add("GET at a branch (engine, 100,000 commits)", "us", float64(at.Nanoseconds())/1000, 0, false)
	b.add("GET at a branch that was forked 100 deep, with 10 commits on each", "us", float64(then.Nanoseconds())/1000, 0, false)
	b.add("ratio of the two", "", float64(then)/float64(at), 3, false)
	took, err := timed(20, func(int) error {
		_, err := e.list(b.ctx, from, pfs.ListOptions{Limit: 1000})
		return err
	})
	b.add("list of 1000 there", "ms", ms(took), 0, false)
	return err
}

// finish measures open commits of many files.
func (b *bench) finish() error {
	e, err := b.openEngine("finish")
	if err != nil {
		return err
	}
	if err := e.grow(b.ctx, small); err != nil {
		return err
	}
	for _, files := range []int{100_000, large} {
		if err := b.finishOf(e, files); err != nil {
			return err
		}
	}
	if err := b.mergeMany(e); err != nil {
		return err
	}
	return e.close()
}

// mergeMany merges a branch that has changed very many paths.
func (b *bench) mergeMany(e *engine) error {
	from := branch("changed")
	if _, err := e.fs.CreateBranch(b.ctx, "bench", from.Branch, pfs.BranchOptions{From: &head}); err != nil {
		return err
	}
	like, err := e.some(b.ctx)
	if err != nil {
		return err
	}
	const files = 100_000
	open, err := e.stage(b.ctx, from, "merged", files, like)
	if err != nil {
		return err
	}
	if _, err := e.fs.FinishCommit(b.ctx, open, pfs.FinishOptions{}); err != nil {
		return err
	}
	if err := e.putAt(b.ctx, head, "changed", like); err != nil { // so that it is no fast-forward
		return err
	}
	begin := time.Now()
	done, err := e.fs.Merge(b.ctx, head, from, pfs.MergeOptions{})
	if err == nil && done.Files != files {
		err = fmt.Errorf("a merge of %+v", done)
	}
	b.add("merge of 100,000 changes", "ms", ms(time.Since(begin)), 0, false)
	return err
}

// stage writes files into a new open commit, which it returns.
func (e *engine) stage(ctx context.Context, on pfs.Ref, dir string, files int, like pfs.Info) (pfs.Ref, error) {
	o, err := e.fs.StartCommit(ctx, on, pfs.WriteOptions{})
	if err != nil {
		return pfs.Ref{}, err
	}
	to := pfs.Ref{Repo: "bench", Base: revision.Expr{Base: o.ID.String()}}
	var n atomic.Int64
	_, err = repeat(int64(files), func() error {
		return e.putAt(ctx, to, filepath.Join(dir, fmt.Sprint(n.Add(1))), like)
	})
	return to, err
}

func (b *bench) finishOf(e *engine, files int) error {
	like, err := e.some(b.ctx)
	if err != nil {
		return err
	}
	begin := time.Now()
	open, err := e.stage(b.ctx, head, "staged", files, like)
	if err != nil {
		return err
	}
	b.add(fmt.Sprintf("stage %d files in an open commit, 64 writers", files), "/s", float64(files)/time.Since(begin).Seconds(), 0, true)
	// One other writer of the branch all the while.
	stop, quiet := make(chan struct{}), make(chan []time.Duration)
	go func() { quiet <- e.writes(b.ctx, like, stop) }()
	begin = time.Now()
	done, err := e.fs.FinishCommit(b.ctx, open, pfs.FinishOptions{})
	if err == nil && done.Files != files {
		err = fmt.Errorf("finished %d files", done.Files)
	}
	took := time.Since(begin)
	for folding := true; folding && err == nil; {
		folding, err = e.system.Folding(b.ctx)
	}
	close(stop)
	times := <-quiet
	if err != nil {
		return err
	}
	b.add(fmt.Sprintf("finish it (%d files)", files), "ms", ms(took), 0, false)
	b.add("until all is folded in", "ms", ms(time.Since(begin)), 0, false)
	worst := times[0]
	for _, t := range times {
		worst = max(worst, t)
	}
	b.add("a put of another writer meanwhile, median", "ms", ms(median(times)), 0, false)
	b.add("the slowest of them", "ms", ms(worst), 0, false)
	return nil
}

// writes puts files one after another until stop is closed, and says how long
// each took.
func (e *engine) writes(ctx context.Context, like pfs.Info, stop chan struct{}) (times []time.Duration) {
	for {
		begin := time.Now()
		if err := e.putAt(ctx, head, "beside", like); err != nil {
			return append(times, time.Hour) // it shows
		}
		times = append(times, time.Since(begin))
		select {
		case <-stop:
			return times
		default:
		}
	}
}
