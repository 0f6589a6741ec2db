package access

import (
	"errors"
	"fmt"

	"caret/objstore"
)

// Caller is who asks for something. The zero value is the anonymous.
type Caller struct {
	ID   string // of the user; "" is the anonymous
	Name string // for commits
	// Admin may do everything that its key's limits allow.
	Admin bool
	// Limits of the key.
	ReadOnly     bool
	Repo, Branch string // the only ones, if set

	// Via says how the request came.
	Via Via

	// key is the access key by which the caller is looked up in every
	// transaction; "" for who is the same in all of them.
	key string
}

// Via says how a request came. It decides nothing: the trail of changes has it.
type Via struct {
	Key     string // the access key that it was signed with, "" if it was not
	Address string // that it came from
	Request string // its id
}

// Root is the caller with the server's own key.
var Root = Caller{ID: RootUser, Name: RootUser, Admin: true}

// Anonymous is who signed nothing.
var Anonymous = Caller{}

// Holder is who holds an access key, whoever that is in the transaction that
// looks: what is known of it outside of one is the key alone.
func Holder(accessKey string) Caller { return Caller{key: accessKey, Via: Via{Key: accessKey}} }

// IsAnonymous says that nobody signed the request.
func (c Caller) IsAnonymous() bool { return c.ID == "" && c.key == "" }

// Unlimited callers may do everything.
func (c Caller) Unlimited() bool { return c.Admin && !c.ReadOnly && c.Repo == "" }

// Owns says whether something whose owner is the user with an ID is the
// caller's: the anonymous owns nothing.
func (c Caller) Owns(owner string) bool { return c.ID != "" && c.ID == owner }

func (c Caller) scope() string {
	if c.Branch == "" {
		return "repo " + c.Repo
	}
	return "branch " + c.Branch + " of repo " + c.Repo
}

// Current is the caller as its key says now. ErrKeyGone.
func (c Caller) Current(tx objstore.Reader) (Caller, error) {
	if c.key == "" {
		return c, nil
	}
	row, err := readKey(tx, c.key)
	if err == nil {
		var u User
		if u, err = row.holder(tx); err == nil {
			return Caller{
				ID: u.ID, Name: u.Name, Admin: u.Admin, ReadOnly: row.ReadOnly, Repo: row.Repo, Branch: row.Branch, Via: c.Via, key: c.key,
			}, nil
		}
	}
	if errors.Is(err, ErrNoSuchKey) || errors.Is(err, ErrNoSuchUser) {
		err = fmt.Errorf("%w: %s", ErrKeyGone, c.key)
	}
	return Caller{}, err
}
