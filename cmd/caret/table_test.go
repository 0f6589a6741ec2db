package main

import (
	"bytes"
	"testing"
)

// TestTable: styles take no room, wide cells are cut, and paths are not.
func TestTable(t *testing.T) {
	t.Parallel()
	id := paint(true, yellow, "4f1d")
	for _, tt := range []struct {
		fit  int
		rows [][]string
		want string
	}{
		{0, nil, ""},
		{0, [][]string{{"COMMIT", "N"}, {id, "1"}}, "COMMIT  N\n" + id + "    1\n"},
		{0, [][]string{{id, "é", "x"}, {"", "ab", ""}}, id + "  é   x\n      ab  \n"},
		{30, [][]string{{"A", "MESSAGE"}, {"1234567890", "long enough to be cut"}}, "A           MESSAGE\n1234567890  long enough to be…\n"},
		{5, [][]string{{"12345", "long enough to be cut"}}, "12345  long enough…\n"},
		{0, [][]string{{"1", "a/path/that/stays/as/it/is"}}, "1  a/path/that/stays/as/it/is\n"},
		{80, [][]string{{"one"}}, "one\n"},
	} {
		var b bytes.Buffer
		if err := (&table{w: &b, fit: tt.fit, rows: tt.rows}).flush(); err != nil || b.String() != tt.want {
			t.Errorf("%q is written %q, %v; want %q", tt.rows, b.String(), err, tt.want)
		}
	}
}
