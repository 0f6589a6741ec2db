package jobs

import (
	"context"
	"errors"

	"caret/objstore"
	"caret/pfs/access"
	"caret/pfs/catalog"
	"caret/pfs/rows"
)

// CheckLists asks for the lists of who sees which branch to be made, see access.Enlist,
// unless that was done: then a row says so. Until it is done all branches are looked at
// instead, which takes longer.
func CheckLists(ctx context.Context, db objstore.Rows) error {
	return ask(ctx, db, rows.Key(rows.Listed, ""), rows.Key(rows.Listing, ""), func(tx objstore.Reader) (bool, error) {
		some, err := tx.Page(objstore.Prefix([]byte{rows.Repo}), 1)
		return len(some) == 0, err
	})
}

// listAll makes the lists, if that is asked for.
func (r *Runner) listAll(ctx context.Context) error {
	if err := CheckLists(ctx, r.DB); err != nil {
		return err
	}
	return r.each(ctx, rows.Listing, r.list)
}

// list makes lists what they must be. What changes meanwhile is right already.
func (r *Runner) list(ctx context.Context, key []byte) error {
	if err := r.delistStale(ctx, key); err != nil {
		return err
	}
	if err := r.enlistAll(ctx, key); err != nil {
		return err
	}
	return r.DB.Update(ctx, "", func(tx objstore.Writer) error {
		if err := r.check(tx, key); err != nil {
			return err
		}
		return errors.Join(tx.Delete(key), tx.Set(rows.Key(rows.Listed, ""), nil))
	})
}

// listPage is how many rows, or branches, one transaction looks at.
const listPage = 200

// delistStale removes rows of lists that do not belong there.
func (r *Runner) delistStale(ctx context.Context, key []byte) error {
	in := objstore.Prefix([]byte{rows.InList})
	for more := true; more; {
		next := in
		err := r.DB.Update(ctx, "", func(tx objstore.Writer) error {
			next = in
			if err := r.check(tx, key); err != nil {
				return err
			}
			page, err := tx.Page(in, listPage)
			if err != nil {
				return err
			}
			for _, row := range page {
				ok, err := access.Belongs(tx, row)
				if err != nil && !errors.Is(err, objstore.ErrCorrupt) {
					return err
				}
				if !ok {
					if err := tx.Delete(row.Key); err != nil {
						return err
					}
				}
				next = in.Behind(row.Key)
			}
			more = len(page) == listPage
			return nil
		})
		if err != nil {
			return err
		}
		in = next
	}
	return nil
}

// enlistAll puts all branches into the lists that they belong in.
func (r *Runner) enlistAll(ctx context.Context, key []byte) error {
	for repo := ""; ; {
		var next catalog.RepoRow
		err := r.DB.View(ctx, func(tx objstore.Reader) error {
			return catalog.EachRepo(tx, repo, func(row catalog.RepoRow) (bool, error) {
				next = row
				return false, nil
			})
		})
		if err != nil || next.ID == 0 {
			return err
		}
		repo = next.Name
		if err := r.enlist(ctx, key, repo); err != nil {
			return err
		}
	}
}

// enlist is enlistAll for a repo.
func (r *Runner) enlist(ctx context.Context, key []byte, name string) error {
	after := ""
	for more := true; more; {
		last := after
		err := r.DB.Update(ctx, "", func(tx objstore.Writer) error {
			last = after
			if err := r.check(tx, key); err != nil {
				return err
			}
			repo, err := catalog.ReadRepo(tx, name)
			if errors.Is(err, catalog.ErrNoSuchRepo) {
				more = false // it is gone
				return nil
			}
			if err != nil {
				return err
			}
			list, err := catalog.Branches(tx, repo, after, listPage)
			more = len(list) == listPage
			for _, b := range list {
				if err == nil && !tx.Full() {
					err, last = access.Enlist(tx, repo, b), b.Name
				} else {
					more = true
				}
			}
			return err
		})
		if err != nil {
			return err
		}
		after = last
	}
	return nil
}
