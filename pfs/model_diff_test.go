package pfs

import (
	"errors"
	"maps"
	"slices"
	"strings"

	"pgregory.net/rapid"

	"caret/commits/revision"
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

// RestoreFiles brings a prefix back as it was at some commit.
func (m *machine) RestoreFiles(t *rapid.T) {
	m.t = t
	from, old, ok := m.version()
	if !ok {
		return
	}
	name := m.branch()
	prefix := rapid.SampledFrom([]string{"", "a", "dir/"}).Draw(t, "prefix")
	plan, err := m.fs.RestoreFiles(m.ctx, m.ref(name), from, prefix, UndoOptions{DryRun: true})
	m.must(err)
	done, err := m.fs.RestoreFiles(m.ctx, m.ref(name), from, prefix, UndoOptions{})
	m.must(err)
	changes := map[string]*modelFile{}
	now := m.model.branches[name].state()
	for p, f := range old.state {
		if strings.HasPrefix(p, prefix) && now[p] != f {
			changes[p] = &f
		}
	}
	for p := range now {
		if _, stays := old.state[p]; strings.HasPrefix(p, prefix) && !stays {
			changes[p] = nil
		}
	}
	m.samePlan(plan, changes)
	if done.Files != len(changes) || done.Commit.IsZero() != (len(changes) == 0) {
		t.Fatalf("restored %d files in %s, want %d", done.Files, done.Commit, len(changes))
	}
	if len(changes) > 0 {
		m.commit(name, done.Commit, changes)
	}
}

// samePlan checks that what a dry run found is what is then done.
func (m *machine) samePlan(plan Undone, changes map[string]*modelFile) {
	if plan.Files != len(changes) || len(plan.Changes) != len(changes) || !plan.Commit.IsZero() {
		m.t.Fatalf("planned %+v, for %d changes", plan, len(changes))
	}
	for _, d := range plan.Changes {
		if f, ok := changes[d.Path]; !ok || (f == nil) != (d.New == nil) {
			m.t.Fatalf("%q is planned to be %v, and becomes %v", d.Path, d.New, f)
		}
	}
}

// Revert takes a commit back, unless its paths have changed since.
func (m *machine) Revert(t *rapid.T) {
	m.t = t
	name := m.branch()
	b := m.model.branches[name]
	if len(b) == 0 {
		return
	}
	i := rapid.IntRange(max(0, len(b)-4), len(b)-1).Draw(t, "commit")
	before := modelState{}
	if i > 0 {
		before = b[i-1].state
	}
	changes := map[string]*modelFile{}
	conflicts := 0
	for _, p := range b[i].paths {
		was, had := before[p]
		did, has := b[i].state[p]
		if had == has && was == did {
			continue
		}
		if now, there := b.state()[p]; there != has || now != did {
			conflicts++
		}
		changes[p] = nil
		if had {
			changes[p] = &was
		}
	}
	commit := Ref{Repo: m.repo, Base: revision.Expr{Base: b[i].id.String()}}
	plan, planErr := m.fs.Revert(m.ctx, m.ref(name), commit, UndoOptions{DryRun: true})
	done, err := m.fs.Revert(m.ctx, m.ref(name), commit, UndoOptions{})
	if conflicts > 0 {
		var conflict *ConflictError
		if !errors.As(err, &conflict) || conflict.Total != conflicts || planErr == nil || planErr.Error() != err.Error() {
			t.Fatalf("reverting with %d conflicts: %v, and planned %v", conflicts, err, planErr)
		}
		return
	}
	m.must(err)
	m.must(planErr)
	m.samePlan(plan, changes)
	if done.Files != len(changes) {
		t.Fatalf("reverted %d files, want %d", done.Files, len(changes))
	}
	if len(changes) > 0 {
		m.commit(name, done.Commit, changes)
	}
}

// CopyFiles copies a prefix of some commit to another prefix.
func (m *machine) CopyFiles(t *rapid.T) {
	m.t = t
	ref, old, ok := m.version()
	if !ok || len(old.state) > 20 { // else it would double each time
		return
	}
	name := m.branch()
	prefix := rapid.SampledFrom([]string{"", "a", "dir/"}).Draw(t, "prefix")
	dest := rapid.SampledFrom([]string{"b", "dir/"}).Draw(t, "dest")
	changes := map[string]*modelFile{}
	for p, f := range old.state {
		if rest, ok := strings.CutPrefix(p, prefix); ok {
			changes[dest+rest] = &f
		}
	}
	done, err := m.fs.CopyFiles(m.ctx, ref, prefix, m.ref(name), dest, WriteOptions{})
	if prefix == dest && errors.Is(err, ErrInvalidArgument) {
		return // onto itself
	}
	if len(changes) == 0 {
		if !errors.Is(err, ErrNoSuchPath) {
			t.Fatalf("copied nothing: %+v, %v", done, err)
		}
		return
	}
	m.must(err)
	if done.Files != len(changes) {
		t.Fatalf("copied %d files, want %d", done.Files, len(changes))
	}
	m.commit(name, done.Commit, changes)
}

// MoveFiles moves a prefix of a branch, or a file, to another one.
func (m *machine) MoveFiles(t *rapid.T) {
	m.t = t
	name := m.branch()
	state := m.model.branches[name].state()
	from := rapid.SampledFrom([]string{"a", "dir/", "dir/a", "d"}).Draw(t, "from")
	to := rapid.SampledFrom([]string{"", "b", "dir/", "dir/dir/", "x/", "a"}).Draw(t, "to")
	move := m.fs.MoveFiles
	one := rapid.Bool().Draw(t, "one")
	if one {
		move = m.fs.MoveFile
	}
	changes := map[string]*modelFile{}
	moved := 0
	for p := range state {
		if one && p == from || !one && strings.HasPrefix(p, from) {
			changes[p] = nil
		}
	}
	for p, f := range state {
		if _, is := changes[p]; is && (one && p == from || !one && strings.HasPrefix(p, from)) {
			moved++
			changes[to+strings.TrimPrefix(p, from)] = &f
		}
	}
	done, err := move(m.ctx, m.ref(name), from, to, WriteOptions{})
	switch {
	case from == to:
		if !errors.Is(err, ErrInvalidArgument) {
			t.Fatalf("moved %q onto itself: %v", from, err)
		}
		return
	case moved == 0:
		if !errors.Is(err, ErrNoSuchPath) {
			t.Fatalf("moved nothing: %+v, %v", done, err)
		}
		return
	case changes[""] != nil:
		if !errors.Is(err, ErrInvalidPath) {
			t.Fatalf("moved to an empty path: %v", err)
		}
		return
	}
	m.must(err)
	if done.Files != moved {
		t.Fatalf("moved %d files, want %d", done.Files, moved)
	}
	m.commit(name, done.Commit, changes)
}
