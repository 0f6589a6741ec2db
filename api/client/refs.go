package client

import (
	"context"
	"encoding/json"
	"io"
	"iter"
	"net/http"
	"net/url"

	"caret/api/v1"
)

// ResetBranch makes another commit the head of a branch, or only says which
// commits would no longer lead to it.
func (c *Client) ResetBranch(ctx context.Context, repo, name string, in v1.ResetBranch) (v1.Reset, error) {
	return post[v1.Reset](ctx, c, in, "repos", repo, "branches", name, "reset")
}

// ProtectBranch makes a branch refuse writes, resets and its deletion, or
// take them again.
func (c *Client) ProtectBranch(ctx context.Context, repo, name string, protected bool) (v1.Branch, error) {
	return post[v1.Branch](ctx, c, v1.ProtectBranch{Protected: protected}, "repos", repo, "branches", name, "protect")
}

// RestoreBranch brings a deleted branch back, and its repo with it.
func (c *Client) RestoreBranch(ctx context.Context, repo, name string) (v1.Branch, error) {
	return post[v1.Branch](ctx, c, nil, "repos", repo, "branches", name, "restore")
}

// DeletedBranches lists the branches of a repo that can be restored, by name.
func (c *Client) DeletedBranches(ctx context.Context, repo, after string, limit int) (v1.Page[v1.DeletedBranch], error) {
	return get[v1.Page[v1.DeletedBranch]](ctx, c, pageQuery(after, limit), "repos", repo, "deleted")
}

// Moves lists where a branch was made to point, newest first.
func (c *Client) Moves(ctx context.Context, repo, name, after string, limit int) (v1.Page[v1.Move], error) {
	return get[v1.Page[v1.Move]](ctx, c, pageQuery(after, limit), "repos", repo, "branches", name, "moves")
}

// Tags lists the tags of a repo by name.
func (c *Client) Tags(ctx context.Context, repo, after string, limit int) (v1.Page[v1.Tag], error) {
	return get[v1.Page[v1.Tag]](ctx, c, pageQuery(after, limit), "repos", repo, "tags")
}

// Tag describes a tag.
func (c *Client) Tag(ctx context.Context, repo, name string) (v1.Tag, error) {
	return get[v1.Tag](ctx, c, nil, "repos", repo, "tags", name)
}

// CreateTag names the commit that at, an expression, means.
func (c *Client) CreateTag(ctx context.Context, repo, name, at string) (v1.Tag, error) {
	return post[v1.Tag](ctx, c, v1.CreateTag{Name: name, At: at}, "repos", repo, "tags")
}

// DeleteTag removes a tag; the commit stays.
func (c *Client) DeleteTag(ctx context.Context, repo, name string) error {
	return c.call(ctx, http.MethodDelete, nil, nil, nil, "repos", repo, "tags", name)
}

// DeleteTagDryRun says what DeleteTag would remove, or why it would not.
func (c *Client) DeleteTagDryRun(ctx context.Context, repo, name string) (v1.Tag, error) {
	return dryRun[v1.Tag](ctx, c, nil, "repos", repo, "tags", name)
}

// Diff lists the files that differ between two commits, by path; from and to
// are expressions.
func (c *Client) Diff(ctx context.Context, repo, from, to, prefix, after string, limit int) (v1.Page[v1.Difference], error) {
	q := pageQuery(after, limit)
	q.Set("from", from)
	q.Set("to", to)
	q.Set("prefix", prefix)
	return get[v1.Page[v1.Difference]](ctx, c, q, "repos", repo, "diff")
}

// DiffAll is all of a diff, as the server finds it. The sequence ends after
// the first error.
func (c *Client) DiffAll(ctx context.Context, repo, from, to, prefix string) iter.Seq2[v1.Difference, error] {
	return func(yield func(v1.Difference, error) bool) {
		resp, err := c.do(ctx, request{
			method: http.MethodGet, path: []string{"repos", repo, "diff", "stream"},
			query: url.Values{"from": {from}, "to": {to}, "prefix": {prefix}},
		})
		if err != nil {
			yield(v1.Difference{}, err)
			return
		}
		defer resp.Body.Close()
		for lines := json.NewDecoder(resp.Body); ; {
			var d v1.Difference
			err := lines.Decode(&d)
			if err == io.EOF || !yield(d, err) || err != nil {
				return
			}
		}
	}
}

// Merge makes what one branch has part of another.
func (c *Client) Merge(ctx context.Context, repo string, in v1.Merge) (v1.Merged, error) {
	return post[v1.Merged](ctx, c, in, "repos", repo, "merge")
}

// Revert takes back on a branch what a commit changed, in a commit of its own,
// or only says what would change.
func (c *Client) Revert(ctx context.Context, repo string, in v1.Revert) (v1.Written, error) {
	return post[v1.Written](ctx, c, in, "repos", repo, "revert")
}

// RestoreFiles makes a prefix of a branch what it was, in a commit of its own,
// or only says what would change.
func (c *Client) RestoreFiles(ctx context.Context, repo string, in v1.RestoreFiles) (v1.Written, error) {
	return post[v1.Written](ctx, c, in, "repos", repo, "restore")
}
