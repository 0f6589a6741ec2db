package commits_test

import (
	"fmt"
	"testing"

	"caret/commits"
	"caret/objstore"
	"caret/objstore/memory"
)

// TestDropStaged: what is staged goes in transactions that each begin where the
// one before ended, and what others have staged stays.
func TestDropStaged(t *testing.T) {
	t.Parallel()
	const files, most = 50, 7
	rows := memory.New().Rows()
	ids := []commits.ID{{1}, {2}, {3}}
	update := func(fn func(objstore.Writer) error) {
		t.Helper()
		if err := rows.Update(t.Context(), "", fn); err != nil {
			t.Fatal(err)
		}
	}
	update(func(tx objstore.Writer) error {
		for i := range files {
			for _, id := range ids {
				if err := commits.Stage(tx, id, commits.Change{Path: fmt.Sprintf("%02d", i)}); err != nil {
					return err
				}
			}
		}
		return nil
	})
	after, steps := "", 0
	for done := false; !done; steps++ {
		var next string
		var from []byte
		update(func(tx objstore.Writer) (err error) {
			w := newSmallWriter(tx, most)
			next, done, err = commits.DropStaged(w, ids[1], after)
			from = w.lowest
			return err
		})
		if after != "" && string(from[len(from)-len(after)-1:]) != after+"\x00" {
			t.Fatalf("step %d reads from %q on, behind %q", steps, from, after)
		}
		if want := fmt.Sprintf("%02d", (steps+1)*most-1); !done && next != want {
			t.Fatalf("step %d ends at %q, not %q", steps, next, want)
		}
		after = next
	}
	if want := files/most + 1; steps != want {
		t.Errorf("%d steps, want %d", steps, want)
	}
	update(func(tx objstore.Writer) error {
		for i, id := range ids {
			n := 0
			err := commits.Staged(tx, id, "", func(commits.Change) (bool, error) { n++; return true, nil })
			if err != nil {
				return err
			}
			if want := []int{files, 0, files}[i]; n != want {
				t.Errorf("%d changes of commit %d are left, want %d", n, i+1, want)
			}
		}
		return nil
	})
}
