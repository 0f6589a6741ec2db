package commits_test

import (
	"fmt"
	"testing"
	"time"

	"caret/commits"
	"caret/objstore"
	"caret/objstore/memory"
)

// far is rows as they would be on a network: each call is a round trip.
type far struct {
	*testing.T
	rows  objstore.Rows
	forks *commits.ForkCache
	n     byte // of commits made
}

func (f *far) update(fn func(objstore.Writer) error) {
	f.Helper()
	if err := f.rows.Update(f.Context(), "", fn); err != nil {
		f.Fatal(err)
	}
}

func (f *far) meta() commits.Meta {
	f.n++
	return commits.Meta{ID: commits.ID{f.n}, Time: time.Unix(int64(f.n), 0)}
}

// commit makes count commits on a lineage, each of all paths, in one transaction.
func (f *far) commit(lineage commits.LineageID, count int, layer bool, paths ...string) {
	f.Helper()
	n := f.n
	f.update(func(tx objstore.Writer) error {
		f.n = n // it runs more than once
		for range count {
			var changes []commits.Change
			meta := f.meta()
			for _, p := range paths {
				ch := commits.Change{Path: p}
				ch.Content.Hash[0] = f.n
				changes = append(changes, ch)
			}
			if err := put(tx, lineage, changes, meta, layer); err != nil {
				return err
			}
		}
		return nil
	})
}

func (f *far) fork(id commits.LineageID, at commits.Pos) {
	f.Helper()
	f.update(func(tx objstore.Writer) error { return commits.CreateLineage(tx, id, 1, at) })
}

// takes fails if what fn reads takes more calls than most.
func (f *far) takes(what string, most int, fn func(objstore.Reader) error) {
	f.Helper()
	var c calls
	err := f.rows.View(f.Context(), func(tx objstore.Reader) error {
		c = calls{}
		return fn(countingReader{tx, &c})
	})
	if err != nil {
		f.Fatalf("%s: %v", what, err)
	}
	if c.total() > most {
		f.Errorf("%s takes %d calls, want at most %d: %+v", what, c.total(), most, c)
	}
	f.Logf("%s: %d calls: %+v", what, c.total(), c)
}

func names(prefix string, n int) (list []string) {
	for i := range n {
		list = append(list, fmt.Sprintf("%s/%04d", prefix, i))
	}
	return list
}

func newFar(t *testing.T) *far {
	f := &far{T: t, rows: memory.New().Rows(), forks: commits.NewForkCache()}
	f.fork(1, commits.Pos{})
	return f
}

// TestCallsOfCommits: what reads commits takes few calls.
func TestCallsOfCommits(t *testing.T) {
	t.Parallel()
	f := newFar(t)
	f.commit(1, 100, false, "a", "d/b")
	f.fork(2, commits.Pos{Lineage: 1, N: 100})
	f.commit(2, 100, false, "a", "d/b")
	head := commits.Pos{Lineage: 2, N: 200}
	var all []commits.Pos
	for n := range uint64(200) {
		all = append(all, commits.Pos{Lineage: 2, N: n + 1})
	}
	some := func(n int) func(commits.Commit) (bool, error) {
		return func(commits.Commit) (bool, error) { n--; return n > 0, nil }
	}
	f.takes("read the head", 1, func(tx objstore.Reader) error { _, err := commits.Read(tx, head); return err })
	f.takes("read 200 commits on 2 lineages", 2, func(tx objstore.Reader) error { _, err := commits.ReadMany(tx, all); return err })
	f.takes("log of 80", 1, func(tx objstore.Reader) error { return commits.LogHint(tx, head, 80, some(80)) })
	f.takes("log of 150", 3, func(tx objstore.Reader) error { return commits.LogHint(tx, head, 150, some(150)) })
	// On each lineage its rows, a page of states and one of commits, growing.
	f.takes("log of a path", 15, func(tx objstore.Reader) error { return f.forks.LogUnder(tx, head, "a", some(1000)) })
	f.takes("log of a folder", 8, func(tx objstore.Reader) error { return f.forks.LogUnder(tx, head, "d/", some(1000)) })
	f.takes("beginning of an id", 2, func(tx objstore.Reader) error {
		_, _, err := commits.FindPrefix(tx, 1, commits.ID{7}.String()[:8])
		return err
	})
	f.takes("time on the second lineage", 5, func(tx objstore.Reader) error {
		_, err := commits.FindTime(tx, head, time.Unix(142, 0))
		return err
	})
	f.takes("time on the first lineage", 7, func(tx objstore.Reader) error {
		_, err := commits.FindTime(tx, head, time.Unix(42, 0))
		return err
	})
	f.takes("bases", 6, func(tx objstore.Reader) error {
		_, err := commits.Bases(tx, head, commits.Pos{Lineage: 1, N: 100})
		return err
	})
}

// TestCallsOfPaths: what reads many paths takes few calls.
func TestCallsOfPaths(t *testing.T) {
	t.Parallel()
	f := newFar(t)
	f.commit(1, 1, false, names("d", 1000)...)
	f.commit(1, 1, true, names("e", 1000)...)
	f.fork(2, commits.Pos{Lineage: 1, N: 2})
	f.commit(2, 2, false, names("d", 500)...)
	f.commit(1, 1, false, append(names("d", 300), names("f", 300)...)...)
	f.commit(1, 1, false, "one")
	old, ours, theirs := commits.Pos{Lineage: 1, N: 2}, commits.Pos{Lineage: 1, N: 4}, commits.Pos{Lineage: 2, N: 4}
	f.takes("fill the memory", 20, func(tx objstore.Reader) error {
		v, err := f.forks.View(tx, theirs, commits.ID{})
		if err == nil {
			_, err = v.Files(names("e", 1))
		}
		return err
	})
	view := func(tx objstore.Reader, p commits.Pos) *commits.View {
		v, err := f.forks.View(tx, p, commits.ID{})
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	f.takes("list 900", 3, func(tx objstore.Reader) error {
		w := view(tx, ours).WalkHint("", 900)
		for i := 0; i < 900 && w.Next(); i++ {
			continue
		}
		return w.Err()
	})
	f.takes("list 100 behind a path", 4, func(tx objstore.Reader) error {
		w := view(tx, ours).WalkHint("", 101)
		w.Seek("d/0500\x00")
		for i := 0; i < 100 && w.Next(); i++ {
			continue
		}
		return w.Err()
	})
	f.takes("list 100 versions", 4, func(tx objstore.Reader) error {
		x := view(tx, ours).VersionsHint("", 101)
		for i := 0; i < 100 && x.Next(); i++ {
			continue
		}
		return x.Err()
	})
	f.takes("changes of a layer", 3, func(tx objstore.Reader) error { return f.changes(tx, commits.Pos{Lineage: 1, N: 2}, 1000) })
	f.takes("changes that were replaced since", 6, func(tx objstore.Reader) error { return f.changes(tx, commits.Pos{Lineage: 1, N: 1}, 1000) })

	var paths []string
	f.takes("what changed on one lineage", 8, func(tx objstore.Reader) (err error) {
		paths, err = f.forks.ChangedPaths(tx, commits.Side{Pos: theirs}, commits.Side{Pos: old}, "")
		return err
	})
	f.takes("compare 500 paths", 6, func(tx objstore.Reader) error {
		n := 0
		err := f.forks.Compare(tx, commits.Side{Pos: ours}, commits.Side{Pos: theirs}, paths, func(commits.Difference) (bool, error) { n++; return true, nil })
		if n != 500 {
			t.Errorf("%d of %d paths differ", n, len(paths))
		}
		return err
	})
	var merge *commits.Merge
	f.takes("begin a merge", 14, func(tx objstore.Reader) (err error) {
		if merge, err = f.forks.NewMerge(tx, ours, theirs); err == nil {
			paths, err = merge.Candidates(tx)
		}
		return err
	})
	// The bases of those that ours changed are looked for one by one.
	f.takes("merge 500 paths", 10+300, func(tx objstore.Reader) error {
		n, conflicts := 0, 0
		err := merge.Resolve(tx, paths, func(p commits.MergedPath) error {
			n++
			if p.Conflict {
				conflicts++
			}
			return nil
		})
		if n != 500 || conflicts != 300 {
			t.Errorf("%d paths to merge, %d in conflict", n, conflicts)
		}
		return err
	})
}

// changes reads what a commit changed, which must be n paths.
func (f *far) changes(tx objstore.Reader, p commits.Pos, n int) error {
	c, err := commits.Read(tx, p)
	if err != nil {
		return err
	}
	err = commits.ChangesHint(tx, c, "", n+1, func(commits.Change) (bool, error) { n--; return true, nil })
	if n != 0 {
		f.Errorf("%d changes too few of %v", n, p)
	}
	return err
}

// TestCallsOfWriters: a commit of many paths takes as few calls that read as one of
// one path.
func TestCallsOfWriters(t *testing.T) {
	t.Parallel()
	f := newFar(t)
	f.commit(1, 1, false, names("d", 300)...)
	f.commit(1, 1, true, names("d", 400)...)
	reads := func(what string, most int, fn func(*smallWriter) error) {
		t.Helper()
		f.update(func(tx objstore.Writer) error {
			w := newSmallWriter(tx, 1<<20)
			err := fn(w)
			if w.total() > most {
				t.Errorf("%s takes %d calls, want at most %d: %+v", what, w.total(), most, w.calls)
			}
			return err
		})
	}
	reads("append", 1, func(w *smallWriter) error {
		return put(w, 1, []commits.Change{{Path: "a"}, {Path: "d/0001"}, {Path: "z"}}, commits.Meta{ID: commits.ID{200}}, false)
	})
	// 64 rows at a time, as they may be long and others wait.
	reads("fold 300 of 400", 1+2*5, func(w *smallWriter) error {
		_, _, err := commits.Fold(w, 1, commits.FoldMark{}, 300)
		return err
	})
	reads("begin a lineage", 1, func(w *smallWriter) error { return commits.CreateLineage(w, 2, 1, commits.Pos{Lineage: 1, N: 3}) })
	reads("begin one at an inherited commit", 2, func(w *smallWriter) error {
		return commits.CreateLineage(w, 3, 1, commits.Pos{Lineage: 2, N: 3})
	})
}
