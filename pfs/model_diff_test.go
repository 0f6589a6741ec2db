package pfs

import (
	"maps"
	"slices"
	"strings"

	"pgregory.net/rapid"

	"caret/objstore"
)

// Diff compares two commits as the model has them, in pages.
func (m *machine) Diff(t *rapid.T) {
	m.t = t
	from, old, ok := m.version()
	if !ok {
		return
	}
	to, now, ok := m.version()
	if !ok {
		return
	}
	prefix := rapid.SampledFrom([]string{"", "a", "dir/"}).Draw(t, "prefix")
	opt := DiffOptions{Prefix: prefix, Limit: rapid.IntRange(1, 5).Draw(t, "limit")}
	var got []Difference
	for {
		page, err := m.fs.Diff(m.ctx, from, to, opt)
		m.must(err)
		got = append(got, page...)
		if len(page) < opt.Limit {
			break
		}
		opt.After = page[len(page)-1].Path
	}
	paths := maps.Clone(old.state)
	maps.Copy(paths, now.state)
	same := func(d *Info, f modelFile, there bool) bool {
		return there == (d != nil) && (d == nil || d.Content.Hash == objstore.Sum([]byte(f.data)) && d.Attrs.ContentType == f.ctype)
	}
	for _, p := range slices.Sorted(maps.Keys(paths)) {
		a, before := old.state[p]
		b, after := now.state[p]
		if !strings.HasPrefix(p, prefix) || before == after && a == b {
			continue
		}
		if len(got) == 0 || got[0].Path != p || !same(got[0].Old, a, before) || !same(got[0].New, b, after) {
			t.Fatalf("diff of %v and %v at %q: %+v", from, to, p, got)
		}
		got = got[1:]
	}
	if len(got) > 0 {
		t.Fatalf("diff of %v and %v has %q too", from, to, got[0].Path)
	}
}
