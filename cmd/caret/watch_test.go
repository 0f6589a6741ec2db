package main

import (
	"bufio"
	"context"
	"io"
	"strings"
	"testing"

	"caret/api/client"
	"caret/api/v1"
)

// TestServeEndsWatches: a server that is told to stop does not wait for those
// who watch, whatever the grace.
func TestServeEndsWatches(t *testing.T) {
	// Not in parallel: the library writes global variables.
	dir := t.TempDir()
	stderr, w := io.Pipe()
	p := process{stdin: strings.NewReader(""), stdout: io.Discard, stderr: w, getenv: func(string) string { return "" }}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	exit := make(chan int, 1)
	go func() {
		exit <- run(ctx, []string{"caret", "serve", "--data", dir, "--listen", "127.0.0.1:0", "--grace", "1h"}, p)
		w.Close()
	}()
	lines := bufio.NewScanner(stderr)
	url := ""
	for url == "" && lines.Scan() {
		if _, at, ok := strings.Cut(lines.Text(), " at "); ok {
			url = at
		}
	}
	go io.Copy(io.Discard, stderr)
	key, err := readRootKey(dir)
	if err != nil {
		t.Fatal(err)
	}
	cl := client.New(url, key.AccessKey, key.SecretKey)
	if _, err := cl.CreateRepo(t.Context(), v1.Repo{Name: "r"}); err != nil {
		t.Fatal(err)
	}
	if _, err := cl.Put(t.Context(), "r", "", "f", "", "", strings.NewReader("x"), 1); err != nil {
		t.Fatal(err)
	}
	watching, done := context.WithCancel(t.Context())
	defer done()
	for x, err := range cl.Watch(watching, "r", "master", "", v1.Beginning) {
		if err != nil {
			break
		}
		if x.N != 1 {
			t.Errorf("commit %d", x.N)
		}
		stop() // while the stream is open
		if code := <-exit; code != exitOK {
			t.Errorf("exit code %d", code)
		}
		done() // there is nobody to connect to again
	}
}
