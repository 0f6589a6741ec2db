package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"caret/commits"
	"caret/objstore"
	"caret/pfs/rows"
)

// owned is the value of a row that asks for work; an empty value is nobody's.
type owned struct {
	Owner string            `json:"owner"`
	Home  commits.LineageID `json:"home,omitempty"` // see changeset.Dropping
}

// any says whether there are rows of a kind.
func (r *Runner) any(ctx context.Context, kind byte) (some bool, err error) {
	err = r.DB.View(ctx, func(tx objstore.Reader) error {
		page, err := tx.Page(objstore.Prefix([]byte{kind}), 1)
		some = len(page) > 0
		return err
	})
	return some, err
}

// errLost: the work was taken over by another process.
var errLost = errors.New("taken over by another process")

// each does the work that rows of a kind ask for.
func (r *Runner) each(ctx context.Context, kind byte, do func(ctx context.Context, key []byte) error) error {
	var keys [][]byte
	err := r.DB.View(ctx, func(tx objstore.Reader) error {
		keys = nil
		return rows.Some(tx, []byte{kind}, "", 0, func(rest string, _ []byte) error {
			keys = append(keys, rows.Key(kind, rest))
			return nil
		})
	})
	if err != nil {
		return err
	}
	r.forget(kind, keys)
	if len(keys) == 0 {
		return nil
	}
	release, err := r.Lease.Hold(ctx)
	if err != nil {
		return err
	}
	defer release()
	var errs []error
	for _, key := range keys {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		err := r.try(ctx, key, do)
		if Refused(err) {
			return err // whatever is tried next will be, too
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("row %q: %w", key, err))
		}
	}
	return errors.Join(errs...)
}

// forget forgets failures of work of a kind that is not among what there is to
// do: it is done after all, or another process did it.
func (r *Runner) forget(kind byte, keys [][]byte) {
	for name := range r.tries {
		if name[0] == kind && !slices.ContainsFunc(keys, func(k []byte) bool { return string(k) == name }) {
			delete(r.tries, name)
		}
	}
}

// try does owned work unless another process does, or it failed lately.
func (r *Runner) try(ctx context.Context, key []byte, do func(ctx context.Context, key []byte) error) error {
	name := string(key)
	if t := r.tries[name]; t != nil && r.Now().Before(t.next) {
		return nil
	}
	mine, err := r.claim(ctx, key)
	if err == nil && mine {
		err = do(ctx, key)
	}
	if err == nil || errors.Is(err, errLost) {
		delete(r.tries, name)
		return nil
	}
	if Refused(err) {
		return err // nothing is wrong with the work
	}
	t := r.tries[name]
	if t == nil {
		t = &retry{pause: firstPause}
		r.tries[name] = t
	}
	t.next = r.Now().Add(t.pause)
	t.pause = min(2*t.pause, maxPause)
	return err
}

// claim makes this process the owner of work that nobody with a lease owns.
func (r *Runner) claim(ctx context.Context, key []byte) (mine bool, err error) {
	err = r.DB.Update(ctx, "", func(tx objstore.Writer) error {
		mine = false
		w, err := readOwned(tx, key)
		if errors.Is(err, objstore.ErrNotFound) {
			return nil // it is done
		}
		if err != nil {
			return err
		}
		if w.Owner != r.Lease.Owner() {
			alive, err := r.Lease.Alive(tx, w.Owner, r.Now())
			if err != nil || alive {
				return err
			}
		}
		mine = true
		w.Owner = r.Lease.Owner()
		return rows.Set(tx, key, w)
	})
	return mine, err
}

func readOwned(tx objstore.Reader, key []byte) (w owned, err error) {
	b, err := tx.Get(key)
	if err != nil || len(b) == 0 {
		return w, err
	}
	if err := json.Unmarshal(b, &w); err != nil {
		return w, fmt.Errorf("%w: row %q: %w", objstore.ErrCorrupt, key, err)
	}
	return w, nil
}

// check says with errLost that the work is not this process's any more.
func (r *Runner) check(tx objstore.Reader, key []byte) error {
	w, err := readOwned(tx, key)
	if errors.Is(err, objstore.ErrNotFound) || err == nil && w.Owner != r.Lease.Owner() {
		return errLost
	}
	return err
}
