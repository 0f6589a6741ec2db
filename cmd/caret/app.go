package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"caret/api/client"
)

// run runs a command line and returns its exit code.
func run(ctx context.Context, args []string, p process) int {
	app := newApp(p)
	args, err := arrange(app, args)
	if err == nil {
		err = app.RunContext(ctx, args)
	}
	if err != nil {
		return report(ctx, p, err)
	}
	return exitOK
}

func newApp(p process) *cli.App {
	app := &cli.App{
		Name: "caret", HelpName: "caret", Version: version,
		Usage: "a version-controlled object store: every S3 write is a commit",
		Description: "Start a server with `caret serve`. The other commands talk to one, and sign\n" +
			"with CARET_ACCESS_KEY and CARET_SECRET_KEY, or those of AWS, or its root key.\n" +
			"REPO@EXPR:PATH names a file: EXPR is a branch, a tag, a commit or a way\n" +
			"from one, such as master, HEAD^, HEAD~3, .1 or HEAD@2026-11-20T12:00:00Z.\n" +
			"A terminal shows colours, unless NO_COLOR is set, and long lists in a pager:\n" +
			"CARET_PAGER, PAGER or less; --no-pager shows them without.\n" +
			"-o json prints JSON: lists as an array, `caret watch` an object a line, and\n" +
			"everything else one object.\n\n" +
			"EXAMPLES:\n   caret repo create sales\n   caret put sales@master:june/ -r ./out -m june\n" +
			"   caret log sales\n   caret cat sales@HEAD^:june/a.csv" + exitStatus,
		HideHelpCommand: true,
		Reader:          p.stdin, Writer: &helpWriter{w: p.stdout}, ErrWriter: p.stderr,
		ExitErrHandler:            func(*cli.Context, error) {}, // main alone exits
		UseShortOptionHandling:    true,
		DisableSliceFlagSeparator: true,
		Commands: []*cli.Command{
			serveCommand(p), rebuildCommand(p), envCommand(p), versionCommand(p), completionCommand(p), completeCommand(p),
			userCommand(p), keyCommand(p), statusCommand(p), auditCommand(p), fsckCommand(p),
			repoCommand(p), branchCommand(p), tagCommand(p), commitCommand(p), logCommand(p), watchCommand(p), diffCommand(p), mergeCommand(p), revertCommand(p), restoreCommand(p),
			putCommand(p), getCommand(p), lsCommand(p), statCommand(p), catCommand(p), cpCommand(p), mvCommand(p), rmCommand(p),
		},
		Action: cli.ShowAppHelp,
	}
	app.OnUsageError = onUsage
	finishCommands(p, app.Commands, "caret")
	return app
}

// finishCommands gives every command what they have in common.
func finishCommands(p process, cmds []*cli.Command, path string) {
	for _, c := range cmds {
		c.OnUsageError = onUsage
		c.HideHelpCommand = true
		name := path + " " + c.Name
		if len(c.Subcommands) > 0 {
			finishCommands(p, c.Subcommands, name)
			c.Action = cli.ShowSubcommandHelp
			continue
		}
		c.UseShortOptionHandling = true
		c.Description += exitStatus
		for _, f := range c.Flags {
			switch f := f.(type) {
			case *cli.StringFlag:
				readEnv(p, f)
			case *cli.BoolFlag:
				f.DisableDefaultText = true
			case *cli.IntFlag:
				if f.Value == 0 {
					f.DefaultText = "all"
				}
			}
		}
	}
}

// readEnv takes the default of a flag from the environment of p, where the
// library would ask the process's own.
func readEnv(p process, f *cli.StringFlag) {
	if len(f.EnvVars) == 0 {
		return
	}
	if f.Value != "" {
		f.DefaultText = strconv.Quote(f.Value)
	}
	for _, name := range f.EnvVars {
		if v := p.getenv(name); v != "" {
			f.Value = v
			break
		}
	}
	f.Usage += " [$" + strings.Join(f.EnvVars, ", $") + "]"
	f.EnvVars = nil
}

const (
	defaultData     = "./caret-data"
	defaultEndpoint = "http://127.0.0.1:30600"
)

// dataFlag is where a server keeps everything.
func dataFlag(usage string) *cli.StringFlag {
	return &cli.StringFlag{Name: "data", Usage: usage, EnvVars: []string{"CARET_DATA"}, Value: defaultData}
}

func endpointFlag() *cli.StringFlag {
	return &cli.StringFlag{Name: "endpoint", Usage: "`URL` of the server", EnvVars: []string{"CARET_ENDPOINT"}, Value: defaultEndpoint}
}

// caFlag is what a certificate must lead to, as AWS's clients have it.
func caFlag() *cli.StringFlag {
	return &cli.StringFlag{Name: "ca-file", Usage: "PEM `FILE` of the certificates that an https server's must lead to, instead of the system's", EnvVars: []string{"AWS_CA_BUNDLE"}}
}

// clientFlags are those of every command that talks to a server.
func clientFlags(more ...cli.Flag) []cli.Flag {
	return append(more, endpointFlag(), dataFlag("`DIR` whose root key signs, if the environment has no key"), caFlag())
}

// connect makes the client that the flags and the environment ask for.
func connect(c *cli.Context, p process) (*client.Client, error) {
	return dial(p, c.String("endpoint"), c.String("data"), c.String("ca-file"))
}

// parseEndpoint reads the URL of a server.
func parseEndpoint(endpoint string) (*url.URL, error) {
	u, err := url.Parse(endpoint)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, usagef("--endpoint %q is not like %s", endpoint, defaultEndpoint)
	}
	return u, nil
}

// dial makes a client of the server at endpoint, whose certificate must lead to one in
// caFile, if that is not "".
func dial(p process, endpoint, data, caFile string) (*client.Client, error) {
	u, err := parseEndpoint(endpoint)
	if err != nil {
		return nil, err
	}
	k, err := findKey(p, data)
	if err != nil {
		return nil, err
	}
	cl := client.New(endpoint, k.AccessKey, k.SecretKey)
	if caFile == "" || u.Scheme != "https" {
		return cl, nil
	}
	pem, err := os.ReadFile(caFile)
	if err != nil {
		return nil, fmt.Errorf("read --ca-file or AWS_CA_BUNDLE: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, usagef("--ca-file or AWS_CA_BUNDLE: there is no certificate in %s", caFile)
	}
	cl.Trust(roots)
	return cl, nil
}

// keyVariables are where keys are looked for, in this order.
var keyVariables = [][2]string{
	{"CARET_ACCESS_KEY", "CARET_SECRET_KEY"},
	{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"},
}

// keySource says where the key that findKey finds is from.
func keySource(p process) string {
	for _, names := range keyVariables {
		if p.getenv(names[0]) != "" {
			return "in " + names[0]
		}
	}
	return "in the data directory"
}

// findKey finds the key that requests are signed with.
func findKey(p process, data string) (rootKey, error) {
	for _, names := range keyVariables {
		k := rootKey{p.getenv(names[0]), p.getenv(names[1])}
		if (k.AccessKey == "") != (k.SecretKey == "") {
			return k, usagef("set both %s and %s, or neither", names[0], names[1])
		}
		if k.AccessKey != "" {
			return k, nil
		}
	}
	k, err := readRootKey(data)
	if errors.Is(err, os.ErrNotExist) {
		return k, &hinted{
			errors.New("no key to sign with: CARET_ACCESS_KEY is not set and there is no " + rootKeyPath(data)),
			"start a server here with `caret serve`, or run `eval \"$(caret env --data DIR)\"` with the DIR of one on this machine,\n" +
				"      or set CARET_ENDPOINT, CARET_ACCESS_KEY and CARET_SECRET_KEY to those of another",
		}
	}
	return k, err
}
