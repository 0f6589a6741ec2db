package txn_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"testing"

	"caret/objstore"
	"caret/objstore/txn"
)

func set(key string) func(objstore.Writer) error {
	return func(tx objstore.Writer) error { return tx.Set([]byte(key), []byte(key)) }
}

// want is for Updates that are told exactly err.
func want(t *testing.T, what string, err error) func(error) {
	return func(got error) {
		if !errors.Is(got, err) || err == nil && got != nil {
			t.Errorf("%s is told %v, want %v", what, got, err)
		}
	}
}

// stored is the keys that are committed.
func (g *gathered) stored() string {
	var list []string
	for k := range g.stub.table.All() {
		list = append(list, string(k))
	}
	return strings.Join(list, " ")
}

// TestGroup: those that wait share a commit, see each other's writes, and take
// back only their own.
func TestGroup(t *testing.T) {
	t.Parallel()
	g := gather(t)
	boom := errors.New("boom")
	g.add(t.Context(), set("a"), want(t, "a", nil))
	g.add(t.Context(), func(tx objstore.Writer) error {
		return errors.Join(tx.Set([]byte("a"), []byte("failed")), tx.Delete([]byte("a")), tx.Set([]byte("b"), nil), boom)
	}, want(t, "the second", boom))
	g.add(t.Context(), func(tx objstore.Writer) error {
		if v, err := tx.Get([]byte("a")); string(v) != "a" || err != nil {
			t.Errorf("the third finds %q, %v", v, err)
		}
		if page, err := tx.Page(objstore.Range{Reverse: true}, 9); len(page) != 1 || string(page[0].Key) != "a" || err != nil {
			t.Errorf("the third finds %q, %v", page, err)
		}
		if many, err := tx.GetMany([][]byte{[]byte("b"), []byte("a")}); err != nil || many[0] != nil || string(many[1]) != "a" {
			t.Errorf("the third finds %q, %v", many, err)
		}
		return errors.Join(tx.Delete([]byte("a")), tx.Set([]byte("c"), nil))
	}, want(t, "the third", nil))
	g.release()
	if got := g.stored(); got != "c" {
		t.Errorf("stored: %s", got)
	}
	if !slices.Equal(g.stub.batches[1:], []batch{{rows: 2, bytes: 2*txn.RowOverhead + 2, transactions: 2}}) {
		t.Errorf("batches: %+v", g.stub.batches)
	}
}

// TestSeen: a group asks the store for a row once.
func TestSeen(t *testing.T) {
	t.Parallel()
	g := gather(t)
	keys := [][]byte{[]byte("x"), []byte("y"), []byte("z")}
	for i := range 5 {
		g.add(t.Context(), func(tx objstore.Writer) error {
			if _, err := tx.Get(keys[i%3]); !errors.Is(err, objstore.ErrNotFound) {
				t.Errorf("missing row: %v", err)
			}
			many, err := tx.GetMany(keys)
			if many[0] != nil || many[1] != nil || many[2] != nil {
				t.Errorf("missing rows: %q", many)
			}
			return err
		}, want(t, "reader", nil))
	}
	g.release()
	if !slices.Equal(g.stub.asked, []string{"x", "y", "z"}) {
		t.Errorf("asked for %q", g.stub.asked)
	}
}

// TestToldLate: nobody of a group is told anything before it is durable, as
// what they saw is in it.
func TestToldLate(t *testing.T) {
	t.Parallel()
	g := gather(t)
	exists := errors.New("exists")
	told := make(chan error, 3)
	tell := func(err error) { told <- err }
	g.add(t.Context(), set("a"), tell)
	g.add(t.Context(), func(tx objstore.Writer) error {
		_, err := tx.Get([]byte("a"))
		return errors.Join(err, exists)
	}, tell)
	g.add(t.Context(), func(tx objstore.Writer) error { return tx.Set([]byte("b"), make([]byte, txn.MaxBytes)) }, tell)
	commits := 0
	g.stub.commit = func() (bool, error) {
		if commits++; commits == 2 && len(told) > 0 {
			t.Errorf("before the commit was told: %v", <-told)
		}
		return true, nil
	}
	g.release()
	if len(told) != 3 || commits != 2 {
		t.Errorf("%d told, %d commits", len(told), commits)
	}
}

// TestTooLarge: what is more than one commit takes is refused, what is more
// than this one has room for goes into the next, in order.
func TestTooLarge(t *testing.T) {
	t.Parallel()
	g := gather(t)
	runs := make([]int, 10)
	for i := range runs {
		g.add(t.Context(), func(tx objstore.Writer) error {
			runs[i]++
			if page, err := tx.Page(objstore.Range{}, 100); len(page) != i || err != nil {
				t.Errorf("the %dth finds %d rows, %v", i, len(page), err)
			}
			return tx.Set(fmt.Append(nil, i), make([]byte, objstore.MaxValue))
		}, want(t, fmt.Sprint(i), nil))
	}
	for what, fn := range map[string]func(objstore.Writer) error{
		"one row": func(tx objstore.Writer) error { return tx.Set([]byte("x"), make([]byte, txn.MaxBytes)) },
		"many rows": func(tx objstore.Writer) (err error) {
			for i := range txn.MaxRows + 1 {
				if err = tx.Set(fmt.Append(nil, "x", i), nil); err != nil {
					return err
				}
			}
			return nil
		},
		"more yet, though told": func(tx objstore.Writer) error {
			for range 10 {
				tx.Set([]byte("x"), make([]byte, objstore.MaxValue))
			}
			return nil
		},
	} {
		g.add(t.Context(), fn, want(t, what, objstore.ErrTooLarge))
	}
	g.release()
	for _, b := range g.stub.batches {
		if b.bytes > txn.MaxBytes || b.rows > txn.MaxRows {
			t.Errorf("batch of %+v", b)
		}
	}
	if got := g.stored(); got != "0 1 2 3 4 5 6 7 8 9" {
		t.Errorf("stored: %s", got)
	}
	for i, n := range runs {
		if n > 2+i/2 {
			t.Errorf("the %dth ran %d times", i, n)
		}
	}
}

// TestPanic: a panic is its caller's alone, and the log has where it arose.
func TestPanic(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	s := newStub()
	rows := open(t, s, txn.Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
	func() {
		defer func() {
			if v := recover(); v != "boom" {
				t.Errorf("recovered %v", v)
			}
		}()
		rows.Update(t.Context(), "", func(tx objstore.Writer) error {
			tx.Set([]byte("a"), nil)
			panic("boom")
		})
	}()
	if err := rows.Update(t.Context(), "", set("b")); err != nil || s.table.Len() != 1 {
		t.Errorf("afterwards: %v, %d rows", err, s.table.Len())
	}
	if !strings.Contains(log.String(), "boom") || !strings.Contains(log.String(), "TestPanic") {
		t.Errorf("log: %s", &log)
	}
}

// TestGoexit: a transaction that ends its goroutine, as a test does that fails,
// ends that of its caller, and all others go on.
func TestGoexit(t *testing.T) {
	t.Parallel()
	g := gather(t)
	for i := range 3 {
		g.add(t.Context(), set(fmt.Sprint("before", i)), want(t, "one before", nil))
	}
	before, ended := g.Waiting(), make(chan bool)
	go func() {
		returned := false
		defer func() { ended <- returned }()
		g.Update(context.Background(), "", func(objstore.Writer) error {
			runtime.Goexit()
			return nil
		})
		returned = true
	}()
	for g.Waiting() == before {
		runtime.Gosched()
	}
	g.add(t.Context(), set("behind"), want(t, "one behind", nil))
	close(g.gate)
	if <-ended {
		t.Error("Update returned")
	}
	g.wg.Wait()
	if got := g.stored(); got != "before0 before1 before2 behind" {
		t.Errorf("stored: %s", got)
	}
	g.Close()
}

// TestCancel: who gives up before its turn does not run.
func TestCancel(t *testing.T) {
	t.Parallel()
	g := gather(t)
	ctx, cancel := context.WithCancel(t.Context())
	broken := errors.New("broken")
	g.add(ctx, func(objstore.Writer) error {
		t.Error("it ran")
		return nil
	}, want(t, "who gave up", context.Canceled))
	g.add(t.Context(), set("a"), want(t, "the other", broken))
	cancel()
	commits := 0
	g.stub.commit = func() (bool, error) {
		if commits++; commits == 2 {
			return false, broken
		}
		return true, nil
	}
	g.release()
}

// TestCommitFails: all of a group are told, those that failed by themselves
// too, as what they saw is not there; but a panic stays one.
func TestCommitFails(t *testing.T) {
	t.Parallel()
	g := gather(t)
	broken := errors.New("broken")
	g.add(t.Context(), set("a"), want(t, "a writer", broken))
	g.add(t.Context(), func(objstore.Writer) error { return errors.New("exists") }, want(t, "a failed one", broken))
	var caught any
	g.wg.Go(func() {
		defer func() { caught = recover() }()
		g.Update(t.Context(), "", func(objstore.Writer) error { panic("boom") })
	})
	for g.Waiting() < 4 {
		runtime.Gosched()
	}
	commits := 0
	g.stub.commit = func() (bool, error) {
		if commits++; commits == 2 {
			return false, broken
		}
		return true, nil
	}
	g.release()
	if caught != "boom" {
		t.Errorf("caught %v", caught)
	}
	g.stub.begin = func() error { return broken }
	want(t, "one that cannot begin", broken)(g.Update(t.Context(), "", set("a")))
	g.stub.begin = func() error { return nil }
	want(t, "a later one", nil)(g.Update(t.Context(), "", set("a")))
}

// TestChanged: what may have changed wakes those who wait, what has not does
// not.
func TestChanged(t *testing.T) {
	t.Parallel()
	s := newStub()
	rows := open(t, s, txn.Options{})
	changed := rows.Changed()
	broken := errors.New("broken")
	s.commit = func() (bool, error) { return false, broken }
	want(t, "a failed one", broken)(rows.Update(t.Context(), "", set("a")))
	s.commit = func() (bool, error) { return true, nil }
	want(t, "one that writes nothing", nil)(rows.Update(t.Context(), "", func(objstore.Writer) error { return nil }))
	if rows.Changed() != changed {
		t.Error("woken by nothing")
	}
	s.commit = func() (bool, error) { return true, objstore.ErrUnknownOutcome }
	want(t, "one of unknown outcome", objstore.ErrUnknownOutcome)(rows.Update(t.Context(), "", set("a")))
	<-changed
}

// TestEnded: who keeps a transaction beyond its end is found out.
func TestEnded(t *testing.T) {
	t.Parallel()
	rows := open(t, newStub(), txn.Options{})
	var r objstore.Reader
	var w objstore.Writer
	want(t, "view", nil)(rows.View(t.Context(), func(tx objstore.Reader) error { r = tx; return nil }))
	want(t, "update", nil)(rows.Update(t.Context(), "", func(tx objstore.Writer) error { w = tx; return nil }))
	for what, use := range map[string]func(){
		"Get":            func() { r.Get([]byte("a")) },
		"GetMany":        func() { r.GetMany(nil) },
		"Page":           func() { r.Page(objstore.Range{}, 0) },
		"Get of Writer":  func() { w.Get([]byte("a")) },
		"Page of Writer": func() { w.Page(objstore.Range{}, 1) },
		"Set":            func() { w.Set([]byte("a"), nil) },
		"Delete":         func() { w.Delete([]byte("a")) },
	} {
		func() {
			defer func() {
				if v := recover(); !strings.Contains(fmt.Sprint(v), "after its transaction") {
					t.Errorf("%s: %v", what, v)
				}
			}()
			use()
		}()
	}
}

// TestFlush: a commit that is asked for comes, though nobody waits.
func TestFlush(t *testing.T) {
	t.Parallel()
	s := newStub()
	committed := make(chan bool, 1)
	s.commit = func() (bool, error) { committed <- true; return true, nil }
	rows := open(t, s, txn.Options{})
	rows.Flush()
	<-committed
	rows.Close()
	rows.Flush()
	if len(s.batches) != 1 {
		t.Errorf("batches: %+v", s.batches)
	}
}

// TestClose: Updates that wait are finished; later ones are refused.
func TestClose(t *testing.T) {
	t.Parallel()
	g := gather(t)
	g.add(t.Context(), set("a"), want(t, "who waits", nil))
	closed := make(chan bool, 2)
	for range 2 {
		go func() { closed <- g.Close() }()
	}
	for g.View(t.Context(), func(objstore.Reader) error { return nil }) == nil {
		runtime.Gosched()
	}
	want(t, "who comes late", objstore.ErrClosed)(g.Update(t.Context(), "", set("b")))
	if len(closed) > 0 {
		t.Error("closed under an Update")
	}
	g.release()
	if first, second := <-closed, <-closed; first == second || g.Close() {
		t.Error("not closed once")
	}
	if got := g.stored(); got != "a" {
		t.Errorf("stored: %s", got)
	}
}

// TestUpdateEndsWithItsContext: what a transaction reads fails once nobody waits for it, and
// it leaves nothing.
func TestUpdateEndsWithItsContext(t *testing.T) {
	t.Parallel()
	rows := open(t, newStub(), txn.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	reads := 0
	err := rows.Update(ctx, "", func(tx objstore.Writer) error {
		if err := tx.Set([]byte("a"), nil); err != nil {
			return err
		}
		for ; reads < 1000; reads++ {
			if _, err := tx.Page(objstore.Prefix([]byte("b")), 1); err != nil {
				return err
			}
			cancel()
		}
		return nil
	})
	if !errors.Is(err, context.Canceled) || reads != 1 {
		t.Errorf("%v after %d reads", err, reads)
	}
	err = rows.View(t.Context(), func(tx objstore.Reader) error {
		_, err := tx.Get([]byte("a"))
		return err
	})
	if !errors.Is(err, objstore.ErrNotFound) {
		t.Errorf("what it wrote: %v", err)
	}
}

// TestUpdateReadsLittle: a transaction that others wait for reads so much and no more,
// however it asks, and says before that it is full.
func TestUpdateReadsLittle(t *testing.T) {
	t.Parallel()
	rows := open(t, newStub(), txn.Options{})
	keys := make([][]byte, txn.MaxReadRows+1)
	for i := range keys {
		keys[i] = fmt.Append(nil, i)
	}
	for name, read := range map[string]func(objstore.Writer) error{
		"many": func(tx objstore.Writer) error {
			_, err := tx.GetMany(keys)
			return err
		},
		"one by one": func(tx objstore.Writer) error {
			for i, k := range keys {
				if _, err := tx.Get(k); err != nil && !errors.Is(err, objstore.ErrNotFound) {
					return err
				}
				if full := tx.Full(); full != (i >= txn.MaxReadRows/2) {
					return fmt.Errorf("full after %d: %t", i+1, full)
				}
			}
			return nil
		},
	} {
		if err := rows.Update(t.Context(), "", read); !errors.Is(err, objstore.ErrTooLarge) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := rows.View(t.Context(), func(tx objstore.Reader) error { _, err := tx.GetMany(keys); return err }); err != nil {
		t.Errorf("a view: %v", err)
	}
}
