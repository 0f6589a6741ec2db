package main

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// rootKey may do everything.
type rootKey struct {
	AccessKey string `json:"access_key"`
	SecretKey string `json:"secret_key"`
}

// rootKeyFile is what root-key.json says.
type rootKeyFile struct {
	rootKey
	Store string `json:"store,omitempty"` // the id of the store that it was made for; an earlier caret left it out
}

// errHalfKey is a root key in the environment of which a half is missing.
var errHalfKey = usagef("set both CARET_ROOT_ACCESS_KEY and CARET_ROOT_SECRET_KEY, or neither")

func rootKeyPath(dir string) string { return filepath.Join(dir, "root-key.json") }

func readRootKey(dir string) (rootKey, error) {
	k, err := readRootKeyFile(dir)
	return k.rootKey, err
}

func readRootKeyFile(dir string) (rootKeyFile, error) {
	var k rootKeyFile
	b, err := os.ReadFile(rootKeyPath(dir))
	if err != nil {
		return k, err
	}
	if err := json.Unmarshal(b, &k); err != nil || k.AccessKey == "" || k.SecretKey == "" {
		return k, fmt.Errorf("%s is damaged: restore it, or remove it to have a new key made", rootKeyPath(dir))
	}
	return k, nil
}

// findRootKey takes the key from the environment, or from the data
// directory of the store id, or makes one there. made says that it is new.
func findRootKey(p process, dir string, id storeID) (k rootKey, made bool, err error) {
	k = rootKey{p.getenv("CARET_ROOT_ACCESS_KEY"), p.getenv("CARET_ROOT_SECRET_KEY")}
	switch {
	case k.AccessKey != "" && k.SecretKey != "":
		return k, false, nil
	case k.AccessKey != "" || k.SecretKey != "":
		return k, false, errHalfKey
	}
	file, err := readRootKeyFile(dir)
	if err == nil && file.Store != "" && file.Store != id.String() {
		return k, false, &hinted{
			fmt.Errorf("%s is of another store, %s, and this is %s", rootKeyPath(dir), file.Store, id),
			"restore the one of this store, or remove it to have a new key made; to go on with the key that is in it, remove \"store\" from it",
		}
	}
	if !errors.Is(err, os.ErrNotExist) {
		return file.rootKey, false, err
	}
	k = newRootKey()
	if err := writeRootKey(dir, k, id); err != nil {
		return k, false, fmt.Errorf("make a root key, as there is none yet: %w", err)
	}
	return k, true, nil
}

func newRootKey() rootKey {
	var b [42]byte
	rand.Read(b[:]) // never fails, by its documentation
	return rootKey{
		AccessKey: "CARET" + base32.StdEncoding.EncodeToString(b[:10])[:15],
		SecretKey: base64.RawURLEncoding.EncodeToString(b[12:]),
	}
}

func writeRootKey(dir string, k rootKey, id storeID) error {
	b, err := json.MarshalIndent(rootKeyFile{k, id.String()}, "", "  ")
	if err != nil {
		return err
	}
	return writeSecret(rootKeyPath(dir), append(b, '\n'))
}
