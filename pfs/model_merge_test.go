package pfs

import (
	"errors"
	"maps"
	"slices"
	"strings"

	"pgregory.net/rapid"

	"caret/commits/revision"
)

// leads are all commits that lead to c, itself included.
func (c *modelCommit) leads() map[*modelCommit]bool {
	seen := map[*modelCommit]bool{}
	var visit func(*modelCommit)
	visit = func(c *modelCommit) {
		if c != nil && !seen[c] {
			seen[c] = true
			for _, p := range c.parents {
				visit(p)
			}
		}
	}
	visit(c)
	return seen
}

// modelBases are the common ancestors of a and b that lead to no other one.
func modelBases(a, b *modelCommit) []*modelCommit {
	toA, toB := a.leads(), b.leads()
	var common, bases []*modelCommit
	for c := range toA {
		if toB[c] {
			common = append(common, c)
		}
	}
	for _, c := range common {
		if !slices.ContainsFunc(common, func(d *modelCommit) bool { return d != c && d.leads()[c] }) {
			bases = append(bases, c)
		}
	}
	return bases
}

// mixed is a file like no other: what merging several bases leaves of a path
// that they do not agree about.
func mixed() *modelFile { return &modelFile{data: "mixed"} }

// modelAncestor is the whole state that a and b have in common. With several
// bases their order matters where they disagree; agreed says that it did not.
func modelAncestor(a, b *modelCommit) (state map[string]*modelFile, agreed bool) {
	bases := modelBases(a, b)
	state, agreed = map[string]*modelFile{}, true
	for i, c := range bases {
		if i == 0 {
			state = c.state.files()
			continue
		}
		was, ok := modelAncestor(bases[i-1], c)
		agreed = agreed && ok && len(bases) == 2
		for p := range conflictPaths(state, was, c.state.files()) {
			acc, next := state[p], c.state.file(p)
			switch {
			case sameModel(acc, next):
			case sameModel(was[p], acc):
				state[p] = next
			case !sameModel(was[p], next):
				state[p] = mixed()
			}
		}
	}
	return state, agreed
}

func (st modelState) file(p string) *modelFile {
	if f, ok := st[p]; ok {
		return &f
	}
	return nil
}

func (st modelState) files() map[string]*modelFile {
	files := map[string]*modelFile{}
	for p, f := range st {
		files[p] = &f
	}
	return files
}

func conflictPaths(states ...map[string]*modelFile) map[string]bool {
	paths := map[string]bool{}
	for _, st := range states {
		for p := range st {
			paths[p] = true
		}
	}
	return paths
}

func sameModel(a, b *modelFile) bool {
	if a == nil || b == nil {
		return a == b
	}
	return *a == *b && a.data != "mixed"
}

// Merge merges a commit of one branch into another one.
func (m *machine) Merge(t *rapid.T) {
	m.t = t
	from, theirs, ok := m.version()
	if !ok {
		return
	}
	into := m.branch()
	b := m.model.branches[into]
	opt := MergeOptions{
		NoFastForward: rapid.Bool().Draw(t, "no ff"), Squash: rapid.IntRange(0, 4).Draw(t, "squash") == 0,
		DryRun: rapid.IntRange(0, 3).Draw(t, "dry run") == 0,
	}
	opt.Rules = rapid.SampledFrom([][]Rule{
		nil, {{Strategy: Ours}}, {{Strategy: Theirs}}, {{Pattern: "a*/**", Strategy: Ours}, {Pattern: "dir/", Strategy: Theirs}},
		{{Pattern: "dir/", Strategy: Ours}, {Strategy: Theirs}},
	}).Draw(t, "rules")
	var ours *modelCommit
	if len(b) > 0 {
		ours = b[len(b)-1]
	}
	changes, kept, conflicts, sure := m.plan(ours, theirs, opt)
	opt.DryRun = opt.DryRun || !sure // what it would do is not known
	done, err := m.fs.Merge(m.ctx, m.ref(into), from, opt)
	if ours.leads()[theirs] {
		m.must(err)
		if !done.UpToDate {
			t.Fatalf("merging what leads to the head: %+v", done)
		}
		return
	}
	chain := m.chain(theirs)
	forward := len(chain) >= len(b) && slices.Equal(chain[:len(b)], b) && !opt.NoFastForward && !opt.Squash
	if opt.DryRun {
		m.must(err)
		if !sure {
			return
		}
		found := 0
		if done.Conflicts != nil {
			found = done.Conflicts.Total
		}
		if done.FastForward != forward || found != conflicts || done.Files != len(changes)+len(kept) {
			t.Fatalf("a dry run says %+v, want %d files, %d conflicts", done, len(changes), conflicts)
		}
		return
	}
	if forward {
		m.must(err)
		if !done.FastForward || done.Commit != theirs.id {
			t.Fatalf("merge made %+v, want a fast-forward to %s", done, theirs.id)
		}
		m.model.branches[into] = chain
		return
	}
	if conflicts > 0 {
		var conflict *ConflictError
		if !errors.As(err, &conflict) || conflict.Total != conflicts {
			t.Fatalf("merge with %d conflicts: %+v %v", conflicts, done, err)
		}
		return
	}
	m.must(err)
	m.commit(into, done.Commit, changes)
	b = m.model.branches[into]
	c := b[len(b)-1]
	c.paths = append(c.paths, kept...)
	slices.Sort(c.paths)
	if len(c.parents) == 0 {
		c.parents = []*modelCommit{nil} // there is no first one
	}
	if !opt.Squash {
		c.parents = append(c.parents, theirs)
	}
	if done.Files != len(c.paths) {
		t.Fatalf("merged %d files, want %q", done.Files, c.paths)
	}
}

// chain is the commits that lead to c by first parents.
func (m *machine) chain(c *modelCommit) modelBranch {
	var list modelBranch
	for ; c != nil; c = c.first() {
		list = append(list, c)
	}
	slices.Reverse(list)
	return list
}

func (c *modelCommit) first() *modelCommit {
	if len(c.parents) == 0 {
		return nil
	}
	return c.parents[0]
}

// plan is a three-way merge of whole states.
func (m *machine) plan(ours, theirs *modelCommit, opt MergeOptions) (changes map[string]*modelFile, kept []string, conflicts int, sure bool) {
	base, sure := modelAncestor(ours, theirs)
	mine := modelState{}
	if ours != nil {
		mine = ours.state
	}
	changes = map[string]*modelFile{}
	for p := range conflictPaths(mine.files(), theirs.state.files(), base) {
		o, t, b := mine.file(p), theirs.state.file(p), base[p]
		if sameModel(o, t) || sameModel(b, t) {
			continue
		}
		strategy := Theirs
		if !sameModel(b, o) {
			strategy = ""
			for _, r := range opt.Rules {
				if r.Pattern == "" || r.Pattern == "dir/" && strings.HasPrefix(p, "dir/") || r.Pattern == "a*/**" && modelGlob(p) {
					strategy = r.Strategy
					break
				}
			}
		}
		switch strategy {
		case Theirs:
			changes[p] = t
		case Ours:
			kept = append(kept, p)
		default:
			conflicts++
		}
	}
	return changes, kept, conflicts, sure
}

// modelGlob is a*/** for the model's paths.
func modelGlob(p string) bool {
	first, _, under := strings.Cut(p, "/")
	return under && strings.HasPrefix(first, "a")
}

// Reset moves a branch to another commit.
func (m *machine) Reset(t *rapid.T) {
	m.t = t
	to, c, ok := m.version()
	if !ok {
		return
	}
	name := m.branch()
	_, err := resetBranch(m.ctx, m.fs, m.repo, name, to, WriteOptions{})
	m.must(err)
	m.model.branches[name] = m.chain(c)
}

// DropAndRestore deletes a branch and brings it back.
func (m *machine) DropAndRestore(t *rapid.T) {
	m.t = t
	if len(m.model.branches) < 2 {
		return
	}
	name := m.branch()
	m.must(deleteBranch(m.ctx, m.fs, m.repo, name, BranchDeletion{}))
	if _, err := m.fs.Open(m.ctx, m.ref(name), ActList, ""); !errors.Is(err, ErrNoSuchBranch) {
		t.Fatalf("a deleted branch resolves: %v", err)
	}
	_, err := m.fs.RestoreBranch(m.ctx, m.repo, name)
	m.must(err)
}

// DiffOpen compares an open commit with its parent.
func (m *machine) DiffOpen(t *rapid.T) {
	m.t = t
	id, o := m.openCommit()
	if o.base == 0 {
		return
	}
	list, err := m.fs.Diff(m.ctx, Ref{Repo: m.repo, Base: revision.Expr{Base: o.parent.String()}}, m.openRef(id), DiffOptions{})
	m.must(err)
	want := map[string]*modelFile{}
	for p, f := range o.staged {
		if !sameModel(f, o.state.file(p)) {
			want[p] = f
		}
	}
	var paths []string
	for _, d := range list {
		paths = append(paths, d.Path)
	}
	if !slices.Equal(paths, slices.Sorted(maps.Keys(want))) {
		t.Fatalf("staged %q, want %q", paths, slices.Sorted(maps.Keys(want)))
	}
}
