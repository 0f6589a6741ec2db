package main

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"

	"caret/objstore"
	"caret/pfs"
)

// masterKeyPath is where the key is kept that the secrets of users' keys are encrypted
// with in the store.
func masterKeyPath(dir string) string { return filepath.Join(dir, "master-key") }

// masterKeySize is that of a key of AES-256. The id of the store that it was made for
// stands behind it in its file, but for those of an earlier caret.
const masterKeySize = 32

// storeID is what the parts of a data directory know their store by.
type storeID [8]byte

func (id storeID) String() string { return hex.EncodeToString(id[:]) }

// errNoMasterKey: the file is missing, or not one that can be the key.
var errNoMasterKey = errors.New("no master key")

func readMasterKey(path string, id storeID) (cipher.AEAD, error) {
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %w", errNoMasterKey, err)
	}
	if err != nil {
		return nil, err
	}
	switch len(raw) {
	case masterKeySize:
	case masterKeySize + len(id):
		if made := storeID(raw[masterKeySize:]); made != id {
			return nil, fmt.Errorf("%w: %s is of another store, %s, and this is %s", errNoMasterKey, path, made, id)
		}
	default:
		return nil, fmt.Errorf("%w: %s is damaged, it has %d bytes and not %d", errNoMasterKey, path, len(raw), masterKeySize+len(id))
	}
	return newSealer(raw[:masterKeySize])
}

func newSealer(raw []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(raw)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

func makeMasterKey(path string, id storeID) (cipher.AEAD, error) {
	raw := make([]byte, masterKeySize)
	rand.Read(raw) // never fails, by its documentation
	if err := writeSecret(path, append(slices.Clone(raw), id[:]...)); err != nil {
		return nil, err
	}
	return newSealer(raw)
}

// findMasterKey reads the master key, or makes one if no user has a key that another
// one would be needed for. If it opens none of the secrets there are that is an error:
// no user could sign a request, and what was wrong would be seen too late to restore it.
// With renew those keys are removed instead, and a master key made.
func findMasterKey(ctx context.Context, dir string, id storeID, store objstore.Store, renew bool, log *slog.Logger) (cipher.AEAD, error) {
	path := masterKeyPath(dir)
	sealer, err := readMasterKey(path, id)
	if err != nil && !errors.Is(err, errNoMasterKey) {
		return nil, err
	}
	opens, shut, checkErr := pfs.CheckSealed(ctx, store, sealer)
	if checkErr != nil {
		return nil, checkErr
	}
	switch fine := sealer != nil && (opens > 0 || len(shut) == 0); {
	case fine && renew:
		return nil, usagef("--new-master-key removes users' keys that cannot be read, and %s is as it was when they were made: start without it", path)
	case fine:
		for _, key := range shut {
			log.Warn("the secret of a user's key cannot be opened: whoever has it cannot sign requests", "key", key, "with", path)
		}
		return sealer, nil
	case !renew && len(shut) == 0 && !errors.Is(err, fs.ErrNotExist):
		return nil, &hinted{err, "remove it to have another one made: no user has a key yet"}
	case !renew && len(shut) > 0:
		if err == nil {
			err = fmt.Errorf("%s is not the one that the users' keys were made with, or is damaged", path)
		}
		return nil, &hinted{
			fmt.Errorf("the secrets of %d users' keys cannot be opened: %w", len(shut), err),
			"restore " + path + " from a backup; without one, start once with --new-master-key, which removes these keys, and make others with `caret key create`",
		}
	}
	// The keys go first: if this is cut short the next start makes the master key.
	if err := pfs.RemoveKeys(ctx, store, shut, time.Now()); err != nil {
		return nil, err
	}
	if len(shut) > 0 {
		log.Warn("removed the users' keys that cannot be opened", "keys", len(shut))
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return makeMasterKey(path, id)
}
