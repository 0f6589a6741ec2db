// Command caretbench measures what DESIGN.md promises and prints a table.
// Everything is measured on this machine in this run: `make bench`.
package main

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"runtime"
	"runtime/pprof"
	"strings"
	"syscall"
)

// bench is one run.
type bench struct {
	ctx context.Context
	dir string
}

// section is a group of numbers that are measured together.
type section struct {
	name string
	run  func(*bench) error
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "caretbench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	pattern := flag.String("run", "", "sections to run, a regular `EXPRESSION`: engine, http, callers, buckets, large, memory, dedup, history, finish, recovery, million")
	dir := flag.String("dir", ".", "`DIR` on the disk to measure, for a folder that is removed afterwards")
	profile := flag.String("cpuprofile", "", "`FILE` for a CPU profile of this process")
	grow := flag.String("grow", "", "make a store of 1,000,000 commits in `DIR` and kill this process: what recovery runs")
	flag.Parse()
	if *grow != "" {
		return growAndDie(ctx, *grow)
	}
	if *profile != "" {
		f, err := os.Create(*profile)
		if err != nil {
			return err
		}
		defer f.Close()
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	only, err := regexp.Compile(*pattern)
	if err != nil {
		return err
	}
	work, err := os.MkdirTemp(*dir, "caretbench-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work) //nolint:errcheck // it is only left over
	b := &bench{ctx: ctx, dir: work}
	fmt.Println(machine())
	fmt.Println()
	ran := false
	fmt.Println("| what | measured | target | |")
	fmt.Println("|---|---|---|---|")
	for _, s := range []section{
		{"engine", (*bench).engine}, {"http", (*bench).http}, {"callers", (*bench).callers}, {"buckets", (*bench).buckets}, {"large", (*bench).large},
		{"memory", (*bench).memory}, {"dedup", (*bench).dedup}, {"history", (*bench).history}, {"finish", (*bench).finish}, {"recovery", (*bench).recovery}, {"million", (*bench).million},
	} {
		if !only.MatchString(s.name) {
			continue
		}
		ran = true
		if err := s.run(b); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	if !ran {
		return fmt.Errorf("no section matches %q", *pattern)
	}
	return nil
}

// add prints a number that is good if it is at most limit (or at least, if
// atLeast is set); limit 0 is none.
func (b *bench) add(what, unit string, got, limit float64, atLeast bool) {
	target, verdict := "", ""
	if limit > 0 {
		sign, ok := "<=", got <= limit
		if atLeast {
			sign, ok = ">=", got >= limit
		}
		target, verdict = fmt.Sprintf("%s %s %s", sign, number(limit), unit), "met"
		if !ok {
			verdict = "**missed**"
		}
	}
	fmt.Printf("| %s | %s %s | %s | %s |\n", what, number(got), unit, target, verdict)
}

func number(v float64) string {
	switch {
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

// machine says what is measured on.
func machine() string {
	cpu, memory := "unknown CPU", ""
	eachLine("/proc/cpuinfo", func(l string) {
		if name, value, ok := strings.Cut(l, ":"); ok && strings.TrimSpace(name) == "model name" {
			cpu = strings.TrimSpace(value)
		}
	})
	eachLine("/proc/meminfo", func(l string) {
		if rest, ok := strings.CutPrefix(l, "MemTotal:"); ok {
			memory = strings.TrimSpace(rest)
		}
	})
	kernel, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	return fmt.Sprintf("%s, %d cores, %s memory, Linux %s, %s", cpu, runtime.NumCPU(), memory, strings.TrimSpace(string(kernel)), runtime.Version())
}

func eachLine(path string, fn func(string)) {
	f, err := os.Open(path)
	if err != nil {
		return
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		fn(s.Text())
	}
}
