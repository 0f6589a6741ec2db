package main

import (
	"path/filepath"
	"testing"
)

// TestAttacks lets every attack take place, with less effort.
func TestAttacks(t *testing.T) {
	if testing.Short() {
		t.Skip("long")
	}
	bin, err := build(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range attacks {
		t.Run(a.name, func(t *testing.T) {
			t.Parallel()
			s := &stage{ctx: t.Context(), bin: bin, dir: filepath.Join(t.TempDir(), "stage"), small: true, out: t.Output(), log: t.Output()}
			if err := s.suffer(a); err != nil {
				t.Error(err)
			}
		})
	}
}
