package main

import (
	"io"
	"log/slog"

	"caret/accesslog"
)

// logFlags of a server say what it writes where about itself and its requests.
type logFlags struct {
	level, format string
	access        string // file of the access log, "-" for standard output, "" for none
}

// newLog makes the log of a server, which w takes. What a terminal would obey is escaped
// in both formats.
func newLog(w io.Writer, o logFlags) (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(o.level)); err != nil {
		return nil, usagef("--log-level %q: it is debug, info, warn or error", o.level)
	}
	opts := &slog.HandlerOptions{Level: level}
	switch o.format {
	case "text":
		return slog.New(slog.NewTextHandler(w, opts)), nil
	case "json":
		if file := fileOf(w); file != nil {
			w = file // a screen escapes as JSON does not
		}
		return slog.New(slog.NewJSONHandler(jsonWriter{w}, opts)), nil
	}
	return nil, usagef("--log-format %q: it is text or json", o.format)
}

// openAccessLog begins the access log, which goes on in another file at SIGHUP; nil if
// none is wanted.
func openAccessLog(p process, o logFlags, onHUP *reloads, log *slog.Logger) (*accesslog.Log, error) {
	if o.access == "" {
		return nil, nil
	}
	l, err := accesslog.Open(o.access, p.stdout, log)
	if err == nil {
		onHUP.add("the access log", l.Reopen)
	}
	return l, err
}
