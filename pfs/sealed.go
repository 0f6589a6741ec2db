package pfs

import (
	"context"
	"crypto/cipher"
	"strings"
	"time"

	"caret/objstore"
	"caret/pfs/access"
	"caret/pfs/audit"
)

// CheckSealed counts the users' keys in a store whose secrets sealer opens, and lists
// the access keys of the others, before the store is opened as a System. Without a sealer,
// nil, none can be opened.
func CheckSealed(ctx context.Context, store objstore.Store, sealer cipher.AEAD) (opens int, shut []string, err error) {
	err = store.Rows().View(ctx, func(tx objstore.Reader) (err error) {
		if sealer == nil {
			keys, err := access.Names(tx)
			shut = keys
			return err
		}
		opens, shut, err = access.Sealer{AEAD: sealer}.Check(tx)
		return err
	})
	return opens, shut, err
}

// RemoveKeys removes users' keys from a store that is not open as a System. It is the
// server itself that does so, now, as the trail of changes says.
func RemoveKeys(ctx context.Context, store objstore.Store, names []string, now time.Time) error {
	for len(names) > 0 {
		left := names
		err := store.Rows().Update(ctx, "", func(tx objstore.Writer) (err error) {
			if left, err = access.DeleteKeys(tx, names); err != nil {
				return err
			}
			gone := names[:len(names)-len(left)]
			return audit.Write(tx, now, AuditLine{
				Action: "deleteKey", Name: gone[0], More: len(gone) - 1, Before: "secrets that cannot be opened, of keys " + strings.Join(gone, " "),
			})
		})
		if err != nil {
			return err
		}
		names = left
	}
	return nil
}
