package commits_test

import (
	"fmt"
	"testing"

	"caret/commits"
	"caret/objstore"
	"caret/objstore/memory"
)

// BenchmarkLookup looks a path of the first lineage up, there and on a branch that
// was forked from one that was forked ..., with ten commits on each.
func BenchmarkLookup(b *testing.B) {
	rows := memory.New().Rows()
	const depth, commitsEach = 101, 10
	n := uint64(0)
	for lineage := commits.LineageID(1); lineage <= depth; lineage++ {
		err := rows.Update(b.Context(), "", func(tx objstore.Writer) error {
			err := commits.CreateLineage(tx, lineage, 1, commits.Pos{Lineage: lineage - 1, N: n})
			for i := uint64(1); i <= commitsEach && err == nil; i++ {
				ch := commits.Change{Path: fmt.Sprintf("%d/%d", lineage, i)}
				_, err = commits.Append(tx, lineage, []commits.Change{ch}, commits.Meta{ID: idOf(uint32(n + i))})
			}
			return err
		})
		if err != nil {
			b.Fatal(err)
		}
		n += commitsEach
	}
	forks := commits.NewForkCache()
	for name, p := range map[string]commits.Pos{"flat": {Lineage: 1, N: commitsEach}, "deep": {Lineage: depth, N: n}} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				err := rows.View(b.Context(), func(tx objstore.Reader) error {
					v, err := forks.View(tx, p, commits.ID{})
					if err == nil {
						_, err = v.Lookup("1/5")
					}
					return err
				})
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
