// Package lease says which process works on what. A process that begins work
// that no other may do at the same time writes its name into the row of that
// work, and keeps a lease, a row of its own that says until when it is to be
// counted on. Once a lease has run out, or is gone, any process may take the
// work over, by writing its own name there. So the transaction that ends a
// piece of work checks that the row still has the name of who does it: a
// process that was only slow then finds out.
//
// Leases compare the clocks of processes. They may differ by some seconds: work
// is then taken over earlier than it should, and that check keeps it right.
package lease

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"caret/objstore"
	"caret/pfs/rows"
)

// TTL is how long a lease lasts that is not renewed.
const TTL = 10 * time.Second

// row is the value of a lease.
type row struct {
	Until time.Time `json:"until"`
}

func key(owner string) []byte { return rows.Key(rows.Lease, owner) }

// Alive says whether the process owner is to be counted on: it is this one, or its
// lease has not run out. Nobody, "", has none.
func (k *Keeper) Alive(tx objstore.Reader, owner string, now time.Time) (bool, error) {
	if owner == k.owner {
		return true, nil
	}
	if owner == "" || k.alone {
		return false, nil
	}
	var r row
	err := rows.Get(tx, key(owner), &r)
	if errors.Is(err, objstore.ErrNotFound) {
		return false, nil
	}
	return err == nil && now.Before(r.Until), err
}

// Keeper keeps the lease of this process while it is needed: a process that
// has nothing to do writes nothing.
type Keeper struct {
	db    objstore.Rows
	now   func() time.Time
	log   *slog.Logger
	owner string
	alone bool

	mu    sync.Mutex
	held  int             // times that it was asked for and not given back
	drawn uint64          // attempts that were begun
	under map[string]bool // attempts under way
	until time.Time       // as in the row
	late  bool            // it could not be renewed, which was said
}

// New returns the keeper of the lease of the process owner, a name that no
// other process has. alone says that no other process can have the store open:
// then the leases of others are those of processes that are gone, however long
// they were to last, and need not be ended to be over.
func New(db objstore.Rows, now func() time.Time, log *slog.Logger, owner string, alone bool) *Keeper {
	return &Keeper{db: db, now: now, log: log, owner: owner, alone: alone}
}

// Begin begins a piece of work and returns a name for the attempt, which no other
// of this process has; end must be called.
func (k *Keeper) Begin() (attempt string, end func()) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.drawn++
	attempt = strconv.FormatUint(k.drawn, 10)
	if k.under == nil {
		k.under = make(map[string]bool)
	}
	k.under[attempt] = true
	return attempt, func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		delete(k.under, attempt)
	}
}

// Busy says whether an attempt of the process owner may still be under way. Of its
// own a process knows that, and takes over what an attempt could not take back
// although its lease goes on; of others the lease says it.
func (k *Keeper) Busy(tx objstore.Reader, owner, attempt string, now time.Time) (bool, error) {
	if owner != k.owner {
		return k.Alive(tx, owner, now)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.under[attempt], nil
}

// Owner is the name that the rows of this process's work have.
func (k *Keeper) Owner() string { return k.owner }

// Hold makes the lease good for half its time at least, and has it renewed
// until release is called.
func (k *Keeper) Hold(ctx context.Context) (release func(), err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.renew(ctx); err != nil {
		return nil, err
	}
	k.held++
	return sync.OnceFunc(func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		k.held--
	}), nil
}

// renew makes the lease last for TTL from now if half of that is over.
func (k *Keeper) renew(ctx context.Context) error {
	now := k.now()
	if k.until.Sub(now) > TTL/2 {
		return nil
	}
	until := now.Add(TTL)
	err := k.db.Update(ctx, "", func(tx objstore.Writer) error { return rows.Set(tx, key(k.owner), row{until}) })
	if err == nil {
		k.until, k.late = until, false
	}
	return err
}

// Run renews the lease while it is held, until ctx ends.
func (k *Keeper) Run(ctx context.Context) {
	tick := time.NewTicker(TTL / 5)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		k.mu.Lock()
		if k.held > 0 {
			if err := k.renew(ctx); err != nil && ctx.Err() == nil && !k.late {
				k.late = true
				k.log.Warn("the lease of this process cannot be renewed: others may take its work over", "err", err)
			}
		}
		k.mu.Unlock()
	}
}

// End gives the lease back: what this process has left undone can be taken over
// at once.
func (k *Keeper) End(ctx context.Context) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.until.IsZero() {
		return nil
	}
	k.until = time.Time{}
	return k.db.Update(ctx, "", func(tx objstore.Writer) error { return tx.Delete(key(k.owner)) })
}

// Forget removes leases that were over before a time, and if no other process can
// have the store open those of all others: they are of processes that were killed.
func (k *Keeper) Forget(ctx context.Context, before time.Time) error {
	var gone [][]byte
	err := k.db.View(ctx, func(tx objstore.Reader) error {
		gone = nil
		return rows.Some(tx, []byte{rows.Lease}, "", 0, func(owner string, value []byte) error {
			var r row
			err := rows.Decode(key(owner), value, &r)
			if err == nil && k.over(owner, r, before) {
				gone = append(gone, key(owner))
			}
			return err
		})
	})
	if err != nil || len(gone) == 0 {
		return err
	}
	return k.db.Update(ctx, "", func(tx objstore.Writer) error {
		for _, name := range gone {
			var r row
			err := rows.Get(tx, name, &r)
			if err == nil && k.over(string(name[1:]), r, before) { // and was not renewed
				err = tx.Delete(name)
			}
			if err != nil && !errors.Is(err, objstore.ErrNotFound) {
				return err
			}
		}
		return nil
	})
}

// over says whether the lease of owner is one that Forget removes.
func (k *Keeper) over(owner string, r row, before time.Time) bool {
	return owner != k.owner && (k.alone || before.After(r.Until))
}
