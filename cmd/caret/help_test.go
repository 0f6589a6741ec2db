package main

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"
)

// TestHelp walks the commands: each says how it is used, and its examples are
// command lines that it takes.
func TestHelp(t *testing.T) {
	t.Parallel()
	app := newApp(process{getenv: func(string) string { return "" }})
	var walk func(path string, cmds []*cli.Command)
	walk = func(path string, cmds []*cli.Command) {
		for _, c := range cmds {
			name := path + " " + c.Name
			switch {
			case c.Hidden:
			case c.Usage == "":
				t.Errorf("%s does not say what it is for", name)
			case len(c.Subcommands) > 0:
				walk(name, c.Subcommands)
			default:
				checkHelp(t, app, name, c)
			}
		}
	}
	walk("caret", app.Commands)
}

// TestHelpWidth reads the help of every command as a terminal shows it.
func TestHelpWidth(t *testing.T) {
	// Not in parallel: the library writes global variables.
	var walk func(words []string, cmds []*cli.Command)
	walk = func(words []string, cmds []*cli.Command) {
		var out strings.Builder
		p := process{stdout: &out, stderr: &out, getenv: func(string) string { return "" }}
		if code := run(t.Context(), append(words[:len(words):len(words)], "--help"), p); code != exitOK {
			t.Errorf("%v --help ends with %d", words, code)
		}
		for line := range strings.Lines(out.String()) {
			if len(line) > helpWidth+1 {
				t.Errorf("%v --help is wider than %d columns: %s", words, helpWidth, line)
			}
		}
		for _, c := range cmds {
			if !c.Hidden {
				walk(append(words[:len(words):len(words)], c.Name), c.Subcommands)
			}
		}
	}
	walk([]string{"caret"}, newApp(process{getenv: func(string) string { return "" }}).Commands)
}

func TestFold(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("word ", 20)
	for in, want := range map[string]string{
		"short":                 "short",
		"   --flag X  " + long:  "   --flag X  " + strings.TrimSpace(long[:5*13]) + "\n             " + strings.TrimSpace(long[5*13:]),
		"   " + long:            "   " + strings.TrimSpace(long[:5*15]) + "\n   " + strings.TrimSpace(long[5*15:]),
		strings.Repeat("x", 90): strings.Repeat("x", 90),
	} {
		if got := fold(in); got != want {
			t.Errorf("fold(%q) is\n%s\nnot\n%s", in, got, want)
		}
	}
}

var takesNone = regexp.MustCompile(`^caret (serve|rebuild|env|version|status|audit|gc|\w+ list)$`)

// behind is what a shell does with the output of a command, and after it.
var behind = regexp.MustCompile(` (\||&&|>).*`)

func checkHelp(t *testing.T, app *cli.App, name string, c *cli.Command) {
	t.Helper()
	if c.ArgsUsage == "" && !takesNone.MatchString(name) {
		t.Errorf("%s does not say what arguments it takes", name)
	}
	if want := map[string]string{"list": "ls", "delete": "rm"}[c.Name]; want != "" && !slices.Contains(c.Aliases, want) {
		t.Errorf("%s has no alias %s", name, want)
	}
	for _, f := range c.Flags {
		if doc, ok := f.(cli.DocGenerationFlag); !ok || doc.GetUsage() == "" {
			t.Errorf("%s does not say what --%s is for", name, f.Names()[0])
		}
		if _, ok := f.(*cli.BoolFlag); !ok && valueKind(f) == "" {
			t.Errorf("%s --%s has no name for its value", name, f.Names()[0])
		}
	}
	for line := range strings.Lines(c.Description) {
		if len(line) > helpWidth-2 { // it is set in by 3, and ends with \n
			t.Errorf("%s: help would break the line %q", name, line)
		}
	}
	_, examples, ok := strings.Cut(c.Description, "EXAMPLES:\n")
	examples, status, _ := strings.Cut(examples, "\n\n")
	if !ok || !strings.Contains(status, "EXIT STATUS:") {
		t.Errorf("%s has no examples, or says nothing of its exit status behind them", name)
	}
	own := false
	for example := range strings.Lines(examples) {
		_, words, ok := strings.Cut(strings.TrimRight(example, "\n"), "caret ")
		if !ok {
			continue
		}
		words = behind.ReplaceAllString(words, "")
		line, _, _ := shellWords(strings.TrimRight(words, `)"`)+closing(words), "")
		cmd, n := leaf(app, line)
		own = own || cmd == c
		checkExample(t, strings.TrimSpace(example), cmd, line[n:])
	}
	if !own {
		t.Errorf("%s has no example of itself", name)
	}
}

// closing is the quote that was cut off with what encloses a command.
func closing(words string) string {
	if strings.HasSuffix(words, `"`) && strings.Count(words, `"`)%2 == 0 {
		return `"`
	}
	return ""
}

func checkExample(t *testing.T, example string, cmd *cli.Command, words []string) {
	t.Helper()
	if len(cmd.Subcommands) > 0 {
		t.Errorf("%q is no command", example)
		return
	}
	given, args, needs := split(cmd.Flags, words)
	if needs != "" {
		t.Errorf("%q: %s has no value", example, needs)
	}
	for i := 0; i < len(given); i++ {
		f := findLast(cmd.Flags, given[i])
		if f == nil {
			t.Errorf("%q: there is no flag %s", example, given[i])
		}
		if takesValue(cmd.Flags, given[i]) {
			i++
		}
	}
	kinds := strings.Fields(cmd.ArgsUsage)
	least := len(slices.DeleteFunc(slices.Clone(kinds), func(k string) bool { return k[0] == '[' }))
	if len(args) < least || len(args) > len(kinds) && !strings.Contains(cmd.ArgsUsage, "...") {
		t.Errorf("%q has %d arguments for %s", example, len(args), cmd.ArgsUsage)
	}
	for i, a := range args {
		if i < len(kinds) && strings.HasPrefix(kinds[i], "REPO") && !strings.Contains(a, "$") {
			if _, err := parseTarget(a); err != nil {
				t.Errorf("%q: %v", example, err)
			}
		}
	}
}
