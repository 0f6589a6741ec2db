package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"syscall"
)

// attack is one of the things that somebody may try.
type attack struct {
	name string // what -run selects
	what string // in a few words
	run  func(*stage) error
}

// attacks are all there are, in the order in which they run.
var attacks = []attack{
	{"garbage", "bytes that are no request, requests that make no sense", garbage},
	{"mutants", "signed requests that are nearly right", mutants},
	{"matrix", "every operation of S3 as everybody, on what is public, deleted, removed or protected", matrix},
	{"api-matrix", "every operation of the API as everybody and with limited keys, on what is open, protected or deleted", apiMatrix},
	{"silent-readers", "GETs of a large object that never read", silentReaders},
	{"silent-writers", "PUTs that send half and then nothing", silentWriters},
	{"silent-bodies", "long documents of which nothing comes", silentBodies},
	{"dry-runs", "reverts and merges of a large commit that are not done", dryRuns},
	{"idle", "more connections than files, which ask for nothing", idle},
	{"liar", "a server that those who fetch from it should not trust", liar},
	{"folder", "a folder that others prepared or write to, and a server that sends on", folder},
	{"committer", "work of any size where all writes wait for one another", committer},
}

// stage is where one attack takes place.
type stage struct {
	ctx    context.Context
	bin    string    // the binary
	dir    string    // for data, removed afterwards
	small  bool      // a tenth of the effort will do
	seed   uint64    // of what is random
	out    io.Writer // the table
	log    io.Writer // what servers say
	name   string
	failed int
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	pattern := flag.String("run", "", "attacks to run, a regular `EXPRESSION`")
	small := flag.Bool("small", false, "as in go test: with less effort")
	seed := flag.Uint64("seed", 1, "`NUMBER` that what is random follows from")
	dir := flag.String("dir", "", "`DIR` for a folder that is removed afterwards")
	flag.Parse()
	err := run(ctx, *pattern, *dir, *small, *seed, os.Stdout, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "hostile:", err)
		os.Exit(1)
	}
}

// run runs the attacks whose names match pattern and prints a table of what they found.
// It fails if something is not as it must be.
func run(ctx context.Context, pattern, dir string, small bool, seed uint64, out, log io.Writer) error {
	only, err := regexp.Compile(pattern)
	if err != nil {
		return err
	}
	work, err := os.MkdirTemp(dir, "hostile-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work) //nolint:errcheck // it is only left over
	bin, err := build(ctx, work)
	if err != nil {
		return err
	}
	fmt.Fprint(out, header)
	ran := 0
	var errs []error
	for _, a := range attacks {
		if only.MatchString(a.name) {
			ran++
			s := &stage{ctx: ctx, bin: bin, dir: filepath.Join(work, a.name), small: small, seed: seed, out: out, log: log}
			errs = append(errs, s.suffer(a), os.RemoveAll(s.dir))
		}
	}
	if ran == 0 {
		return fmt.Errorf("no attack is named like %q", pattern)
	}
	return errors.Join(errs...)
}

const header = "| attack | what | found | must be | |\n|---|---|---|---|---|\n"

// build builds the binary in a folder.
func build(ctx context.Context, dir string) (string, error) {
	bin := filepath.Join(dir, "caret")
	if said, err := exec.CommandContext(ctx, "go", "build", "-o", bin, "caret/cmd/caret").CombinedOutput(); err != nil {
		return "", fmt.Errorf("build: %w\n%s", err, said)
	}
	return bin, nil
}

// suffer lets an attack take place. It is an error if something did not hold.
func (s *stage) suffer(a attack) error {
	s.name = a.name
	err := a.run(s)
	if err == nil && s.failed > 0 {
		err = fmt.Errorf("%d of the lines did not hold", s.failed)
	}
	if err != nil {
		err = fmt.Errorf("%s (%s): %w", a.name, a.what, err)
	}
	return err
}

// size is n, or n/10 where less effort will do.
func (s *stage) size(n int) int {
	if s.small {
		return max(1, n/10)
	}
	return n
}

// atMost reports a number, and the most that it may be.
func (s *stage) atMost(what string, got, most float64, unit string) {
	s.report(what, fmt.Sprintf("%.4g %s", got, unit), fmt.Sprintf("at most %.4g %s", most, unit), got <= most)
}

// is reports what something was, and what it has to be.
func (s *stage) is(what string, got, want any) {
	g, w := fmt.Sprint(got), fmt.Sprint(want)
	s.report(what, g, w, g == w)
}

// shown reports what is good to know.
func (s *stage) shown(what, found string) { s.report(what, found, "", true) }

func (s *stage) report(what, found, must string, held bool) {
	verdict := ""
	switch {
	case !held:
		verdict = "**FAILED**"
		s.failed++
	case must != "":
		verdict = "held"
	}
	fmt.Fprintf(s.out, "| %s | %s | %s | %s | %s |\n", s.name, what, found, must, verdict)
}
