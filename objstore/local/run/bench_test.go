package run_test

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"golang.org/x/sys/unix"

	"caret/objstore/local/run"
)

const (
	benchCommits = 40000 // of a run
	benchRuns    = 25    // that become one of a million
)

// reportCPU reports how many bytes a second of one processor's time are gone
// through, as the clock says little on a machine that others use too. It is to
// be called before and after the loop.
func reportCPU(b *testing.B, raw int64) (done func()) {
	now := func() time.Duration {
		var u unix.Rusage
		if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
			b.Fatal(err)
		}
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	b.SetBytes(raw)
	runtime.GC()
	start := now()
	return func() {
		b.ReportMetric(float64(raw)*float64(b.N)/1e6/(now()-start).Seconds(), "MB/cpu-s")
	}
}

func rowBytes(rows []run.Row) (n int64) {
	for _, r := range rows {
		n += int64(len(r.Key) + len(r.Value))
	}
	return n
}

// BenchmarkWrite writes a run of 40,000 commits with each level of zstd and
// size of block.
func BenchmarkWrite(b *testing.B) {
	rows := commitRows(0, benchCommits)
	for _, level := range []zstd.EncoderLevel{zstd.SpeedFastest, zstd.SpeedDefault, zstd.SpeedBetterCompression} {
		for _, size := range []int{64 << 10, 256 << 10, 512 << 10, 1 << 20, 2 << 20} {
			b.Run(fmt.Sprintf("%s/%dK", level, size>>10), func(b *testing.B) {
				dir := b.TempDir()
				defer reportCPU(b, rowBytes(rows))()
				for b.Loop() {
					info := write(b, dir, 0, benchCommits, rows, run.Options{Level: level, BlockSize: size})
					b.ReportMetric(float64(info.Size)/benchCommits, "bytes/commit")
					os.Remove(info.Path)
				}
			})
		}
	}
}

// benchMillion writes the runs of a million commits.
func benchMillion(b *testing.B, dir string, opts run.Options) (runs []run.Info, raw int64) {
	var mu sync.Mutex
	var wait sync.WaitGroup
	for i := range benchRuns {
		wait.Go(func() {
			from := i * benchCommits
			rows := commitRows(from, benchCommits)
			info, err := tryWrite(dir, uint64(from), uint64(from+benchCommits), rows, opts)
			if err != nil {
				b.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			runs, raw = append(runs, info), raw+rowBytes(rows)
		})
	}
	wait.Wait()
	slices.SortFunc(runs, func(x, y run.Info) int { return int(x.From) - int(y.From) })
	return runs, raw
}

// BenchmarkMerge merges 25 runs into one of a million commits.
func BenchmarkMerge(b *testing.B) {
	for _, opts := range []run.Options{
		{Level: zstd.SpeedFastest, BlockSize: 256 << 10},
		{Level: zstd.SpeedFastest, BlockSize: 512 << 10},
		{Level: zstd.SpeedFastest, BlockSize: 1 << 20},
		{Level: zstd.SpeedDefault, BlockSize: 1 << 20},
		{Level: zstd.SpeedBetterCompression, BlockSize: 1 << 20},
	} {
		b.Run(fmt.Sprintf("%s/%dK", opts.Level, opts.BlockSize>>10), func(b *testing.B) {
			dir := b.TempDir()
			runs, raw := benchMillion(b, dir, opts)
			defer reportCPU(b, raw)()
			for b.Loop() {
				info, err := run.Merge(b.Context(), dir, logID, runs, opts)
				if err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(float64(info.Size)/(benchRuns*benchCommits), "bytes/commit")
				os.Remove(info.Path)
			}
		})
	}
}

// BenchmarkScan goes through one run, and 25 as one.
func BenchmarkScan(b *testing.B) {
	runs, raw := benchMillion(b, b.TempDir(), run.Options{})
	for name, part := range map[string][]run.Info{"one": runs[:1], "many": runs} {
		b.Run(name, func(b *testing.B) {
			defer reportCPU(b, raw*int64(len(part))/benchRuns)()
			for b.Loop() {
				s, err := run.Scan(b.Context(), part, run.ScanOptions{})
				if err != nil {
					b.Fatal(err)
				}
				n := 0
				for s.Next() {
					n += len(s.Row().Value)
				}
				if s.Err() != nil || n == 0 {
					b.Fatal(s.Err())
				}
				s.Close()
			}
		})
	}
}
