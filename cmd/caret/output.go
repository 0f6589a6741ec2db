package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/urfave/cli/v2"
)

// outputFlags choose how a listing looks.
func outputFlags(more ...cli.Flag) []cli.Flag {
	return append(more,
		&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "`FORMAT`: table or json", Value: "table"},
		&cli.BoolFlag{Name: "json", Usage: "the same as -o json"},
		&cli.BoolFlag{Name: "exact", Usage: "sizes in bytes and times in full"},
	)
}

// printer writes a listing.
type printer struct {
	w     io.Writer
	json  bool
	exact bool
	color bool
	// screen says that people see it as it is.
	screen bool
	width  int // columns of a table
}

func newPrinter(c *cli.Context, p process) (printer, error) {
	pr := printer{w: p.stdout, exact: c.Bool("exact"), color: p.colours(p.stdout), screen: terminal(p.stdout), width: columns(p.stdout)}
	switch o := c.String("output"); o {
	case "json":
		pr.json = true
	case "table", "": // or the command has no such flag
	default:
		return pr, usagef("--output %q: it is table or json", o)
	}
	pr.json = pr.json || c.Bool("json")
	return pr, nil
}

// tablePage is how many rows are lined up with each other, so that a long
// table shows as it comes.
const tablePage = 500

// list prints items as a JSON array, or as a table with a row each, as they
// come. The last column is cut to fit the screen, unless it holds paths.
func list[T any](p printer, items iter.Seq2[T, error], header string, row func(T) []string) error {
	if p.json {
		return listJSON(p.w, items)
	}
	t := table{w: p.w, fit: p.width}
	titles := strings.Split(header, "\t")
	if last := titles[len(titles)-1]; p.exact || last == "PATH" || last == "CONFLICT" {
		t.fit = 0
	}
	for i, title := range titles {
		titles[i] = paint(p.color, bold, title)
	}
	n := 0
	for it, err := range items {
		if err != nil {
			return errors.Join(err, t.flush())
		}
		if n == 0 {
			t.rows = append(t.rows, titles)
		}
		t.rows = append(t.rows, row(it))
		if n++; n%tablePage == 0 {
			if err := t.flush(); err != nil {
				return err
			}
		}
	}
	if n == 0 {
		t.rows = append(t.rows, titles)
	}
	return t.flush()
}

func listJSON[T any](to io.Writer, items iter.Seq2[T, error]) error {
	w := bufio.NewWriter(to)
	before := "[\n  "
	for it, err := range items {
		if err != nil {
			return errors.Join(err, w.Flush())
		}
		var b bytes.Buffer
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false)
		e.SetIndent("  ", "  ")
		if err := e.Encode(it); err != nil {
			return err
		}
		w.WriteString(before)                               //nolint:errcheck // Flush tells
		w.Write(jsonText(bytes.TrimRight(b.Bytes(), "\n"))) //nolint:errcheck // Flush tells
		before = ",\n  "
	}
	if before == "[\n  " {
		w.WriteString("[]\n") //nolint:errcheck // Flush tells
	} else {
		w.WriteString("\n]\n") //nolint:errcheck // Flush tells
	}
	return w.Flush()
}

// each goes through items that are there already.
func each[T any](items []T) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for _, it := range items {
			if !yield(it, nil) {
				return
			}
		}
	}
}

// first is the first n items, all if n is 0.
func first[T any](items iter.Seq2[T, error], n int) iter.Seq2[T, error] {
	if n == 0 {
		return items
	}
	return func(yield func(T, error) bool) {
		left := n
		for it, err := range items {
			if !yield(it, err) {
				return
			}
			if left--; left == 0 {
				return
			}
		}
	}
}

// value prints one thing as JSON.
func (p printer) value(v any) error {
	e := json.NewEncoder(jsonWriter{p.w})
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// details prints names and values below each other.
func (p printer) details(v any, pairs ...string) error {
	if p.json {
		return p.value(v)
	}
	t := table{w: p.w}
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] == "" {
			continue
		}
		name := pairs[i] + ":"
		for line := range strings.SplitSeq(strings.TrimRight(pairs[i+1], "\n"), "\n") {
			t.rows = append(t.rows, []string{name, oneLine(line)})
			name = ""
		}
	}
	return t.flush()
}

func (p printer) size(n int64) string {
	if p.exact {
		return fmt.Sprint(n)
	}
	return humanize.IBytes(uint64(max(n, 0)))
}

func (p printer) time(t time.Time) string {
	if p.exact {
		return t.UTC().Format("2006-01-02T15:04:05.000Z07:00")
	}
	return humanize.Time(t)
}

func (p printer) timeOf(t *time.Time) string {
	if t == nil {
		return "-"
	}
	return p.time(*t)
}

// short is a commit id as people read it.
func (p printer) short(id string) string {
	if id == "" {
		return "-"
	}
	if !p.exact && len(id) > 12 {
		id = id[:12]
	}
	return paint(p.color, yellow, oneLine(id))
}

// count says how many of something there are; many is the plural if an s
// does not make it.
func count(n int, one string, many ...string) string {
	switch {
	case n == 1:
		return "1 " + one
	case len(many) > 0:
		return fmt.Sprintf("%d %s", n, many[0])
	}
	return fmt.Sprintf("%d %ss", n, one)
}

// cut shortens s to n letters for people.
func (p printer) cut(s string, n int) string {
	if s = oneLine(s); p.exact {
		return s
	}
	return cut(s, n)
}

// title is the first line of a message, the whole if it is to be exact.
func (p printer) title(message string) string {
	first, more, _ := strings.Cut(message, "\n")
	if p.exact || strings.TrimSpace(more) == "" {
		return oneLine(strings.TrimSuffix(message, "\n"))
	}
	return oneLine(first) + " …"
}
