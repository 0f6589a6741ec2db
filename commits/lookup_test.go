package commits_test

import (
	"errors"
	"fmt"
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"caret/commits"
	"caret/objstore"
	"caret/objstore/memory"
)

// TestLookupMany: looking up many paths at once finds for each what looking it up
// alone does, and what the model has.
func TestLookupMany(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		h := newHistory(t)
		forks := commits.NewForkCache()
		for range h.int("rounds", 1, 3) {
			h.grow(h.int("steps", 1, 30))
			id := h.lineage()
			paths := rapid.SliceOfN(rapid.SampledFrom(append([]string{"absent", "p"}, h.paths...)), 0, 20).Draw(t, "paths")
			for n := range h.shows[id-1] {
				at := commits.Pos{Lineage: id, N: uint64(n)}
				open, shows := commits.ID{}, h.at(at)
				if rapid.Bool().Draw(t, "open") {
					open, shows = h.open(at)
				}
				for _, x := range []*commits.ForkCache{nil, forks} {
					check := func(tx objstore.Reader) error { return h.lookup(x, tx, at, open, paths, shows) }
					h.view(check)
					h.update(func(tx objstore.Writer) error { return check(tx) })
				}
			}
		}
	})
}

// lookup compares the ways of looking paths up.
func (h *history) lookup(x *commits.ForkCache, tx objstore.Reader, at commits.Pos, open commits.ID, paths []string, shows snapshot) error {
	view := func() *commits.View {
		v, err := x.View(tx, at, open)
		if err != nil {
			h.Fatal(err)
		}
		return v
	}
	var c calls
	counted, err := x.View(countingReader{tx, &c}, at, open)
	if err != nil {
		return err
	}
	many, err1 := counted.LookupMany(paths)
	// What reads for the memory itself is not bounded by this.
	if chain := len(h.shows); x == nil && (c.gets > 0 || c.many > 1+2*chain || c.pages > chain*len(paths)) {
		return fmt.Errorf("looking up %d paths over %d lineages takes %+v", len(paths), chain, c)
	}
	files, err2 := view().Files(paths)
	newest, err3 := view().NewestMany(paths)
	if err := errors.Join(err1, err2, err3); err != nil {
		return err
	}
	one := view()
	for i, path := range paths {
		s, err := one.Lookup(path)
		switch {
		case errors.Is(err, commits.ErrNoPath) && many[i] == nil:
		case err != nil || many[i] == nil || !reflect.DeepEqual(s, *many[i]):
			return fmt.Errorf("%q is %v among many and %v, %w alone", path, many[i], s, err)
		}
		if want := shows[path]; many[i] == nil && want.Commit != (commits.ID{}) && !want.Deleted || files[i] != nil && want.Deleted {
			return fmt.Errorf("%q is %v, want %v", path, many[i], want)
		}
		for _, s := range []*commits.State{many[i], files[i], newest[i]} {
			if s == nil && (shows[path].Deleted || shows[path].N == 0) {
				continue // what is gone may have left nothing
			}
			if err := same(s, shows, path); err != nil {
				return err
			}
		}
		if err := same(newest[i], shows, path); err != nil {
			return err
		}
	}
	return nil
}

// TestLookupCalls: the calls that looking up many paths makes grow with the lineages
// they may be on, and not with the paths.
func TestLookupCalls(t *testing.T) {
	t.Parallel()
	const depth, files = 6, 300
	rows := memory.New().Rows()
	var paths []string
	var head commits.Pos
	id := byte(0)
	update := func(fn func(objstore.Writer) error) {
		t.Helper()
		if err := rows.Update(t.Context(), "", fn); err != nil {
			t.Fatal(err)
		}
	}
	for lineage := commits.LineageID(1); lineage <= depth; lineage++ {
		var changes []commits.Change
		for i := range files / depth {
			paths = append(paths, fmt.Sprintf("%d/%03d", lineage, i))
			changes = append(changes, commits.Change{Path: paths[len(paths)-1]})
		}
		update(func(tx objstore.Writer) error {
			id++
			err := commits.CreateLineage(tx, lineage, 1, head)
			if err == nil {
				_, err = commits.Append(tx, lineage, changes, commits.Meta{ID: commits.ID{id}})
			}
			return err
		})
		head = commits.Pos{Lineage: lineage, N: head.N + 1}
	}
	paths = append(paths, "absent")
	forks := commits.NewForkCache()
	count := func(x *commits.ForkCache, at commits.Pos, paths []string) (c calls) {
		t.Helper()
		err := rows.View(t.Context(), func(tx objstore.Reader) error {
			c = calls{}
			v, err := x.View(countingReader{tx, &c}, at, commits.ID{})
			if err != nil {
				return err
			}
			list, err := v.LookupMany(paths)
			for i, s := range list {
				if known := paths[i] != "absent"; known != (s != nil) {
					err = errors.Join(err, fmt.Errorf("%q is %v", paths[i], s))
				}
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	if c := count(nil, head, paths); c.gets+c.pages > 0 || c.many != depth {
		t.Errorf("with nothing remembered %+v; want one call for each of %d lineages", c, depth)
	}
	count(forks, head, paths) // which fills it
	if c := count(forks, head, paths); c.gets+c.pages > 0 || c.many > 2 {
		t.Errorf("with all remembered %+v; want two calls", c)
	}
	if c := count(forks, head, paths[:1]); c.total() != 2 {
		t.Errorf("one path of the first lineage takes %+v; want two calls", c)
	}

	// A change of everything on the first lineage: what it replaced is looked for
	// one by one, where no other lineage has it.
	update(func(tx objstore.Writer) error {
		var changes []commits.Change
		for _, p := range paths[:files/depth] {
			changes = append(changes, commits.Change{Path: p})
		}
		_, err := commits.Append(tx, 1, changes, commits.Meta{ID: commits.ID{100}})
		return err
	})
	if c := count(forks, head, paths); c.gets > 0 || c.many > 2 || c.pages != files/depth+1 {
		t.Errorf("with a changed first lineage %+v; want two calls, and one for each path of it", c)
	}
}
