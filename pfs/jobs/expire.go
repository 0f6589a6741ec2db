package jobs

import (
	"context"
	"time"

	"caret/objstore"
	"caret/pfs/rows"
	"caret/pfs/upload"
)

// expired: nobody has written to it for long, nor is it being finished.
func (r *Runner) expired(tx objstore.Reader, o *openRow) (bool, error) {
	if r.OpenTTL <= 0 || o.Internal || !r.older(r.OpenTTL)(o.LastTouched()) {
		return false, nil
	}
	if !o.Finishing {
		return true, nil
	}
	busy, err := r.Lease.Busy(tx, o.Owner, o.Attempt, r.Now())
	return err == nil && !busy, err
}

// expireCommits drops the open commits whose time is over.
func (r *Runner) expireCommits(ctx context.Context) error {
	list, err := r.openCommits(ctx, r.expired)
	for i := range list {
		if err != nil {
			break
		}
		o, ended := &list[i], false
		if ended, err = r.endOpen(ctx, o, r.expired); ended {
			r.Log.Warn("dropped an open commit that nobody has written to", "commit", o.id, "branch", o.Branch, "last", o.LastTouched())
		}
	}
	if len(list) > 0 {
		r.Kick()
	}
	return err
}

// expireUploads ends uploads that have got no part for long.
func (r *Runner) expireUploads(ctx context.Context) error {
	if r.UploadTTL <= 0 {
		return nil
	}
	completing := func(tx objstore.Reader, u upload.Upload) (bool, error) {
		return r.Lease.Busy(tx, u.Owner, u.Attempt, r.Now())
	}
	n, err := upload.DropAbandoned(ctx, r.DB, r.older(r.UploadTTL), completing)
	if n > 0 {
		r.Log.Warn("dropped uploads that nobody has sent parts to", "uploads", n, "for", r.UploadTTL)
	}
	return err
}

// forgetLeases removes the leases of processes that are long gone.
func (r *Runner) forgetLeases(ctx context.Context) error {
	if some, err := r.any(ctx, rows.Lease); err != nil || !some {
		return err
	}
	return r.Lease.Forget(ctx, r.Now().Add(-24*time.Hour))
}

// remembered is how long it is remembered that an upload was completed, so that
// completing it again succeeds: longer than any client tries.
const remembered = 7 * 24 * time.Hour

// forgetCompleted removes what is remembered of uploads completed long ago.
func (r *Runner) forgetCompleted(ctx context.Context) error {
	if some, err := r.any(ctx, rows.Completed); err != nil || !some {
		return err
	}
	return upload.ForgetCompleted(ctx, r.DB, r.older(remembered), r.Now())
}
