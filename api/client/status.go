package client

import (
	"context"

	"caret/api/v1"
)

// Status is how the server is, for administrators.
func (c *Client) Status(ctx context.Context) (v1.Status, error) {
	return get[v1.Status](ctx, c, nil, "status")
}
