package memory_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"caret/objstore"
	"caret/objstore/memory"
	"caret/objstore/objstoretest"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	objstoretest.Run(t, func(testing.TB) (objstore.Store, objstoretest.Reopen) { return memory.New(), nil })
}

func TestOutcomes(t *testing.T) {
	t.Parallel()
	objstoretest.RunOutcomes(t, func(_ testing.TB, outcome objstoretest.Outcome) (objstore.Store, objstoretest.Reopen) {
		return memory.NewWith(memory.Options{Outcome: outcome}), nil
	})
}

// panics returns the text of the panic that fn ends with.
func panics(t *testing.T, fn func()) (text string) {
	t.Helper()
	defer func() { text = fmt.Sprint(recover()) }()
	fn()
	return "no panic"
}

// TestNested: a transaction that calls the store again would wait for itself.
func TestNested(t *testing.T) {
	t.Parallel()
	rows := memory.New().Rows()
	none := func(objstore.Reader) error { return nil }
	nothing := func(objstore.Writer) error { return nil }
	for what, call := range map[string]func() error{
		"View":   func() error { return rows.View(t.Context(), none) },
		"Update": func() error { return rows.Update(t.Context(), "", nothing) },
	} {
		got := panics(t, func() {
			t.Error(rows.Update(t.Context(), "", func(objstore.Writer) error { return call() }))
		})
		if !strings.Contains(got, "calls "+what) {
			t.Errorf("%s in an Update: %s", what, got)
		}
		// Elsewhere it is fine, and afterwards too.
		if err := rows.View(t.Context(), func(objstore.Reader) error { return call() }); err != nil {
			t.Errorf("%s in a View: %v", what, err)
		}
	}
}

// TestRehearsal: what a transaction keeps from its first run shows.
func TestRehearsal(t *testing.T) {
	t.Parallel()
	rows := memory.New().Rows()
	runs := 0
	if err := rows.Update(t.Context(), "", func(tx objstore.Writer) error {
		runs++
		if _, err := tx.Get([]byte("a")); !errors.Is(err, objstore.ErrNotFound) {
			t.Errorf("run %d sees what an earlier one wrote: %v", runs, err)
		}
		return tx.Set([]byte("a"), nil)
	}); err != nil || runs != 2 {
		t.Errorf("%d runs, %v", runs, err)
	}
}

func TestFault(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	for _, point := range []string{"blob.put", "blob.get", "rows.view", "rows.update", "rows.commit", "sequence.reserve"} {
		on := false
		s := memory.NewWith(memory.Options{Fault: func(at string) error {
			if on && at == point {
				return broken
			}
			return nil
		}})
		use := func() error {
			h, err := s.Blobs().Put(t.Context(), []byte("x"))
			if err == nil {
				_, err = s.Blobs().Get(t.Context(), h, nil)
			}
			if err == nil {
				err = s.Rows().View(t.Context(), func(objstore.Reader) error { return nil })
			}
			if err == nil {
				_, err = s.Rows().Number(t.Context(), "n", 1<<20)
			}
			if err == nil {
				err = s.Rows().Update(t.Context(), "", func(tx objstore.Writer) error { return tx.Set([]byte("a"), nil) })
			}
			return err
		}
		on = true
		if err := use(); !errors.Is(err, broken) {
			t.Errorf("%s: %v", point, err)
		}
		on = false
		if err := use(); err != nil {
			t.Errorf("after %s: %v", point, err)
		}
	}
}
