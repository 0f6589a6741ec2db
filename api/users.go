package api

import (
	"fmt"
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

// admin refuses all but administrators with a key without limits.
func (c *call) admin() error {
	if c.caller.Unlimited() {
		return nil
	}
	return fmt.Errorf("%w: only administrators manage users", pfs.ErrDenied)
}

// forUser lets administrators, and users themselves, manage keys of a user.
func (c *call) forUser(name string) error {
	who := c.caller
	if name != "" && name == who.Name && !who.ReadOnly && who.Repo == "" {
		return nil
	}
	return c.admin()
}

func (s *server) listUsers(c *call) error {
	after, limit, err := c.page()
	if err != nil {
		return err
	}
	if err := c.admin(); err != nil {
		return err
	}
	list, err := s.fs.Users(c.Context(), after, limit+1)
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
	if err := c.admin(); err != nil {
		return err
	}
	u, err := s.fs.CreateUser(c.Context(), pfs.User{Name: in.Name, Display: in.Display, Admin: in.Admin})
	if err != nil {
		return err
	}
	return c.answer(http.StatusCreated, wireUser(u))
}

func (s *server) inspectUser(c *call) error {
	if err := c.forUser(c.PathValue("user")); err != nil {
		return err
	}
	u, err := s.fs.User(c.Context(), c.PathValue("user"))
	if err != nil {
		return err
	}
	return c.ok(wireUser(u))
}

func (s *server) deleteUser(c *call) error {
	if err := c.admin(); err != nil {
		return err
	}
	if err := s.fs.DeleteUser(c.Context(), c.PathValue("user")); err != nil {
		return err
	}
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *server) listKeys(c *call) error {
	after, limit, err := c.page()
	if err != nil {
		return err
	}
	user := c.URL.Query().Get("user")
	if err := c.forUser(user); err != nil {
		return err
	}
	list, err := s.fs.Keys(c.Context(), user, after, limit+1)
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
	if err := c.forUser(in.User); err != nil {
		return err
	}
	if in.Repo != "" { // what is there is told only to whom may know
		if err := s.fs.AuthorizeRepo(c.Context(), c.caller.Caller, in.Repo); err != nil {
			return err
		}
	}
	k, err := s.fs.CreateKey(c.Context(), pfs.Key{User: in.User, ReadOnly: in.ReadOnly, Repo: in.Repo, Branch: in.Branch})
	if err != nil {
		return err
	}
	return c.answer(http.StatusCreated, wireKey(k))
}

// key is the key that a request is about, without its secret, if the caller
// manages it.
func (s *server) key(c *call) (pfs.Key, error) {
	k, _, err := s.fs.Key(c.Context(), c.PathValue("key"))
	if err == nil {
		err = c.forUser(k.User)
	}
	k.Secret = ""
	return k, err
}

func (s *server) inspectKey(c *call) error {
	k, err := s.key(c)
	if err != nil {
		return err
	}
	return c.ok(wireKey(k))
}

func (s *server) deleteKey(c *call) error {
	if !c.caller.Unlimited() {
		if _, err := s.key(c); err != nil {
			return err
		}
	}
	if err := s.fs.DeleteKey(c.Context(), c.PathValue("key")); err != nil {
		return err
	}
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}
