package pfs

import (
	"context"

	"caret/objstore"
	"caret/pfs/rows"
)

// repoSequence and lineageSequence number repos and lineages.
const (
	repoSequence    = "repo"
	lineageSequence = "line"
)

// number is the next number of a sequence. In a store of format 1 that could not be
// brought up to date when it was opened, as it took no writes, that is done first:
// numbers would be given out twice.
func (s *System) number(ctx context.Context, sequence string) (uint64, error) {
	if err := s.upgrade(ctx); err != nil {
		return 0, err
	}
	return s.db.Number(ctx, sequence, 0)
}

// upgrade brings rows of format 1 up to date: numbers were counted in rows there.
func (s *System) upgrade(ctx context.Context) error {
	s.numbers.Lock()
	defer s.numbers.Unlock()
	if s.numbers.upgraded {
		return nil
	}
	old := make(map[string]uint64)
	err := s.db.View(ctx, func(tx objstore.Reader) error {
		clear(old)
		return rows.Some(tx, []byte{rows.OldCounter}, "", 0, func(name string, value []byte) error {
			var n uint64
			err := rows.Decode(rows.Key(rows.OldCounter, name), value, &n)
			old[name] = n
			return err
		})
	})
	if err == nil && len(old) > 0 {
		err = s.dropCounters(ctx, old)
	}
	s.numbers.upgraded = err == nil
	return err
}

// dropCounters goes on from counters in rows, and removes these.
func (s *System) dropCounters(ctx context.Context, old map[string]uint64) error {
	for name, n := range old {
		if _, err := s.db.Number(ctx, name, n); err != nil {
			return err
		}
	}
	return s.db.Update(ctx, "", func(tx objstore.Writer) error {
		for name := range old {
			if err := tx.Delete(rows.Key(rows.OldCounter, name)); err != nil {
				return err
			}
		}
		return nil
	})
}
