package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"caret/api/nearest"
)

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
		if len(a) < 2 || a[0] != '-' { // a lone - is standard input or output
			positional = append(positional, a)
			continue
		}
		if attached(flags, a) {
			out = append(out, a[:2], a[2:])
			continue
		}
		out = append(out, a)
		if !takesValue(flags, a) {
			continue
		}
		if len(rest) == 0 {
			return out // the library says that the value is missing
		}
		out = append(out, rest[0])
		rest = rest[1:]
	}
	if len(positional) > 0 {
		out = append(append(out, "--"), positional...)
	}
	return out
}

// attached says whether a is a short flag with its value behind it, as -n5.
func attached(flags []cli.Flag, a string) bool {
	return len(a) > 2 && a[1] != '-' && a[2] != '=' && find(flags, a[1:]) == nil && takesValue(flags, a[:2])
}

// takesValue says whether the argument behind a belongs to it. a is a flag or
// several short ones in one, of which the last may take a value.
func takesValue(flags []cli.Flag, a string) bool {
	name := strings.TrimLeft(a, "-")
	if find(flags, name) == nil && !strings.HasPrefix(a, "--") && !strings.Contains(a, "=") {
		name = name[len(name)-1:]
	}
	f := find(flags, name)
	if f == nil {
		return false
	}
	_, isBool := f.(*cli.BoolFlag)
	return !isBool
}

func find(flags []cli.Flag, name string) cli.Flag {
	for _, f := range flags {
		if slices.Contains(f.Names(), name) {
			return f
		}
	}
	return nil
}

// arguments checks how many arguments there are; names are for the message.
// "..." behind the last name allows any number of it.
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
	usage := strings.TrimSpace(c.Command.HelpName + " " + c.Command.ArgsUsage)
	if len(args) < want {
		return nil, usagef("%s is missing; usage: %s", strings.TrimSuffix(names[len(args)], "..."), usage)
	}
	return nil, usagef("too many arguments: %q; usage: %s", strings.Join(args[want:], " "), usage)
}

// onUsage makes the library's complaints about flags readable.
func onUsage(c *cli.Context, err error, _ bool) error {
	const unknown = "flag provided but not defined: -"
	name, ok := strings.CutPrefix(err.Error(), unknown)
	if !ok || c == nil || c.Command == nil {
		return &usageError{err.Error()}
	}
	path, flags := c.Command.HelpName, c.Command.Flags
	name = strings.TrimLeft(name, "-")
	var names []string
	for _, f := range flags {
		for _, n := range f.Names() {
			if len(n) > 1 {
				names = append(names, n)
			}
		}
	}
	dashes := "--"
	if len(name) == 1 {
		dashes = "-"
	}
	text := fmt.Sprintf("%s has no flag %s%s; `%s --help` lists them", path, dashes, name, path)
	if best := nearest.Of(name, names); best != "" {
		text += fmt.Sprintf(". Did you mean --%s?", best)
	}
	return &usageError{text}
}

// unknownCommand names the command that may have been meant.
func unknownCommand(cmds []*cli.Command, path, name string) error {
	var names []string
	for _, c := range cmds {
		names = append(names, c.Name)
	}
	text := fmt.Sprintf("there is no command %q; `%s --help` lists them", path+" "+name, path)
	if best := nearest.Of(name, names); best != "" {
		text += fmt.Sprintf(". Did you mean %q?", path+" "+best)
	}
	return &usageError{text}
}

func yesFlag() cli.Flag { return &cli.BoolFlag{Name: "yes", Usage: "do not ask"} }

// canConfirm says why confirm would fail without an answer.
func canConfirm(p process, yes bool, what string) error {
	if !yes && !terminal(p.stdin) {
		return usagef("%s: say --yes, as there is no terminal to ask at", what)
	}
	return nil
}

// confirm asks before something goes away.
func confirm(ctx context.Context, p process, yes bool, what string) error {
	if err := canConfirm(p, yes, what); yes || err != nil {
		return err
	}
	fmt.Fprintf(p.stderr, "%s? [y/N] ", what)
	answer := make(chan string, 1)
	go func() {
		var s string
		fmt.Fscanln(p.stdin, &s) //nolint:errcheck // no answer is a no
		answer <- s
	}()
	select {
	case <-ctx.Done():
		fmt.Fprintln(p.stderr)
		return ctx.Err()
	case s := <-answer:
		if !strings.EqualFold(s, "y") && !strings.EqualFold(s, "yes") {
			return errors.New("nothing was done")
		}
		return nil
	}
}
