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

// CreateTag names the commit that at, an expression, means; message may be empty.
func (c *Client) CreateTag(ctx context.Context, repo, name, at, message string) (v1.Tag, error) {
	return post[v1.Tag](ctx, c, v1.CreateTag{Name: name, At: at, Message: message}, "repos", repo, "tags")
}

// DeletedTags lists the tags of a repo that can be restored, by name.
func (c *Client) DeletedTags(ctx context.Context, repo, after string, limit int) (v1.Page[v1.DeletedTag], error) {
	return get[v1.Page[v1.DeletedTag]](ctx, c, pageQuery(after, limit), "repos", repo, "deleted", "tags")
}

// RestoreTag brings back the tag of that name that was deleted last.
func (c *Client) RestoreTag(ctx context.Context, repo, name string) (v1.Tag, error) {
	return post[v1.Tag](ctx, c, nil, "repos", repo, "tags", name, "restore")
}

// DeletedRepos lists the repos that can be restored, by name and time of deletion.
func (c *Client) DeletedRepos(ctx context.Context, after string, limit int) (v1.Page[v1.DeletedRepo], error) {
	return get[v1.Page[v1.DeletedRepo]](ctx, c, pageQuery(after, limit), "deleted")
}

// RestoreRepo brings a deleted repo back.
func (c *Client) RestoreRepo(ctx context.Context, name string, in v1.RestoreRepo) (v1.RestoredRepo, error) {
	return post[v1.RestoredRepo](ctx, c, in, "deleted", name, "restore")
}

// Grants lists who was granted a branch with all its files.
func (c *Client) Grants(ctx context.Context, repo, branch string) (v1.Page[v1.Grant], error) {
	return get[v1.Page[v1.Grant]](ctx, c, nil, "repos", repo, "branches", branch, "grants")
}

// Grant lets a user, by its name, read a branch with all its files or, if may is write,
// write to it too.
func (c *Client) Grant(ctx context.Context, repo, branch, user, may string) (v1.Grant, error) {
	var out v1.Grant
	err := c.call(ctx, http.MethodPut, v1.SetGrant{May: may}, &out, nil, "repos", repo, "branches", branch, "grants", user)
	return out, err
}

// Revoke takes the grant of a user away, by its name, or its id if it was deleted.
func (c *Client) Revoke(ctx context.Context, repo, branch, user string) error {
	return c.call(ctx, http.MethodDelete, nil, nil, nil, "repos", repo, "branches", branch, "grants", user)
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
