package pfs

import (
	"context"

	"caret/objstore"
	"caret/pfs/access"
)

// manages says with ErrDenied that the caller may not manage users, or the keys
// of one.
func (v *View) manages(act Action, user string) error {
	_, err := access.Decide(v.tx, access.Request{Caller: v.who, Action: act, User: user})
	return err
}

// CreateUser makes a user; its ID is made up. ErrUserExists, ErrInvalidName.
func (fs *FS) CreateUser(ctx context.Context, u User) (User, error) {
	u, err := access.NewUser(u, fs.sys.timestamp(), fs.sys.rand)
	if err == nil {
		err = checkText("name for people", u.Display)
	}
	if err != nil {
		return User{}, err
	}
	happened := func(tx objstore.Reader) (bool, error) {
		_, err := access.ReadUserByID(tx, u.ID)
		return err == nil, nil
	}
	err = fs.record(ctx, "", happened, func(c *change) (AuditLine, error) {
		if err := c.manages(access.ManageUsers, ""); err != nil {
			return AuditLine{}, err
		}
		return AuditLine{Action: "createUser", Name: u.Name, After: tellUser(u)}, access.CreateUser(c.tx, u)
	})
	return u, err
}

// User describes a user: to administrators, and to itself. ErrNoSuchUser.
func (fs *FS) User(ctx context.Context, name string) (u User, err error) {
	err = fs.View(ctx, func(v *View) error {
		if err := v.manages(access.ManageKeys, name); err != nil {
			return err
		}
		u, err = access.ReadUser(v.tx, name)
		return err
	})
	return u, err
}

// User is what is known of the user with an ID, to anybody. ErrNoSuchUser.
func (v *View) User(id string) (User, error) { return access.ReadUserByID(v.tx, id) }

// Users lists up to limit users (0: all) whose names sort after after. The
// root user is not among them.
func (fs *FS) Users(ctx context.Context, after string, limit int) (list []User, err error) {
	err = fs.View(ctx, func(v *View) error {
		if err := v.manages(access.ManageUsers, ""); err != nil {
			return err
		}
		list, err = access.Users(v.tx, after, limit)
		return err
	})
	return list, err
}

// keyStep is how many keys are removed in one transaction.
const keyStep = 500

// DeleteUser removes a user and its keys, and says how many these are. What it
// owns stays, for administrators. A dry run removes nothing. It goes on once it has begun,
// though ctx may end; until its last step the user is there, and gets no more keys.
func (fs *FS) DeleteUser(ctx context.Context, name string, dryRun bool) (keys int, err error) {
	u, list, err := fs.deletable(ctx, name)
	if err != nil || dryRun {
		return len(list), err
	}
	err = fs.record(ctx, "", nil, func(c *change) (AuditLine, error) { // which tells of it as it begins
		line := AuditLine{Action: "deleteUser", Name: name, Before: tellUser(u) + tellKeys(list)}
		if err := c.manages(access.ManageUsers, ""); err != nil {
			return line, err
		}
		return line, access.Leave(c.tx, u)
	})
	if err != nil {
		return 0, err
	}
	ctx = context.WithoutCancel(ctx)
	if u, list, err = fs.deletable(ctx, name); err != nil { // of which there are no more now
		return 0, err
	}
	for rest := list; ; {
		step := rest[:min(len(rest), keyStep)]
		rest = rest[len(step):]
		err := fs.update(ctx, "", nil, func(c *change) error {
			if err := c.manages(access.ManageUsers, ""); err != nil {
				return err
			}
			return access.DeleteUser(c.tx, u, step, len(rest) == 0)
		})
		if err != nil || len(rest) == 0 {
			return len(list), err
		}
	}
}

// deletable reads a user that may be deleted by the caller, with all its keys.
func (fs *FS) deletable(ctx context.Context, name string) (u User, keys []Key, err error) {
	err = fs.View(ctx, func(v *View) (err error) {
		if err = v.manages(access.ManageUsers, ""); err == nil {
			u, keys, err = access.Deletable(v.tx, name)
		}
		return err
	})
	return u, keys, err
}

// CreateKey makes a key of k.User with the limits in k. It alone returns the
// secret. ErrNoSuchUser; ErrNoSuchRepo or ErrNoSuchBranch for limits that
// mean nothing, which only who administers the repo is told.
func (fs *FS) CreateKey(ctx context.Context, k Key) (Key, error) {
	k = access.NewKey(k, fs.sys.timestamp())
	sealed, err := fs.sys.sealer.Seal(k, fs.sys.rand)
	if err != nil {
		return Key{}, err
	}
	happened := func(tx objstore.Reader) (bool, error) {
		_, err := access.ReadKey(tx, k.AccessKey)
		return err == nil, nil
	}
	err = fs.record(ctx, "", happened, func(c *change) (line AuditLine, err error) {
		if err := c.manages(access.ManageKeys, k.User); err != nil {
			return line, err
		}
		if k.Repo != "" {
			if _, err := c.managed(k.Repo); err != nil {
				return line, err
			}
		}
		return AuditLine{Action: "createKey", Name: k.AccessKey, After: tellKey(k)}, access.CreateKey(c.tx, k, sealed)
	})
	return k, err
}

// ownKey reads a key of a user whose keys the caller manages.
func (v *View) ownKey(accessKey string) (Key, error) {
	k, err := access.ReadKey(v.tx, accessKey)
	if err == nil {
		err = v.manages(access.ManageKeys, k.User)
	}
	return k, err
}

// Key describes a key, without its secret. ErrNoSuchKey.
func (fs *FS) Key(ctx context.Context, accessKey string) (k Key, err error) {
	err = fs.View(ctx, func(v *View) error {
		k, err = v.ownKey(accessKey)
		return err
	})
	return k, err
}

// Keys lists up to limit keys (0: all) behind the access key after of a user,
// or of all users if user is empty, without their secrets.
func (fs *FS) Keys(ctx context.Context, user, after string, limit int) (list []Key, err error) {
	err = fs.View(ctx, func(v *View) error {
		if err := v.manages(access.ManageKeys, user); err != nil {
			return err
		}
		if user != "" {
			if _, err := access.ReadUser(v.tx, user); err != nil {
				return err
			}
		}
		list, err = access.Keys(v.tx, user, after, limit)
		return err
	})
	return list, err
}

// DeleteKey removes a key and says what it was. A dry run removes nothing, as
// Key does. ErrNoSuchKey.
func (fs *FS) DeleteKey(ctx context.Context, accessKey string, dryRun bool) (k Key, err error) {
	if dryRun {
		return fs.Key(ctx, accessKey)
	}
	err = fs.record(ctx, "", nil, func(c *change) (line AuditLine, err error) {
		if k, err = c.ownKey(accessKey); err != nil {
			return line, err
		}
		return AuditLine{Action: "deleteKey", Name: accessKey, Before: tellKey(k)}, access.DeleteKey(c.tx, accessKey)
	})
	return k, err
}
