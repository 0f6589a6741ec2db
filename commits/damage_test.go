package commits_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"caret/commits"
	"caret/objstore"
	"caret/objstore/memory"
)

// damage is a store with two lineages: 1 has commits 1 to 6, of which 4 is a layer and 5
// changes too many paths for its record; 2 forked at 3 and has commit 4.
type damage struct {
	*testing.T
	rows objstore.Rows
}

func newDamage(t *testing.T) *damage {
	t.Helper()
	d := &damage{T: t, rows: memory.New().Rows()}
	commit := func(lineage commits.LineageID, id byte, paths int, layer bool) {
		var list []commits.Change
		for i := range paths {
			ch := commits.Change{Path: fmt.Sprintf("%060d", i)}
			ch.Content.Hash[0], ch.Modified = id, time.Unix(int64(id), 0).UTC()
			list = append(list, ch)
		}
		d.update(func(tx objstore.Writer) error {
			return put(tx, lineage, list, commits.Meta{ID: commits.ID{id}, Time: time.Unix(int64(id), 0)}, layer)
		})
	}
	d.update(func(tx objstore.Writer) error { return commits.CreateLineage(tx, 1, 1, commits.Pos{}) })
	for id := byte(1); id <= 3; id++ {
		commit(1, id, 2, false)
	}
	d.update(func(tx objstore.Writer) error { return commits.CreateLineage(tx, 2, 1, commits.Pos{Lineage: 1, N: 3}) })
	commit(1, 4, 10, true)
	commit(1, 5, 50, false)
	commit(1, 6, 1, false)
	commit(2, 7, 3, false)
	return d
}

func (d *damage) update(fn func(objstore.Writer) error) {
	d.Helper()
	if err := d.rows.Update(d.Context(), "", fn); err != nil {
		d.Fatal(err)
	}
}

func (d *damage) view(fn func(objstore.Reader) error) error {
	return d.rows.View(d.Context(), fn)
}

// all are the rows that begin with prefix.
func (d *damage) all(prefix string) (list []objstore.Row) {
	d.Helper()
	if err := d.view(func(tx objstore.Reader) (err error) {
		list, err = tx.Page(objstore.Prefix([]byte(prefix)), 1000)
		return err
	}); err != nil {
		d.Fatal(err)
	}
	return list
}

// without runs check for each row that begins with prefix, once without it and once with
// each of its bytes changed.
func (d *damage) without(prefix string, flip bool, check func(what string, row objstore.Row)) {
	d.Helper()
	for _, row := range d.all(prefix) {
		d.update(func(tx objstore.Writer) error { return tx.Delete(row.Key) })
		check(fmt.Sprintf("without row %q", row.Key), row)
		for i := range row.Value {
			if !flip {
				break
			}
			value := slices.Clone(row.Value)
			value[i] ^= 0x10
			d.update(func(tx objstore.Writer) error { return tx.Set(row.Key, value) })
			check(fmt.Sprintf("row %q with byte %d changed", row.Key, i), row)
		}
		d.update(func(tx objstore.Writer) error { return tx.Set(row.Key, row.Value) })
	}
}

func (d *damage) corrupt(what string, err error) {
	d.Helper()
	if !errors.Is(err, objstore.ErrCorrupt) {
		d.Errorf("%s: %v", what, err)
	}
}

// logs reads the logs of both lineages to their ends.
func (d *damage) logs() error {
	return d.view(func(tx objstore.Reader) error {
		all := func(commits.Commit) (bool, error) { return true, nil }
		return errors.Join(
			commits.Log(tx, commits.Pos{Lineage: 1, N: 6}, all),
			commits.Log(tx, commits.Pos{Lineage: 2, N: 4}, all),
		)
	})
}

// TestLogOfDamage: a record that is missing or was changed is never passed over.
func TestLogOfDamage(t *testing.T) {
	t.Parallel()
	d := newDamage(t)
	if err := d.logs(); err != nil {
		t.Fatal(err)
	}
	d.without("c", true, func(what string, _ objstore.Row) { d.corrupt("log "+what, d.logs()) })
	d.without("c", false, func(what string, row objstore.Row) {
		p := commits.Pos{Lineage: commits.LineageID(row.Key[8]), N: uint64(row.Key[16])}
		d.corrupt("read "+what, d.view(func(tx objstore.Reader) error {
			_, err := commits.Read(tx, p)
			return err
		}))
		d.corrupt("paths "+what, d.view(func(tx objstore.Reader) error {
			_, err := (*commits.ForkCache)(nil).ChangedPaths(tx, commits.Side{}, commits.Side{Pos: p}, "")
			return err
		}))
	})
	d.without("l", false, func(what string, _ objstore.Row) { d.corrupt("log "+what, d.logs()) })
	d.without("h", false, func(what string, _ objstore.Row) { d.corrupt("log "+what, d.logs()) })
	if err := d.view(func(tx objstore.Reader) error {
		_, err := commits.Read(tx, commits.Pos{Lineage: 1, N: 7})
		return err
	}); !errors.Is(err, commits.ErrNoCommit) || errors.Is(err, objstore.ErrCorrupt) {
		t.Errorf("a commit that is still to be made: %v", err)
	}
}

// changes reads the changes of all commits to their ends.
func (d *damage) changes() error {
	return d.view(func(tx objstore.Reader) error {
		for _, p := range []commits.Pos{{Lineage: 1, N: 1}, {Lineage: 1, N: 2}, {Lineage: 1, N: 3}, {Lineage: 1, N: 4}, {Lineage: 1, N: 5}, {Lineage: 1, N: 6}, {Lineage: 2, N: 4}} {
			c, err := commits.Read(tx, p)
			if err != nil {
				return err
			}
			if err := commits.Changes(tx, c, "", func(commits.Change) (bool, error) { return true, nil }); err != nil {
				return err
			}
		}
		return nil
	})
}

// TestChangesOfDamage: nor is a state, or the row of a path that was changed.
func TestChangesOfDamage(t *testing.T) {
	t.Parallel()
	d := newDamage(t)
	for _, folded := range []bool{false, true} {
		if folded {
			d.update(func(tx objstore.Writer) error {
				_, done, err := commits.Fold(tx, 1, commits.FoldMark{}, 100)
				return errors.Join(err, map[bool]error{false: errors.New("not folded")}[done])
			})
		}
		if err := d.changes(); err != nil {
			t.Fatal(err)
		}
		for _, prefix := range []string{"e", "v", "d"} {
			d.without(prefix, len(d.all(prefix)) < 200, func(what string, _ objstore.Row) { d.corrupt("changes "+what, d.changes()) })
		}
	}
}

// TestLayerOfDamage: a layer that is not what its commit says is not folded in, nor taken
// for less in a diff.
func TestLayerOfDamage(t *testing.T) {
	t.Parallel()
	d := newDamage(t)
	check := func() error {
		return d.view(func(tx objstore.Reader) error { return commits.CheckLayer(tx, 1) })
	}
	layer := "d" + string([]byte{4})
	d.without(layer, true, func(what string, _ objstore.Row) { d.corrupt("layer "+what, check()) })
	if err := check(); err != nil {
		t.Fatal(err)
	}
	d.update(func(tx objstore.Writer) error {
		_, _, err := commits.Fold(tx, 1, commits.FoldMark{}, 3)
		return err
	})
	if err := check(); err != nil {
		t.Fatalf("half folded: %v", err)
	}
	d.without(layer, false, func(what string, _ objstore.Row) {
		d.corrupt("half folded layer "+what, check())
		d.corrupt("diff "+what, d.view(func(tx objstore.Reader) error {
			_, err := (*commits.ForkCache)(nil).ChangedPaths(tx, commits.Side{}, commits.Side{Pos: commits.Pos{Lineage: 1, N: 6}}, "")
			return err
		}))
	})
}

// TestForksInACircle: lineages that forked from one another do not make anything go on for
// ever.
func TestForksInACircle(t *testing.T) {
	t.Parallel()
	d := newDamage(t)
	for _, n := range []byte{3, 4, 9} { // lineage 1 forked from 2 now, and 2 from 1
		d.update(func(tx objstore.Writer) error {
			return errors.Join(
				tx.Set([]byte("l\x00\x00\x00\x00\x00\x00\x00\x01"), []byte{8, 1, 16, 2, 24, n}),
				tx.Set([]byte("l\x00\x00\x00\x00\x00\x00\x00\x02"), []byte{8, 1, 16, 1, 24, n}))
		})
		for _, p := range []commits.Pos{{Lineage: 1, N: 1}, {Lineage: 2, N: 3}, {Lineage: 1, N: 6}, {Lineage: 2, N: 9}} {
			for name, fn := range map[string]func(objstore.Reader) error{
				"owner": func(tx objstore.Reader) error { _, err := commits.Owner(tx, p); return err },
				"time":  func(tx objstore.Reader) error { _, err := commits.FindTime(tx, p, time.Unix(0, 0)); return err },
				"log": func(tx objstore.Reader) error {
					return commits.Log(tx, p, func(commits.Commit) (bool, error) { return true, nil })
				},
				"read":     func(tx objstore.Reader) error { _, err := commits.Read(tx, p); return err },
				"frontier": func(tx objstore.Reader) error { _, err := commits.ReadFrontier(tx, p); return err },
				"lookup": func(tx objstore.Reader) error {
					v, err := (*commits.ForkCache)(nil).View(tx, p, commits.ID{})
					if err == nil {
						_, err = v.Newest("nowhere")
					}
					return err
				},
				"walk": func(tx objstore.Reader) error {
					v, err := commits.NewForkCache().View(tx, p, commits.ID{})
					if err != nil {
						return err
					}
					w := v.Walk("nowhere")
					w.Next()
					return w.Err()
				},
			} {
				err := d.view(fn)
				if err != nil && !errors.Is(err, objstore.ErrCorrupt) && !errors.Is(err, commits.ErrNoCommit) {
					t.Errorf("%s of %v with forks at %d: %v", name, p, n, err)
				}
				if name == "log" || name == "frontier" || name == "walk" {
					d.corrupt(fmt.Sprintf("%s of %v with forks at %d", name, p, n), err)
				}
			}
		}
	}
}
