package upload

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"caret/commits"
	"caret/objstore"
	"caret/pfs/rows"
)

// Completed remembers a completed upload.
type Completed struct {
	Commit  commits.ID        `json:"commit"`
	Open    bool              `json:"open,omitempty"` // staged in that open commit
	Path    string            `json:"path"`
	Lineage commits.LineageID `json:"line"` // the branch's home
	At      time.Time         `json:"at,omitzero"`
}

func completedKey(upload string) []byte { return rows.Key(rows.Completed, upload) }

// Complete ends an upload and remembers what has come of it.
func Complete(tx objstore.Writer, scope Scope, u Upload, done Completed) error {
	return errors.Join(Drop(tx, scope, u.Path, u.ID), rows.Set(tx, completedKey(u.ID), done))
}

// ReadCompleted finds out about an upload that was completed. ErrNoSuchUpload.
func ReadCompleted(tx objstore.Reader, upload string) (Completed, error) {
	var done Completed
	err := rows.Get(tx, completedKey(shorten(upload)), &done)
	if errors.Is(err, objstore.ErrNotFound) {
		err = fmt.Errorf("%w: %q", ErrNoSuchUpload, shorten(upload))
	}
	return done, err
}

// step is how many uploads are looked at in one transaction.
const step = 100

// each calls fn, outside of any transaction, for the uploads under prefix.
func each(ctx context.Context, db objstore.Rows, prefix []byte, fn func(key []byte, u Upload) error) error {
	for in := objstore.Prefix(prefix); ; {
		var page []objstore.Row
		err := db.View(ctx, func(tx objstore.Reader) (err error) {
			page, err = tx.Page(in, step)
			return err
		})
		if err != nil {
			return err
		}
		for _, row := range page {
			var u Upload
			if err := rows.Decode(row.Key, row.Value, &u); err != nil {
				return err
			}
			if err := fn(row.Key, u); err != nil {
				return err
			}
		}
		if len(page) < step {
			return nil
		}
		in = in.Behind(page[step-1].Key)
	}
}

// scopeOf is the scope in the key of an upload.
func scopeOf(key []byte, u Upload) (Scope, error) {
	behind := Scope(nil).key(u.Path, u.ID)
	if scope, ok := bytes.CutSuffix(key, behind); ok && len(scope) > 1 {
		return Scope(scope), nil
	}
	return nil, fmt.Errorf("%w: row %q is of upload %q for %q", objstore.ErrCorrupt, key, u.ID, u.Path)
}

// DropAll drops the uploads of a scope.
func DropAll(ctx context.Context, db objstore.Rows, scope Scope) error {
	return each(ctx, db, scope, func(_ []byte, u Upload) error {
		return db.Update(ctx, "", func(tx objstore.Writer) error { return Drop(tx, scope, u.Path, u.ID) })
	})
}

// DropAbandoned drops the uploads, to wherever, that were begun long ago, which is
// what old says of times, and have got no part since, but for those that are busy, and
// says how many there were.
func DropAbandoned(ctx context.Context, db objstore.Rows, old func(time.Time) bool, busy func(objstore.Reader, Upload) (bool, error)) (dropped int, err error) {
	err = each(ctx, db, []byte{rows.Upload}, func(key []byte, u Upload) error {
		if !old(u.Started) {
			return nil
		}
		var parts []objstore.Row
		err := db.View(ctx, func(tx objstore.Reader) (err error) {
			parts, err = tx.Page(objstore.Prefix(partsOf(u.ID)), MaxParts)
			return err
		})
		if fresh, lookErr := sentLately(parts, old); err != nil || lookErr != nil || fresh {
			return errors.Join(err, lookErr)
		}
		scope, err := scopeOf(key, u)
		if err != nil {
			return err
		}
		ended := false
		err = db.Update(ctx, "", func(tx objstore.Writer) error {
			ended = false
			var now Upload
			if err := rows.Get(tx, key, &now); errors.Is(err, objstore.ErrNotFound) {
				return nil // it is over
			} else if err != nil {
				return err
			}
			if keep, err := busy(tx, now); err != nil || keep {
				return err
			}
			same, err := tx.Page(objstore.Prefix(partsOf(u.ID)), MaxParts)
			if err != nil || !slices.EqualFunc(parts, same, equalRows) {
				return err
			}
			ended = true
			return Drop(tx, scope, u.Path, u.ID)
		})
		if ended {
			dropped++
		}
		return err
	})
	return dropped, err
}

// sentLately says whether one of the parts came at a time that is not old.
func sentLately(parts []objstore.Row, old func(time.Time) bool) (fresh bool, err error) {
	for _, row := range parts {
		var p Part
		if err := decodePart(row.Key, row.Value, &p); err != nil || !old(p.Modified) {
			return true, err
		}
	}
	return false, nil
}

func equalRows(a, b objstore.Row) bool {
	return bytes.Equal(a.Key, b.Key) && bytes.Equal(a.Value, b.Value)
}

// ForgetCompleted removes the memory of uploads that were completed long ago, which is
// what old says of times. That of an older caret, which does not say when, is kept from
// now on.
func ForgetCompleted(ctx context.Context, db objstore.Rows, old func(time.Time) bool, now time.Time) error {
	for in := objstore.Prefix([]byte{rows.Completed}); ; {
		n, next := 0, in.Start
		err := db.Update(ctx, "", func(tx objstore.Writer) error {
			page, err := tx.Page(in, step)
			if err != nil {
				return err
			}
			n = len(page)
			for _, row := range page {
				var done Completed
				err := rows.Decode(row.Key, row.Value, &done)
				switch {
				case err != nil:
				case done.At.IsZero():
					done.At = now
					err = rows.Set(tx, row.Key, done)
				case old(done.At):
					err = tx.Delete(row.Key)
				}
				if err != nil {
					return err
				}
				next = append(row.Key, 0)
			}
			return nil
		})
		if err != nil || n < step {
			return err
		}
		in.Start = next
	}
}
