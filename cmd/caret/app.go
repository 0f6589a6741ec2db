package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"slices"
	"strings"
	"syscall"

	"github.com/urfave/cli/v2"

	"caret/api/client"
	"caret/objstore"
)

// Exit codes, as every command's help says.
const (
	exitOK          = 0
	exitError       = 1
	exitUsage       = 2
	exitConflict    = 3
	exitNotFound    = 4
	exitInterrupted = 130
)

const exitStatus = `

EXIT STATUS:
   0 ok, 1 error, 2 wrong usage, 3 conflict, 4 not found, 130 interrupted`

// usageError is a command line that makes no sense.
type usageError struct{ text string }

func (e *usageError) Error() string { return e.text }

func usagef(format string, args ...any) error { return &usageError{fmt.Sprintf(format, args...)} }

// run runs a command line and returns its exit code.
func run(ctx context.Context, args []string, p process) int {
	app := newApp(p)
	err := app.RunContext(ctx, reorder(app, args))
	if err == nil {
		return exitOK
	}
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		fmt.Fprintln(p.stderr, "caret: interrupted")
		return exitInterrupted
	}
	fmt.Fprintln(p.stderr, "caret: "+describe(err))
	if hint := hintFor(err); hint != "" {
		fmt.Fprintln(p.stderr, "hint: "+hint)
	}
	return exitCode(err)
}

func exitCode(err error) int {
	var usage *usageError
	if errors.As(err, &usage) {
		return exitUsage
	}
	var e *client.Error
	if errors.As(err, &e) {
		switch e.Status {
		case 404:
			return exitNotFound
		case 409:
			return exitConflict
		}
	}
	return exitError
}

// describe is an error for people: without the address of each call.
func describe(err error) string {
	var e *url.Error
	if errors.As(err, &e) && errors.Is(err, syscall.ECONNREFUSED) {
		u, _ := url.Parse(e.URL)
		return fmt.Sprintf("no server answers at %s://%s", u.Scheme, u.Host)
	}
	return err.Error()
}

func hintFor(err error) string {
	var e *client.Error
	var op *net.OpError
	switch {
	case errors.As(err, &e):
		return e.Hint
	case errors.Is(err, syscall.ECONNREFUSED):
		return "start one with `caret serve`, or name another with --endpoint or CARET_ENDPOINT"
	case errors.Is(err, syscall.EADDRINUSE):
		return "another program listens there; choose another address with --listen"
	case errors.Is(err, objstore.ErrLocked):
		return "another caret serves this directory; stop it, or choose another one with --data"
	case errors.As(err, &op) && op.Op == "dial":
		return "is the endpoint right?"
	}
	return ""
}

func newApp(p process) *cli.App {
	app := &cli.App{
		Name: "caret", HelpName: "caret", Version: version, HideVersion: true,
		Usage: "a version-controlled object gateway: every S3 write is a commit",
		Description: "Start a server with `caret serve`. The other commands talk to one.\n" +
			"REPO@EXPR:PATH names a file: EXPR is a branch, a tag, a commit or a way\n" +
			"from one, such as master, HEAD^, HEAD~3, .1 or HEAD@2026-11-20T12:00:00Z." + exitStatus,
		Reader: p.stdin, Writer: p.stdout, ErrWriter: p.stderr,
		ExitErrHandler: func(*cli.Context, error) {},
		Suggest:        true,
		Commands: []*cli.Command{
			serveCommand(p), envCommand(p), versionCommand(p),
			repoCommand(p), branchCommand(p), commitCommand(p), logCommand(p),
			putCommand(p), getCommand(p), lsCommand(p), statCommand(p), catCommand(p), rmCommand(p),
		},
		Action: func(c *cli.Context) error {
			if c.Args().Present() {
				return unknownCommand(c.App.Commands, "caret", c.Args().First())
			}
			return cli.ShowAppHelp(c)
		},
	}
	onUsage := func(_ *cli.Context, err error, _ bool) error { return &usageError{err.Error()} }
	app.OnUsageError = onUsage
	finishCommands(app.Commands, "caret", onUsage)
	return app
}

// finishCommands gives every command what they have in common.
func finishCommands(cmds []*cli.Command, path string, onUsage cli.OnUsageErrorFunc) {
	for _, c := range cmds {
		c.OnUsageError = onUsage
		c.HideHelpCommand = true
		name := path + " " + c.Name
		if len(c.Subcommands) > 0 {
			finishCommands(c.Subcommands, name, onUsage)
			subs := c.Subcommands
			c.Action = func(ctx *cli.Context) error {
				if ctx.Args().Present() {
					return unknownCommand(subs, name, ctx.Args().First())
				}
				return cli.ShowSubcommandHelp(ctx)
			}
			continue
		}
		c.Description += exitStatus
	}
}

// unknownCommand names the command that may have been meant.
func unknownCommand(cmds []*cli.Command, path, name string) error {
	best, least := "", 3
	for _, c := range cmds {
		if d := distance(name, c.Name); d < least {
			best, least = c.Name, d
		}
	}
	text := fmt.Sprintf("there is no command %q; `%s --help` lists them", path+" "+name, path)
	if best != "" {
		text += fmt.Sprintf(". Did you mean %q?", path+" "+best)
	}
	return &usageError{text}
}

// distance is the number of letters to change, add or leave out.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

// reorder moves flags in front of arguments: the library takes flags behind
// the first argument for arguments.
func reorder(app *cli.App, args []string) []string {
	if len(args) == 0 {
		return args
	}
	out := args[:1:1]
	rest := args[1:]
	cmds := app.Commands
	flags := app.Flags
	for len(rest) > 0 {
		i := slices.IndexFunc(cmds, func(c *cli.Command) bool { return c.HasName(rest[0]) })
		if i < 0 {
			break
		}
		out = append(out, rest[0])
		rest = rest[1:]
		flags, cmds = cmds[i].Flags, cmds[i].Subcommands
	}
	var positional []string
	for len(rest) > 0 {
		a := rest[0]
		rest = rest[1:]
		if a == "--" {
			positional = append(positional, rest...)
			break
		}
		if len(a) < 2 || a[0] != '-' {
			positional = append(positional, a)
			continue
		}
		out = append(out, a)
		if takesValue(flags, strings.TrimLeft(a, "-")) && len(rest) > 0 {
			out = append(out, rest[0])
			rest = rest[1:]
		}
	}
	if len(positional) > 0 {
		out = append(append(out, "--"), positional...)
	}
	return out
}

// takesValue says whether the argument behind the flag belongs to it.
func takesValue(flags []cli.Flag, name string) bool {
	for _, f := range flags {
		if slices.Contains(f.Names(), name) {
			_, isBool := f.(*cli.BoolFlag)
			return !isBool
		}
	}
	return false
}

// arguments checks how many arguments there are; names are for the message.
func arguments(c *cli.Context, names ...string) ([]string, error) {
	args := c.Args().Slice()
	want := len(names)
	if want > 0 && strings.HasSuffix(names[want-1], "...") {
		if len(args) >= want {
			return args, nil
		}
	} else if len(args) == want {
		return args, nil
	}
	if len(args) < want {
		return nil, usagef("%s is missing; usage: %s %s", names[len(args)], c.Command.HelpName, strings.Join(names, " "))
	}
	return nil, usagef("too many arguments: %q; usage: %s %s", strings.Join(args[want:], " "), c.Command.HelpName, strings.Join(names, " "))
}

// confirm asks before something goes away.
func confirm(c *cli.Context, p process, what string) error {
	if c.Bool("yes") {
		return nil
	}
	if !terminal(p.stdin) {
		return usagef("%s: say --yes, as there is no terminal to ask at", what)
	}
	fmt.Fprintf(p.stderr, "%s? [y/N] ", what)
	var answer string
	if _, err := fmt.Fscanln(p.stdin, &answer); err != nil || !strings.EqualFold(answer, "y") && !strings.EqualFold(answer, "yes") {
		return errors.New("nothing was done")
	}
	return nil
}

// dataFlag is where a server keeps everything.
func dataFlag() *cli.StringFlag {
	return &cli.StringFlag{Name: "data", Usage: "data `DIR`", EnvVars: []string{"CARET_DATA"}, Value: "./caret-data"}
}

// clientFlags are those of every command that talks to a server.
func clientFlags(more ...cli.Flag) []cli.Flag {
	return append(more,
		&cli.StringFlag{Name: "endpoint", Usage: "the server's `URL`", EnvVars: []string{"CARET_ENDPOINT"}, Value: defaultEndpoint},
		dataFlag(),
	)
}

const defaultEndpoint = "http://127.0.0.1:30600"

// connect makes the client that the flags and the environment ask for.
func connect(c *cli.Context, p process) (*client.Client, error) {
	access, secret := p.getenv("CARET_ACCESS_KEY"), p.getenv("CARET_SECRET_KEY")
	if access == "" {
		access, secret = p.getenv("AWS_ACCESS_KEY_ID"), p.getenv("AWS_SECRET_ACCESS_KEY")
	}
	if access == "" {
		k, err := readRootKey(c.String("data"))
		if errors.Is(err, os.ErrNotExist) {
			return nil, fmt.Errorf("no key to sign with: set CARET_ACCESS_KEY and CARET_SECRET_KEY, or run `eval \"$(caret env)\"` in the server's folder")
		}
		if err != nil {
			return nil, err
		}
		access, secret = k.AccessKey, k.SecretKey
	}
	u, err := url.Parse(c.String("endpoint"))
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, usagef("--endpoint %q is not like %s", c.String("endpoint"), defaultEndpoint)
	}
	return client.New(c.String("endpoint"), access, secret), nil
}
