package pfs

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"caret/commits/revision"
	"caret/objstore/local"
)

// What the linearizability checker sees: one branch with a few files.
type (
	linearInput struct {
		writes map[string]string // by put, finish or merge; nil reads all
		base   uint64            // what finish and merge are based on
		based  bool
	}
	linearOutput struct {
		n        uint64            // the commit made, or read
		state    map[string]string // that was read
		conflict bool
	}
	linearState struct {
		n       uint64
		files   map[string]string
		changed map[string]uint64 // by which commit
	}
)

// linearModel is a branch as every reader has to see it: a write is the next
// commit, whole; a transaction conflicts if, and only if, a file it writes was
// changed since what it is based on; a read is of one commit.
var linearModel = porcupine.Model{
	Init: func() any { return linearState{n: 1} },
	Step: func(state, input, output any) (bool, any) {
		s, in, out := state.(linearState), input.(linearInput), output.(linearOutput)
		if in.writes == nil {
			return out.n == s.n && maps.Equal(out.state, s.files), s
		}
		clash := false
		for p := range in.writes {
			clash = clash || in.based && s.changed[p] > in.base
		}
		if clash || out.conflict {
			return clash && out.conflict, s
		}
		next := linearState{n: s.n + 1, files: map[string]string{}, changed: map[string]uint64{}}
		maps.Copy(next.files, s.files)
		maps.Copy(next.changed, s.changed)
		for p, v := range in.writes {
			next.files[p], next.changed[p] = v, next.n
		}
		return out.n == next.n, next
	},
	Equal: func(a, b any) bool {
		x, y := a.(linearState), b.(linearState)
		return x.n == y.n && maps.Equal(x.files, y.files)
	},
}

// TestLinearizable runs puts, finishes, merges and reads side by side and
// checks that there is one order of them all that explains every outcome.
func TestLinearizable(t *testing.T) {
	t.Parallel()
	store, err := local.Open(t.TempDir(), local.Options{Reserve: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	fs, err := openRoot(t.Context(), store, Options{LayerAbove: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer fs.sys.Close()
	if _, err := fs.CreateRepo(t.Context(), Repo{Name: "r"}); err != nil {
		t.Fatal(err)
	}
	mustPut(t, fs, Ref{Repo: "r"}, "first", "") // what all have in common
	l := linear{t: t, fs: fs, began: time.Now()}
	var wg sync.WaitGroup
	for client := range 8 {
		wg.Go(func() {
			for i := range 30 {
				l.step(client, fmt.Sprintf("%d-%d", client, i))
			}
		})
	}
	wg.Wait()
	conflicts := 0
	for _, op := range l.ops {
		if op.Output.(linearOutput).conflict {
			conflicts++
		}
	}
	if result := porcupine.CheckOperationsTimeout(linearModel, l.ops, time.Minute); result != porcupine.Ok {
		t.Errorf("%d operations, %d conflicts: no order explains them (%s)", len(l.ops), conflicts, result)
	}
	if conflicts == 0 || conflicts > len(l.ops)/2 {
		t.Errorf("%d of %d operations are conflicts, which tests little", conflicts, len(l.ops))
	}
}

// linear records what clients do.
type linear struct {
	t     *testing.T
	fs    *FS
	began time.Time
	mu    sync.Mutex
	ops   []porcupine.Operation
}

func (l *linear) record(client int, in linearInput, do func() linearOutput) {
	call := time.Since(l.began).Nanoseconds()
	out := do()
	op := porcupine.Operation{ClientId: client, Input: in, Call: call, Output: out, Return: time.Since(l.began).Nanoseconds()}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ops = append(l.ops, op)
}

func (l *linear) step(client int, name string) {
	path := func() string { return fmt.Sprintf("f%d", rand.IntN(4)) }
	switch rand.IntN(5) {
	case 0:
		l.record(client, linearInput{}, l.read)
	case 1:
		p := path()
		l.record(client, linearInput{writes: map[string]string{p: name}}, func() linearOutput {
			done, err := l.fs.Put(l.t.Context(), Ref{Repo: "r"}, p, mustPutContent(l.t, l.fs, name).Content, Attrs{}, WriteOptions{})
			return l.made(done.Commit, err)
		})
	case 2:
		_, err := l.fs.Delete(l.t.Context(), Ref{Repo: "r"}, Files("absent"), WriteOptions{}) // is none
		l.must(err)
		l.finish(client, name, map[string]string{path(): name, path(): name})
	default:
		l.merge(client, name, map[string]string{path(): name})
	}
}

// finish writes by way of an open commit.
func (l *linear) finish(client int, name string, writes map[string]string) {
	o, err := l.fs.StartCommit(l.t.Context(), Ref{Repo: "r"}, WriteOptions{})
	l.must(err)
	l.put(Ref{Repo: "r", Base: revision.Expr{Base: o.ID.String()}}, writes)
	in := linearInput{writes: writes, base: l.number(o.Parent), based: true}
	l.record(client, in, func() linearOutput {
		c, err := l.fs.FinishCommit(l.t.Context(), openRef("r", o.ID), FinishOptions{})
		return l.made(c.ID, err)
	})
}

// merge writes by way of a branch.
func (l *linear) merge(client int, name string, writes map[string]string) {
	b, err := l.fs.CreateBranch(l.t.Context(), "r", "b"+name, BranchOptions{From: &Ref{Repo: "r"}})
	l.must(err)
	l.put(Ref{Repo: "r", Branch: b.Name}, writes)
	l.record(client, linearInput{writes: writes, base: b.N, based: true}, func() linearOutput {
		m, err := l.fs.Merge(l.t.Context(), Ref{Repo: "r"}, Ref{Repo: "r", Branch: b.Name}, MergeOptions{NoFastForward: true})
		return l.made(m.Commit, err)
	})
}

func (l *linear) put(to Ref, writes map[string]string) {
	for p, v := range writes {
		_, err := l.fs.Put(l.t.Context(), to, p, mustPutContent(l.t, l.fs, v).Content, Attrs{}, WriteOptions{})
		l.must(err)
	}
}

func (l *linear) made(id CommitID, err error) linearOutput {
	if errors.Is(err, ErrConflict) {
		return linearOutput{conflict: true}
	}
	l.must(err)
	return linearOutput{n: l.number(id)}
}

func (l *linear) must(err error) {
	if err != nil {
		l.t.Error(err)
	}
}

func (l *linear) number(id CommitID) uint64 {
	c, err := l.fs.Commit(l.t.Context(), Ref{Repo: "r", Base: revision.Expr{Base: id.String()}})
	l.must(err)
	return c.Pos.N
}

// read reads all files of the head.
func (l *linear) read() linearOutput {
	ctx := l.t.Context()
	s, err := l.fs.Open(ctx, Ref{Repo: "r"}, ActList, "")
	l.must(err)
	out := linearOutput{n: s.N, state: map[string]string{}}
	for info, err := range s.All(ctx, "f") {
		l.must(err)
		if info.Path == "first" {
			continue
		}
		r, err := s.Read(ctx, info, 0, -1)
		l.must(err)
		data, err := io.ReadAll(r)
		l.must(errors.Join(err, r.Close()))
		out.state[info.Path] = string(data)
	}
	return out
}
