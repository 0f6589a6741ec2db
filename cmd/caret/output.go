package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/urfave/cli/v2"
)

// outputFlags choose how a listing looks.
func outputFlags(more ...cli.Flag) []cli.Flag {
	return append(more,
		&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "`FORMAT`: table or json", Value: "table"},
		&cli.BoolFlag{Name: "exact", Usage: "sizes in bytes and times in full"},
	)
}

// printer writes a listing.
type printer struct {
	w     io.Writer
	json  bool
	exact bool
}

func newPrinter(c *cli.Context, p process) (printer, error) {
	pr := printer{w: p.stdout, exact: c.Bool("exact")}
	switch o := c.String("output"); o {
	case "json":
		pr.json = true
	case "table":
	default:
		return pr, usagef("--output %q: it is table or json", o)
	}
	return pr, nil
}

// list prints items as a JSON array, or as a table with a row each.
func list[T any](p printer, items []T, header string, row func(T) []string) error {
	if p.json {
		if items == nil {
			items = []T{}
		}
		return p.value(items)
	}
	w := tabwriter.NewWriter(p.w, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, header)
	for _, it := range items {
		fmt.Fprintln(w, strings.Join(row(it), "\t"))
	}
	return w.Flush()
}

// value prints one thing as JSON.
func (p printer) value(v any) error {
	e := json.NewEncoder(p.w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// details prints names and values below each other.
func (p printer) details(v any, pairs ...string) error {
	if p.json {
		return p.value(v)
	}
	w := tabwriter.NewWriter(p.w, 0, 8, 2, ' ', 0)
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			fmt.Fprintf(w, "%s:\t%s\n", pairs[i], oneLine(pairs[i+1]))
		}
	}
	return w.Flush()
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
	if p.exact || len(id) < 12 {
		return id
	}
	return id[:12]
}

// oneLine keeps control characters out of a terminal.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '\uFFFD'
		}
		return r
	}, s)
}

// cut shortens s to n letters.
func cut(s string, n int) string {
	r := []rune(oneLine(s))
	if len(r) <= n {
		return string(r)
	}
	return string(r[:n-1]) + "…"
}
