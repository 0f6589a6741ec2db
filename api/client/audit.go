package client

import (
	"context"
	"time"

	"caret/api/v1"
)

// AuditFilter keeps some lines of the trail of changes; what is zero keeps all.
type AuditFilter struct {
	Since, Until time.Time // both included
	User         string    // what the user of that name did
	Repo         string    // what was done to the repo of that name
}

// Audit lists lines of the trail of changes, newest first: to administrators, and
// those of a repo to its owner.
func (c *Client) Audit(ctx context.Context, f AuditFilter, after string, limit int) (v1.Page[v1.AuditLine], error) {
	q := pageQuery(after, limit)
	for name, v := range map[string]string{"user": f.User, "repo": f.Repo} {
		if v != "" {
			q.Set(name, v)
		}
	}
	for name, t := range map[string]time.Time{"since": f.Since, "until": f.Until} {
		if !t.IsZero() {
			q.Set(name, t.UTC().Format(time.RFC3339Nano))
		}
	}
	return get[v1.Page[v1.AuditLine]](ctx, c, q, "audit")
}
