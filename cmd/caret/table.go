package main

import (
	"bufio"
	"io"
	"strings"
)

// table lines up the cells of rows, two spaces between columns.
type table struct {
	w    io.Writer
	rows [][]string
	fit  int // columns that the last cell is cut to fit in; 0 leaves it
}

// leastLast is what is left of a last cell at least, however wide the others.
const leastLast = 12

// flush writes the rows so far, lined up with each other. Here all cells come by: what
// of them a terminal would obey is escaped.
func (t *table) flush() error {
	if len(t.rows) == 0 {
		return nil
	}
	widths := make([]int, len(t.rows[0]))
	for _, row := range t.rows {
		for i, cell := range row {
			row[i] = withStyles(cell, "")
			cell = row[i]
			widths[i] = max(widths[i], shown(cell))
		}
	}
	last := len(widths) - 1
	left := t.fit
	for _, w := range widths[:last] {
		left -= w + 2
	}
	b := bufio.NewWriter(t.w)
	for _, row := range t.rows {
		for i, cell := range row[:last] {
			b.WriteString(cell + strings.Repeat(" ", widths[i]-shown(cell)+2)) //nolint:errcheck // Flush tells
		}
		end := row[last]
		if t.fit > 0 {
			end = cut(end, max(left, leastLast))
		}
		b.WriteString(end + "\n") //nolint:errcheck // Flush tells
	}
	t.rows = t.rows[:0]
	return b.Flush()
}

// cut shortens s to n letters; what is longer has no styles.
func cut(s string, n int) string {
	if shown(s) <= n {
		return s
	}
	return string([]rune(s)[:n-1]) + "…"
}
