package commits_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"sync"
	"testing"
	"time"

	"caret/commits"
	"caret/objstore"
	"caret/objstore/memory"
)

// cacheTest is lineages that grow, and fork from one another, at random.
type cacheTest struct {
	*testing.T
	*rand.Rand
	rows  objstore.Rows
	forks []*commits.ForkCache // which remember all, little, next to nothing, and nothing
	heads []uint64             // of lineage i+1
	ids   uint32
}

// TestForkCacheNeverShows: what is remembered of lineages never shows. Every path is found, and
// every diff made, as without it.
func TestForkCacheNeverShows(t *testing.T) {
	t.Parallel()
	for seed := range uint64(4) {
		l := &cacheTest{T: t, Rand: rand.New(rand.NewPCG(seed, 0)), rows: memory.New().Rows(), forks: []*commits.ForkCache{
			commits.NewForkCache(), commits.NewSmallForkCache(few * commits.StretchBytes), commits.NewSmallForkCache(1), nil,
		}}
		l.leave(commits.Pos{})
		for range 100 {
			switch l.IntN(9) {
			case 0, 1, 2, 3, 4:
				lineage := l.near()
				l.update(func(tx objstore.Writer) error { return l.commit(tx, lineage) })
				l.heads[lineage-1]++
			case 5:
				l.fail()
			case 6, 7: // as a branch, a reset and a fast-forward do
				l.leave(l.somewhere())
			}
			if err := l.rows.View(t.Context(), l.same); err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			l.update(func(tx objstore.Writer) error { return l.same(tx) })
		}
	}
}

const cachePaths = 30

func cachePath(i int) string { return fmt.Sprint("p", i) }

func (l *cacheTest) update(fn func(objstore.Writer) error) {
	l.Helper()
	if err := l.rows.Update(l.Context(), "", fn); err != nil {
		l.Fatal(err)
	}
}

// near is a lineage, rather a young one.
func (l *cacheTest) near() commits.LineageID {
	n := len(l.heads)
	return commits.LineageID(n - min(l.IntN(n), l.IntN(n)))
}

func (l *cacheTest) somewhere() commits.Pos {
	lineage := l.near()
	n := l.heads[lineage-1]
	return commits.Pos{Lineage: lineage, N: n - min(max(n, 1)-1, uint64(l.IntN(6)))}
}

// leave makes a lineage that leaves another one at a commit.
func (l *cacheTest) leave(at commits.Pos) {
	l.Helper()
	l.heads = append(l.heads, at.N)
	l.update(func(tx objstore.Writer) error {
		return commits.CreateLineage(tx, commits.LineageID(len(l.heads)), 1, at)
	})
}

func (l *cacheTest) meta() commits.Meta {
	l.ids++
	var id commits.ID
	binary.BigEndian.PutUint32(id[:], l.ids)
	return commits.Meta{ID: id, Time: time.Unix(int64(l.ids), 0)}
}

// commit changes some paths, now and then as a layer.
func (l *cacheTest) commit(tx objstore.Writer, lineage commits.LineageID) error {
	head, err := commits.ReadHead(tx, lineage)
	if err != nil {
		return err
	}
	v, err := l.forks[0].View(tx, commits.Pos{Lineage: lineage, N: head.N}, commits.ID{})
	if err != nil {
		return err
	}
	var changes []commits.Change
	for _, i := range l.Perm(cachePaths)[:l.IntN(4)] {
		ch := commits.Change{Path: cachePath(i)}
		if f, err := v.File(ch.Path); err != nil {
			return err
		} else if ch.Deleted = f != nil && l.IntN(3) == 0; !ch.Deleted {
			ch.Content.Hash[0] = byte(l.IntN(3))
		}
		changes = append(changes, ch)
	}
	meta := l.meta()
	if len(changes) == 0 || l.IntN(3) > 0 {
		_, err = commits.Append(tx, lineage, changes, meta)
		return err
	}
	for _, ch := range changes {
		if err := commits.Stage(tx, meta.ID, ch); err != nil {
			return err
		}
	}
	sum, err := commits.SumStaged(tx, meta.ID)
	if err != nil {
		return err
	}
	_, err = commits.AppendLayer(tx, lineage, sum, meta)
	return err
}

// fail reads beneath a fork in a transaction that fails, so that there never
// was one, and others take the numbers.
func (l *cacheTest) fail() {
	failed := errors.New("failed")
	lineage, young := l.near(), commits.LineageID(len(l.heads)+1)
	err := l.rows.Update(l.Context(), "", func(tx objstore.Writer) error {
		for range 3 {
			if err := l.commit(tx, lineage); err != nil {
				return err
			}
		}
		if err := commits.CreateLineage(tx, young, 1, commits.Pos{Lineage: lineage, N: l.heads[lineage-1] + 3}); err != nil {
			return err
		}
		for range 2 { // the second reads what the first was made on
			if err := l.commit(tx, young); err != nil {
				return err
			}
		}
		return failed
	})
	if !errors.Is(err, failed) {
		l.Fatal(err)
	}
}

// same compares some commit, and its difference to another, with and without
// what is remembered.
func (l *cacheTest) same(tx objstore.Reader) error {
	a, b := l.somewhere(), l.somewhere()
	states, diffs := make([][]commits.State, len(l.forks)), make([][]commits.Difference, len(l.forks))
	for i, x := range l.forks {
		v, err := x.View(tx, a, commits.ID{})
		if err != nil {
			return err
		}
		for k := range cachePaths {
			s, err := v.Lookup(cachePath(k))
			if err != nil && !errors.Is(err, commits.ErrNoPath) {
				return err
			}
			states[i] = append(states[i], s)
		}
		old, now := commits.Side{Pos: a}, commits.Side{Pos: b}
		paths, err := x.ChangedPaths(tx, old, now, "")
		if err != nil {
			return err
		}
		err = x.Compare(tx, old, now, paths, func(d commits.Difference) (bool, error) {
			diffs[i] = append(diffs[i], d)
			return true, nil
		})
		if err != nil {
			return err
		}
	}
	last := len(l.forks) - 1 // that which remembers nothing
	for i, x := range l.forks[:last] {
		if !reflect.DeepEqual(states[i], states[last]) {
			return fmt.Errorf("at %v: %v, without memory %v", a, states[i], states[last])
		}
		if !reflect.DeepEqual(diffs[i], diffs[last]) {
			return fmt.Errorf("from %v to %v: %v, without memory %v", a, b, diffs[i], diffs[last])
		}
		most := []int{math.MaxInt, few * commits.StretchBytes, 1}[i]
		if counted, reached := x.Bytes(); counted != reached || counted > most {
			return fmt.Errorf("memory %d holds %d bytes and counts %d, of %d", i, reached, counted, most)
		}
	}
	return nil
}

// few is how many stretches the memory holds that is to forget.
const few = 10

// TestForkCacheForgets what was used least recently, and keeps what is used.
func TestForkCacheForgets(t *testing.T) {
	t.Parallel()
	f := newFar(t)
	f.commit(1, 1, false, "a")
	f.fork(2, commits.Pos{Lineage: 1, N: 1})
	f.commit(2, 1, false, "b")
	const branches = 50
	for i := range commits.LineageID(branches) { // each with a branch of its own
		f.fork(3+2*i, commits.Pos{Lineage: 2, N: 2})
		f.commit(3+2*i, 1, false, "c")
		f.fork(4+2*i, commits.Pos{Lineage: 3 + 2*i, N: 3})
		f.commit(4+2*i, 1, false, "d")
	}
	x := commits.NewSmallForkCache(few * commits.StretchBytes)
	read := func(branch commits.LineageID) int {
		var c calls
		err := f.rows.View(t.Context(), func(tx objstore.Reader) error {
			c = calls{}
			v, err := x.View(countingReader{tx, &c}, commits.Pos{Lineage: 4 + 2*branch, N: 4}, commits.ID{})
			if err == nil {
				_, err = v.Lookup("a")
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return c.total()
	}
	const known = 2 // what is on the branch, and on the first lineage
	for i := range commits.LineageID(branches) {
		read(i)
		if n := read(i); n > known {
			t.Errorf("branch %d was read and takes %d calls", i, n)
		}
		if n := read(0); n > known {
			t.Errorf("branch 0 is read all the time and takes %d calls after %d others", n, i)
		}
		if counted, reached := x.Bytes(); counted != reached || counted > few*commits.StretchBytes {
			t.Fatalf("the memory holds %d bytes and counts %d", reached, counted)
		}
	}
	if n := read(1); n <= known {
		t.Errorf("branch 1 was read long ago and is still known")
	}
}

// TestForkCacheAtOnce: several read with a memory that forgets most of it.
func TestForkCacheAtOnce(t *testing.T) {
	t.Parallel()
	f := newFar(t)
	f.commit(1, 1, false, "p1")
	const depth = 20
	for i := commits.LineageID(2); i <= depth; i++ {
		f.fork(i, commits.Pos{Lineage: i - 1, N: uint64(i - 1)})
		f.commit(i, 1, false, fmt.Sprint("p", i))
	}
	x := commits.NewSmallForkCache(depth * commits.StretchBytes)
	var wg sync.WaitGroup
	for reader := range uint64(4) {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(reader, 0))
			for range 200 {
				lineage := 2 + r.IntN(depth-1)
				path := 1 + r.IntN(depth)
				err := f.rows.View(t.Context(), func(tx objstore.Reader) error {
					v, err := x.View(tx, commits.Pos{Lineage: commits.LineageID(lineage), N: uint64(lineage)}, commits.ID{})
					if err != nil {
						return err
					}
					s, err := v.File(fmt.Sprint("p", path))
					if found := s != nil; found != (path <= lineage) {
						t.Errorf("path %d on lineage %d: %v", path, lineage, s)
					}
					return err
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if counted, reached := x.Bytes(); counted != reached || counted > depth*commits.StretchBytes {
		t.Errorf("the memory holds %d bytes and counts %d", reached, counted)
	}
}
