package objstoretest

import (
	"context"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"caret/objstore"
)

// Reopen closes the store and opens it again; nil for stores that keep
// nothing.
type Reopen func(objstore.Store) objstore.Store

// Run runs the suite on stores that open makes, each empty.
func Run(t *testing.T, open func(testing.TB) (objstore.Store, Reopen)) {
	for name, test := range map[string]func(*testing.T, objstore.Store, Reopen){
		"Rows": testRows, "GetMany": testGetMany, "Kept": testKept, "Isolation": testIsolation, "Atomicity": testAtomicity, "Panic": testPanic,
		"Page": testPage, "Scan": testScan, "LongKeys": testLongKeys, "Limits": testLimits,
		"Counters": testCounters, "Refusals": testRefusals, "Cancel": testCancel, "Changed": testChanged, "Watchers": testWatchers,
		"Numbers": testNumbers, "Floors": testFloors, "NumbersOnce": testNumbersOnce,
		"Blobs": testBlobs, "SameBlob": testSameBlob, "Durable": testDurable, "Sound": testSound, "Closed": testClosed, "Closing": testClosing,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, reopen := open(t)
			test(t, s, reopen)
		})
	}
	t.Run("Model", func(t *testing.T) {
		t.Parallel()
		m := &model{}
		m.s, m.reopen = open(t)
		rapid.Check(t, func(rt *rapid.T) {
			m.clear(rt)
			rt.Repeat(rapid.StateMachineActions(m))
		})
	})
}

func set(t testing.TB, s objstore.Store, pairs ...string) {
	t.Helper()
	err := s.Rows().Update(context.Background(), "", func(tx objstore.Writer) error {
		for i := 0; i < len(pairs); i += 2 {
			if err := tx.Set([]byte(pairs[i]), []byte(pairs[i+1])); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// dump walks a range and joins what it finds, "k=v k=v".
func dump(tx objstore.Reader, r objstore.Range) string {
	c := objstore.Scan(tx, r)
	var out []string
	for c.Next() {
		out = append(out, string(c.Key())+"="+string(c.Value()))
	}
	if err := c.Err(); err != nil {
		return err.Error()
	}
	return strings.Join(out, " ")
}

func view(t testing.TB, s objstore.Store, fn func(tx objstore.Reader)) {
	t.Helper()
	if err := s.Rows().View(context.Background(), func(tx objstore.Reader) error {
		fn(tx)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

// keys is the keys of rows, joined.
func keys(rows []objstore.Row, err error) string {
	var out []string
	for _, r := range rows {
		out = append(out, string(r.Key))
	}
	if err != nil {
		out = append(out, err.Error())
	}
	return strings.Join(out, " ")
}

// bytesOf is each of list as bytes.
func bytesOf(list ...string) [][]byte {
	var out [][]byte
	for _, s := range list {
		out = append(out, []byte(s))
	}
	return out
}
