package commits_test

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"caret/commits"
	"caret/objstore"
)

// TestRead: commits are found by position, id, the beginning of an id, and time, and
// logs list them, as the model has them.
func TestRead(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		h := newHistory(t)
		h.grow(h.int("steps", 1, 40))
		var places []commits.Pos
		for range h.int("places", 0, 20) {
			if p := h.pos(); p.N > 0 {
				places = append(places, p)
			}
		}
		h.view(func(tx objstore.Reader) error { return h.readMany(tx, places) })
		for _, p := range places {
			h.view(func(tx objstore.Reader) error { return h.find(tx, p) })
		}
		at, limit, path := h.pos(), h.int("limit", 1, 10), rapid.SampledFrom(append([]string{"d/", "p"}, h.paths...)).Draw(t, "path")
		for _, x := range []*commits.ForkCache{nil, commits.NewForkCache()} {
			h.view(func(tx objstore.Reader) error { return h.logs(tx, x, at, limit, path) })
		}
	})
}

// readMany compares the commits at places with the model, and with each read alone.
func (h *history) readMany(tx objstore.Reader, places []commits.Pos) error {
	list, err := commits.ReadMany(tx, places)
	if err != nil || len(list) != len(places) {
		return fmt.Errorf("%d commits at %v: %w", len(list), places, err)
	}
	for i, p := range places {
		c := &list[i]
		one, err := commits.Read(tx, p)
		if err != nil || !reflect.DeepEqual(one, *c) {
			return fmt.Errorf("%v is %v among many and %v, %w alone", p, c, one, err)
		}
		if own, err := commits.Owner(tx, p); err != nil || own != c.Pos {
			return fmt.Errorf("%v is at %v, %w, and read at %v", p, own, err, c.Pos)
		}
		made := h.made[p.Lineage-1][:p.N+1]
		if c.ID != made[p.N].ID || p.N > 1 && c.Parents[0] != made[p.N-1].ID || p.N == 1 && len(c.Parents) > 0 {
			return fmt.Errorf("%v is %v with parents %v; want %v", p, c.ID, c.Parents, made[p.N].ID)
		}
	}
	for _, p := range []commits.Pos{{}, {Lineage: 1}, {Lineage: 1, N: 1000}} {
		if _, err := commits.ReadMany(tx, append(slices.Clip(places), p)); !errors.Is(err, commits.ErrNoCommit) {
			return fmt.Errorf("commit at %v: %w", p, err)
		}
	}
	return nil
}

// find looks the commit at p up by what else names it.
func (h *history) find(tx objstore.Reader, p commits.Pos) error {
	own, err := commits.Owner(tx, p)
	if err != nil {
		return err
	}
	made := h.made[p.Lineage-1]
	id := made[p.N].ID
	if at, err := commits.Find(tx, id); err != nil || at != own {
		return fmt.Errorf("%v is found at %v, %w, want %v", id, at, err, own)
	}
	for _, digits := range []int{8, 7, 32} {
		same := 0
		for other := uint32(1); other <= h.ids; other++ {
			if h.exists(other) && strings.HasPrefix(idOf(other).String(), id.String()[:digits]) {
				same++
			}
		}
		got, at, err := commits.FindPrefix(tx, 1, id.String()[:digits])
		if same > 1 && !errors.Is(err, commits.ErrAmbiguous) || same == 1 && (got != id || at != own) {
			return fmt.Errorf("%d digits of %v find %v, %w; %d have them", digits, id, got, err, same)
		}
		if _, _, err := commits.FindPrefix(tx, 2, id.String()[:digits]); !errors.Is(err, commits.ErrNoCommit) {
			return fmt.Errorf("in another repo %v: %w", id, err)
		}
	}
	for _, t := range []time.Time{made[p.N].Time, made[p.N].Time.Add(-1), {}} {
		var want uint64
		for n := uint64(1); n < uint64(len(made)) && !made[n].Time.After(t); n++ {
			want = n
		}
		last := commits.Pos{Lineage: p.Lineage, N: uint64(len(made) - 1)}
		if at, err := commits.FindTime(tx, last, t); err != nil || at != (commits.Pos{Lineage: p.Lineage, N: want}) {
			return fmt.Errorf("at %v is %v, %w; want number %d of lineage %d", t, at, err, want, p.Lineage)
		}
	}
	return nil
}

// exists says whether a commit was given that id.
func (h *history) exists(id uint32) bool {
	return slices.ContainsFunc(h.made, func(made []commits.Meta) bool {
		return slices.ContainsFunc(made, func(m commits.Meta) bool { return m.ID == idOf(id) })
	})
}

// logs compares the logs of the commits to p, and of those that changed path.
func (h *history) logs(tx objstore.Reader, x *commits.ForkCache, p commits.Pos, limit int, path string) error {
	var all, changed []commits.ID
	for n := p.N; n > 0; n-- {
		id := h.made[p.Lineage-1][n].ID
		all = append(all, id)
		for name, s := range h.shows[p.Lineage-1][n] {
			if s.N == n && (name == path || strings.HasSuffix(path, "/") && strings.HasPrefix(name, path)) {
				changed = append(changed, id)
				break
			}
		}
	}
	var got []commits.ID
	add := func(c commits.Commit) (bool, error) {
		got = append(got, c.ID)
		return len(got) < limit, nil
	}
	err := commits.LogHint(tx, p, limit%3, add)
	if want := all[:min(limit, len(all))]; err != nil || !slices.Equal(got, want) {
		return fmt.Errorf("the log of %v is %v, %w; want %v", p, got, err, want)
	}
	got = nil
	err = x.LogUnder(tx, p, path, add)
	if want := changed[:min(limit, len(changed))]; err != nil || !slices.Equal(got, want) {
		return fmt.Errorf("the log of %q to %v is %v, %w; want %v", path, p, got, err, want)
	}
	return nil
}
