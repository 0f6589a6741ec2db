package commits_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"caret/commits"
	"caret/objstore"
	"caret/objstore/memory"
)

// history is lineages that grow at random, beside a model that keeps what each
// commit shows.
type history struct {
	*rapid.T
	rows  objstore.Rows
	paths []string
	// shows[i][n] is what commit n on lineage i+1 shows, deletions included, and
	// made[i][n] what was said of it.
	shows [][]snapshot
	made  [][]commits.Meta
	ids   uint32
}

// snapshot is the newest state of each path.
type snapshot map[string]commits.State

// newHistory begins with an empty lineage, on which 4 paths will change.
func newHistory(t *rapid.T) *history {
	h := &history{T: t, rows: memory.New().Rows()}
	for i := range 4 {
		h.paths = append(h.paths, []string{fmt.Sprint("p", i), fmt.Sprintf("d/%d", i), fmt.Sprintf("p\x00%d", i)}[i%3])
	}
	slices.Sort(h.paths)
	h.fork(commits.Pos{})
	return h
}

func (h *history) update(fn func(objstore.Writer) error) {
	h.Helper()
	if err := h.rows.Update(h.Context(), "", fn); err != nil {
		h.Fatal(err)
	}
}

func (h *history) view(fn func(objstore.Reader) error) {
	h.Helper()
	if err := h.rows.View(h.Context(), fn); err != nil {
		h.Fatal(err)
	}
}

func (h *history) int(what string, lo, hi int) int { return rapid.IntRange(lo, hi).Draw(h.T, what) }

// lineage draws one, rather a young one.
func (h *history) lineage() commits.LineageID {
	return commits.LineageID(len(h.shows) - h.int("lineage", 0, len(h.shows)-1))
}

// pos draws a commit, an inherited one perhaps; N may be 0.
func (h *history) pos() commits.Pos {
	id := h.lineage()
	last := len(h.shows[id-1]) - 1
	return commits.Pos{Lineage: id, N: uint64(last - h.int("back", 0, last))}
}

// at is what the commit at p shows.
func (h *history) at(p commits.Pos) snapshot {
	if p.N == 0 {
		return snapshot{}
	}
	return h.shows[p.Lineage-1][p.N]
}

// fork begins a lineage at p.
func (h *history) fork(p commits.Pos) {
	shows, made := []snapshot{{}}, []commits.Meta{{}}
	if p.N > 0 {
		shows, made = slices.Clone(h.shows[p.Lineage-1][:p.N+1]), slices.Clone(h.made[p.Lineage-1][:p.N+1])
	}
	h.shows, h.made = append(h.shows, shows), append(h.made, made)
	h.update(func(tx objstore.Writer) error {
		return commits.CreateLineage(tx, commits.LineageID(len(h.shows)), 1, p)
	})
}

func (h *history) meta() commits.Meta {
	h.ids++
	return commits.Meta{ID: idOf(h.ids), Time: time.Unix(int64(h.ids), 0)}
}

func idOf(n uint32) (id commits.ID) {
	binary.BigEndian.PutUint32(id[:], n)
	return id
}

// changes draws changes of up to most paths, as commit id makes them on top of
// what was.
func (h *history) changes(was snapshot, id commits.ID, most int) []commits.Change {
	var list []commits.Change
	for _, path := range rapid.SliceOfNDistinct(rapid.SampledFrom(h.paths), 0, most, rapid.ID).Draw(h.T, "paths") {
		ch := commits.Change{Path: path, State: commits.State{Commit: id}}
		ch.Modified = time.UnixMilli(0).UTC()
		if s, ok := was[path]; ok && !s.Deleted && h.int("delete", 0, 2) == 0 {
			ch.Deleted = true
		} else {
			ch.Content.Hash[0] = byte(h.int("content", 1, 3))
		}
		list = append(list, ch)
	}
	return list
}

// commit makes a commit on a lineage, of up to most changes; as a layer, if
// layer says so.
func (h *history) commit(lineage commits.LineageID, most int, layer bool) {
	shows := &h.shows[lineage-1]
	n := len(*shows)
	meta, next := h.meta(), maps.Clone((*shows)[n-1])
	changes := h.changes(next, meta.ID, most)
	for _, ch := range changes {
		ch.N = uint64(n)
		next[ch.Path] = ch.State
	}
	*shows = append(*shows, next)
	h.made[lineage-1] = append(h.made[lineage-1], meta)
	h.update(func(tx objstore.Writer) error { return put(tx, lineage, changes, meta, layer) })
}

// put makes a commit in a transaction.
func put(tx objstore.Writer, lineage commits.LineageID, changes []commits.Change, meta commits.Meta, layer bool) error {
	if !layer {
		_, err := commits.Append(tx, lineage, slices.Clone(changes), meta)
		return err
	}
	if err := stage(tx, meta.ID, changes); err != nil {
		return err
	}
	sum, err := commits.SumStaged(tx, meta.ID)
	if err == nil {
		_, err = commits.AppendLayer(tx, lineage, sum, meta)
	}
	return err
}

// fold folds a few states of a lineage's layers in.
func (h *history) fold(lineage commits.LineageID) {
	limit := h.int("fold", 1, 4)
	h.update(func(tx objstore.Writer) error {
		_, _, err := commits.Fold(tx, lineage, commits.FoldMark{}, limit)
		return err
	})
}

// grow lets lineages grow and leave one another.
func (h *history) grow(steps int) {
	for range steps {
		switch h.int("step", 0, 9) { // low numbers come most
		case 0, 1, 2:
			h.commit(h.lineage(), 4, false)
		case 3, 4, 5:
			h.commit(h.lineage(), len(h.paths), true)
		case 6:
			h.fold(h.lineage())
		default:
			h.fork(h.pos())
		}
	}
}

// open stages changes on top of the commit at p, and says what is shown then.
func (h *history) open(p commits.Pos) (commits.ID, snapshot) {
	id, shows := h.meta().ID, maps.Clone(h.at(p))
	changes := h.changes(shows, id, 4)
	for _, ch := range changes {
		shows[ch.Path] = ch.State
	}
	h.update(func(tx objstore.Writer) error { return stage(tx, id, changes) })
	return id, shows
}

func stage(tx objstore.Writer, id commits.ID, changes []commits.Change) error {
	for _, ch := range changes {
		if err := commits.Stage(tx, id, ch); err != nil {
			return err
		}
	}
	return nil
}

// check compares what is read at p with the model.
func (h *history) check(tx objstore.Reader, p commits.Pos) error {
	v, err := (*commits.ForkCache)(nil).View(tx, p, commits.ID{})
	if err != nil {
		return err
	}
	want := h.at(p)
	for _, path := range h.paths {
		s, err := v.Newest(path)
		if err != nil {
			return err
		}
		if err := same(s, want, path); err != nil {
			return fmt.Errorf("newest at %v: %w", p, err)
		}
		if s, err = v.File(path); err != nil {
			return err
		}
		if w, ok := want[path]; ok && w.Deleted && s == nil {
			continue
		}
		if err := same(s, want, path); err != nil {
			return fmt.Errorf("file at %v: %w", p, err)
		}
	}
	return nil
}

// same says how the state of path differs from what is wanted.
func same(got *commits.State, want snapshot, path string) error {
	w, ok := want[path]
	switch {
	case got == nil && !ok:
		return nil
	case got == nil || !ok:
		return fmt.Errorf("%q is %v, want %v", path, got, w)
	}
	if g := *got; g.N != w.N || g.Deleted != w.Deleted || g.Commit != w.Commit || g.Content.Hash != w.Content.Hash {
		return fmt.Errorf("%q is %v, want %v", path, g, w)
	}
	return nil
}

// TestFoldersInterleaved: several processes fold the layers of a lineage at the
// same time, and nothing is lost.
func TestFoldersInterleaved(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		h := newHistory(t)
		h.commit(1, 4, false)
		if rapid.Bool().Draw(t, "fork") {
			h.fork(commits.Pos{Lineage: 1, N: 1})
		}
		lineage := commits.LineageID(len(h.shows))
		for range h.int("layers", 1, 4) {
			h.commit(lineage, 8, true)
		}
		var marks [3]commits.FoldMark
		for done := false; !done; {
			if h.int("commit", 0, 9) == 0 {
				h.commit(lineage, 3, false)
			}
			mark, limit := &marks[h.int("folder", 0, len(marks)-1)], h.int("limit", 1, 4)
			var next commits.FoldMark
			h.update(func(tx objstore.Writer) (err error) {
				next, done, err = commits.Fold(tx, lineage, *mark, limit)
				return err
			})
			*mark = next
			h.view(func(tx objstore.Reader) error { return h.check(tx, h.pos()) })
		}
		h.view(func(tx objstore.Reader) error {
			l, err := commits.ReadLineage(tx, lineage)
			if err != nil || len(l.Layers) > 0 {
				return errors.Join(err, fmt.Errorf("layers left: %v", l.Layers))
			}
			for n := range h.shows[lineage-1] {
				err = errors.Join(err, h.check(tx, commits.Pos{Lineage: lineage, N: uint64(n)}))
			}
			return err
		})
	})
}
