package commits_test

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"caret/commits"
	"caret/objstore"
)

// listedVersion is what tells versions apart in a list.
type listedVersion struct {
	path string
	id   commits.ID
}

func listVersions(x *commits.Versions) (list []listedVersion, err error) {
	for x.Next() {
		list = append(list, listedVersion{x.Version().Path, x.Version().Commit})
	}
	return list, x.Err()
}

// leaveAgain makes a commit that leaves a version again that is listed, or takes one
// out of the list.
func (h *history) leaveAgain(lineage commits.LineageID, layer bool) {
	shows := &h.shows[lineage-1]
	n := len(*shows)
	var listed []commits.Version
	h.view(func(tx objstore.Reader) error {
		v, err := (*commits.ForkCache)(nil).View(tx, commits.Pos{Lineage: lineage, N: uint64(n - 1)}, commits.ID{})
		if err != nil {
			return err
		}
		x := v.Versions("")
		for x.Next() {
			listed = append(listed, x.Version())
		}
		return x.Err()
	})
	if len(listed) == 0 {
		return
	}
	was := rapid.SampledFrom(listed).Draw(h.T, "version")
	ch := commits.Change{Path: was.Path, State: was.State}
	ch.Removed = nil
	if h.int("remove", 0, 3) == 0 {
		others := slices.DeleteFunc(listed, func(v commits.Version) bool { return v.Path != was.Path || v.Commit == was.Commit })
		ch.Removed = []commits.ID{was.Commit}
		if len(others) > 0 {
			ch.State = others[0].State
			ch.Removed = []commits.ID{was.Commit}
		} else {
			ch.State = commits.State{Deleted: true, Unlisted: true, Removed: ch.Removed}
		}
	}
	meta := h.meta()
	*shows = append(*shows, (*shows)[n-1])
	h.made[lineage-1] = append(h.made[lineage-1], meta)
	h.update(func(tx objstore.Writer) error { return put(tx, lineage, []commits.Change{ch}, meta, layer) })
}

// checkVersions compares what is listed behind each version with the list.
func (h *history) checkVersions(tx objstore.Reader, p commits.Pos) error {
	v, err := (*commits.ForkCache)(nil).View(tx, p, commits.ID{})
	if err != nil {
		return err
	}
	all, err := listVersions(v.Versions(""))
	if err != nil {
		return err
	}
	for i, at := range all {
		x := v.Versions("")
		if err := x.SeekBehind(at.path, at.id); err != nil {
			return fmt.Errorf("behind %v of %v: %w", at, p, err)
		}
		rest, err := listVersions(x)
		if err != nil || !slices.Equal(rest, all[i+1:]) {
			return fmt.Errorf("behind %v of %v are %v, want %v of %v; %w", at, p, rest, all[i+1:], all, err)
		}
	}
	return nil
}

// growVersions grows lineages of which commits leave versions again or remove some.
func (h *history) growVersions() {
	for range h.int("steps", 3, 15) {
		switch h.int("step", 0, 9) {
		case 0, 1, 2:
			h.commit(h.lineage(), 2, false)
		case 3:
			h.commit(h.lineage(), 2, true)
		case 4, 5:
			h.leaveAgain(h.lineage(), false)
		case 6, 7:
			h.leaveAgain(h.lineage(), true)
		case 8:
			h.fold(h.lineage())
		default:
			h.fork(h.pos())
		}
	}
}

// TestVersionPages: what is listed behind a version is what follows it in the list, in
// whatever order layers are folded in that leave older versions again or remove some.
func TestVersionPages(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		h := newHistory(t)
		h.paths = h.paths[:2]
		h.growVersions()
		h.view(func(tx objstore.Reader) error {
			for id := range h.shows {
				for n := range h.shows[id] {
					if err := h.checkVersions(tx, commits.Pos{Lineage: commits.LineageID(id + 1), N: uint64(n)}); err != nil {
						h.Fatal(err)
					}
				}
			}
			return nil
		})
	})
}

// loseMarks makes the rows what carets have left that made no marks.
func (h *history) loseMarks() {
	h.update(func(tx objstore.Writer) error {
		page, err := tx.Page(objstore.Prefix([]byte{'e'}), 1000)
		for _, row := range page {
			if err == nil {
				err = commits.LoseMark(tx, row.Key)
			}
		}
		return err
	})
}

// addMarks repairs the rows, a few at a time, with commits in between.
func (h *history) addMarks() {
	for at := (commits.Marking{}); !at.Done; {
		var found []commits.Unmarked
		h.view(func(tx objstore.Reader) (err error) {
			found, at, err = at.Unmarked(tx)
			return err
		})
		if h.int("between", 0, 3) == 0 {
			h.commit(h.lineage(), 2, rapid.Bool().Draw(h.T, "layer"))
		}
		h.update(func(tx objstore.Writer) error {
			for _, u := range found {
				if err := u.Mark(tx); err != nil {
					return err
				}
			}
			return nil
		})
	}
}

// TestMarksAdded: where marks were lost lists of versions are right, at once by the row
// that says so, and without it when they were added.
func TestMarksAdded(t *testing.T) {
	t.Parallel()
	wrong := false // without either
	rapid.Check(t, func(t *rapid.T) {
		h := newHistory(t)
		h.paths = h.paths[:2]
		h.growVersions()
		h.loseMarks()
		check := func() {
			h.Helper()
			h.view(func(tx objstore.Reader) error {
				for id := range h.shows {
					p := commits.Pos{Lineage: commits.LineageID(id + 1), N: uint64(len(h.shows[id]) - 1)}
					if err := h.checkVersions(tx, p); err != nil {
						h.Fatal(err)
					}
				}
				return nil
			})
		}
		h.view(func(tx objstore.Reader) error {
			wrong = wrong || h.checkVersions(tx, commits.Pos{Lineage: 1, N: uint64(len(h.shows[0]) - 1)}) != nil
			return nil
		})
		h.update(func(tx objstore.Writer) error { return tx.Set(commits.MarkingKey(), nil) })
		check()
		h.addMarks()
		if rapid.Bool().Draw(t, "again") {
			h.addMarks()
		}
		h.update(func(tx objstore.Writer) error { return tx.Delete(commits.MarkingKey()) })
		check()
		h.growVersions()
		check()
	})
	if !wrong && !testing.Short() { // a fifth of the cases may have none
		t.Error("no list was wrong without marks")
	}
}
