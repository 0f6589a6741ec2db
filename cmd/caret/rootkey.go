package main

import (
	"crypto/aes"
	"crypto/cipher"
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

// findMasterKey reads, or makes, the key that the secrets of users' keys are
// encrypted with in the store.
func findMasterKey(dir string) (cipher.AEAD, error) {
	path := filepath.Join(dir, "master-key")
	raw, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		raw = make([]byte, 32)
		rand.Read(raw) // never fails, by its documentation
		err = writeSecret(path, raw)
	}
	if err != nil {
		return nil, err
	}
	if len(raw) != 32 {
		return nil, fmt.Errorf("%s is damaged: restore it, or remove it and make new keys for all users", path)
	}
	block, err := aes.NewCipher(raw)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// writeSecret writes a file whole and durable, for the owner's eyes alone,
// and never over another.
func writeSecret(path string, b []byte) error {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, filepath.Base(path)+"-*") // has mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(b)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Link(f.Name(), path); err != nil {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
