package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"caret/pfs"
)

// growAndDie makes a store of many commits and ends as by kill -9.
func growAndDie(ctx context.Context, dir string) error {
	b := &bench{ctx: ctx, dir: dir}
	e, err := b.openEngine("killed")
	if err != nil {
		return err
	}
	if err := e.grow(ctx, large); err != nil {
		return err
	}
	return syscall.Kill(os.Getpid(), syscall.SIGKILL)
}

// recovery measures starts: after a kill, after a clean end, and without an index.
func (b *bench) recovery() error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	grow := exec.CommandContext(b.ctx, self, "-grow", b.dir)
	grow.Stderr = os.Stderr
	var ended *exec.ExitError
	if err := grow.Run(); !errors.As(err, &ended) || ended.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		return fmt.Errorf("the process that was to be killed ended: %w", err)
	}
	dir := filepath.Join(b.dir, "killed")
	for _, what := range []string{"start after kill -9, of 1,000,000 commits", "start after a clean end"} {
		e := new(engine)
		begin := time.Now()
		if err := e.open(b.ctx, dir); err != nil {
			return err
		}
		b.add(what, "ms", ms(time.Since(begin)), 0, false)
		if _, err := e.list(b.ctx, head, pfs.ListOptions{Limit: 1000}); err != nil {
			return err
		}
		if err := e.close(); err != nil {
			return err
		}
	}
	bin, err := b.binary()
	if err != nil {
		return err
	}
	begin := time.Now()
	rebuild := exec.CommandContext(b.ctx, bin, "rebuild", "--data", dir)
	if out, err := rebuild.CombinedOutput(); err != nil {
		return fmt.Errorf("rebuild: %w\n%s", err, out)
	}
	b.add("caret rebuild of 1,000,000 commits", "s", time.Since(begin).Seconds(), 0, false)
	b.add("most memory resident in that", "MiB", float64(rebuild.ProcessState.SysUsage().(*syscall.Rusage).Maxrss)/1024, 0, false)
	return nil
}
