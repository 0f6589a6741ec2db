package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/aymanbagabas/go-udiff"

	"caret/api/client"
	"caret/api/v1"
)

const (
	// maxCompared is the size in bytes of a file of which lines are compared.
	maxCompared = 1 << 20
	// looksBinary is how much of a file is looked at to tell whether it is text.
	looksBinary = 8000
	// aroundLines is how many lines are shown before and behind a change.
	aroundLines = 3
)

// contentDiff compares the content of files in two states, as git does.
type contentDiff struct {
	cl   *client.Client
	a, b target // the states, whatever is written meanwhile
	json bool
}

// fileDiff is a difference with what differs in the content.
type fileDiff struct {
	v1.Difference
	// Patch is a unified diff, as git apply takes it; empty if no content
	// differs, or Binary or Large.
	Patch  string `json:"patch,omitempty"`
	Binary bool   `json:"binary,omitempty"`
	Large  bool   `json:"large,omitempty"` // more than 1 MiB
}

// show prints what changed in each file, or with -o json all that is known.
func (x *contentDiff) show(ctx context.Context, pr printer, changes iter.Seq2[v1.Difference, error]) error {
	files := func(yield func(fileDiff, error) bool) {
		for d, err := range changes {
			f := fileDiff{Difference: d}
			if err == nil {
				f, err = x.file(ctx, d)
			}
			if !yield(f, err) || err != nil {
				return
			}
		}
	}
	if pr.json {
		return list(pr, files, "", nil)
	}
	for f, err := range files {
		if err != nil {
			return err
		}
		if _, err := io.WriteString(pr.w, f.text(pr)); err != nil {
			return err
		}
	}
	return nil
}

// file compares the content of a file.
func (x *contentDiff) file(ctx context.Context, d v1.Difference) (fileDiff, error) {
	f := fileDiff{Difference: d}
	if d.Change == "modified" && !slices.Contains(d.Differs, "content") {
		return f, nil
	}
	for _, side := range []*v1.File{d.Old, d.New} {
		if side != nil && side.Size > maxCompared {
			f.Large = true
			return f, nil
		}
	}
	before, err := x.read(ctx, x.a, d.Old)
	if err != nil {
		return f, err
	}
	after, err := x.read(ctx, x.b, d.New)
	if err != nil {
		return f, err
	}
	if f.Binary = isBinary(before) || isBinary(after); f.Binary {
		return f, nil
	}
	edits := udiff.Lines(string(before), string(after))
	f.Patch, err = udiff.ToUnified(f.side("a", d.Old), f.side("b", d.New), string(before), edits, aroundLines)
	if x.json && !utf8.ValidString(f.Patch) { // which JSON cannot say
		f.Patch, f.Binary = "", true
	}
	return f, err
}

// read reads a side of a difference, nothing if there is no file.
func (x *contentDiff) read(ctx context.Context, at target, f *v1.File) ([]byte, error) {
	if f == nil || f.Size == 0 {
		return nil, nil
	}
	at.Path = f.Path
	var b bytes.Buffer
	err := download(ctx, x.cl, at, &b)
	return b.Bytes(), err
}

// isBinary says as git does that b is no text.
func isBinary(b []byte) bool {
	return bytes.IndexByte(b[:min(len(b), looksBinary)], 0) >= 0
}

// side is how a patch names a side.
func (f *fileDiff) side(of string, file *v1.File) string {
	if file == nil {
		return "/dev/null"
	}
	name := patchName(of + "/" + f.Path)
	if strings.Contains(f.Path, " ") && name[0] != '"' {
		name += "\t" // so that the name ends there
	}
	return name
}

// patchName is a name as git writes it: quoted if it has characters that a line
// or a quote cannot hold.
func patchName(name string) string {
	var b strings.Builder
	for i := range len(name) {
		switch c := name[i]; {
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case c < ' ' || c == 0x7f:
			fmt.Fprintf(&b, `\%03o`, c)
		default:
			b.WriteByte(c)
		}
	}
	if b.Len() == len(name) {
		return name
	}
	return `"` + b.String() + `"`
}

// text is what is shown of a file.
func (f *fileDiff) text(pr printer) string {
	a, b := patchName("a/"+f.Path), patchName("b/"+f.Path)
	var out strings.Builder
	line := func(s style, text string) {
		if text = strings.TrimSuffix(text, "\n"); pr.screen { // which takes no orders from a file
			text = printable(text, "\t")
		}
		out.WriteString(paint(pr.color && s != "", s, text) + "\n")
	}
	if f.Change == "modified" && !slices.Contains(f.Differs, "content") {
		line(bold, fmt.Sprintf("Only %s of %s differs", strings.Join(f.Differs, " and "), b))
		return out.String()
	}
	line(bold, "diff --git "+a+" "+b)
	switch f.Change {
	case "added":
		line(bold, "new file mode 100644")
		a = "/dev/null"
	case "removed":
		line(bold, "deleted file mode 100644")
		b = "/dev/null"
	}
	switch {
	case f.Binary:
		line("", fmt.Sprintf("Binary files %s and %s differ", a, b))
	case f.Large:
		line("", fmt.Sprintf("Files %s and %s differ, and are too large to be compared", a, b))
	}
	n := 0
	for text := range strings.Lines(f.Patch) {
		s := map[byte]style{'@': cyan, '+': green, '-': red}[text[0]]
		if n++; n <= 2 { // the names
			s = bold
		}
		line(s, text)
	}
	return out.String()
}
