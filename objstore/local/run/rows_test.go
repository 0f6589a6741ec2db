package run_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"caret/objstore/local/run"
)

var logID = [8]byte{'l', 'o', 'g', 0, 1, 2, 3, 4}

// commitRows are the rows that commits from+1 to from+n of one branch write,
// each of one file of a new name, as commits and pfs encode them; sorted.
func commitRows(from, n int) []run.Row {
	random := rand.NewChaCha8([32]byte{byte(from), byte(from >> 8), byte(from >> 16), byte(from >> 24)})
	draw := func(n int) []byte {
		b := make([]byte, n)
		random.Read(b)
		return b
	}
	field := func(b []byte, f byte, v []byte) []byte {
		return append(append(b, f<<3|2, byte(len(v))), v...)
	}
	number := func(b []byte, f byte, v int) []byte { return binary.AppendUvarint(append(b, f<<3), uint64(v)) }
	lineage := []byte{0, 0, 0, 0, 0, 0, 0, 7}
	key := func(kind string, rest ...byte) []byte {
		return slices.Concat([]byte(kind), lineage, rest)
	}
	var rows []run.Row
	for i := from + 1; i <= from+n; i++ {
		id, parent, now := draw(16), draw(32), 1790000000000+3*i+int(draw(1)[0])%3
		path := fmt.Appendf(nil, "data/%02x/%014x", draw(1), draw(7))
		entry := field(binary.AppendUvarint(nil, uint64(i)), 2, id)
		entry = field(number(entry, 7, now), 3, draw(32))
		entry = field(number(entry, 4, 4096), 8, []byte("application/octet-stream"))
		record := field(number(field(nil, 1, id), 2, now), 3, []byte("root"))
		record = field(field(field(record, 5, parent), 6, draw(32)), 8, path)
		rows = append(rows,
			run.Row{Key: key("re", path...), Value: entry},
			run.Row{Key: key("rc", binary.BigEndian.AppendUint64(nil, uint64(i))...), Value: record},
			run.Row{Key: append([]byte("ri"), id...), Value: binary.AppendUvarint([]byte{7}, uint64(i))})
	}
	rows = append(rows, run.Row{Key: key("rh"), Value: draw(64)})
	slices.SortFunc(rows, func(a, b run.Row) int { return bytes.Compare(a.Key, b.Key) })
	return rows
}

// write makes a run of rows, and fails the test if it cannot.
func write(t testing.TB, dir string, from, to uint64, rows []run.Row, opts run.Options) run.Info {
	t.Helper()
	info, err := tryWrite(dir, from, to, rows, opts)
	if err != nil {
		t.Fatal(err)
	}
	return info
}

func tryWrite(dir string, from, to uint64, rows []run.Row, opts run.Options) (run.Info, error) {
	w, err := run.Create(dir, logID, from, to, opts)
	if err != nil {
		return run.Info{}, err
	}
	defer w.Abort()
	for _, r := range rows {
		if err := w.Add(r); err != nil {
			return run.Info{}, err
		}
	}
	w.Bulk(run.Bulk{Pack: uint32(to), Offset: int64(from), Length: int64(to - from), To: to})
	return w.Close()
}

// iterator is what Rows and Scanner have in common.
type iterator interface {
	Next() bool
	Row() run.Row
	Err() error
}

// collect copies what it returns.
func collect(it iterator) ([]run.Row, error) {
	var rows []run.Row
	for it.Next() {
		r := it.Row()
		c := run.Row{Key: bytes.Clone(r.Key), Value: bytes.Clone(r.Value)}
		rows = append(rows, c)
	}
	return rows, it.Err()
}

// read is all rows of the run at path.
func read(t testing.TB, path string) ([]run.Row, error) {
	r, err := run.Open(path)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	rows := r.Rows(t.Context())
	defer rows.Close()
	return collect(rows)
}

// same says where two lists of rows differ; "" says that they do not.
func same(got, want []run.Row) string {
	for i := range min(len(got), len(want)) {
		g, w := got[i], want[i]
		if !bytes.Equal(g.Key, w.Key) || !bytes.Equal(g.Value, w.Value) || (g.Value == nil) != (w.Value == nil) {
			return fmt.Sprintf("row %d is %x=%x, want %x=%x", i, g.Key, g.Value, w.Key, w.Value)
		}
	}
	if len(got) != len(want) {
		return fmt.Sprintf("there are %d rows, want %d", len(got), len(want))
	}
	return ""
}
