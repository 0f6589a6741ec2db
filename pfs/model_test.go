package pfs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"caret/commits"
	"caret/commits/revision"
	"caret/objstore"
	"caret/objstore/content"
	"caret/objstore/local"
	"caret/objstore/memory"
)

// The model: a plain map per commit.
type (
	modelFile   struct{ data, ctype string }
	modelState  map[string]modelFile
	modelCommit struct {
		id    commits.ID
		state modelState
		time  time.Time
		paths []string // changed
		// versions of each path that are listed, newest first
		versions map[string][]modelVersion
		parents  []*modelCommit
	}
	modelVersion struct {
		id   commits.ID
		file *modelFile // nil is a deletion
	}
	modelBranch []*modelCommit // the commits that lead to its head
	modelOpen   struct {
		branch string
		base   int // how many commits the branch had
		parent commits.ID
		state  modelState // of the parent
		staged map[string]*modelFile
	}
	model struct {
		branches map[string]modelBranch
		open     map[commits.ID]*modelOpen
	}
)

func (b modelBranch) versions() map[string][]modelVersion {
	if len(b) == 0 {
		return nil
	}
	return b[len(b)-1].versions
}

func (b modelBranch) state() modelState {
	if len(b) == 0 {
		return modelState{}
	}
	return b[len(b)-1].state
}

// machine drives an FS and the model side by side.
type machine struct {
	t     *rapid.T
	ctx   context.Context
	store func() objstore.Store // opens it, again too
	repo  string
	on    objstore.Store
	fs    *FS
	model model
	now   time.Time
	seq   int
	hold  bool // layers are folded in only by Fold
}

func (m *machine) openFS() {
	m.on = m.store()
	fs, err := openRoot(m.ctx, m.on, Options{Now: func() time.Time { return m.now }, LayerAbove: 1, manual: m.hold, Exclusive: true, foldPage: 2})
	m.must(err)
	m.fs = fs
}

func (m *machine) closeFS() {
	m.must(errors.Join(m.fs.sys.Close(), m.on.Close()))
}

func (m *machine) must(err error) {
	if err != nil {
		m.t.Fatalf("unexpected error: %v", err)
	}
}

func (m *machine) content(data string) content.Content {
	w := m.fs.NewFile(m.ctx, int64(len(data)))
	defer w.Abort()
	_, err := io.WriteString(w, data)
	m.must(err)
	p, err := w.Close()
	m.must(err)
	return p.Content
}

func (m *machine) branch() string {
	return rapid.SampledFrom(slices.Sorted(maps.Keys(m.model.branches))).Draw(m.t, "branch")
}

var modelPaths = []string{"a", "a/b", "a/b/c", "a\x00b", "a.txt", "b", "b//", "dir/x", "dir/y", "dir/z", "é", "zz"}

func (m *machine) path() string { return rapid.SampledFrom(modelPaths).Draw(m.t, "path") }

func (m *machine) ref(branch string) Ref { return Ref{Repo: m.repo, Branch: branch} }

// commit records what a write to a branch did.
func (m *machine) commit(branch string, id commits.ID, changes map[string]*modelFile) {
	b := m.model.branches[branch]
	c := &modelCommit{id: id, state: maps.Clone(b.state()), time: m.now, versions: map[string][]modelVersion{}}
	maps.Copy(c.versions, b.versions())
	if len(b) > 0 && b[len(b)-1].time.After(m.now) {
		c.time = b[len(b)-1].time // time never goes back along a branch
	}
	if len(b) > 0 {
		c.parents = []*modelCommit{b[len(b)-1]}
	}
	for p, f := range changes {
		c.paths = append(c.paths, p)
		c.versions[p] = append([]modelVersion{{id, f}}, c.versions[p]...)
		if f == nil {
			delete(c.state, p)
		} else {
			c.state[p] = *f
		}
	}
	slices.Sort(c.paths)
	m.model.branches[branch] = append(slices.Clip(b), c)
}

func (m *machine) file() modelFile {
	m.seq++
	return modelFile{data: fmt.Sprintf("data %d", m.seq), ctype: fmt.Sprintf("t/%d", m.seq%3)}
}

func (m *machine) put(to Ref, path string, f modelFile) Committed {
	m.now = m.now.Add(time.Duration(rapid.IntRange(-2, 5).Draw(m.t, "ms")) * time.Millisecond)
	done, err := m.fs.Put(m.ctx, to, path, m.content(f.data), commits.Attrs{ContentType: f.ctype}, WriteOptions{})
	m.must(err)
	return done
}

func (m *machine) Put(t *rapid.T) {
	m.t = t
	b, p, f := m.branch(), m.path(), m.file()
	done := m.put(m.ref(b), p, f)
	if _, existed := m.model.branches[b].state()[p]; existed != done.Existed {
		t.Fatalf("Put(%q) says it existed: %v", p, done.Existed)
	}
	m.commit(b, done.Commit, map[string]*modelFile{p: &f})
	if rapid.IntRange(0, 3).Draw(t, "list versions") == 0 {
		now := m.model.branches[b]
		m.compareVersions(m.ref(b), now[len(now)-1])
	}
}

func (m *machine) Delete(t *rapid.T) {
	m.t = t
	b := m.branch()
	paths := rapid.SliceOfN(rapid.SampledFrom(modelPaths), 1, 5).Draw(t, "paths")
	done, err := m.fs.Delete(m.ctx, m.ref(b), Files(paths...), WriteOptions{})
	m.must(err)
	changes := map[string]*modelFile{}
	for i, p := range paths {
		_, want := m.model.branches[b].state()[p]
		if want != done.Items[i].Existed {
			t.Fatalf("Delete(%q) existed %v, want %v", p, done.Items[i].Existed, want)
		}
		if want {
			changes[p] = nil
		}
	}
	if (len(changes) == 0) != done.Commit.IsZero() {
		t.Fatalf("Delete of %d files made commit %s", len(changes), done.Commit)
	}
	if len(changes) > 0 {
		m.commit(b, done.Commit, changes)
	}
}

func (m *machine) Copy(t *rapid.T) {
	m.t = t
	ref, want, ok := m.version()
	if !ok {
		return
	}
	s, err := m.fs.Open(m.ctx, ref, ActList, "")
	m.must(err)
	for _, p := range slices.Sorted(maps.Keys(want.state)) {
		info, err := s.Stat(m.ctx, p)
		m.must(err)
		b, to := m.branch(), m.path()
		done, err := m.fs.Copy(m.ctx, info, m.ref(b), to, nil, WriteOptions{})
		m.must(err)
		f := want.state[p]
		m.commit(b, done.Commit, map[string]*modelFile{to: &f})
		return
	}
}

func (m *machine) Conditional(t *rapid.T) {
	m.t = t
	b, p, f := m.branch(), m.path(), m.file()
	state := m.model.branches[b].state()
	old, exists := state[p]
	hash := objstore.Sum([]byte(rapid.SampledFrom([]string{old.data, "other"}).Draw(t, "match")))
	fits := exists && hash == objstore.Sum([]byte(old.data))
	var cond Condition
	var want error
	switch rapid.IntRange(0, 3).Draw(t, "condition") {
	case 0:
		cond.IfMatch = &Match{Any: true}
		if !exists {
			want = ErrNoSuchPath
		}
	case 1:
		cond.IfMatch = &Match{Hashes: []objstore.Hash{hash}}
		if !exists {
			want = ErrNoSuchPath
		} else if !fits {
			want = ErrPrecondition
		}
	case 2:
		cond.IfNoneMatch = &Match{Any: true}
		if exists {
			want = ErrPrecondition
		}
	case 3:
		cond.IfNoneMatch = &Match{Hashes: []objstore.Hash{hash}}
		if fits {
			want = ErrPrecondition
		}
	}
	done, err := m.fs.Put(m.ctx, m.ref(b), p, m.content(f.data), commits.Attrs{ContentType: f.ctype}, WriteOptions{If: cond})
	if !errors.Is(err, want) || want == nil && err != nil {
		t.Fatalf("conditional put: %v, want %v", err, want)
	}
	if err == nil {
		m.commit(b, done.Commit, map[string]*modelFile{p: &f})
	}
}

func (m *machine) Branch(t *rapid.T) {
	m.t = t
	if len(m.model.branches) > 6 {
		return
	}
	name := fmt.Sprintf("b%d", m.seq)
	m.seq++
	ref, _, ok := m.version()
	if !ok {
		_, err := m.fs.CreateBranch(m.ctx, m.repo, name, BranchOptions{})
		m.must(err)
		m.model.branches[name] = nil
		return
	}
	_, err := m.fs.CreateBranch(m.ctx, m.repo, name, BranchOptions{From: &ref})
	m.must(err)
	m.model.branches[name] = m.lead(ref)
}

// lead is the commits that lead to what the model says ref means; version
// always sets Branch, and the number in the history is kept in Base.
func (m *machine) lead(ref Ref) modelBranch {
	s, err := m.fs.Open(m.ctx, ref, ActList, "")
	m.must(err)
	for _, b := range slices.Sorted(maps.Keys(m.model.branches)) {
		for i, c := range m.model.branches[b] {
			if c.id == s.ID {
				return slices.Clone(m.model.branches[b][:i+1])
			}
		}
	}
	m.t.Fatalf("commit %s leads from no branch", s.ID)
	return nil
}

func (m *machine) DropBranch(t *rapid.T) {
	m.t = t
	if len(m.model.branches) < 3 {
		return
	}
	b := m.branch()
	if b == DefaultBranch {
		return
	}
	m.must(deleteBranch(m.ctx, m.fs, m.repo, b, BranchDeletion{}))
	delete(m.model.branches, b)
	for id, o := range m.model.open {
		if o.branch == b {
			m.must(m.fs.AbortCommit(m.ctx, openRef(m.repo, id)))
			delete(m.model.open, id)
		}
	}
}

// version draws a way to name a commit of a branch, and the commit.
func (m *machine) version() (Ref, *modelCommit, bool) {
	name := m.branch()
	b := m.model.branches[name]
	if len(b) == 0 {
		return Ref{}, nil, false
	}
	i := rapid.IntRange(0, len(b)-1).Draw(m.t, "commit")
	back := len(b) - 1 - i
	ref := Ref{Repo: m.repo, Branch: name}
	expr := ""
	switch rapid.IntRange(0, 6).Draw(m.t, "spelling") {
	case 0:
		expr = fmt.Sprintf("HEAD^%d", back)
	case 1:
		expr = strings.Repeat("~", back)
	case 2:
		expr = fmt.Sprintf(".%d", i+1)
	case 3:
		expr = b[i].id.String()
	case 4:
		expr = b[i].id.String()[:16]
	case 5:
		ref.Branch, expr = "", fmt.Sprintf("%s~%d", name, back)
	case 6:
		// The newest commit at that time; times repeat.
		for i < len(b)-1 && !b[i+1].time.After(b[i].time) {
			i++
		}
		expr = "HEAD@" + b[i].time.Format(time.RFC3339Nano)
	}
	x, err := revision.Parse(expr)
	m.must(err)
	if rapid.Bool().Draw(m.t, "as version") && ref.Branch != "" {
		ref.Version = x
	} else {
		ref.Base = x
	}
	return ref, b[i], true
}

func (m *machine) Read(t *rapid.T) {
	m.t = t
	ref, want, ok := m.version()
	if !ok {
		return
	}
	s, err := m.fs.Open(m.ctx, ref, ActList, "")
	m.must(err)
	if s.ID != want.id {
		t.Fatalf("%s resolves to %s, want %s", ref, s.ID, want.id)
	}
	m.compare(s, want.state)
}

// compare checks every read of a snapshot against the model.
func (m *machine) compare(s *Snapshot, want modelState) {
	for _, p := range modelPaths {
		f, exists := want[p]
		info, err := s.Stat(m.ctx, p)
		if !exists {
			if !errors.Is(err, ErrNoSuchPath) {
				m.t.Fatalf("%q at %d: %v, want ErrNoSuchPath", p, s.N, err)
			}
			continue
		}
		m.must(err)
		m.same(s, info, f)
	}
	opt := ListOptions{
		Prefix:    rapid.SampledFrom([]string{"", "a", "a/", "dir/", "b", "q"}).Draw(m.t, "prefix"),
		Delimiter: rapid.SampledFrom([]string{"", "/", "b", "\x00"}).Draw(m.t, "delimiter"),
		Limit:     rapid.IntRange(1, 5).Draw(m.t, "limit"),
	}
	var got []string
	for {
		page, err := s.List(m.ctx, opt)
		m.must(err)
		for _, it := range page.Items {
			got = append(got, it.name())
			if it.Prefix == "" {
				m.same(s, it.Info, want[it.Path])
			}
		}
		if !page.Truncated {
			break
		}
		opt.After = page.Next
	}
	if wantNames := want.list(opt); !slices.Equal(got, wantNames) {
		m.t.Fatalf("list %+v at %d of %s: %q, want %q", opt, s.N, s.Branch, got, wantNames)
	}
}

func (st modelState) list(opt ListOptions) []string {
	var names []string
	for _, p := range slices.Sorted(maps.Keys(st)) {
		if !strings.HasPrefix(p, opt.Prefix) {
			continue
		}
		if cp := commonPrefix(p, opt); cp != "" {
			p = cp
		}
		if len(names) == 0 || names[len(names)-1] != p {
			names = append(names, p)
		}
	}
	return names
}

func (m *machine) same(s *Snapshot, info Info, f modelFile) {
	r, err := s.Read(m.ctx, info, 0, -1)
	m.must(err)
	defer r.Close()
	data, err := io.ReadAll(r)
	m.must(err)
	if string(data) != f.data || info.Attrs.ContentType != f.ctype {
		m.t.Fatalf("%q at %d of %s: %q %q, want %+v", info.Path, s.N, s.Branch, data, info.Attrs.ContentType, f)
	}
}

func (m *machine) Log(t *rapid.T) {
	m.t = t
	name := m.branch()
	b := m.model.branches[name]
	s, err := m.fs.Open(m.ctx, m.ref(name), ActList, "")
	m.must(err)
	got, err := s.Log(m.ctx, LogOptions{})
	m.must(err)
	if len(got) != len(b) {
		t.Fatalf("log of %s has %d commits, want %d", name, len(got), len(b))
	}
	var above *commits.Commit
	for i, c := range got {
		want := b[len(b)-1-i]
		if c.ID != want.id || c.Files != len(want.paths) {
			t.Fatalf("log of %s at %d: %s with %d files, want %s with %d", name, i, c.ID, c.Files, want.id, len(want.paths))
		}
		if above != nil && (above.ParentHash != c.Hash || above.Parents[0] != c.ID) {
			t.Fatalf("the chain of %s breaks at %s", name, c.ID)
		}
		above = &got[i]
		changes, err := m.fs.Changes(m.ctx, Ref{Repo: m.repo, Base: revision.Expr{Base: c.ID.String()}}, "", 0)
		m.must(err)
		var paths []string
		for _, ch := range changes {
			paths = append(paths, ch.Path)
		}
		if !slices.Equal(paths, want.paths) {
			t.Fatalf("commit %s changed %q, want %q", c.ID, paths, want.paths)
		}
	}
	m.history(s, b)
}

// history checks the log of one path both ways.
func (m *machine) history(s *Snapshot, b modelBranch) {
	p := m.path()
	var want []commits.ID
	for _, c := range slices.Backward(b) {
		if slices.Contains(c.paths, p) {
			want = append(want, c.id)
		}
	}
	versions, err := s.History(m.ctx, p, 0)
	m.must(err)
	var got []commits.ID
	for _, v := range versions {
		got = append(got, b[v.N-1].id)
	}
	if !slices.Equal(got, want) {
		m.t.Fatalf("history of %q: %s, want %s", p, got, want)
	}
	log, err := s.Log(m.ctx, LogOptions{Path: p})
	m.must(err)
	if len(log) != len(want) {
		m.t.Fatalf("log of %q has %d commits, want %d", p, len(log), len(want))
	}
}

func (m *machine) Start(t *rapid.T) {
	m.t = t
	if len(m.model.open) > 2 {
		return
	}
	b := m.branch()
	o, err := m.fs.StartCommit(m.ctx, m.ref(b), WriteOptions{})
	m.must(err)
	m.model.open[o.ID] = &modelOpen{branch: b, base: len(m.model.branches[b]), parent: o.Parent, state: m.model.branches[b].state(), staged: map[string]*modelFile{}}
}

func (m *machine) openCommit() (commits.ID, *modelOpen) {
	if len(m.model.open) == 0 {
		m.t.Skip("no open commit")
	}
	ids := slices.SortedFunc(maps.Keys(m.model.open), func(a, b commits.ID) int { return strings.Compare(a.String(), b.String()) })
	id := rapid.SampledFrom(ids).Draw(m.t, "open")
	return id, m.model.open[id]
}

func (m *machine) openRef(id commits.ID) Ref {
	return Ref{Repo: m.repo, Base: revision.Expr{Base: id.String()}}
}

func (m *machine) Stage(t *rapid.T) {
	m.t = t
	id, o := m.openCommit()
	parent := o.state
	for range rapid.IntRange(1, 6).Draw(t, "writes") {
		p := m.path()
		if rapid.IntRange(0, 3).Draw(t, "delete") > 0 {
			f := m.file()
			m.put(m.openRef(id), p, f)
			o.staged[p] = &f
			continue
		}
		_, err := m.fs.Delete(m.ctx, m.openRef(id), Files(p), WriteOptions{})
		m.must(err)
		delete(o.staged, p)
		if _, exists := parent[p]; exists {
			o.staged[p] = nil
		}
	}
	want := maps.Clone(parent)
	for p, f := range o.staged {
		if f == nil {
			delete(want, p)
		} else {
			want[p] = *f
		}
	}
	s, err := m.fs.Open(m.ctx, m.openRef(id), ActList, "")
	m.must(err)
	m.compare(s, want)
}

func (m *machine) Finish(t *rapid.T) {
	m.t = t
	id, o := m.openCommit()
	strategy := rapid.SampledFrom([]string{"", Ours, Theirs}).Draw(t, "strategy")
	if b := m.model.branches[o.branch]; o.base > 0 && (len(b) < o.base || b[o.base-1].id != o.parent) {
		if _, err := m.fs.FinishCommit(m.ctx, openRef(m.repo, id), FinishOptions{Strategy: strategy}); !errors.Is(err, ErrConflict) {
			t.Fatalf("finish after a reset: %v", err)
		}
		return
	}
	both := m.conflicts(o)
	c, err := m.fs.FinishCommit(m.ctx, openRef(m.repo, id), FinishOptions{Strategy: strategy})
	if len(both) > 0 && strategy == "" {
		var conflict *ConflictError
		if !errors.As(err, &conflict) || conflict.Total != len(both) {
			t.Fatalf("finish with %d conflicts: %v", len(both), err)
		}
		return
	}
	m.must(err)
	if c.ID != id {
		t.Fatalf("open commit %s became %s", id, c.ID)
	}
	m.finished(id, o, strategy)
}

// conflicts are the paths that both an open commit and its branch have changed.
func (m *machine) conflicts(o *modelOpen) []string {
	var both []string
	for _, c := range m.model.branches[o.branch][o.base:] {
		for _, p := range c.paths {
			// As in a merge, what was changed and changed back is not changed.
			f, staged := o.staged[p]
			now := m.model.branches[o.branch].state().file(p)
			if staged && !slices.Contains(both, p) && !sameModel(f, now) && !sameModel(o.state.file(p), now) {
				both = append(both, p)
			}
		}
	}
	return both
}

// finished records that an open commit was finished.
func (m *machine) finished(id commits.ID, o *modelOpen, strategy string) {
	if strategy == Ours {
		for _, p := range m.conflicts(o) {
			delete(o.staged, p)
		}
	}
	m.commit(o.branch, id, o.staged)
	delete(m.model.open, id)
}

// Fold folds a few paths of a branch's layers in, so that everything else is
// tried at every stage of it.
func (m *machine) Fold(t *rapid.T) {
	m.t = t
	lineage := branchLineage(t, m.fs, m.repo, m.branch())
	m.must(m.fs.sys.db.Update(m.ctx, "", func(tx objstore.Writer) error {
		_, _, err := commits.Fold(tx, lineage, commits.FoldMark{}, 1)
		return err
	}))
}

func (m *machine) Abort(t *rapid.T) {
	m.t = t
	id, _ := m.openCommit()
	m.must(m.fs.AbortCommit(m.ctx, openRef(m.repo, id)))
	delete(m.model.open, id)
}

func (m *machine) Upload(t *rapid.T) {
	m.t = t
	b, p, f := m.branch(), m.path(), m.file()
	u, err := m.fs.CreateUpload(m.ctx, m.ref(b), p, commits.Attrs{ContentType: f.ctype}, WriteOptions{})
	m.must(err)
	_, w, err := m.fs.NewPart(m.ctx, m.ref(b), p, u.ID, 7, int64(len(f.data)))
	m.must(err)
	defer w.Abort()
	_, err = io.WriteString(w, f.data)
	m.must(err)
	part, err := w.Close()
	m.must(err)
	_, err = m.fs.PutPart(m.ctx, m.ref(b), p, u.ID, 7, part, commits.Checksum{})
	m.must(err)
	complete := func() Committed {
		done, err := m.fs.CompleteUpload(m.ctx, m.ref(b), p, u.ID, []CompletedPart{{Number: 7}}, commits.Checksum{}, WriteOptions{})
		m.must(err)
		return done
	}
	done := complete()
	if again := complete(); again.Commit != done.Commit || again.Info.Content != done.Info.Content {
		t.Fatalf("completing again: %+v, want %+v", again, done)
	}
	m.commit(b, done.Commit, map[string]*modelFile{p: &f})
}

func (m *machine) Reopen(t *rapid.T) {
	m.t = t
	m.closeFS()
	m.openFS()
}

// Check runs after every action.
func (m *machine) Check(t *rapid.T) {
	m.t = t
	for _, name := range slices.Sorted(maps.Keys(m.model.branches)) {
		b := m.model.branches[name]
		s, err := m.fs.Open(m.ctx, m.ref(name), ActList, "")
		m.must(err)
		if s.N != uint64(len(b)) || len(b) > 0 && s.ID != b[len(b)-1].id {
			t.Fatalf("head of %s is %d %s, want %d", name, s.N, s.ID, len(b))
		}
		m.compare(s, b.state())
	}
}

func TestModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		store := unclosed{memory.New()}
		runModel(t, rt, "repo", func() objstore.Store { return store })
	})
}

// unclosed is a store that outlives its Close, as one on disk does.
type unclosed struct{ objstore.Store }

func (unclosed) Close() error { return nil }

// TestModelOnDisk is the same on the real store, which is closed and opened
// by Reopen. All runs share one directory: opening takes long.
func TestModelOnDisk(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("long")
	}
	dir := t.TempDir()
	runs := 0
	rapid.Check(t, func(rt *rapid.T) {
		if runs++; runs > 20 { // each opens the store several times
			return
		}
		runModel(t, rt, fmt.Sprintf("repo%d", runs), func() objstore.Store {
			store, err := local.Open(dir, local.Options{Reserve: -1})
			if err != nil {
				rt.Fatalf("open: %v", err)
			}
			return store
		})
	})
}

func runModel(t *testing.T, rt *rapid.T, repo string, store func() objstore.Store) {
	m := &machine{
		t: rt, ctx: t.Context(), store: store, repo: repo, now: time.UnixMilli(1_700_000_000_000).UTC(),
		model: model{branches: map[string]modelBranch{DefaultBranch: nil}, open: map[commits.ID]*modelOpen{}},
	}
	m.hold = rapid.Bool().Draw(rt, "hold folding")
	m.openFS()
	defer m.closeFS()
	_, err := m.fs.CreateRepo(m.ctx, Repo{Name: repo})
	m.must(err)
	rt.Repeat(rapid.StateMachineActions(m))
}
