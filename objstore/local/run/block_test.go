package run

import (
	"bytes"
	"encoding/binary"
	"slices"
	"testing"
)

// TestFormatExample is the example in FORMAT.md.
func TestFormatExample(t *testing.T) {
	t.Parallel()
	got := built(Row{Key: []byte("ab"), Value: []byte("xy")}, Row{Key: []byte("ac")}, Row{Key: []byte("b"), Value: []byte("pq")})
	want := []byte("\x00\x02\x03\x01\x01\x00\x00\x01\x03" + "ab" + "c" + "b" + "xp" + "yq")
	if !bytes.Equal(got, want) {
		t.Errorf("%x, want %x", got, want)
	}
}

// TestBlockLengths: what the lengths in a block may not be.
func TestBlockLengths(t *testing.T) {
	t.Parallel()
	for what, raw := range map[string][]byte{
		"nothing":                      {},
		"lengths cut off":              {0, 1},
		"first key shares":             {1, 1, 0, 'a'},
		"shares more than there is":    {0, 1, 0, 2, 1, 0, 'a', 'b'},
		"empty key":                    {0, 0, 1},
		"key beyond the end":           {0, 2, 0, 'a'},
		"value beyond the end":         {0, 1, 3, 'a', 'b'},
		"length beyond all":            {0, 1, 0x81, 0x80, 0x80, 0x10, 'a'},
		"length that does not parse":   {0, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 'a'},
		"lengths that wrap around":     slices.Concat(binary.AppendUvarint([]byte{0}, 1<<32+1), []byte{0, 0}, binary.AppendUvarint(nil, 1<<64-1<<32+1), []byte{0, 'a', 'b'}),
		"bytes left over":              {0, 1, 1, 'a', 'b'},
		"keys go back":                 {0, 1, 0, 0, 1, 0, 'b', 'a'},
		"the same key again":           {0, 1, 0, 1, 0, 0, 'a'},
		"keys go back behind a common": {0, 2, 0, 1, 1, 0, 'a', 'c', 'b'},
	} {
		rows := 1 + bytes.Count([]byte(what), []byte("keys go"))
		if what == "shares more than there is" || what == "the same key again" || what == "lengths that wrap around" {
			rows = 2
		}
		if new(block).open(raw, rows) == nil {
			t.Errorf("%s was taken", what)
		}
	}
}
