package main

import (
	"bufio"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestLogFormat: with --log-format json a server says nothing but lines of JSON, at every
// level, and its index says nothing at level info.
func TestLogFormat(t *testing.T) {
	t.Parallel()
	for _, level := range []string{"debug", "info"} {
		bin, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), bin, "serve", "--listen", "127.0.0.1:0", "--data", filepath.Join(t.TempDir(), "data"), "--log-format", "json", "--log-level", level)
		cmd.Args[0] = "caret"
		cmd.Env = append(os.Environ(), "CARET_ROOT_ACCESS_KEY=", "CARET_ROOT_SECRET_KEY=")
		stderr, err := cmd.StderrPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		serving, index := false, false
		for lines := bufio.NewScanner(stderr); lines.Scan(); {
			var line struct{ Msg, Endpoint, Component string }
			if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
				t.Errorf("%s: %v", lines.Text(), err)
			}
			index = index || line.Component == "index"
			if line.Msg == "serving" {
				serving = strings.HasPrefix(line.Endpoint, "http://127.0.0.1:")
				cmd.Process.Signal(os.Interrupt)
			}
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("the server ended with %v", err)
		}
		if !serving || index != (level == "debug") {
			t.Errorf("at level %s it told where it serves: %t; the index spoke: %t", level, serving, index)
		}
	}
}

// TestLogFlags: flags that make no sense are refused before anything is done.
func TestLogFlags(t *testing.T) {
	t.Parallel()
	for _, o := range []logFlags{{level: "loud", format: "text"}, {level: "info", format: "xml"}} {
		if _, err := newLog(nil, o); err == nil {
			t.Errorf("%+v is taken", o)
		}
	}
}
