package main

import (
	"bytes"
	"io"
	"regexp"
	"strings"
)

// helpWidth is how many columns help takes.
const helpWidth = 80

// helpWriter writes help to w, in lines of at most helpWidth columns.
type helpWriter struct {
	w    io.Writer
	rest []byte // a line that has not ended
}

func (h *helpWriter) Write(b []byte) (int, error) {
	h.rest = append(h.rest, b...)
	for {
		i := bytes.IndexByte(h.rest, '\n')
		if i < 0 {
			return len(b), nil
		}
		line := string(h.rest[:i])
		h.rest = h.rest[i+1:]
		if _, err := io.WriteString(h.w, fold(line)+"\n"); err != nil {
			return 0, err
		}
	}
}

// named is the name of a flag or a command with the space behind it.
var named = regexp.MustCompile(`^ +\S+( \S+)*  +`)

// fold breaks a line of help that is too long; what follows begins below the
// text behind a name, or below the line.
func fold(line string) string {
	if len(line) <= helpWidth {
		return line
	}
	head := named.FindString(line)
	if head == "" {
		head = line[:len(line)-len(strings.TrimLeft(line, " "))]
	}
	out, column := head, len(head)
	for i, word := range strings.Fields(line[len(head):]) {
		switch {
		case i == 0:
		case column+1+len(word) > helpWidth:
			out += "\n" + strings.Repeat(" ", len(head))
			column = len(head)
		default:
			out += " "
			column++
		}
		out += word
		column += len(word)
	}
	return out
}
