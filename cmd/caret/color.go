package main

import "golang.org/x/sys/unix"

// style is how a terminal shows a piece of text.
type style string

// The styles: SGR parameters of ECMA-48.
const (
	bold   style = "1"
	red    style = "31"
	green  style = "32"
	yellow style = "33"
	cyan   style = "36"
)

// colours says whether what is written to w is shown in colours: on a
// terminal, unless the environment asks for none (https://no-color.org).
func (p process) colours(w any) bool {
	return terminal(w) && p.getenv("NO_COLOR") == "" && p.getenv("TERM") != "dumb"
}

// paint is text in a style if on.
func paint(on bool, s style, text string) string {
	if !on || text == "" {
		return text
	}
	return "\x1b[" + string(s) + "m" + text + "\x1b[0m"
}

// shown is how many columns s takes, styles left out. All that is not our own
// went through oneLine, so that every escape is a style.
func shown(s string) int {
	n, in := 0, false
	for _, r := range s {
		switch {
		case r == '\x1b':
			in = true
		case in:
			in = r != 'm'
		default:
			n++
		}
	}
	return n
}

// defaultColumns is how wide a table may be where nobody knows better.
const defaultColumns = 80

// columns is how wide the terminal w is.
func columns(w any) int {
	if file := fileOf(w); file != nil {
		if size, err := unix.IoctlGetWinsize(int(file.Fd()), unix.TIOCGWINSZ); err == nil && size.Col > 0 {
			return int(size.Col)
		}
	}
	return defaultColumns
}
