package pfs

import (
	"context"

	"caret/pfs/jobs"
)

// Jobs is what goes on in a store.
type Jobs = jobs.Counts

// Jobs counts what goes on in the store, of whatever process. It is for administrators:
// ErrDenied.
func (fs *FS) Jobs(ctx context.Context) (n Jobs, err error) {
	err = fs.View(ctx, func(v *View) error {
		if err := v.MayOversee(); err != nil {
			return err
		}
		n, err = jobs.Count(v.tx)
		return err
	})
	return n, err
}
