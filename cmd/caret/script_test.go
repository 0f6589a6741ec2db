package main

import (
	"bufio"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"caret": main})
}

// TestScripts runs the command lines in testdata/script.
func TestScripts(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/script/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	if testing.Short() { // under the race detector: the one with transfers in parallel
		files = []string{"testdata/script/folders.txtar"}
	}
	testscript.Run(t, testscript.Params{
		Files:               files,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits,
			"serve": serveInScript,
		},
		Setup: func(e *testscript.Env) error {
			// Of the surroundings nothing may be seen.
			for _, name := range []string{"CARET_ENDPOINT", "CARET_DATA", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "CARET_ACCESS_KEY", "CARET_SECRET_KEY", "AWS_CA_BUNDLE"} {
				e.Setenv(name, "")
			}
			e.Setenv("CARET_PAGER", "cat")
			return nil
		},
	})
}

// exits runs caret and checks its exit code: exits CODE ARGUMENT...
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE ARGUMENT...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	code := 0
	var exit *exec.ExitError
	if err := ts.Exec("caret", args[1:]...); errors.As(err, &exit) {
		code = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if code != want {
		ts.Fatalf("exit code %d, want %d", code, want)
	}
}

// serveInScript starts a server that keeps ./caret-data, and names it in
// CARET_ENDPOINT.
func serveInScript(ts *testscript.TestScript, neg bool, args []string) {
	if neg {
		ts.Fatalf("serve does not fail here; use exits")
	}
	bin, err := os.Executable()
	ts.Check(err)
	cmd := exec.Command(bin, append([]string{"serve", "--listen", "127.0.0.1:0"}, args...)...)
	// The test binary is caret to whoever calls it by that name.
	cmd.Args[0] = "caret"
	cmd.Dir = ts.MkAbs(".")
	cmd.Env = append(os.Environ(), "CARET_ROOT_ACCESS_KEY=", "CARET_ROOT_SECRET_KEY=")
	stderr, err := cmd.StderrPipe()
	ts.Check(err)
	ts.Check(cmd.Start())
	ts.Defer(func() {
		cmd.Process.Signal(os.Interrupt)
		if err := cmd.Wait(); err != nil {
			ts.Logf("the server ended with %v", err)
		}
	})
	for lines := bufio.NewScanner(stderr); lines.Scan(); {
		if _, url, ok := strings.Cut(lines.Text(), " at "); ok && strings.HasPrefix(url, "http://") {
			ts.Setenv("CARET_ENDPOINT", url)
			go io.Copy(io.Discard, stderr)
			return
		}
	}
	ts.Fatalf("the server did not start")
}
