package pfs

import (
	"maps"
	"slices"

	"pgregory.net/rapid"

	"caret/commits/revision"
	"caret/objstore"
)

// RemoveVersion takes a version out of the list; the one before is current
// again if it was.
func (m *machine) RemoveVersion(t *rapid.T) {
	m.t = t
	ref, then, ok := m.version()
	if !ok {
		return
	}
	name := m.branch()
	b, p := m.model.branches[name], m.path()
	if len(b) == 0 {
		return
	}
	if long := slices.Sorted(maps.Keys(b.versions())); len(long) > 0 && rapid.Bool().Draw(t, "listed") {
		// Most draws would hit nothing.
		p = rapid.SampledFrom(long).Draw(t, "path with versions")
		if list := b.versions()[p]; len(list) > 0 {
			id := rapid.SampledFrom(list).Draw(t, "version").id
			if i := slices.IndexFunc(b, func(c *modelCommit) bool { return c.id == id }); i >= 0 {
				then, ref = b[i], Ref{}
			}
		}
	}
	version := revision.Expr{Base: then.id.String()}
	byID := rapid.Bool().Draw(t, "by version id")
	if !byID { // an expression means the version that its commit has
		version.Steps = []revision.Step{{Kind: revision.Parent}}
	}
	done, err := m.fs.Delete(m.ctx, m.ref(name), []Deletion{{Path: p, Version: &version}}, WriteOptions{})
	m.must(err)
	at := -1
	if past := then.versions[p]; len(past) > 0 && (!byID || past[0].id == then.id) {
		at = slices.IndexFunc(b.versions()[p], func(v modelVersion) bool { return v.id == past[0].id })
	}
	if (at < 0) != done.Commit.IsZero() {
		t.Fatalf("removing the version of %q at %v made commit %s", p, ref, done.Commit)
	}
	if at < 0 {
		return
	}
	gone := b.versions()[p][at]
	if it := done.Items[0]; !it.Existed || it.Version != gone.id || it.Marker != (gone.file == nil) {
		t.Fatalf("removed %+v, want %+v", done, gone)
	}
	left := slices.Delete(slices.Clone(b.versions()[p]), at, at+1)
	var now *modelFile
	if len(left) > 0 {
		now = left[0].file
	}
	m.commit(name, done.Commit, map[string]*modelFile{p: now})
	b = m.model.branches[name]
	b[len(b)-1].versions[p] = left
	m.compareVersions(m.ref(name), b[len(b)-1])
}

// Versions compares the list of versions at some commit, in pages.
func (m *machine) Versions(t *rapid.T) {
	m.t = t
	if ref, want, ok := m.version(); ok {
		m.compareVersions(ref, want)
	}
}

func (m *machine) compareVersions(ref Ref, want *modelCommit) {
	t := m.t
	s, err := m.fs.Open(m.ctx, ref, ActList, "")
	m.must(err)
	opt := VersionsOptions{Limit: rapid.IntRange(1, 9).Draw(t, "limit"), Prefix: rapid.SampledFrom([]string{"", "a", "dir/"}).Draw(t, "prefix")}
	var got []VersionItem
	for more := true; more; {
		page, err := s.Versions(m.ctx, opt)
		m.must(err)
		if len(page.Items) > opt.Limit || page.Truncated && len(page.Items) < opt.Limit {
			t.Fatalf("a page of %d for a limit of %d", len(page.Items), opt.Limit)
		}
		got = append(got, page.Items...)
		opt.After, opt.AfterVersion, more = page.Next, page.NextVersion, page.Truncated
	}
	i := 0
	for _, p := range slices.Sorted(maps.Keys(want.versions)) {
		if len(p) < len(opt.Prefix) || p[:len(opt.Prefix)] != opt.Prefix {
			continue
		}
		for k, v := range want.versions[p] {
			if i == len(got) {
				t.Fatalf("version %s of %q is not listed", v.id, p)
			}
			g := got[i]
			i++
			if g.Path != p || g.Commit != v.id || g.Deleted != (v.file == nil) || g.Latest != (k == 0) {
				t.Fatalf("listed %q %s deleted %v latest %v, want %d of %q: %+v", g.Path, g.Commit, g.Deleted, g.Latest, k, p, v)
			}
			if v.file != nil && g.Content.Hash != objstore.Sum([]byte(v.file.data)) {
				t.Fatalf("version %s of %q has other content", v.id, p)
			}
		}
	}
	if i < len(got) {
		t.Fatalf("listed too: %q %s", got[i].Path, got[i].Commit)
	}
}
