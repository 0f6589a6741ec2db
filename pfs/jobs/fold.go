package jobs

import (
	"context"

	"caret/commits"
	"caret/objstore"
	"caret/pfs/rows"
)

// foldAll folds all layers into their lineages.
func (r *Runner) foldAll(ctx context.Context) error { return r.each(ctx, rows.Folding, r.fold) }

// fold folds the layers of a lineage in until there are none. Readers see no
// difference.
func (r *Runner) fold(ctx context.Context, key []byte) error {
	n, err := rows.Number(key, key[1:])
	if err != nil {
		return err
	}
	lineage := commits.LineageID(n)
	var from commits.FoldMark
	for done := false; !done; {
		if from == (commits.FoldMark{}) { // at the beginning of a layer
			err := r.DB.View(ctx, func(tx objstore.Reader) error { return commits.CheckLayer(tx, lineage) })
			if err != nil {
				return err
			}
		}
		next := from
		err := r.DB.Update(ctx, "", func(tx objstore.Writer) (err error) {
			// This may run again, so it begins at from each time.
			if err := r.check(tx, key); err != nil {
				return err
			}
			if next, done, err = commits.Fold(tx, lineage, from, r.FoldPage); err == nil && done {
				err = tx.Delete(key)
			}
			return err
		})
		if err != nil {
			return err
		}
		from = next
	}
	return nil
}

// Folding says whether there are commits of many files that have yet to be
// folded into their branches.
func Folding(tx objstore.Reader) (bool, error) {
	page, err := tx.Page(objstore.Prefix([]byte{rows.Folding}), 1)
	return len(page) > 0, err
}
