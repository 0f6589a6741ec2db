package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"

	"github.com/urfave/cli/v2"
)

// noPager is the flag of commands whose output goes through a pager; in front of
// a command's name it is taken for those too that have none.
const noPager = "no-pager"

// pagedFlags are those of a command that lists what may be long.
func pagedFlags(more ...cli.Flag) []cli.Flag {
	return append(outputFlags(more...), &cli.BoolFlag{Name: noPager, Usage: "write to the terminal itself"})
}

// pager is a program that shows what is written to it on a terminal. It starts
// when there is something to show.
type pager struct {
	process
	screen *os.File // the terminal
	name   string
	cmd    *exec.Cmd // nil until it runs
	to     *os.File
	left   bool // it takes no more
}

// pagerName is what shows long output, "" if nothing does. As git does, one that
// is called cat is none.
func (p process) pagerName() string {
	for _, name := range []string{"CARET_PAGER", "PAGER"} {
		if v := strings.TrimSpace(p.getenv(name)); v != "" {
			if v == "cat" {
				return ""
			}
			return v
		}
	}
	if _, err := exec.LookPath("less"); err != nil {
		return ""
	}
	return "less"
}

// page is the process with a pager for its output, if that is a terminal and the
// line does not say otherwise. end must be called, with the error of the command.
func (p process) page(line *cli.Context) (paged process, end func(error) error) {
	end = func(err error) error { return err }
	screen, ok := p.stdout.(*os.File)
	if !ok || !terminal(screen) || find(line.Command.Flags, noPager) == nil || line.Bool(noPager) {
		return p, end
	}
	name := p.pagerName()
	if term := p.getenv("TERM"); name == "" || term == "" || term == "dumb" {
		return p, end
	}
	pg := &pager{process: p, screen: screen, name: name}
	p.stdout = pg
	return p, pg.end
}

// start starts the pager, with the options that git gives it.
func (pg *pager) start() error {
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	cmd := exec.Command("sh", "-c", pg.name)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = r, pg.screen, pg.stderr
	if f := fileOf(pg.stderr); f != nil {
		cmd.Stderr = f
	}
	cmd.Env = os.Environ()
	for _, v := range [][2]string{{"LESS", "FRX"}, {"LV", "-c"}} {
		if pg.getenv(v[0]) == "" {
			cmd.Env = append(cmd.Env, v[0]+"="+v[1])
		}
	}
	if err := errors.Join(cmd.Start(), r.Close()); err != nil {
		return errors.Join(err, w.Close())
	}
	pg.cmd, pg.to = cmd, w
	return nil
}

func (pg *pager) Write(b []byte) (int, error) {
	if pg.cmd == nil {
		if err := pg.start(); err != nil {
			return 0, err
		}
	}
	n, err := pg.to.Write(b)
	pg.left = pg.left || errors.Is(err, syscall.EPIPE)
	return n, err
}

// end waits until whoever reads has had enough. That the pager took no more is no
// error then.
func (pg *pager) end(err error) error {
	if pg.cmd == nil {
		return err
	}
	keys := make(chan os.Signal, 1) // those that end a program are the pager's now
	signal.Notify(keys, os.Interrupt)
	defer signal.Stop(keys)
	closed := pg.to.Close()
	ended := pg.cmd.Wait()
	var exit *exec.ExitError
	if errors.As(ended, &exit) && exit.ExitCode() == 127 { // as the shell says it
		return &hinted{fmt.Errorf("the pager %q cannot be run", pg.name), "set CARET_PAGER or PAGER to one that can, or say --no-pager"}
	}
	if pg.left {
		return nil
	}
	return errors.Join(err, closed)
}
