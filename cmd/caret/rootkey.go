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

func rootKeyPath(dir string) string { return filepath.Join(dir, "root-key.json") }

func readRootKey(dir string) (rootKey, error) {
	var k rootKey
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
// directory, or makes one there. made says that it is new.
func findRootKey(p process, dir string) (k rootKey, made bool, err error) {
	k = rootKey{p.getenv("CARET_ROOT_ACCESS_KEY"), p.getenv("CARET_ROOT_SECRET_KEY")}
	switch {
	case k.AccessKey != "" && k.SecretKey != "":
		return k, false, nil
	case k.AccessKey != "" || k.SecretKey != "":
		return k, false, usagef("set both CARET_ROOT_ACCESS_KEY and CARET_ROOT_SECRET_KEY, or neither")
	}
	k, err = readRootKey(dir)
	if !errors.Is(err, os.ErrNotExist) {
		return k, false, err
	}
	k = newRootKey()
	if err := writeRootKey(dir, k); err != nil {
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

func writeRootKey(dir string, k rootKey) error {
	b, err := json.MarshalIndent(k, "", "  ")
	if err != nil {
		return err
	}
	return writeSecret(rootKeyPath(dir), append(b, '\n'))
}
