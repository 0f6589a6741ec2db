package jobs

import (
	"context"
	"errors"

	"caret/commits"
	"caret/objstore"
	"caret/pfs/access"
	"caret/pfs/catalog"
	"caret/pfs/changeset"
	"caret/pfs/rows"
	"caret/pfs/upload"
)

// dropAll removes what was staged in open commits that are gone.
func (r *Runner) dropAll(ctx context.Context) error { return r.each(ctx, rows.Dropping, r.drop) }

// drop removes the rows of an open commit that is gone, and the uploads into it.
func (r *Runner) drop(ctx context.Context, key []byte) error {
	var id commits.ID
	if len(key) != 1+len(id) {
		return rows.BadKey(key)
	}
	copy(id[:], key[1:])
	if err := upload.DropAll(ctx, r.DB, upload.IntoOpen(id)); err != nil {
		return err
	}
	after := ""
	for done := false; !done; {
		next := after
		err := r.DB.Update(ctx, "", func(tx objstore.Writer) (err error) {
			if err := r.check(tx, key); err != nil {
				return err
			}
			w, err := readOwned(tx, key)
			if err != nil {
				return err
			}
			if next, err = dropFiles(tx, w.Home, id, after); err != nil || tx.Full() {
				return err
			}
			if next, done, err = commits.DropStaged(tx, id, next); err != nil || !done {
				return err
			}
			return tx.Delete(key)
		})
		if err != nil {
			return err
		}
		after = next
	}
	return nil
}

// dropLeftovers removes the parts that are left of uploads that are over.
func (r *Runner) dropLeftovers(ctx context.Context) error {
	return r.each(ctx, rows.Leftover, func(ctx context.Context, key []byte) error {
		for done := false; !done; {
			err := r.DB.Update(ctx, "", func(tx objstore.Writer) (err error) {
				if err = r.check(tx, key); err == nil {
					done, err = upload.DropLeftover(tx, string(key[1:]))
				}
				return err
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// dropFiles removes what is staged behind the path after, and the ACLs that it has
// on a branch, until the transaction is full, and returns the path to go on after.
func dropFiles(tx objstore.Writer, home commits.LineageID, id commits.ID, after string) (next string, err error) {
	err = commits.Staged(tx, id, after, func(ch commits.Change) (bool, error) {
		if tx.Full() {
			return false, nil
		}
		after = ch.Path
		return true, errors.Join(access.DropFileACL(tx, home, ch.Path, id), commits.Unstage(tx, id, ch.Path))
	})
	return after, err
}

// openRow is the row of an open commit with its key.
type openRow struct {
	key  []byte
	repo uint64
	id   commits.ID
	catalog.OpenRow
}

// openCommits reads the open commits of all repos that keep says.
func (r *Runner) openCommits(ctx context.Context, keep func(objstore.Reader, *openRow) (bool, error)) ([]openRow, error) {
	var list []openRow
	err := r.DB.View(ctx, func(tx objstore.Reader) error {
		list = nil
		return rows.Some(tx, []byte{rows.Open}, "", 0, func(rest string, value []byte) error {
			o := openRow{key: rows.Key(rows.Open, rest)}
			var err error
			if o.repo, o.id, err = catalog.SplitOpenKey(o.key); err != nil {
				return err
			}
			if err := rows.Decode(o.key, value, &o.OpenRow); err != nil {
				return err
			}
			ok, err := keep(tx, &o)
			if ok {
				list = append(list, o)
			}
			return err
		})
	})
	return list, err
}

// endOpen drops an open commit that still is what keep says.
func (r *Runner) endOpen(ctx context.Context, o *openRow, keep func(objstore.Reader, *openRow) (bool, error)) (ended bool, err error) {
	err = r.DB.Update(ctx, "", func(tx objstore.Writer) error {
		ended = false
		now := openRow{key: o.key, repo: o.repo, id: o.id}
		err := rows.Get(tx, o.key, &now.OpenRow)
		if errors.Is(err, objstore.ErrNotFound) {
			return nil // finished or aborted meanwhile
		}
		if err == nil {
			ended, err = keep(tx, &now)
		}
		if err != nil || !ended {
			return err
		}
		return changeset.Drop(tx, catalog.RepoRow{ID: o.repo}, o.id, &now.OpenRow)
	})
	return ended, err
}

// orphaned: it is part of a request that is over, or of a process that is gone.
func (r *Runner) orphaned(tx objstore.Reader, o *openRow) (bool, error) {
	if !o.Internal {
		return false, nil
	}
	busy, err := r.Lease.Busy(tx, o.Owner, o.Attempt, r.Now())
	return err == nil && !busy, err
}

// dropOrphans ends open commits that were part of requests that are over.
func (r *Runner) dropOrphans(ctx context.Context) error {
	list, err := r.openCommits(ctx, r.orphaned)
	for i := range list {
		if err == nil {
			_, err = r.endOpen(ctx, &list[i], r.orphaned)
		}
	}
	return err
}
