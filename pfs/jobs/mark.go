package jobs

import (
	"context"
	"errors"

	"caret/commits"
	"caret/objstore"
	"caret/pfs/rows"
)

// CheckMarks asks for the marks of paths to be added that an earlier caret may have
// left out, see commits.Marking, unless that was done: then a row says so. Until it is
// done lists of versions are read in a way that needs no marks, which takes longer.
func CheckMarks(ctx context.Context, db objstore.Rows) error {
	return ask(ctx, db, rows.Key(rows.Marked, ""), commits.MarkingKey(), commits.Empty)
}

// ask asks, by a row asked, for what has to be done once in a store, unless a row says that
// it was, or is asked for already. Where there is nothing to do it counts as done.
func ask(ctx context.Context, db objstore.Rows, done, asked []byte, nothing func(objstore.Reader) (bool, error)) error {
	decided := func(tx objstore.Reader) (bool, error) {
		found, err := tx.GetMany([][]byte{done, asked})
		return err == nil && (found[0] != nil || found[1] != nil), err
	}
	known := false
	err := db.View(ctx, func(tx objstore.Reader) (err error) {
		known, err = decided(tx)
		return err
	})
	if err != nil || known {
		return err
	}
	return db.Update(ctx, "", func(tx objstore.Writer) error {
		if known, err := decided(tx); err != nil || known {
			return err
		}
		row := asked
		if none, err := nothing(tx); err != nil {
			return err
		} else if none {
			row = done
		}
		return tx.Set(row, nil)
	})
}

// markAll adds the marks, if that is asked for.
func (r *Runner) markAll(ctx context.Context) error {
	if err := CheckMarks(ctx, r.DB); err != nil {
		return err
	}
	return r.each(ctx, commits.MarkingKey()[0], r.mark)
}

func (r *Runner) mark(ctx context.Context, key []byte) error {
	for at := (commits.Marking{}); !at.Done; {
		var found []commits.Unmarked
		next := at
		err := r.DB.View(ctx, func(tx objstore.Reader) (err error) {
			found, next, err = at.Unmarked(tx)
			return err
		})
		if err != nil {
			return err
		}
		for len(found) > 0 {
			rest := found
			err := r.DB.Update(ctx, "", func(tx objstore.Writer) (err error) {
				if err := r.check(tx, key); err != nil {
					return err
				}
				for rest = found; len(rest) > 0 && !tx.Full(); rest = rest[1:] {
					if err := rest[0].Mark(tx); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				return err
			}
			found = rest
		}
		at = next
	}
	return r.DB.Update(ctx, "", func(tx objstore.Writer) error {
		if err := r.check(tx, key); err != nil {
			return err
		}
		return errors.Join(tx.Delete(key), tx.Set(rows.Key(rows.Marked, ""), nil))
	})
}
