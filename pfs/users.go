package pfs

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"regexp"
	"time"

	"caret/objstore"
)

// User is somebody who has keys.
type User struct {
	ID      string    `json:"id"` // 64 hex digits, given out once
	Name    string    `json:"name"`
	Display string    `json:"display,omitempty"` // the name for people
	Admin   bool      `json:"admin,omitempty"`   // may do everything
	Created time.Time `json:"created"`
}

// Key is what requests are signed with.
type Key struct {
	AccessKey string    `json:"access_key"`
	Secret    string    `json:"-"`
	User      string    `json:"user"` // its name
	ReadOnly  bool      `json:"read_only,omitempty"`
	Repo      string    `json:"repo,omitempty"`   // the only one, if set
	Branch    string    `json:"branch,omitempty"` // of Repo, the only one, if set
	Created   time.Time `json:"created"`
}

// keyRow is a Key as it is kept, its secret sealed.
type keyRow struct {
	Key
	Sealed []byte `json:"sealed"`
}

func userKey(name string) []byte { return append([]byte{keyUser}, name...) }
func userIDKey(id string) []byte { return append([]byte{keyUserID}, id...) }
func accessKey(key string) []byte {
	return append([]byte{keyAccess}, key...)
}

// userName is what a user may be called: it appears in commits and rows.
var userName = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9._@-]{0,63}$`)

// RootUser is the user that the server's root key is of. It is always there.
const RootUser = "root"

// CreateUser makes a user; its ID is made up. ErrUserExists, ErrInvalidName.
func (fs *FS) CreateUser(ctx context.Context, u User) (User, error) {
	if !userName.MatchString(u.Name) {
		return User{}, fmt.Errorf("%w %q: a user's has up to 64 letters, digits and . _ @ -", ErrInvalidName, u.Name)
	}
	if err := checkText("name for people", u.Display); err != nil {
		return User{}, err
	}
	var raw [32]byte
	if _, err := io.ReadFull(fs.rand, raw[:]); err != nil {
		return User{}, err
	}
	u.ID, u.Created = hex.EncodeToString(raw[:]), fs.timestamp()
	return u, fs.rows.Update(ctx, "", func(tx objstore.Writer) error {
		_, err := readUser(tx, u.Name)
		if err == nil {
			return fmt.Errorf("%w: %s", ErrUserExists, u.Name)
		}
		if !errors.Is(err, ErrNoSuchUser) {
			return err
		}
		return errors.Join(setJSON(tx, userKey(u.Name), u), tx.Set(userIDKey(u.ID), []byte(u.Name)))
	})
}

func readUser(tx objstore.Reader, name string) (User, error) {
	if name == RootUser {
		return User{ID: RootUser, Name: RootUser, Display: RootUser, Admin: true}, nil
	}
	var u User
	err := getJSON(tx, userKey(name), &u)
	if errors.Is(err, objstore.ErrNotFound) {
		return u, &MissingError{Kind: ErrNoSuchUser, Name: name}
	}
	return u, err
}

// User describes a user. ErrNoSuchUser.
func (fs *FS) User(ctx context.Context, name string) (User, error) {
	var u User
	err := fs.rows.View(ctx, func(tx objstore.Reader) (err error) {
		u, err = readUser(tx, name)
		return err
	})
	return u, err
}

// UserByID describes the user with an ID. ErrNoSuchUser.
func (fs *FS) UserByID(ctx context.Context, id string) (User, error) {
	if id == RootUser {
		return fs.User(ctx, RootUser)
	}
	var u User
	err := fs.rows.View(ctx, func(tx objstore.Reader) error {
		name, err := tx.Get(userIDKey(id))
		if errors.Is(err, objstore.ErrNotFound) {
			return fmt.Errorf("%w: id %s", ErrNoSuchUser, id)
		}
		if err != nil {
			return err
		}
		u, err = readUser(tx, string(name))
		return err
	})
	return u, err
}

// Users lists up to limit users (0: all) whose names sort after after. The
// root user is not among them.
func (fs *FS) Users(ctx context.Context, after string, limit int) ([]User, error) {
	var list []User
	err := fs.rows.View(ctx, func(tx objstore.Reader) error {
		list = nil
		return scanNames(tx, []byte{keyUser}, after, limit, func(name string, value []byte) error {
			var u User
			err := decodeJSON(userKey(name), value, &u)
			list = append(list, u)
			return err
		})
	})
	return list, err
}

// DeleteUser removes a user and its keys. What it owns stays, for
// administrators.
func (fs *FS) DeleteUser(ctx context.Context, name string) error {
	if name == RootUser {
		return fmt.Errorf("%w: the root user cannot be deleted", ErrInvalidArgument)
	}
	return fs.rows.Update(ctx, "", func(tx objstore.Writer) error {
		u, err := readUser(tx, name)
		if err != nil {
			return err
		}
		keys, err := readKeys(tx, name, "", 0)
		if err != nil {
			return err
		}
		for _, k := range keys {
			if err := tx.Delete(accessKey(k.AccessKey)); err != nil {
				return err
			}
		}
		return errors.Join(tx.Delete(userKey(name)), tx.Delete(userIDKey(u.ID)))
	})
}

// CreateKey makes a key of k.User with the limits in k. It alone returns the
// secret. ErrNoSuchUser; ErrNoSuchRepo or ErrNoSuchBranch for limits that
// mean nothing.
func (fs *FS) CreateKey(ctx context.Context, k Key) (Key, error) {
	k.AccessKey, k.Secret, k.Created = "CARET"+rand.Text()[:15], rand.Text()+rand.Text()[:14], fs.timestamp()
	sealed, err := fs.seal(k.Secret, k.AccessKey)
	if err != nil {
		return Key{}, err
	}
	return k, fs.rows.Update(ctx, "", func(tx objstore.Writer) error {
		if _, err := readUser(tx, k.User); err != nil {
			return err
		}
		if k.Branch != "" && k.Repo == "" {
			return fmt.Errorf("%w: a branch needs its repo", ErrInvalidArgument)
		}
		if k.Repo != "" {
			r, err := readRepo(tx, k.Repo)
			if err != nil {
				return err
			}
			if k.Branch != "" {
				if _, err := readBranchRow(tx, r, k.Branch); err != nil {
					return err
				}
			}
		}
		return setJSON(tx, accessKey(k.AccessKey), keyRow{Key: k, Sealed: sealed})
	})
}

// seal encrypts a secret for its row; the access key is bound to it.
func (fs *FS) seal(secret, access string) ([]byte, error) {
	if fs.sealer == nil {
		return []byte(secret), nil
	}
	nonce := make([]byte, fs.sealer.NonceSize())
	if _, err := io.ReadFull(fs.rand, nonce); err != nil {
		return nil, err
	}
	return fs.sealer.Seal(nonce, nonce, []byte(secret), []byte(access)), nil
}

func (fs *FS) unseal(row keyRow) (string, error) {
	if fs.sealer == nil {
		return string(row.Sealed), nil
	}
	n := fs.sealer.NonceSize()
	if len(row.Sealed) < n {
		return "", fmt.Errorf("%w: secret of key %s", objstore.ErrCorrupt, row.AccessKey)
	}
	secret, err := fs.sealer.Open(nil, row.Sealed[:n], row.Sealed[n:], []byte(row.AccessKey))
	if err != nil {
		return "", fmt.Errorf("the secret of key %s cannot be read with this server's master key: %w", row.AccessKey, err)
	}
	return string(secret), nil
}

// Key finds a key with its secret, and who asks with it. ErrNoSuchKey.
func (fs *FS) Key(ctx context.Context, access string) (Key, Caller, error) {
	var row keyRow
	var u User
	err := fs.rows.View(ctx, func(tx objstore.Reader) error {
		err := getJSON(tx, accessKey(access), &row)
		if errors.Is(err, objstore.ErrNotFound) {
			return fmt.Errorf("%w: %s", ErrNoSuchKey, access)
		}
		if err != nil {
			return err
		}
		u, err = readUser(tx, row.User)
		return err
	})
	if err != nil {
		return Key{}, Caller{}, err
	}
	k := row.Key
	if k.Secret, err = fs.unseal(row); err != nil {
		return Key{}, Caller{}, err
	}
	return k, Caller{ID: u.ID, Name: u.Name, Admin: u.Admin, ReadOnly: k.ReadOnly, Repo: k.Repo, Branch: k.Branch}, nil
}

// Keys lists up to limit keys (0: all) behind the access key after of a user,
// or of all users if user is empty, without their secrets.
func (fs *FS) Keys(ctx context.Context, user, after string, limit int) ([]Key, error) {
	var list []Key
	err := fs.rows.View(ctx, func(tx objstore.Reader) error {
		if user != "" {
			if _, err := readUser(tx, user); err != nil {
				return err
			}
		}
		var err error
		list, err = readKeys(tx, user, after, limit)
		return err
	})
	return list, err
}

func readKeys(tx objstore.Reader, user, after string, limit int) ([]Key, error) {
	var list []Key
	err := eachName(tx, []byte{keyAccess}, after, func(name string, value []byte) (bool, error) {
		var row keyRow
		err := decodeJSON(accessKey(name), value, &row)
		if err == nil && (user == "" || row.User == user) {
			list = append(list, row.Key)
		}
		return limit <= 0 || len(list) < limit, err
	})
	return list, err
}

// DeleteKey removes a key. ErrNoSuchKey.
func (fs *FS) DeleteKey(ctx context.Context, access string) error {
	return fs.rows.Update(ctx, "", func(tx objstore.Writer) error {
		if _, err := tx.Get(accessKey(access)); err != nil {
			if errors.Is(err, objstore.ErrNotFound) {
				return fmt.Errorf("%w: %s", ErrNoSuchKey, access)
			}
			return err
		}
		return tx.Delete(accessKey(access))
	})
}
