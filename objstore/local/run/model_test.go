package run_test

import (
	"bytes"
	"os"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"caret/objstore/local/run"
)

// newest merges lists of rows, the oldest first, in memory.
func newest(lists ...[]run.Row) []run.Row {
	m := map[string][]byte{}
	for _, l := range lists {
		for _, r := range l {
			m[string(r.Key)] = r.Value
		}
	}
	return fromMap(m)
}

func fromMap(m map[string][]byte) (rows []run.Row) {
	for k, v := range m {
		rows = append(rows, run.Row{Key: []byte(k), Value: v})
	}
	slices.SortFunc(rows, func(a, b run.Row) int { return bytes.Compare(a.Key, b.Key) })
	return rows
}

// model is a directory of runs and what they should hold.
type model struct {
	dir   string
	rows  map[string][]byte // nil: deleted since the beginning
	bulks []run.Bulk
	last  uint64
}

// TestModel writes random groups of rows as runs and merges them, as Pick says
// and as it does not, with inputs that stay or go: what List, Cover and Scan
// find is what was written.
func TestModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		dir, err := os.MkdirTemp(t.TempDir(), "")
		if err != nil {
			rt.Fatal(err)
		}
		m := &model{dir: dir, rows: map[string][]byte{}}
		rt.Repeat(map[string]func(*rapid.T){
			"write": m.write,
			"merge": m.merge,
			"":      m.check,
		})
	})
}

func (m *model) opts(rt *rapid.T) run.Options {
	return run.Options{BlockSize: rapid.SampledFrom([]int{1, 30, 200, 0}).Draw(rt, "block size")}
}

func (m *model) write(rt *rapid.T) {
	key := rapid.Custom(func(rt *rapid.T) string {
		return rapid.SampledFrom([]string{"", "a", "aa", "b\x00"}).Draw(rt, "prefix") + rapid.StringMatching(`[a-c]{1,3}`).Draw(rt, "rest")
	})
	value := rapid.Custom(func(rt *rapid.T) []byte {
		if rapid.Bool().Draw(rt, "deleted") {
			return nil
		}
		return append([]byte{}, rapid.SliceOfN(rapid.Byte(), 0, 20).Draw(rt, "value")...)
	})
	group := rapid.MapOfN(key, value, 0, 30).Draw(rt, "group")
	to := m.last + rapid.Uint64Range(1, 100).Draw(rt, "groups")
	w, err := run.Create(m.dir, logID, m.last, to, m.opts(rt))
	if err != nil {
		rt.Fatal(err)
	}
	for _, r := range fromMap(group) {
		if err := w.Add(r); err != nil {
			rt.Fatal(err)
		}
		m.rows[string(r.Key)] = r.Value
	}
	bulk := run.Bulk{Pack: rapid.Uint32().Draw(rt, "pack"), Offset: rapid.Int64Min(0).Draw(rt, "offset"), Length: 1, To: to}
	w.Bulk(bulk)
	m.bulks = append(m.bulks, bulk)
	if _, err := w.Close(); err != nil {
		rt.Fatal(err)
	}
	m.last = to
}

func (m *model) chain(rt *rapid.T) []run.Info {
	runs, leftovers, damaged, err := run.List(m.dir)
	if err != nil || len(leftovers) > 0 || len(damaged) > 0 {
		rt.Fatal(leftovers, damaged, err)
	}
	chain, superseded, gap := run.Cover(runs)
	if gap != nil || len(chain)+len(superseded) != len(runs) || len(chain) > 0 && chain[len(chain)-1].To != m.last {
		rt.Fatalf("of %v: %v, %v, %v", runs, chain, superseded, gap)
	}
	return chain
}

func (m *model) merge(rt *rapid.T) {
	chain := m.chain(rt)
	if len(chain) < 2 {
		return
	}
	picked := run.Pick(chain, rapid.IntRange(2, 4).Draw(rt, "fan"))
	if len(picked) < 2 || rapid.Bool().Draw(rt, "any") {
		from := rapid.IntRange(0, len(chain)-2).Draw(rt, "from")
		picked = chain[from:rapid.IntRange(from+2, len(chain)).Draw(rt, "to")]
	}
	info, err := run.Merge(rt.Context(), m.dir, logID, picked, m.opts(rt))
	if err != nil {
		rt.Fatal(err)
	}
	if info.From != picked[0].From || info.To != picked[len(picked)-1].To {
		rt.Fatalf("%v became %v", picked, info)
	}
	if info.From == 0 {
		m.noDeletions(rt, info)
	}
	for _, p := range picked {
		if rapid.Bool().Draw(rt, "removed") {
			if err := os.Remove(p.Path); err != nil {
				rt.Fatal(err)
			}
		}
	}
}

func (m *model) noDeletions(rt *rapid.T, info run.Info) {
	r, err := run.Open(info.Path)
	if err != nil {
		rt.Fatal(err)
	}
	defer r.Close()
	rows := r.Rows(rt.Context())
	defer rows.Close()
	for rows.Next() {
		if rows.Row().Value == nil {
			rt.Fatalf("a merge of all keeps that %x was deleted", rows.Row().Key)
		}
	}
}

func (m *model) check(rt *rapid.T) {
	chain := m.chain(rt)
	live := map[string][]byte{}
	for k, v := range m.rows {
		if v != nil {
			live[k] = v
		}
	}
	s, err := run.Scan(rt.Context(), chain, run.ScanOptions{SkipDeleted: true})
	if err != nil {
		rt.Fatal(err)
	}
	defer s.Close()
	got, err := collect(s)
	if diff := same(got, fromMap(live)); diff != "" || err != nil {
		rt.Fatalf("%s %v", diff, err)
	}
	// With deletions it is the same, and only what was deleted besides.
	all, err := run.Scan(rt.Context(), chain, run.ScanOptions{})
	if err != nil {
		rt.Fatal(err)
	}
	defer all.Close()
	got, err = collect(all)
	if err != nil {
		rt.Fatal(err)
	}
	for _, r := range got {
		if v, ok := m.rows[string(r.Key)]; !ok || (r.Value == nil) != (v == nil) {
			rt.Fatalf("%x=%x, want %x", r.Key, r.Value, v)
		}
	}
	got = slices.DeleteFunc(got, func(r run.Row) bool { return r.Value == nil })
	if diff := same(got, fromMap(live)); diff != "" {
		rt.Fatal(diff)
	}
	var bulks []run.Bulk
	for _, r := range chain {
		bulks = append(bulks, r.Bulks...)
	}
	if diff := cmp.Diff(m.bulks, bulks); diff != "" {
		rt.Fatal(diff)
	}
}

// TestMergeKeepsDeletions: a merge that is not of all keeps them, as there may
// be rows below that they delete.
func TestMergeKeepsDeletions(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	row := func(k string, v []byte) []run.Row { return []run.Row{{Key: []byte(k), Value: v}} }
	a := write(t, dir, 0, 1, row("a", []byte("1")), run.Options{})
	b := write(t, dir, 1, 2, row("a", []byte("2")), run.Options{})
	c := write(t, dir, 2, 3, row("a", nil), run.Options{})
	for i, set := range [][]run.Info{{b, c}, {a, b, c}} {
		m, err := run.Merge(t.Context(), dir, logID, set, run.Options{})
		if err != nil {
			t.Fatal(err)
		}
		got, err := read(t, m.Path)
		if diff := same(got, row("a", nil)[:1-i]); diff != "" || err != nil {
			t.Errorf("%s %v", diff, err)
		}
	}
}
