package pfs

import (
	"context"
	"crypto/cipher"

	"caret/objstore"
	"caret/pfs/access"
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

// RemoveKeys removes users' keys from a store that is not open as a System.
func RemoveKeys(ctx context.Context, store objstore.Store, names []string) error {
	for len(names) > 0 {
		left := names
		err := store.Rows().Update(ctx, "", func(tx objstore.Writer) (err error) {
			left, err = access.DeleteKeys(tx, names)
			return err
		})
		if err != nil {
			return err
		}
		names = left
	}
	return nil
}
