package pfs

import (
	"context"
	"errors"
	"testing"

	"caret/objstore"
	"caret/objstore/memory"
)

// hooked is a store that calls a hook before each update of one process.
type hooked struct {
	objstore.Store
	hook *func()
}

func (h hooked) Rows() objstore.Rows { return hookedRows{h.Store.Rows(), h.hook} }

type hookedRows struct {
	objstore.Rows
	hook *func()
}

func (h hookedRows) Update(ctx context.Context, about objstore.Subject, fn func(objstore.Writer) error) error {
	if *h.hook != nil {
		(*h.hook)()
	}
	return h.Rows.Update(ctx, about, fn)
}

// TestStartWhileFinishing: a process that starts leaves alone what another one
// is finishing, so that nothing is written to it that would not become visible.
func TestStartWhileFinishing(t *testing.T) {
	t.Parallel()
	ctx, shared := t.Context(), memory.New()
	var hook func()
	first, err := openRoot(ctx, hooked{shared, &hook}, Options{manual: true, LayerAbove: 1})
	if err != nil {
		t.Fatal(err)
	}
	mustRepo(t, first, "r")
	o, err := first.StartCommit(ctx, Ref{Repo: "r"}, WriteOptions{})
	if err != nil {
		t.Fatal(err)
	}
	on := openRef("r", o.ID)
	for _, p := range []string{"a", "b", "c"} {
		mustPut(t, first, on, p, "staged")
	}
	updates, tried := 0, 0
	hook = func() {
		// Behind the lease and the closing of the commit: another process comes.
		if updates++; updates < 3 {
			return
		}
		second, err := openRoot(ctx, shared, Options{manual: true})
		if err != nil {
			t.Error(err)
			return
		}
		work(t, second)
		if _, err := second.Delete(ctx, on, Files("a"), WriteOptions{}); !errors.Is(err, ErrConflict) {
			t.Errorf("a write to what is being finished: %v", err)
		}
		if _, err := second.FinishCommit(ctx, on, FinishOptions{}); !errors.Is(err, ErrConflict) {
			t.Errorf("finishing it twice: %v", err)
		}
		if err := second.AbortCommit(ctx, on); !errors.Is(err, ErrConflict) {
			t.Errorf("aborting it: %v", err)
		}
		tried++
	}
	c, err := first.FinishCommit(ctx, on, FinishOptions{})
	if err != nil || c.ID != o.ID || c.Files != 3 || tried == 0 {
		t.Fatalf("finished as %+v, %v; %d tries to come between", c, err, tried)
	}
	hook = nil
	if got, err := read(first, Ref{Repo: "r"}, "a"); err != nil || got != "staged" {
		t.Errorf("what was staged reads %q, %v", got, err)
	}
}

// TestUnknownOutcome: a commit whose publishing was to be committed, and nobody
// knows, is looked for: it does not open again if it is there, and stays open if
// it is not. A put is neither lost nor made twice.
func TestUnknownOutcome(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	broken := errors.New("the connection broke")
	for _, committed := range []bool{true, false} {
		for nth := 1; nth <= 3; nth++ { // the lease, closing it, making it visible
			commits, armed := 0, false
			shared := memory.NewWith(memory.Options{Outcome: func() (bool, error) {
				if commits++; armed && commits == nth {
					return committed, broken
				}
				return true, nil
			}})
			fs, err := openRoot(ctx, shared, Options{manual: true})
			if err != nil {
				t.Fatal(err)
			}
			mustRepo(t, fs, "r")
			o, err := fs.StartCommit(ctx, Ref{Repo: "r"}, WriteOptions{})
			if err != nil {
				t.Fatal(err)
			}
			on := openRef("r", o.ID)
			mustPut(t, fs, on, "a", "staged")
			commits, armed = 0, true
			_, err = fs.FinishCommit(ctx, on, FinishOptions{})
			armed = false
			if visible := nth == 3 && committed; visible != (err == nil) {
				t.Fatalf("update %d, committed %v: %v", nth, committed, err)
			}
			if err == nil {
				if _, _, err := fs.OpenCommit(ctx, on); !errors.Is(err, ErrNoSuchCommit) {
					t.Errorf("a finished commit is open again: %v", err)
				}
			} else if _, err := fs.FinishCommit(ctx, on, FinishOptions{}); err != nil {
				t.Errorf("update %d, committed %v: finished once more: %v", nth, committed, err)
			}
			if got, err := read(fs, Ref{Repo: "r"}, "a"); err != nil || got != "staged" {
				t.Errorf("what was staged reads %q, %v", got, err)
			}
			commits, armed = 0, nth == 1
			c := store(t, fs, "new")
			done, err := fs.Put(ctx, Ref{Repo: "r"}, "b", c, Attrs{}, WriteOptions{})
			if armed && committed != (err == nil) || !armed && err != nil {
				t.Errorf("a put that was committed: %v, is told %v", committed, err)
			}
			s, err := fs.Open(ctx, Ref{Repo: "r"}, ActList, "")
			if err != nil {
				t.Fatal(err)
			}
			if want := !armed || committed; want != (s.N == 2) || want && s.ID != done.Commit {
				t.Errorf("commit %d, want the put: %v", s.N, want)
			}
		}
	}
}
