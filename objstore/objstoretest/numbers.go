package objstoretest

import (
	"context"
	"slices"
	"sync"
	"testing"

	"caret/objstore"
)

func number(t testing.TB, s objstore.Store, sequence string, floor uint64) uint64 {
	t.Helper()
	n, err := s.Rows().Number(context.Background(), sequence, floor)
	if err != nil || n <= floor {
		t.Errorf("number of %s above %d: %d, %v", sequence, floor, n, err)
	}
	return n
}

// testNumbers: many ask at once, and each number is given to one of them.
func testNumbers(t *testing.T, s objstore.Store, _ Reopen) {
	const askers, rounds = 8, 500
	sequences := []string{"a", "b", "", "a/b", "\xff\x00"}
	given := make([]map[string][]uint64, askers)
	var wg sync.WaitGroup
	for i := range askers {
		given[i] = map[string][]uint64{}
		wg.Go(func() {
			for r := range rounds {
				name := sequences[(i+r)%len(sequences)]
				n := number(t, s, name, 0)
				if had := given[i][name]; len(had) > 0 && n <= had[len(had)-1] {
					t.Errorf("%d of %q follows %d", n, name, had[len(had)-1])
				}
				given[i][name] = append(given[i][name], n)
			}
		})
	}
	wg.Wait()
	for _, name := range sequences {
		var all []uint64
		for i := range askers {
			all = append(all, given[i][name]...)
		}
		slices.Sort(all)
		if n := len(slices.Compact(slices.Clone(all))); n != len(all) {
			t.Errorf("of %d numbers of %q %d were given twice", len(all), name, len(all)-n)
		}
	}
	view(t, s, func(tx objstore.Reader) {
		if got := dump(tx, objstore.Range{}); got != "" {
			t.Errorf("rows: %q", got)
		}
	})
}

// testFloors: a number is above its floor and all before, whatever the floors
// were.
func testFloors(t *testing.T, s objstore.Store, _ Reopen) {
	last := uint64(0)
	for _, floor := range []uint64{0, 0, 5, 1, 60, 64, 63, 1000, 1001, 0, 1 << 40, 1<<40 + 10, 7} {
		n := number(t, s, "n", floor)
		if n <= last {
			t.Errorf("%d, above %d, follows %d", n, floor, last)
		}
		last = n
	}
	if n := number(t, s, "other", 0); n > 1<<20 {
		t.Errorf("the floor of one sequence lifted another to %d", n)
	}
}

// testNumbersOnce: no number comes again after the store was opened again.
func testNumbersOnce(t *testing.T, s objstore.Store, reopen Reopen) {
	if reopen == nil {
		t.Skip("the store keeps nothing")
	}
	last := uint64(0)
	for round := range 6 {
		for i := range 1 + round*100 {
			n := number(t, s, "n", uint64(i))
			if n <= last {
				t.Fatalf("round %d: %d follows %d", round, n, last)
			}
			last = n
		}
		s = reopen(s)
	}
}
