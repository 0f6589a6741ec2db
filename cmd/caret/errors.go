package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"syscall"

	"caret/api/client"
	"caret/objstore"
)

// Exit codes, as every command's help says.
const (
	exitOK          = 0
	exitError       = 1
	exitUsage       = 2
	exitConflict    = 3
	exitNotFound    = 4
	exitInterrupted = 130
)

const exitStatus = `

EXIT STATUS:
   0 ok, 1 error, 2 wrong usage, 3 conflict, 4 not found, 130 interrupted`

// usageError is a command line that makes no sense.
type usageError struct{ text string }

func (e *usageError) Error() string { return e.text }

func usagef(format string, args ...any) error { return &usageError{fmt.Sprintf(format, args...)} }

// hinted is an error with what to do about it.
type hinted struct {
	error
	hint string
}

func (e *hinted) Unwrap() error { return e.error }

// aftermath is an error with what an interrupted command leaves behind.
type aftermath struct {
	error
	text string
}

func (e *aftermath) Unwrap() error { return e.error }

// leaves is err, with what is left behind if it comes from an interrupt. Whatever
// fails in an interrupted command fails because of that.
func leaves(ctx context.Context, err error, format string, args ...any) error {
	var known *aftermath
	if err == nil || ctx.Err() == nil || errors.As(err, &known) {
		return err
	}
	return &aftermath{err, fmt.Sprintf(format, args...)}
}

// missing is that there is no such thing, as is seen from what the server lists.
type missing struct{ text, hint string }

func (e *missing) Error() string { return e.text }

// notFound is that something of t is missing.
func notFound(t target, format string, args ...any) error {
	return &missing{fmt.Sprintf(format, args...), fmt.Sprintf("`caret ls %s` shows what there is", target{Repo: t.Repo, Expr: t.Expr})}
}

// maxPaths is how many paths of a conflict are shown.
const maxPaths = 20

// report tells what went wrong and returns the exit code for it.
func report(ctx context.Context, p process, err error) int {
	w := p.stderr
	color := p.colours(w)
	name := paint(color, red, "caret:") + " "
	var left *aftermath
	if ctx.Err() != nil && errors.As(err, &left) {
		fmt.Fprintln(w, name+"interrupted: "+left.text)
		return exitInterrupted
	}
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		fmt.Fprintln(w, name+"interrupted")
		return exitInterrupted
	}
	var out *fs.PathError
	if errors.As(err, &out) && errors.Is(out, syscall.EPIPE) {
		return exitError // who read the output has had enough
	}
	fmt.Fprintln(w, name+describe(err))
	var e *client.Error
	if errors.As(err, &e) && len(e.Conflicts) > 0 {
		listConflicts(printer{w: w, color: color}, e.Conflicts[:min(len(e.Conflicts), maxPaths)]) //nolint:errcheck // there is nowhere else to say it
		if more := len(e.Conflicts) - maxPaths; more > 0 {
			fmt.Fprintf(w, "and %d more\n", more)
		}
	}
	hint := hintFor(err)
	if strings.HasPrefix(hint, "GET /_caret/") { // for programs that send requests
		hint = ""
	}
	if client.Code(err) == "access_denied" && hint != "" {
		hint += "; it was signed with the key " + keySource(p)
	}
	if hint != "" {
		fmt.Fprintln(w, paint(color, cyan, "hint:")+" "+hint)
	}
	return exitCode(err)
}

func exitCode(err error) int {
	var usage *usageError
	if errors.As(err, &usage) {
		return exitUsage
	}
	var gone *missing
	if errors.As(err, &gone) {
		return exitNotFound
	}
	var e *client.Error
	if errors.As(err, &e) {
		switch e.Status {
		case http.StatusBadRequest:
			return exitUsage
		case http.StatusNotFound:
			return exitNotFound
		case http.StatusConflict, http.StatusPreconditionFailed:
			return exitConflict
		}
	}
	return exitError
}

// describe is an error for people: without the address of each call.
func describe(err error) string {
	all := err.Error()
	var at *fs.PathError // in whose name a line may begin that looks like one of ours
	if errors.As(err, &at) && at.Path != "" {
		all = strings.ReplaceAll(all, at.Path, oneLine(at.Path))
	}
	var e *url.Error
	if !errors.As(err, &e) {
		return all
	}
	var in *inputError
	if errors.As(e, &in) {
		return strings.Replace(err.Error(), e.Error(), in.Error(), 1)
	}
	u, parseErr := url.Parse(e.URL)
	if parseErr != nil {
		return err.Error()
	}
	server := u.Scheme + "://" + u.Host
	if errors.Is(err, syscall.ECONNREFUSED) {
		return "no server answers at " + server
	}
	text := e.Err.Error()
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) ||
		errors.Is(err, syscall.EPIPE) || errors.Is(err, net.ErrClosed) {
		text = "it ended the connection"
	}
	// What was said around the call, such as the file it was about, stays.
	return strings.Replace(err.Error(), e.Error(), "cannot talk to "+server+": "+text, 1)
}

func hintFor(err error) string {
	var e *client.Error
	var gone *missing
	var h *hinted
	var op *net.OpError
	var stranger *tls.CertificateVerificationError
	switch {
	case errors.As(err, &gone):
		return gone.hint
	case errors.As(err, &e):
		return e.Hint
	case errors.As(err, &h):
		return h.hint
	case errors.Is(err, syscall.ECONNREFUSED):
		return "start one with `caret serve`, or name another with --endpoint or CARET_ENDPOINT"
	case errors.Is(err, syscall.EADDRINUSE):
		return "another program listens there; choose another address with --listen"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return "--listen takes an address of this machine, such as 127.0.0.1:30600 or :30600"
	case errors.Is(err, objstore.ErrLocked):
		return "another caret serves this directory; stop it, or choose another one with --data"
	case errors.Is(err, objstore.ErrNewerFormat):
		return "serve this directory with the newer caret that wrote it"
	case errors.As(err, &stranger):
		return "if that is the right server, name the certificate that its own leads to with --ca-file or AWS_CA_BUNDLE"
	case errors.As(err, &op) && op.Op == "dial":
		return "is the endpoint right?"
	case errors.Is(err, syscall.ENOSPC):
		return "make room on that disk"
	case errors.Is(err, os.ErrPermission):
		return "check who may read and write there"
	}
	return ""
}
