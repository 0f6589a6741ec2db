package pfs

import (
	"context"
	"encoding/binary"
	"errors"

	"caret/commits"
	"caret/objstore"
)

// Rows that remember work to be done after a restart.
func foldingKey(line commits.LineageID) []byte {
	return binary.BigEndian.AppendUint64([]byte{keyFolding}, uint64(line))
}

func droppingKey(id commits.ID) []byte { return append([]byte{keyDropping}, id[:]...) }

// resume takes up what an earlier process left: layers to fold in, aborted
// commits to drop, and commits it was about to finish, which are open again.
func (fs *FS) resume(ctx context.Context) error {
	var dropping []commits.ID
	var folding []commits.LineageID
	reopen := map[string]openRow{}
	err := fs.rows.View(ctx, func(tx objstore.Reader) error {
		return errors.Join(
			scanNames(tx, []byte{keyDropping}, "", 0, func(raw string, _ []byte) error {
				var id commits.ID
				copy(id[:], raw)
				dropping = append(dropping, id)
				return nil
			}),
			scanNames(tx, []byte{keyFolding}, "", 0, func(raw string, _ []byte) error {
				folding = append(folding, commits.LineageID(binary.BigEndian.Uint64([]byte(raw))))
				return nil
			}),
			scanNames(tx, []byte{keyOpen}, "", 0, func(raw string, value []byte) error {
				var row openRow
				err := decodeJSON([]byte(raw), value, &row)
				if err == nil && (row.Finishing || row.Internal) {
					reopen[raw] = row
				}
				return err
			}),
		)
	})
	if err != nil {
		return err
	}
	for raw, row := range reopen {
		row.Finishing = false
		var id commits.ID
		copy(id[:], raw[8:])
		if row.Internal {
			dropping = append(dropping, id)
		}
		err := fs.rows.Update(ctx, "", func(tx objstore.Writer) error {
			key := append([]byte{keyOpen}, raw...)
			if row.Internal {
				return errors.Join(tx.Set(droppingKey(id), nil), tx.Delete(key))
			}
			return setJSON(tx, key, row)
		})
		if err != nil {
			return err
		}
	}
	for _, id := range dropping {
		if err := fs.dropStaged(ctx, id); err != nil {
			return err
		}
	}
	for _, line := range folding {
		fs.foldSoon(line)
	}
	return nil
}

// foldSoon asks for the line's layers to be folded in. If too many wait it
// is left to the next start.
func (fs *FS) foldSoon(line commits.LineageID) {
	select {
	case fs.folds <- line:
	default:
		fs.log.Warn("layers are folded in after the next start", "line", line)
	}
}

// Folding says whether there are commits of many files that have yet to be
// folded into their branches. Readers see no difference.
func (fs *FS) Folding(ctx context.Context) (bool, error) {
	waiting := false
	err := fs.rows.View(ctx, func(tx objstore.Reader) error {
		return scanNames(tx, []byte{keyFolding}, "", 1, func(string, []byte) error {
			waiting = true
			return nil
		})
	})
	return waiting, err
}

func (fs *FS) foldLoop() {
	defer fs.wg.Done()
	for {
		select {
		case <-fs.stopped.Done():
			return
		case line := <-fs.folds:
			if err := fs.fold(fs.stopped, line); err != nil && fs.stopped.Err() == nil {
				fs.log.Error("fold layers in", "line", line, "err", err)
			}
		}
	}
}

// fold folds the layers of a line in until there are none, in transactions
// small enough that writers sharing their syncs do not notice.
func (fs *FS) fold(ctx context.Context, line commits.LineageID) error {
	var mark commits.FoldMark
	for done := false; !done; {
		var next commits.FoldMark
		err := fs.rows.Update(ctx, "", func(tx objstore.Writer) (err error) {
			// This may run again, so it begins at mark each time.
			if next, done, err = commits.Fold(tx, line, mark, fs.foldPage); err != nil || !done {
				return err
			}
			return tx.Delete(foldingKey(line))
		})
		if err != nil {
			return err
		}
		mark = next
	}
	return nil
}
