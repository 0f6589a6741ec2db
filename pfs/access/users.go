package access

import (
	"cmp"
	"crypto/cipher"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"regexp"
	"time"

	"caret/commits/revision"
	"caret/objstore"
	"caret/pfs/catalog"
	"caret/pfs/rows"
)

// User is somebody who has keys.
type User struct {
	ID      string    `json:"id"` // 64 hex digits, given out once
	Name    string    `json:"name"`
	Display string    `json:"display,omitempty"` // the name for people
	Admin   bool      `json:"admin,omitempty"`   // may do everything
	Created time.Time `json:"created"`
	// Leaving: it is being deleted, and gets no more keys.
	Leaving bool `json:"leaving,omitempty"`
}

// RootUser is the user that the server's root key is of. It is always there.
const RootUser = "root"

// userName is what a user may be called: it appears in commits and rows.
var userName = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9._@-]{0,63}$`)

// NewUser draws an ID for a user. revision.ErrName.
func NewUser(u User, now time.Time, random io.Reader) (User, error) {
	if !userName.MatchString(u.Name) {
		return User{}, fmt.Errorf("%w %q: a user's has up to 64 letters, digits and . _ @ -", revision.ErrName, u.Name)
	}
	var raw [32]byte
	if _, err := io.ReadFull(random, raw[:]); err != nil {
		return User{}, err
	}
	u.ID, u.Created = hex.EncodeToString(raw[:]), now
	return u, nil
}

func userKey(name string) []byte { return rows.Key(rows.User, name) }
func userIDKey(id string) []byte { return rows.Key(rows.UserID, id) }

// CreateUser writes a new user. ErrUserExists.
func CreateUser(tx objstore.Writer, u User) error {
	_, err := ReadUser(tx, u.Name)
	if err == nil {
		return fmt.Errorf("%w: %s", ErrUserExists, u.Name)
	}
	if !errors.Is(err, ErrNoSuchUser) {
		return err
	}
	return errors.Join(rows.Set(tx, userKey(u.Name), u), tx.Set(userIDKey(u.ID), []byte(u.Name)))
}

// ReadUser reads a user. ErrNoSuchUser.
func ReadUser(tx objstore.Reader, name string) (User, error) {
	if name == RootUser {
		return User{ID: RootUser, Name: RootUser, Display: RootUser, Admin: true}, nil
	}
	var u User
	err := rows.Get(tx, userKey(name), &u)
	if errors.Is(err, objstore.ErrNotFound) {
		err = &catalog.MissingError{Kind: ErrNoSuchUser, Name: name}
	}
	return u, err
}

// ReadUserByID reads the user with an ID. ErrNoSuchUser.
func ReadUserByID(tx objstore.Reader, id string) (User, error) {
	if id == RootUser {
		return ReadUser(tx, RootUser)
	}
	name, err := tx.Get(userIDKey(id))
	if errors.Is(err, objstore.ErrNotFound) {
		return User{}, fmt.Errorf("%w: id %s", ErrNoSuchUser, id)
	}
	if err != nil {
		return User{}, err
	}
	return ReadUser(tx, string(name))
}

// Users lists up to limit users (0: all) whose names sort behind after. The
// root user is not among them.
func Users(tx objstore.Reader, after string, limit int) ([]User, error) {
	var list []User
	err := rows.Some(tx, []byte{rows.User}, after, limit, func(name string, value []byte) error {
		var u User
		err := rows.Decode(userKey(name), value, &u)
		list = append(list, u)
		return err
	})
	return list, err
}

// Deletable reads a user that can be deleted, with its keys. ErrNoSuchUser.
func Deletable(tx objstore.Reader, name string) (User, []Key, error) {
	if name == RootUser {
		return User{}, nil, fmt.Errorf("%w: the root user cannot be deleted", ErrInvalidArgument)
	}
	u, err := ReadUser(tx, name)
	if err != nil {
		return u, nil, err
	}
	keys, err := Keys(tx, name, "", 0)
	return u, keys, err
}

// Leave lets a Deletable user have no more keys than there are.
func Leave(tx objstore.Writer, u User) error {
	now, err := sameUser(tx, u)
	if err != nil || now.Leaving {
		return err
	}
	now.Leaving = true
	return rows.Set(tx, userKey(u.Name), now)
}

// sameUser reads a user, which must still be the one with that ID. ErrNoSuchUser.
func sameUser(tx objstore.Reader, u User) (User, error) {
	now, err := ReadUser(tx, u.Name)
	if err == nil && now.ID != u.ID {
		err = fmt.Errorf("%w: %s was deleted meanwhile, and another one made", ErrNoSuchUser, u.Name)
	}
	return now, err
}

// DeleteUser removes some of the keys of a user that leaves, and with the last of them the
// user. What it owns stays, for administrators.
func DeleteUser(tx objstore.Writer, u User, keys []Key, last bool) error {
	if _, err := sameUser(tx, u); err != nil {
		return err
	}
	for _, k := range keys {
		if err := tx.Delete(accessKey(k.AccessKey)); err != nil {
			return err
		}
	}
	if !last {
		return nil
	}
	return errors.Join(tx.Delete(userKey(u.Name)), tx.Delete(userIDKey(u.ID)))
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

// keyRow is a Key as it is kept, its secret sealed. What does not change of its
// user, with whom it goes, is there too, so that requests read one row less.
type keyRow struct {
	Key
	Sealed []byte `json:"sealed"`
	UserID string `json:"user_id,omitempty"` // "" in format 1
	Admin  bool   `json:"admin,omitempty"`
}

// holder is the user that the key is of.
func (k *keyRow) holder(tx objstore.Reader) (User, error) {
	if k.UserID != "" {
		return User{ID: k.UserID, Name: k.User, Admin: k.Admin}, nil
	}
	return ReadUser(tx, k.User)
}

func accessKey(key string) []byte { return rows.Key(rows.AccessKey, key) }

// NewKey draws an access key and a secret; an access key is never drawn again.
func NewKey(k Key, now time.Time) Key {
	k.AccessKey, k.Secret, k.Created = "CARET"+rand.Text()[:15], rand.Text()+rand.Text()[:14], now
	return k
}

// Sealer encrypts the secrets of keys for their rows; one of nil leaves them as
// they are.
type Sealer struct {
	cipher.AEAD
	Name string // where what it encrypts with is kept, for errors
}

// Seal encrypts a key's secret; the access key is bound to it.
func (s Sealer) Seal(k Key, random io.Reader) ([]byte, error) {
	if s.AEAD == nil {
		return []byte(k.Secret), nil
	}
	nonce := make([]byte, s.NonceSize())
	if _, err := io.ReadFull(random, nonce); err != nil {
		return nil, err
	}
	return s.AEAD.Seal(nonce, nonce, []byte(k.Secret), []byte(k.AccessKey)), nil
}

func (s Sealer) unseal(row keyRow) (string, error) {
	if s.AEAD == nil {
		return string(row.Sealed), nil
	}
	n := s.NonceSize()
	if len(row.Sealed) < n {
		return "", fmt.Errorf("%w: secret of key %s", objstore.ErrCorrupt, row.AccessKey)
	}
	secret, err := s.Open(nil, row.Sealed[:n], row.Sealed[n:], []byte(row.AccessKey))
	if err != nil {
		return "", fmt.Errorf("the secret of key %s cannot be opened with %s: restore that as it was when the key was made, or make another key: %w",
			row.AccessKey, cmp.Or(s.Name, "this server's master key"), err)
	}
	return string(secret), nil
}

// Check counts the keys whose secrets can be opened, and names the others, damaged
// ones among them.
func (s Sealer) Check(tx objstore.Reader) (opens int, shut []string, err error) {
	err = rows.Some(tx, []byte{rows.AccessKey}, "", 0, func(name string, value []byte) error {
		var row keyRow
		if rows.Decode(accessKey(name), value, &row) == nil {
			if _, err := s.unseal(row); err == nil {
				opens++
				return nil
			}
		}
		shut = append(shut, name)
		return nil
	})
	return opens, shut, err
}

// Names are the access keys that there are.
func Names(tx objstore.Reader) (names []string, err error) {
	err = rows.Some(tx, []byte{rows.AccessKey}, "", 0, func(name string, _ []byte) error {
		names = append(names, name)
		return nil
	})
	return names, err
}

// DeleteKeys removes keys, whatever is in their rows, until the transaction is full,
// and returns those that are left.
func DeleteKeys(tx objstore.Writer, names []string) (left []string, err error) {
	for left = names; len(left) > 0 && !tx.Full(); left = left[1:] {
		if err := tx.Delete(accessKey(left[0])); err != nil {
			return nil, err
		}
	}
	return left, nil
}

// Secret reads the secret of a key. ErrNoSuchKey.
func (s Sealer) Secret(tx objstore.Reader, access string) (string, error) {
	row, err := readKey(tx, access)
	if err != nil {
		return "", err
	}
	return s.unseal(row)
}

// CreateKey writes a key of a user with limits that mean something.
// ErrNoSuchUser; catalog.ErrNoSuchRepo, catalog.ErrNoSuchBranch.
func CreateKey(tx objstore.Writer, k Key, sealed []byte) error {
	u, err := ReadUser(tx, k.User)
	if err != nil {
		return err
	}
	if u.Leaving {
		return fmt.Errorf("%w: %s is being deleted", ErrNoSuchUser, u.Name)
	}
	if k.Branch != "" && k.Repo == "" {
		return fmt.Errorf("%w: a branch needs its repo", ErrInvalidArgument)
	}
	if k.Repo != "" {
		r, err := catalog.ReadRepo(tx, k.Repo)
		if err != nil {
			return err
		}
		if k.Branch != "" {
			if _, err := catalog.ReadBranch(tx, r, k.Branch); err != nil {
				return err
			}
		}
	}
	return rows.Set(tx, accessKey(k.AccessKey), keyRow{Key: k, Sealed: sealed, UserID: u.ID, Admin: u.Admin})
}

func readKey(tx objstore.Reader, access string) (keyRow, error) {
	var row keyRow
	err := rows.Get(tx, accessKey(access), &row)
	if errors.Is(err, objstore.ErrNotFound) {
		err = fmt.Errorf("%w: %s", ErrNoSuchKey, access)
	}
	return row, err
}

// ReadKey reads a key without its secret. ErrNoSuchKey.
func ReadKey(tx objstore.Reader, access string) (Key, error) {
	row, err := readKey(tx, access)
	return row.Key, err
}

// Keys lists up to limit keys (0: all) behind the access key after of a user,
// or of all users if user is empty, without their secrets.
func Keys(tx objstore.Reader, user, after string, limit int) ([]Key, error) {
	var list []Key
	err := rows.Each(tx, []byte{rows.AccessKey}, after, func(name string, value []byte) (bool, error) {
		var row keyRow
		err := rows.Decode(accessKey(name), value, &row)
		if err == nil && (user == "" || row.User == user) {
			list = append(list, row.Key)
		}
		return limit <= 0 || len(list) < limit, err
	})
	return list, err
}

// DeleteKey removes a key. ErrNoSuchKey.
func DeleteKey(tx objstore.Writer, access string) error {
	if _, err := readKey(tx, access); err != nil {
		return err
	}
	return tx.Delete(accessKey(access))
}
