package main

import (
	"context"
	"fmt"

	"github.com/urfave/cli/v2"

	"caret/api/client"
)

// call is one call of a command that talks to a server.
type call struct {
	process
	ctx  context.Context
	line *cli.Context // the command line; options have been read from it
	pr   printer
	cl   *client.Client // nil until connect
}

func (c *call) connect() (err error) {
	c.cl, err = connect(c.line, c.process)
	return err
}

// onLine is the action of a command that reads its arguments and connects
// by itself.
func onLine(p process, run func(c *call) error) cli.ActionFunc {
	return func(line *cli.Context) error {
		p, end := p.page(line)
		pr, err := newPrinter(line, p)
		if err != nil {
			return err
		}
		return end(run(&call{process: p, ctx: line.Context, line: line, pr: pr}))
	}
}

// onServer is the action of a command without arguments.
func onServer(p process, run func(c *call) error) cli.ActionFunc {
	return func(line *cli.Context) error {
		if _, err := arguments(line); err != nil {
			return err
		}
		return onLine(p, func(c *call) error {
			if err := c.connect(); err != nil {
				return err
			}
			return run(c)
		})(line)
	}
}

// onOne is the action of a command with one argument, of which read makes
// what the command is about. What is wrong with the line is said before there
// must be a key.
func onOne[T any](p process, read func(arg, usage string) (T, error), run func(c *call, about T) error) cli.ActionFunc {
	return onLine(p, func(c *call) error {
		usage := c.line.Command.ArgsUsage
		args, err := arguments(c.line, usage)
		if err != nil {
			return err
		}
		about, err := read(args[0], usage)
		if err != nil {
			return err
		}
		if err := c.connect(); err != nil {
			return err
		}
		return run(c, about)
	})
}

// onName is the action of a command on what has a plain name.
func onName(p process, run func(c *call, name string) error) cli.ActionFunc {
	return onOne(p, func(arg, _ string) (string, error) { return arg, nil }, run)
}

// onRepo is the action of a command on a repo.
func onRepo(p process, run func(c *call, repo string) error) cli.ActionFunc {
	return onOne(p, func(arg, _ string) (string, error) { return repoTarget(arg) }, run)
}

// onBranch is the action of a command on a branch, or a tag.
func onBranch(p process, run func(c *call, repo, branch string) error) cli.ActionFunc {
	read := func(arg, usage string) (t target, err error) {
		t.Repo, t.Expr, err = branchTarget(arg, usage)
		return t, err
	}
	return onOne(p, read, func(c *call, t target) error { return run(c, t.Repo, t.Expr) })
}

// onTarget is the action of a command on a state, or what is in it.
func onTarget(p process, run func(c *call, t target) error) cli.ActionFunc {
	return onOne(p, func(arg, _ string) (target, error) { return parseTarget(arg) }, run)
}

// result prints what a command did: what as JSON, or else a line for scripts,
// such as the id of a commit, unless that is "".
func (p printer) result(what any, line string) error {
	if p.json {
		return p.value(what)
	}
	if line == "" {
		return nil
	}
	_, err := fmt.Fprintln(p.w, oneLine(line))
	return err
}

// ifHeadFlag is for commands that write to a branch.
func ifHeadFlag() cli.Flag {
	return &cli.StringFlag{Name: "if-head", Usage: "write only if the branch's head is the commit `EXPR`; a conflict otherwise"}
}

// ifHead is the value of that flag, which must make sense.
func (c *call) ifHead() (string, error) {
	if !c.line.IsSet("if-head") {
		return "", nil
	}
	s := c.line.String("if-head")
	if s == "" { // a script's variable that is not set: nothing would be checked
		return "", usagef("--if-head is empty; give the id of a commit")
	}
	return s, checkExpr("--if-head", s)
}

// writer is the client for writes on the condition of that flag.
func (c *call) writer() (*client.Client, error) {
	head, err := c.ifHead()
	return c.cl.IfHead(head), err
}

// warn says what the server warned of, if it did.
func (c *call) warn(text string) {
	if text != "" {
		fmt.Fprintln(c.stderr, paint(c.colours(c.stderr), yellow, "warning:")+" "+text)
	}
}
