package pfs

import (
	"errors"
	"testing"

	"caret/objstore"
	"caret/pfs/access"
)

// TestDeleteUserOfManyKeys: a user that has made itself more keys than a transaction holds
// is deleted with all of them, also in a second try, and makes no others meanwhile.
func TestDeleteUserOfManyKeys(t *testing.T) {
	t.Parallel()
	root, ctx := newFS(t), t.Context()
	ann := mustUserOnly(t, root, "ann")
	bob := mustUserOnly(t, root, "bob")
	const steps, each = 4, 8000
	const made = steps * each
	for range steps {
		err := root.sys.db.Update(ctx, "", func(tx objstore.Writer) error {
			for range each {
				if err := access.CreateKey(tx, access.NewKey(Key{User: "ann"}, root.sys.timestamp()), nil); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	// The first step is all that a try of before has done.
	err := root.update(ctx, "", nil, func(c *change) error {
		u, list, err := c.deletableUser("ann", 5)
		if err != nil {
			return err
		}
		return access.DeleteUser(c.tx, u, list, false)
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := root.CreateKey(ctx, Key{User: "ann"}); !errors.Is(err, ErrNoSuchUser) {
		t.Errorf("a key of a user that is being deleted: %v", err)
	}
	if _, err := ann.CreateKey(ctx, Key{User: "ann"}); !errors.Is(err, ErrNoSuchUser) && !errors.Is(err, ErrKeyGone) {
		t.Errorf("a key that it makes itself: %v", err)
	}
	const left = made + 1 - 5
	if n, err := root.DeleteUser(ctx, "ann", true); err != nil || n != left {
		t.Errorf("a dry run: %d keys, %v", n, err)
	}
	if n, err := root.DeleteUser(ctx, "ann", false); err != nil || n != left {
		t.Errorf("deleted: %d keys, %v", n, err)
	}
	if _, err := ann.Users(ctx, "", 0); !errors.Is(err, ErrKeyGone) {
		t.Errorf("its key: %v", err)
	}
	if list, err := root.Keys(ctx, "", "", 0); err != nil || len(list) != 1 || list[0].User != "bob" {
		t.Errorf("left are %d keys, %v", len(list), err)
	}
	if _, err := bob.Keys(ctx, "bob", "", 0); err != nil {
		t.Error(err)
	}
	if _, err := root.CreateUser(ctx, User{Name: "ann"}); err != nil {
		t.Error(err)
	}
}

// mustUserOnly makes a user with a key.
func mustUserOnly(t *testing.T, fs *FS, name string) *FS {
	t.Helper()
	if _, err := fs.CreateUser(t.Context(), User{Name: name}); err != nil {
		t.Fatal(err)
	}
	k, err := fs.CreateKey(t.Context(), Key{User: name})
	if err != nil {
		t.Fatal(err)
	}
	return fs.sys.As(Holder(k.AccessKey))
}
