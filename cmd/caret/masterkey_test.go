package main

import (
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"caret/objstore/local"
	"caret/pfs"
)

// keyed is a data directory in which users have keys.
type keyed struct {
	*testing.T
	dir   string
	store *local.Store
}

func newKeyed(t *testing.T) *keyed {
	t.Helper()
	k := &keyed{T: t, dir: t.TempDir()}
	var err error
	if k.store, err = local.Open(k.dir, local.Options{Reserve: -1}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { k.store.Close() })
	return k
}

// start is what serve does with the master key.
func (k *keyed) start(renew bool) (*pfs.System, error) {
	k.Helper()
	sealer, err := findMasterKey(k.Context(), k.dir, k.store.ID(), k.store, renew, slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, err
	}
	system, err := pfs.Open(k.Context(), k.store, pfs.Options{Sealer: sealer, SealerName: masterKeyPath(k.dir), Exclusive: true})
	if err != nil {
		k.Fatal(err)
	}
	k.Cleanup(func() { system.Close() })
	return system, nil
}

func (k *keyed) must(renew bool) *pfs.System {
	k.Helper()
	system, err := k.start(renew)
	if err != nil {
		k.Fatal(err)
	}
	return system
}

// key makes a key of a user.
func (k *keyed) key(system *pfs.System, user string) pfs.Key {
	k.Helper()
	fs := system.As(pfs.Root)
	if _, err := fs.CreateUser(k.Context(), pfs.User{Name: user}); err != nil {
		k.Fatal(err)
	}
	key, err := fs.CreateKey(k.Context(), pfs.Key{User: user})
	if err != nil {
		k.Fatal(err)
	}
	return key
}

// flip changes a bit of the master key.
func (k *keyed) flip() {
	k.Helper()
	raw, err := os.ReadFile(masterKeyPath(k.dir))
	if err != nil {
		k.Fatal(err)
	}
	raw[7] ^= 4
	k.write(raw)
}

func (k *keyed) write(raw []byte) {
	k.Helper()
	if err := os.WriteFile(masterKeyPath(k.dir), raw, 0o600); err != nil {
		k.Fatal(err)
	}
}

// refused checks that a start is, with words that say why and what to do.
func (k *keyed) refused(renew bool, words ...string) {
	k.Helper()
	_, err := k.start(renew)
	if err == nil {
		k.Fatal("started")
	}
	text := err.Error()
	var h *hinted
	if errors.As(err, &h) {
		text += "; " + h.hint
	}
	for _, w := range words {
		if !strings.Contains(text, w) {
			k.Errorf("%q does not say %q", text, w)
		}
	}
}

// TestMasterKeyLost: a server whose users' keys cannot be opened does not start, nor make
// another master key, until somebody says so.
func TestMasterKeyLost(t *testing.T) {
	t.Parallel()
	for name, lose := range map[string]func(*keyed){
		"missing": func(k *keyed) {
			if err := os.Remove(masterKeyPath(k.dir)); err != nil {
				k.Fatal(err)
			}
		},
		"empty":       func(k *keyed) { k.write(nil) },
		"a bit":       func(k *keyed) { k.flip() },
		"another one": func(k *keyed) { k.write(make([]byte, masterKeySize)) },
		"one of another store": func(k *keyed) {
			k.write(make([]byte, masterKeySize+8))
			k.refused(false, "is of another store, 0000000000000000, and this is "+storeID(k.store.ID()).String())
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := newKeyed(t)
			key := k.key(k.must(false), "alice")
			good, err := os.ReadFile(masterKeyPath(k.dir))
			if err != nil {
				t.Fatal(err)
			}
			lose(k)
			for range 2 {
				k.refused(false, masterKeyPath(k.dir), "restore", "--new-master-key", "1 users' keys")
			}
			k.write(good)
			if got, err := k.must(false).Secret(t.Context(), key.AccessKey); err != nil || got != key.Secret {
				t.Fatalf("restored: %q, %v", got, err)
			}
			k.refused(true, "--new-master-key", "start without it")
			lose(k)
			system := k.must(true)
			if _, err := system.Secret(t.Context(), key.AccessKey); !errors.Is(err, pfs.ErrNoSuchKey) {
				t.Errorf("the key of a lost master key: %v", err)
			}
			k.key(system, "bob")
			k.must(false)
		})
	}
}

// TestMasterKeyOfSomeKeys: where some can be opened the server starts, and each of the
// others says what it misses.
func TestMasterKeyOfSomeKeys(t *testing.T) {
	t.Parallel()
	k := newKeyed(t)
	system := k.must(false)
	old := k.key(system, "alice")
	if err := os.Remove(masterKeyPath(k.dir)); err != nil {
		t.Fatal(err)
	}
	other, err := makeMasterKey(masterKeyPath(k.dir), k.store.ID()) // as an earlier caret did
	if err != nil {
		t.Fatal(err)
	}
	earlier, err := pfs.Open(t.Context(), k.store, pfs.Options{Sealer: other, Exclusive: true})
	if err != nil {
		t.Fatal(err)
	}
	defer earlier.Close()
	key := k.key(earlier, "bob")
	system = k.must(false)
	if got, err := system.Secret(t.Context(), key.AccessKey); err != nil || got != key.Secret {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := system.Secret(t.Context(), old.AccessKey); err == nil || !strings.Contains(err.Error(), masterKeyPath(k.dir)) {
		t.Errorf("the other one: %v", err)
	}
}

// TestMasterKeyWithoutKeys: one that no key needs is made, but a damaged one is not
// written over.
func TestMasterKeyWithoutKeys(t *testing.T) {
	t.Parallel()
	k := newKeyed(t)
	k.must(false)
	info, err := os.Stat(masterKeyPath(k.dir))
	if err != nil || info.Mode() != 0o600 || info.Size() != masterKeySize+8 {
		t.Errorf("%v, %v", info, err)
	}
	k.write([]byte("short"))
	k.refused(false, masterKeyPath(k.dir), "remove it")
}

// TestLeftoversOfSecrets: what a kill leaves of writing a key goes with the next start,
// and nothing else does.
func TestLeftoversOfSecrets(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ours := []string{"root-key.json-123456", "master-key-9", "master-key.new", "root-key.json.new"}
	others := []string{
		"root-key.json-backup", "master-key-", "master-key-12x", "old-master-key-12", "master-key.new2", "root-key-12", "master-key",
	}
	for _, name := range append(ours, others...) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("secret"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "master-key-77"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("elsewhere", filepath.Join(dir, "master-key-78")); err != nil {
		t.Fatal(err)
	}
	if err := dropLeftovers(dir, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	for _, name := range ours {
		if _, err := os.Lstat(filepath.Join(dir, name)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is left: %v", name, err)
		}
	}
	for _, name := range append(others, "master-key-77", "master-key-78") {
		if _, err := os.Lstat(filepath.Join(dir, name)); err != nil {
			t.Error(err)
		}
	}
}

// TestWriteSecret: a secret is under its own name alone, whatever was left of an earlier
// try, and never written over another.
func TestWriteSecret(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "master-key")
	if err := os.WriteFile(path+".new", []byte("what was left, which is longer"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := writeSecret(path, []byte("secret")); err != nil {
		t.Fatal(err)
	}
	if err := writeSecret(path, []byte("another")); !errors.Is(err, fs.ErrExist) {
		t.Errorf("written over another: %v", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Fatalf("%v, %v", entries, err)
	}
	info, err := entries[0].Info()
	if b, readErr := os.ReadFile(path); string(b) != "secret" || err != nil || readErr != nil || info.Mode() != 0o600 {
		t.Errorf("%q with mode %v, %v, %v", b, info.Mode(), err, readErr)
	}
}

// TestMasterKeyOfEarlier: one that does not say whose it is, as an earlier caret made it, is
// taken if it opens the users' keys.
func TestMasterKeyOfEarlier(t *testing.T) {
	t.Parallel()
	k := newKeyed(t)
	key := k.key(k.must(false), "alice")
	raw, err := os.ReadFile(masterKeyPath(k.dir))
	if err != nil {
		t.Fatal(err)
	}
	k.write(raw[:masterKeySize])
	if got, err := k.must(false).Secret(t.Context(), key.AccessKey); err != nil || got != key.Secret {
		t.Errorf("%q, %v", got, err)
	}
}

// TestRootKeyOfAnother: a root key of another store is refused; one that does not say
// whose it is, is not.
func TestRootKeyOfAnother(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	none := process{getenv: func(string) string { return "" }}
	key, made, err := findRootKey(none, dir, storeID{1})
	if err != nil || !made {
		t.Fatal(made, err)
	}
	if again, made, err := findRootKey(none, dir, storeID{1}); again != key || made || err != nil {
		t.Errorf("%v, %v, %v", again, made, err)
	}
	if _, _, err := findRootKey(none, dir, storeID{2}); err == nil || !strings.Contains(err.Error(), "is of another store, 0100000000000000, and this is 0200000000000000") || !strings.Contains(hintFor(err), "remove") {
		t.Errorf("taken: %v", err)
	}
	if got, err := readRootKey(dir); got != key || err != nil {
		t.Errorf("a client reads %v, %v", got, err)
	}
	text := `{"access_key": "` + key.AccessKey + `", "secret_key": "` + key.SecretKey + `"}`
	if err := os.WriteFile(rootKeyPath(dir), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if again, made, err := findRootKey(none, dir, storeID{2}); again != key || made || err != nil {
		t.Errorf("an earlier one: %v, %v, %v", again, made, err)
	}
}
