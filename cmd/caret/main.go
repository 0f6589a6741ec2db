// Command caret is a version-controlled object gateway: `caret serve` speaks
// S3, and every other command talks to such a server.
package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"
)

// version is set by the build.
var version = "devel"

func main() {
	ctx, end := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, enders(os.Args)...)
	go func() {
		<-signals
		// From here on signals have their usual meaning, so that a second one ends the
		// process at once, whatever it waits for.
		signal.Stop(signals)
		end()
	}()
	os.Exit(run(ctx, os.Args, process{
		stdin: os.Stdin, stdout: os.Stdout, stderr: screen{os.Stderr}, getenv: os.Getenv,
	}))
}

// enders are the signals at which a command line gives up what it does, and leaves nothing
// half done behind. That its terminal is gone is one, unless nohup says otherwise; at
// that signal a server reads its files again.
func enders(args []string) []os.Signal {
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !slices.Contains(args, "serve") && !signal.Ignored(syscall.SIGHUP) {
		signals = append(signals, syscall.SIGHUP)
	}
	return signals
}

// process is what a command sees of the process it runs in.
type process struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	getenv         func(string) string
}

// terminal says whether f is a terminal, or a pager on one.
func terminal(f any) bool {
	file := fileOf(f)
	if file == nil {
		return false
	}
	_, err := unix.IoctlGetTermios(int(file.Fd()), unix.TCGETS)
	return err == nil
}
