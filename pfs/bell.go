package pfs

import (
	"context"
	"sync/atomic"
	"time"

	"caret/objstore"
)

// bell wakes those who wait for any row to change. The zero value is ready.
type bell struct {
	waiting atomic.Pointer[chan struct{}] // nil if nobody does
}

// lull is how long a ring waits for others, so that a burst of writes wakes
// everybody once.
const lull = 5 * time.Millisecond

// next is closed after the next ring. Who calls it before looking at rows
// misses nothing: a change that the look does not see rings later.
func (b *bell) next() <-chan struct{} {
	for {
		if c := b.waiting.Load(); c != nil {
			return *c
		}
		c := make(chan struct{})
		if b.waiting.CompareAndSwap(nil, &c) {
			return c
		}
	}
}

// ring costs a load where nobody waits.
func (b *bell) ring() {
	if b.waiting.Load() == nil {
		return
	}
	if c := b.waiting.Swap(nil); c != nil {
		time.AfterFunc(lull, func() { close(*c) })
	}
}

// ringing is rows with a bell that rings behind every change, when it can be
// seen: not in the transaction, which may run again or come to nothing.
type ringing struct {
	objstore.Rows
	bell *bell
}

// Update implements objstore.Rows.
func (r ringing) Update(ctx context.Context, fn func(objstore.Writer) error) error {
	err := r.Rows.Update(ctx, fn)
	if err == nil {
		r.bell.ring()
	}
	return err
}
