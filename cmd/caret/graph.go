package main

import (
	"slices"
	"strings"
)

// graph draws commits and what leads to them as git does, a lane for each line of
// history that goes on further down. Commits come children first; one whose parent
// was drawn before has no edge to that.
type graph struct {
	lanes []string // the commit that each of them comes to
	drawn map[string]bool
	color bool
}

// laneStyles are those of the lanes, in turn.
var laneStyles = []style{red, green, yellow, cyan}

// add draws a commit with its text behind it, and what leads on from it.
func (g *graph) add(id string, parents []string, text string) []string {
	at := slices.Index(g.lanes, id)
	if at < 0 {
		at = len(g.lanes)
		g.lanes = append(g.lanes, id)
	}
	var lines []string
	for {
		from := lastIndex(g.lanes, id)
		if from == at {
			break
		}
		lines = append(lines, g.join(from, at)...)
	}
	lines = append(lines, g.row(len(g.lanes), func(i int) (byte, byte) {
		if i == at {
			return '*', ' '
		}
		return '|', ' '
	})+" "+text)
	g.drawn[id] = true
	parents = slices.DeleteFunc(slices.Clone(parents), func(p string) bool { return g.drawn[p] })
	if len(parents) == 0 {
		return append(lines, g.end(at)...)
	}
	g.lanes[at] = parents[0]
	for i, p := range parents[1:] {
		from := at + i
		if from+1 < len(g.lanes) && g.lanes[from+1] == p { // which is drawn as one with it
			lines = append(lines, g.row(len(g.lanes), func(i int) (byte, byte) {
				if i == from {
					return '|', '\\'
				}
				return '|', ' '
			}))
			continue
		}
		lines = append(lines, g.open(from))
		g.lanes = slices.Insert(g.lanes, from+1, p)
	}
	return lines
}

func lastIndex(list []string, s string) int {
	for i, x := range slices.Backward(list) {
		if x == s {
			return i
		}
	}
	return -1
}

// row draws a line: what stands in each lane, and what between it and the next.
func (g *graph) row(n int, cell func(i int) (in, behind byte)) string {
	var b strings.Builder
	for i := range n {
		in, behind := cell(i)
		b.WriteString(g.paint(i, in))
		b.WriteString(g.paint(i, behind))
	}
	return strings.TrimRight(b.String(), " ")
}

func (g *graph) paint(lane int, c byte) string {
	return paint(g.color && c != ' ' && c != '*', laneStyles[lane%len(laneStyles)], string(c))
}

// open draws how a lane begins behind the one at.
func (g *graph) open(at int) string {
	return g.row(len(g.lanes), func(i int) (byte, byte) {
		switch {
		case i < at:
			return '|', ' '
		case i == at:
			return '|', '\\'
		}
		return ' ', '\\'
	})
}

// join draws how the lane from goes into the lane to, to the left of it, and those
// to its right move up.
func (g *graph) join(from, to int) (lines []string) {
	n := len(g.lanes)
	for k := from; k > to; k-- {
		first := k == from
		lines = append(lines, g.row(n, func(i int) (byte, byte) {
			in, behind := byte('|'), byte(' ')
			if first && i >= from {
				in = ' '
			}
			if i == k-1 || first && i >= from && i < n-1 {
				behind = '/'
			}
			return in, behind
		}))
		if first {
			n--
		}
	}
	g.lanes = slices.Delete(g.lanes, from, from+1)
	return lines
}

// end draws that nothing leads on in a lane, if others do to its right.
func (g *graph) end(at int) (lines []string) {
	if at < len(g.lanes)-1 {
		lines = append(lines, g.row(len(g.lanes), func(i int) (byte, byte) {
			switch {
			case i < at:
				return '|', ' '
			case i < len(g.lanes)-1:
				return ' ', '/'
			}
			return ' ', ' '
		}))
	}
	g.lanes = slices.Delete(g.lanes, at, at+1)
	return lines
}
