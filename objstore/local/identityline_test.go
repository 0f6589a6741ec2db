package local

import (
	"os"
	"strings"
	"testing"

	"caret/objstore/local/journal"
)

// TestIDLine: the line of a store is the one in FORMAT.md, and no other is taken for it.
func TestIDLine(t *testing.T) {
	t.Parallel()
	id := journal.ID{1, 2, 3, 4, 5, 6, 7, 8}
	line := idLine(id)
	doc, err := os.ReadFile("FORMAT.md")
	if err != nil {
		t.Fatal(err)
	}
	if text := strings.ReplaceAll(string(doc), "\n", " "); !strings.Contains(text, "`"+strings.TrimSpace(line)+"`") {
		t.Errorf("FORMAT.md does not have %q", line)
	}
	if got := parseIDLine(line); got != id {
		t.Errorf("%x", got)
	}
	for at := range line {
		for bit := range 8 {
			damaged := []byte(line)
			damaged[at] ^= 1 << bit
			if got := parseIDLine(string(damaged)); got != (journal.ID{}) {
				t.Errorf("%q is read as %x", damaged, got)
			}
		}
		if got := parseIDLine(line[:at]); got != (journal.ID{}) {
			t.Errorf("%q is read as %x", line[:at], got)
		}
	}
	if got := parseIDLine(idLine(journal.ID{})); got != (journal.ID{}) {
		t.Errorf("%x", got)
	}
}
