package run_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"caret/objstore"
	"caret/objstore/local/run"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestRoundTrip: what is read is what was written, in blocks of any size, and
// with values of every kind.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	big := bytes.Repeat([]byte("0123456789abcdef"), 4<<20/16)
	odd := []run.Row{
		{Key: []byte{0}, Value: []byte{}},
		{Key: []byte{0, 0}},
		{Key: []byte("a"), Value: []byte("1")},
		{Key: bytes.Repeat([]byte("a"), 2501), Value: big},
		{Key: append(bytes.Repeat([]byte("a"), 2501), 0), Value: []byte("22")},
		{Key: []byte("b"), Value: nil},
		{Key: []byte("c"), Value: bytes.Repeat([]byte{1}, 300)},
	}
	for name, rows := range map[string][]run.Row{"none": nil, "odd": odd, "commits": commitRows(0, 500)} {
		for _, size := range []int{1, 1000, 0, run.MaxBlockSize} {
			what := fmt.Sprintf("%s in blocks of %d", name, size)
			info := write(t, t.TempDir(), 3, 9, rows, run.Options{BlockSize: size})
			got, err := read(t, info.Path)
			if diff := same(got, rows); diff != "" || err != nil {
				t.Errorf("%s: %s %v", what, diff, err)
			}
			want := run.Info{Path: info.Path, ID: logID, From: 3, To: 9, Rows: uint64(len(rows)),
				Bulks: []run.Bulk{{Pack: 9, Offset: 3, Length: 6, To: 9}}, Size: fileSize(t, info.Path)}
			if diff := cmp.Diff(want, info); diff != "" {
				t.Errorf("%s: Close says %s", what, diff)
			}
			r, err := run.Open(info.Path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, r.Info()); diff != "" {
				t.Errorf("%s: Open says %s", what, diff)
			}
			if err := errors.Join(r.Verify(t.Context()), r.Close()); err != nil {
				t.Errorf("%s: %v", what, err)
			}
		}
	}
}

func fileSize(t testing.TB, path string) int64 {
	t.Helper()
	s, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return s.Size()
}

// TestRefused: what a Writer does not take, and that it leaves nothing then.
func TestRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	key := func(k string) run.Row { return run.Row{Key: []byte(k)} }
	for name, rows := range map[string][]run.Row{
		"again": {key("a"), key("a")}, "back": {key("b"), key("a")}, "empty": {key("")},
	} {
		if _, err := tryWrite(dir, 0, 1, rows, run.Options{}); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
	if _, err := tryWrite(dir, 0, 1, []run.Row{{Key: []byte("a"), Value: make([]byte, 8<<20)}}, run.Options{}); !errors.Is(err, objstore.ErrTooLarge) {
		t.Errorf("a row of 8 MiB: %v", err)
	}
	if _, err := tryWrite(dir, 1, 1, nil, run.Options{}); err == nil {
		t.Error("a run of no numbers was taken")
	}
	if _, err := tryWrite(dir, 0, 1, nil, run.Options{BlockSize: run.MaxBlockSize + 1}); err == nil {
		t.Error("a block size that is too large was taken")
	}
	w, err := run.Create(dir, logID, 0, 1, run.Options{})
	if err != nil {
		t.Fatal(err)
	}
	w.Bulk(run.Bulk{Length: -1})
	if _, err := w.Close(); err == nil {
		t.Error("a bulk of negative length was taken")
	}
	if entries, _ := os.ReadDir(dir); len(entries) > 0 {
		t.Errorf("%v are left", entries)
	}
	write(t, dir, 0, 1, nil, run.Options{})
	if _, err := tryWrite(dir, 0, 1, nil, run.Options{}); !errors.Is(err, fs.ErrExist) {
		t.Errorf("the same run again: %v", err)
	}
}

// TestErrorStays: the first error is what Close says, and after Close or Abort
// nothing is taken.
func TestErrorStays(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	w, err := run.Create(dir, logID, 0, 1, run.Options{})
	if err != nil {
		t.Fatal(err)
	}
	first := w.Add(run.Row{})
	if _, err := w.Close(); err == nil || !errors.Is(err, first) {
		t.Errorf("Close says %v, Add said %v", err, first)
	}
	if w, err = run.Create(dir, logID, 0, 1, run.Options{}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Close(); err != nil {
		t.Fatal(err)
	}
	w.Abort()
	if err := w.Add(run.Row{Key: []byte("a")}); err == nil {
		t.Error("a closed writer takes rows")
	}
	if _, err := w.Close(); err == nil {
		t.Error("a closed writer closes again")
	}
	if runs, _, _, _ := run.List(dir); len(runs) != 1 {
		t.Errorf("%d runs are left", len(runs))
	}
}

// TestCanceled: a walk, a check and a merge end with their context.
func TestCanceled(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	rows := commitRows(0, 100)
	a := write(t, dir, 0, 1, rows, run.Options{BlockSize: 1000})
	b := write(t, dir, 1, 2, rows, run.Options{BlockSize: 1000})
	r, err := run.Open(a.Path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	ctx, cancel := context.WithCancel(t.Context())
	it := r.Rows(ctx)
	defer it.Close()
	if !it.Next() {
		t.Fatal(it.Err())
	}
	cancel()
	if got, err := collect(it); !errors.Is(err, context.Canceled) || len(got) >= len(rows) {
		t.Errorf("%d rows, %v", len(got), err)
	}
	if err := r.Verify(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Verify: %v", err)
	}
	if _, err := run.Merge(ctx, dir, logID, []run.Info{a, b}, run.Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("Merge: %v", err)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 2 {
		t.Errorf("%v are left", entries)
	}
}

// TestList: runs are sorted, what writers left is told, and what is damaged is
// named; other files are left alone.
func TestList(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, ends := range [][2]uint64{{16, 300}, {0, 16}, {0, 4}, {300, 1 << 60}} {
		write(t, dir, ends[0], ends[1], commitRows(0, 3), run.Options{})
	}
	w, err := run.Create(dir, logID, 1, 2, run.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	put := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put("other", "")
	put("run-0000000000000001-0000000000000002.rows", "short")
	put("run-1-2.rows", "")
	put("run-000000000000000A-000000000000000B.rows", "")
	if err := os.Mkdir(filepath.Join(dir, "run-0000000000000003-0000000000000004.rows"), 0o700); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(filepath.Join(dir, "run-0000000000000000-0000000000000004.rows"))
	if err != nil {
		t.Fatal(err)
	}
	put("run-0000000000000000-0000000000000005.rows", string(whole))
	runs, leftovers, damaged, err := run.List(dir)
	if err != nil {
		t.Fatal(err)
	}
	var ends [][2]uint64
	for _, r := range runs {
		ends = append(ends, [2]uint64{r.From, r.To})
	}
	if diff := cmp.Diff([][2]uint64{{0, 4}, {0, 16}, {16, 300}, {300, 1 << 60}}, ends); diff != "" {
		t.Error(diff)
	}
	if len(leftovers) != 1 {
		t.Errorf("leftovers: %v", leftovers)
	}
	if len(damaged) != 5 {
		t.Errorf("%d damaged", len(damaged))
	}
	for _, d := range damaged {
		if !errors.Is(d.Err, objstore.ErrCorrupt) || !bytes.Contains([]byte(d.Err.Error()), []byte(d.Path)) {
			t.Errorf("%s: %v", d.Path, d.Err)
		}
	}
	if _, _, _, err := run.List(filepath.Join(dir, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a directory that is not there: %v", err)
	}
}

func infos(ends ...[2]uint64) (runs []run.Info) {
	for _, e := range ends {
		runs = append(runs, run.Info{From: e[0], To: e[1]})
	}
	return runs
}

func TestCover(t *testing.T) {
	t.Parallel()
	type span = [2]uint64
	for name, c := range map[string]struct {
		runs, chain, superseded, beyond []span
		after, until                    uint64
	}{
		"none":       {},
		"chain":      {runs: []span{{5, 9}, {0, 5}}, chain: []span{{0, 5}, {5, 9}}},
		"merged":     {runs: []span{{0, 5}, {5, 9}, {0, 9}, {9, 10}}, chain: []span{{0, 9}, {9, 10}}, superseded: []span{{0, 5}, {5, 9}}},
		"merged mid": {runs: []span{{0, 5}, {5, 7}, {7, 9}, {5, 9}}, chain: []span{{0, 5}, {5, 9}}, superseded: []span{{5, 7}, {7, 9}}},
		"gap":        {runs: []span{{0, 5}, {6, 9}, {9, 12}}, chain: []span{{0, 5}}, beyond: []span{{6, 9}, {9, 12}}, after: 5, until: 6},
		"no first":   {runs: []span{{6, 9}}, beyond: []span{{6, 9}}, until: 6},
		"dead end":   {runs: []span{{0, 10}, {0, 5}, {5, 20}}, chain: []span{{0, 5}, {5, 20}}, superseded: []span{{0, 10}}},
		"overlap":    {runs: []span{{0, 5}, {3, 9}}, chain: []span{{0, 5}}, beyond: []span{{3, 9}}, after: 5, until: 5},
	} {
		chain, superseded, gap := run.Cover(infos(c.runs...))
		if diff := cmp.Diff(infos(c.chain...), chain); diff != "" {
			t.Errorf("%s: chain %s", name, diff)
		}
		if diff := cmp.Diff(infos(c.superseded...), superseded); diff != "" {
			t.Errorf("%s: superseded %s", name, diff)
		}
		var want *run.Gap
		if c.beyond != nil {
			want = &run.Gap{After: c.after, Until: c.until, Beyond: infos(c.beyond...)}
		}
		if diff := cmp.Diff(want, gap); diff != "" {
			t.Errorf("%s: gap %s", name, diff)
		}
	}
}

// TestPick: whatever the sizes of the runs that come, few runs are there, and a
// byte is written few times.
func TestPick(t *testing.T) {
	t.Parallel()
	for name, size := range map[string]func(i int) int64{
		"equal":  func(int) int64 { return 7 << 20 },
		"tiny":   func(int) int64 { return 200 },
		"varied": func(i int) int64 { return int64(1+i*i%13) << 20 },
		"bounds": func(i int) int64 { return 8<<20 - int64(i%2) },
		"bursts": func(i int) int64 { return 1000 + int64(i%100/90)*(50<<20) },
	} {
		var runs []run.Info
		var in, written int64
		most := 0
		for i := range 4096 {
			r := run.Info{From: uint64(i), To: uint64(i + 1), Size: size(i)}
			runs = append(runs, r)
			in, written = in+r.Size, written+r.Size
			for picked := run.Pick(runs, 8); picked != nil; picked = run.Pick(runs, 8) {
				at := slices.IndexFunc(runs, func(r run.Info) bool { return r.From == picked[0].From })
				if len(picked) < 8 || runs[at+len(picked)-1].To != picked[len(picked)-1].To {
					t.Fatalf("%s: %v are picked", name, picked)
				}
				m := run.Info{From: picked[0].From, To: picked[len(picked)-1].To}
				for _, p := range picked {
					m.Size += p.Size
				}
				written += m.Size
				runs = slices.Replace(runs, at, at+len(picked), m)
			}
			most = max(most, len(runs))
		}
		// 4096 is 8 to the fourth.
		if amp := float64(written) / float64(in); amp > 8 || most > 5*8 {
			t.Errorf("%s: %d runs at most, and each byte written %.1f times", name, most, amp)
		} else {
			t.Logf("%s: %d runs at most, and each byte written %.1f times", name, most, amp)
		}
	}
	if p := run.Pick(infos([2]uint64{0, 1}), 8); p != nil {
		t.Errorf("of one run %v is picked", p)
	}
	big := run.Info{Size: 1 << 40}
	small := slices.Repeat([]run.Info{{Size: 1 << 20}}, 8)
	if p := run.Pick(append([]run.Info{big}, small...), 8); len(p) != 8 || p[0].Size != 1<<20 {
		t.Errorf("of a large run and eight small ones %d are picked", len(p))
	}
}
