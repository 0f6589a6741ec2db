package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// What others have named or written, a server among them, may hold what a terminal obeys
// instead of showing it: control characters, those of C1 too, marks that turn the
// direction of what follows, characters that take no room. They are shown as a Go string
// has them, such as \x1b or \u202e, and what is no UTF-8 by its bytes.

// oneLine is s on one line of a terminal.
func oneLine(s string) string { return printable(s, "") }

// printable is s with what a terminal would not show escaped, but for the characters in
// keep.
func printable(s, keep string) string {
	plain := func(r rune, size int) bool {
		return unicode.IsGraphic(r) && (r != utf8.RuneError || size > 1) || size > 0 && strings.ContainsRune(keep, r)
	}
	var b strings.Builder
	from := 0
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		if !plain(r, size) {
			b.WriteString(s[from:i])
			b.WriteString(escaped(r, s[i:i+size]))
			from = i + size
		}
		i += size
	}
	if from == 0 {
		return s
	}
	return b.String() + s[from:]
}

// escaped is a character, whose bytes are as given, as a Go string has it.
func escaped(r rune, as string) string {
	switch {
	case r == utf8.RuneError:
		return fmt.Sprintf(`\x%02x`, as[0])
	case r == '\n':
		return `\n`
	case r == '\r':
		return `\r`
	case r == '\t':
		return `\t`
	case r < 0x80:
		return fmt.Sprintf(`\x%02x`, r)
	case r <= 0xffff:
		return fmt.Sprintf(`\u%04x`, r)
	}
	return fmt.Sprintf(`\U%08x`, r)
}

// styled matches what paint writes, and nothing else.
var styled = regexp.MustCompile("\x1b\\[(?:" + string(bold+"|"+red+"|"+green+"|"+yellow+"|"+cyan) + "|0)m")

// withStyles is printable of a text that has styles.
func withStyles(s, keep string) string {
	if !strings.Contains(s, "\x1b[") {
		return printable(s, keep)
	}
	var b strings.Builder
	for s != "" {
		at := styled.FindStringIndex(s)
		if at == nil {
			at = []int{len(s), len(s)}
		}
		b.WriteString(printable(s[:at[0]], keep) + s[at[0]:at[1]])
		s = s[at[1]:]
	}
	return b.String()
}

// screen is where messages for people go: all that is said beside a command's output,
// whoever it comes from, is shown here and nothing of it is obeyed.
type screen struct{ *os.File }

// Write implements io.Writer.
func (s screen) Write(b []byte) (int, error) {
	if _, err := io.WriteString(s.File, withStyles(string(b), "\n")); err != nil {
		return 0, err
	}
	return len(b), nil
}

// WriteString implements io.StringWriter.
func (s screen) WriteString(text string) (int, error) { return s.Write([]byte(text)) }

// fileOf is the file that what is written to w comes to as it is, nil if none.
func fileOf(w any) *os.File {
	switch f := w.(type) {
	case *os.File:
		return f
	case screen:
		return f.File
	case *pager:
		return f.screen
	}
	return nil
}

// jsonWriter writes JSON to w, in which what a terminal would obey is escaped, so that
// it stays what it was.
type jsonWriter struct{ w io.Writer }

// Write implements io.Writer; b has no part of a character at its ends.
func (j jsonWriter) Write(b []byte) (int, error) {
	if _, err := j.w.Write(jsonText(b)); err != nil {
		return 0, err
	}
	return len(b), nil
}

// jsonText is a JSON text, in which such characters stand within strings only, with them
// escaped.
func jsonText(b []byte) []byte {
	odd := func(r rune) bool { return r >= 0x7f && r != utf8.RuneError && !unicode.IsGraphic(r) }
	if bytes.IndexFunc(b, odd) < 0 {
		return b
	}
	var out bytes.Buffer
	for _, r := range string(b) {
		switch {
		case !odd(r):
			out.WriteRune(r)
		case r > 0xffff:
			r -= 0x10000
			fmt.Fprintf(&out, `\u%04x\u%04x`, 0xd800+r>>10, 0xdc00+r&0x3ff)
		default:
			fmt.Fprintf(&out, `\u%04x`, r)
		}
	}
	return out.Bytes()
}
