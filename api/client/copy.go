package client

import (
	"context"

	"caret/api/v1"
)

// Copy stores files of repo or of another one once more, in one commit.
func (c *Client) Copy(ctx context.Context, repo string, in v1.Copy) (v1.Written, error) {
	return post[v1.Written](ctx, c, in, "repos", repo, "copy")
}

// MoveFiles gives a file of repo, or all under a prefix, another path, in one
// commit.
func (c *Client) MoveFiles(ctx context.Context, repo string, in v1.MoveFiles) (v1.Written, error) {
	return post[v1.Written](ctx, c, in, "repos", repo, "move")
}
