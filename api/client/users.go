package client

import (
	"context"
	"net/http"

	"caret/api/v1"
)

// Users lists users by name; limit 0 is as many as the server gives.
func (c *Client) Users(ctx context.Context, after string, limit int) (v1.Page[v1.User], error) {
	return get[v1.Page[v1.User]](ctx, c, pageQuery(after, limit), "users")
}

// CreateUser makes a user, who then needs a key. Of u, the name, the name for
// people and whether it is an administrator count.
func (c *Client) CreateUser(ctx context.Context, u v1.User) (v1.User, error) {
	return post[v1.User](ctx, c, v1.CreateUser{Name: u.Name, Display: u.Display, Admin: u.Admin}, "users")
}

// User describes a user.
func (c *Client) User(ctx context.Context, name string) (v1.User, error) {
	return get[v1.User](ctx, c, nil, "users", name)
}

// DeleteUser removes a user and its keys.
func (c *Client) DeleteUser(ctx context.Context, name string) error {
	return c.call(ctx, http.MethodDelete, nil, nil, nil, "users", name)
}

// DeleteUserDryRun says what DeleteUser would remove, or why it would not.
func (c *Client) DeleteUserDryRun(ctx context.Context, name string) (v1.UserRemoval, error) {
	return dryRun[v1.UserRemoval](ctx, c, nil, "users", name)
}

// Keys lists the keys of a user, "" for all, without their secrets.
func (c *Client) Keys(ctx context.Context, user, after string, limit int) (v1.Page[v1.Key], error) {
	q := pageQuery(after, limit)
	q.Set("user", user)
	return get[v1.Page[v1.Key]](ctx, c, q, "keys")
}

// CreateKey makes a key of the user and with the limits in k. Its secret is
// told only here.
func (c *Client) CreateKey(ctx context.Context, k v1.Key) (v1.Key, error) {
	in := v1.CreateKey{User: k.User, ReadOnly: k.ReadOnly, Repo: k.Repo, Branch: k.Branch}
	return post[v1.Key](ctx, c, in, "keys")
}

// Key describes a key, without its secret.
func (c *Client) Key(ctx context.Context, accessKey string) (v1.Key, error) {
	return get[v1.Key](ctx, c, nil, "keys", accessKey)
}

// DeleteKey removes a key.
func (c *Client) DeleteKey(ctx context.Context, accessKey string) error {
	return c.call(ctx, http.MethodDelete, nil, nil, nil, "keys", accessKey)
}

// DeleteKeyDryRun says what DeleteKey would remove, or why it would not.
func (c *Client) DeleteKeyDryRun(ctx context.Context, accessKey string) (v1.Key, error) {
	return dryRun[v1.Key](ctx, c, nil, "keys", accessKey)
}
