package api

import (
	"net/http"

	v1 "caret/api/v1"
	"caret/pfs"
)

func wireUser(u pfs.User) v1.User {
	return v1.User{Name: u.Name, ID: u.ID, Display: u.Display, Admin: u.Admin, Created: u.Created}
}

func wireKey(k pfs.Key) v1.Key {
	return v1.Key{
		AccessKey: k.AccessKey, SecretKey: k.Secret, User: k.User,
		ReadOnly: k.ReadOnly, Repo: k.Repo, Branch: k.Branch, Created: k.Created,
	}
}

func (s *server) listUsers(c *call) error {
	after, limit, err := c.page()
	if err != nil {
		return err
	}
	list, err := c.fs.Users(c.Context(), after, limit+1)
	if err != nil {
		return err
	}
	return c.ok(wirePage(list, limit, wireUser, userName))
}

func (s *server) createUser(c *call) error {
	var in v1.CreateUser
	if err := c.read(&in); err != nil {
		return err
	}
	u, err := c.fs.CreateUser(c.Context(), pfs.User{Name: in.Name, Display: in.Display, Admin: in.Admin})
	if err != nil {
		return err
	}
	return c.answer(http.StatusCreated, wireUser(u))
}

func (s *server) inspectUser(c *call) error {
	u, err := c.fs.User(c.Context(), c.PathValue("user"))
	if err != nil {
		return err
	}
	return c.ok(wireUser(u))
}

func (s *server) deleteUser(c *call) error {
	dry, err := c.dryRun()
	if err != nil {
		return err
	}
	keys, err := c.fs.DeleteUser(c.Context(), c.PathValue("user"), dry)
	if err != nil || !dry {
		return c.done(err)
	}
	return c.ok(v1.UserRemoval{Name: c.PathValue("user"), Keys: keys})
}

func (s *server) listKeys(c *call) error {
	after, limit, err := c.page()
	if err != nil {
		return err
	}
	list, err := c.fs.Keys(c.Context(), c.URL.Query().Get("user"), after, limit+1)
	if err != nil {
		return err
	}
	return c.ok(wirePage(list, limit, wireKey, func(k pfs.Key) string { return k.AccessKey }))
}

func (s *server) createKey(c *call) error {
	var in v1.CreateKey
	if err := c.read(&in); err != nil {
		return err
	}
	k, err := c.fs.CreateKey(c.Context(), pfs.Key{User: in.User, ReadOnly: in.ReadOnly, Repo: in.Repo, Branch: in.Branch})
	if err != nil {
		return err
	}
	return c.answer(http.StatusCreated, wireKey(k))
}

func (s *server) inspectKey(c *call) error {
	k, err := c.fs.Key(c.Context(), c.PathValue("key"))
	if err != nil {
		return err
	}
	return c.ok(wireKey(k))
}

func (s *server) deleteKey(c *call) error {
	dry, err := c.dryRun()
	if err != nil {
		return err
	}
	k, err := c.fs.DeleteKey(c.Context(), c.PathValue("key"), dry)
	if err != nil || !dry {
		return c.done(err)
	}
	return c.ok(wireKey(k))
}
