package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"caret/api/nearest"
)

// arrange puts a command line in the one order that the library understands:
// the command, flags, arguments. It takes flags behind the first argument for
// arguments, and knows none of a command's in front of its name.
func arrange(app *cli.App, args []string) ([]string, error) {
	if len(args) == 0 {
		return args, nil
	}
	ahead, words := early(args[1:])
	cmd, n := leaf(app, words)
	out, rest := append(args[:1:1], words[:n]...), words[n:]
	if len(cmd.Subcommands) > 0 && len(rest) > 0 && rest[0] != "" && rest[0][0] != '-' {
		if rest[0] == "help" { // caret help COMMAND, caret COMMAND help
			return arrange(app, slices.Concat(out, rest[1:], []string{"--help"}))
		}
		return nil, unknownCommand(cmd.Subcommands, strings.Join(append([]string{"caret"}, words[:n]...), " "), rest[0])
	}
	if find(cmd.Flags, noPager) == nil { // a script says it of whatever it calls
		ahead = slices.DeleteFunc(ahead, func(f string) bool { return f == "--"+noPager })
	}
	given, positional, needs := split(cmd.Flags, slices.Concat(ahead, rest))
	out = append(out, given...)
	if len(positional) > 0 && needs == "" {
		out = append(append(out, "--"), positional...)
	}
	return out, nil
}

// early takes the flags in front of the command's name.
func early(words []string) (flags, rest []string) {
	known := clientFlags(pagedFlags()...)
	for len(words) > 0 && len(words[0]) > 1 && words[0][0] == '-' {
		n := 1
		if takesValue(known, words[0]) && len(words) > 1 {
			n = 2
		}
		flags = append(flags, words[:n]...)
		words = words[n:]
	}
	return flags, words
}

// leaf is the command that words begin with the names of, and how many words
// that takes.
func leaf(app *cli.App, words []string) (*cli.Command, int) {
	cmd := &cli.Command{Name: app.Name, Subcommands: app.Commands, Flags: app.Flags}
	for n, w := range words {
		i := slices.IndexFunc(cmd.Subcommands, func(c *cli.Command) bool { return c.HasName(w) })
		if i < 0 {
			return cmd, n
		}
		cmd = cmd.Subcommands[i]
	}
	return cmd, len(words)
}

// split tells flags, with their values, from arguments. If the value of the
// last flag is missing, needs is that flag, and the library will say so.
func split(flags []cli.Flag, words []string) (given, positional []string, needs string) {
	for len(words) > 0 {
		w := words[0]
		words = words[1:]
		switch {
		case w == "--":
			return given, append(positional, words...), ""
		case len(w) < 2 || w[0] != '-': // a lone - is standard input or output
			positional = append(positional, w)
		case attached(flags, w):
			given = append(given, w[:2], w[2:])
		case !takesValue(flags, w):
			given = append(given, w)
		case len(words) == 0:
			return append(given, w), positional, w
		default:
			given = append(given, w, words[0])
			words = words[1:]
		}
	}
	return given, positional, ""
}

// attached says whether a is a short flag with its value behind it, as -n5.
func attached(flags []cli.Flag, a string) bool {
	return len(a) > 2 && a[1] != '-' && a[2] != '=' && find(flags, a[1:]) == nil && takesValue(flags, a[:2])
}

// takesValue says whether the argument behind a belongs to it. a is a flag or
// several short ones in one, of which the last may take a value.
func takesValue(flags []cli.Flag, a string) bool {
	f := findLast(flags, a)
	_, isBool := f.(*cli.BoolFlag)
	return f != nil && !isBool
}

// findLast is the flag that a is, or the last of the short ones in it.
func findLast(flags []cli.Flag, a string) cli.Flag {
	name := strings.TrimLeft(a, "-")
	if find(flags, name) == nil && !strings.HasPrefix(a, "--") && !strings.Contains(a, "=") {
		name = name[len(name)-1:]
	}
	return find(flags, name)
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
		return args, checkOrder(args, names)
	}
	usage := strings.TrimSpace(c.Command.HelpName + " " + c.Command.ArgsUsage)
	if len(args) < want {
		err := usagef("%s is missing; usage: %s", strings.TrimSuffix(names[len(args)], "..."), usage)
		if len(args) == 0 && strings.HasPrefix(names[0], "REPO") && c.Command.Name != "create" {
			err = &hinted{err, "`caret repo list` shows the repos that there are"}
		}
		return nil, err
	}
	hint := ""
	if want == 1 {
		hint = spread(c)
	}
	return nil, usagef("too many arguments: %q%s; usage: %s", strings.Join(args[want:], " "), hint, usage)
}

// flagName is how the library names a flag, and badValue what it says of a
// number or a time that is none.
var (
	flagName = regexp.MustCompile(`(flag|:) -(\w[\w-]+)`)
	badValue = regexp.MustCompile(`^invalid value (".*") for flag (-\S+): parse error$`)
)

// onUsage makes the library's complaints about flags readable.
func onUsage(c *cli.Context, err error, _ bool) error {
	const unknown = "flag provided but not defined: -"
	name, ok := strings.CutPrefix(err.Error(), unknown)
	if !ok || c == nil || c.Command == nil {
		return badFlag(c, err)
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
	name = unknownShort(flags, name)
	dashes := "--"
	if len(name) == 1 {
		dashes = "-"
	}
	text := fmt.Sprintf("%s has no flag %s%s; `%s --help` lists them", path, dashes, name, path)
	best := nearest.Of(name, names)
	if other := otherFlags[name]; find(flags, other) != nil {
		best = other
	}
	switch _, err := strconv.ParseUint(name, 10, 31); {
	case err == nil && find(flags, "n") != nil:
		text += fmt.Sprintf(". Did you mean -n %s?", name)
	case best != "":
		text += fmt.Sprintf(". Did you mean --%s?", best)
	}
	return &usageError{text}
}

// unknownShort is the first letter of name that is no flag, if name is several
// short flags in one, and name otherwise.
func unknownShort(flags []cli.Flag, name string) string {
	if len(name) < 2 || find(flags, name[:1]) == nil {
		return name
	}
	for i := range len(name) {
		if len(name) < 4 && find(flags, name[i:i+1]) == nil {
			return name[i : i+1]
		}
	}
	return name
}

// badFlag says what the value of a flag should be.
func badFlag(c *cli.Context, err error) error {
	text := flagName.ReplaceAllString(err.Error(), "$1 --$2")
	m := badValue.FindStringSubmatch(text)
	if m == nil || c == nil || c.Command == nil {
		return &usageError{text}
	}
	if _, isTime := find(c.Command.Flags, strings.TrimLeft(m[2], "-")).(*cli.DurationFlag); isTime {
		return usagef("%s %s: it is a time such as 30s or 24h", m[2], m[1])
	}
	return usagef("%s %s: it is a number", m[2], m[1])
}

// unknownCommand names the command that may have been meant.
func unknownCommand(cmds []*cli.Command, path, name string) error {
	var names []string
	for _, c := range cmds {
		names = append(names, c.Name)
	}
	text := fmt.Sprintf("there is no command %q; `%s --help` lists them", path+" "+name, path)
	best := nearest.Of(name, names)
	if path == "caret" {
		best = cmp.Or(elsewhere[name], best)
	}
	if best != "" {
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
