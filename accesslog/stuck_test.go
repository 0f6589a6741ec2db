package accesslog_test

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"caret/accesslog"
)

// TestStuck: a pipe that nobody reads any more keeps nobody from opening the log again, in
// another file, and what comes then is there.
func TestStuck(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	l := open(t, path)
	// More than a pipe holds.
	fill := func() {
		for range 500 {
			l.Add(&accesslog.Entry{ID: strings.Repeat("x", 1000)})
		}
	}
	fill()
	reader, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	if _, err := io.ReadFull(reader, make([]byte, 1)); err != nil { // writing has begun
		t.Fatal(err)
	}
	if err := os.Rename(path, path+".old"); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- l.Reopen() }()
	select {
	case err := <-done:
		if err != nil {
			t.Fatal(err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("it waits for a pipe that nobody reads")
	}
	l.Add(&accesslog.Entry{ID: "last"})
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	text := readFile(t, path)
	list := lines(t, text)
	if len(list) < 2 || list[len(list)-1]["id"] != "last" && list[len(list)-1]["dropped"] == nil {
		t.Errorf("%d lines, the last is %v", len(list), list[max(0, len(list)-1)])
	}
	if !strings.Contains(text, `"last"`) || !strings.Contains(text, `"dropped"`) {
		t.Errorf("what came afterwards, or what was lost, is not told")
	}
}
