package pfs

import (
	"errors"
	"fmt"

	"caret/objstore"
	"caret/pfs/access"
	"caret/pfs/catalog"
	"caret/pfs/rows"
)

// lists checks that the lists of who sees which branch are what they must be.
func (k *check) lists() error {
	whole := false
	err := k.view(func(v *View) error {
		_, err := v.tx.Get(rows.Key(rows.Listed, ""))
		whole = err == nil
		if errors.Is(err, objstore.ErrNotFound) {
			return nil // they are still being made
		}
		return err
	})
	if err != nil || !whole {
		return err
	}
	err = k.eachRow([]byte{rows.InList}, noRepo, func(v *View, row objstore.Row) error {
		if _, err := access.ParseListRow(row); err != nil {
			return err
		}
		ok, err := access.Belongs(v.tx, row)
		if errors.Is(err, objstore.ErrCorrupt) {
			return nil // what it lists cannot be read, which was told
		}
		if err == nil && !ok {
			err = fmt.Errorf("%w: row %q lists a branch for somebody who does not see it", objstore.ErrCorrupt, row.Key)
		}
		return err
	})
	if err != nil {
		return err
	}
	return k.eachRow([]byte{rows.Repo}, noRepo, func(v *View, row objstore.Row) error {
		var r catalog.RepoRow
		if rows.Decode(row.Key, row.Value, &r) != nil {
			return nil // which was told
		}
		return k.listed(v, r)
	})
}

// listed checks that all branches of a repo are in the lists that they belong in.
func (k *check) listed(v *View, r catalog.RepoRow) error {
	branches, err := catalog.Branches(v.tx, r, "", 0)
	for _, b := range branches {
		var must []objstore.Row
		if err == nil {
			must, err = access.ListRows(v.tx, r, b)
		}
		if errors.Is(err, objstore.ErrCorrupt) {
			return nil // which was told
		}
		for _, row := range must {
			if _, err := v.tx.Get(row.Key); errors.Is(err, objstore.ErrNotFound) {
				return fmt.Errorf("%w: row %q, which lists branch %s of repo %s, is missing", objstore.ErrCorrupt, row.Key, b.Name, r.Name)
			} else if err != nil {
				return err
			}
		}
	}
	if errors.Is(err, objstore.ErrCorrupt) {
		return nil
	}
	return err
}
