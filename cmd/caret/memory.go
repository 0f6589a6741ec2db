package main

import (
	"log/slog"
	"math"
	"os"
	"runtime/debug"
	"strings"

	"github.com/KimMachineGun/automemlimit/memlimit"
	"github.com/dustin/go-humanize"

	"caret/objstore/budget"
	"caret/objstore/local"
)

// memoryShare is the part of a machine's memory that requests may take together if
// nothing else is said: one in so many.
const memoryShare = 4

// requestMemory is how much memory requests may take together, in bytes: what the flag
// says, or a share of the machine, or of what its control group allows.
func requestMemory(flag string) (int64, error) {
	if flag == "" {
		return max(machineMemory()/memoryShare, budget.Least), nil
	}
	n, err := humanize.ParseBytes(flag)
	if err != nil || strings.Contains(flag, "-") {
		return 0, usagef("--memory %q: it is a number of bytes, such as 512MiB or 4GiB", flag)
	}
	if n < budget.Least || n > math.MaxInt64 {
		return 0, usagef("--memory %s: it is from %s to less than 8EiB", flag, humanize.IBytes(budget.Least))
	}
	return int64(n), nil
}

// machineMemory is how much memory there is for this process, in bytes.
func machineMemory() int64 {
	all, err := memlimit.FromSystem()
	if err != nil || all > math.MaxInt64 {
		all = memoryShare * budget.Least
	}
	if group, err := memlimit.FromCgroup(); err == nil {
		all = min(all, group)
	}
	return int64(all)
}

// softLimit is the memory, in bytes, beyond which the garbage collector does all it can:
// what requests and the store may hold, and a quarter for what is collected later.
func softLimit(requests int64) int64 {
	if requests > math.MaxInt64/2 {
		return math.MaxInt64
	}
	return (requests + local.Memory) / 4 * 5
}

// limitMemory is the budget of requests. It tells the garbage collector its limit, unless
// GOMEMLIMIT does.
func limitMemory(requests int64, log *slog.Logger) *budget.Budget {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(softLimit(requests))
	}
	log.Debug("memory", "requests", humanize.IBytes(uint64(requests)), "limit", humanize.IBytes(uint64(debug.SetMemoryLimit(-1))))
	return budget.New(requests, budget.DefaultWait)
}

// addMemory adds the memory of requests.
func (l *limits) addMemory(b *budget.Budget) {
	l.add("memory of requests", "bytes", func() (now, most int64) {
		s := b.Stats()
		return s.Used, s.Size
	})
}
