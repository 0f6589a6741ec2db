package txn

import (
	"sync/atomic"
	"time"
)

// Bell wakes those who wait for any row to change. The zero value is ready.
type Bell struct {
	waiting atomic.Pointer[chan struct{}] // nil if nobody does
}

// lull is how long a ring waits for others, so that a burst of writes wakes
// everybody once.
const lull = 5 * time.Millisecond

// Next is closed after the next ring. Who calls it before looking at rows
// misses nothing: a change that the look does not see rings later.
func (b *Bell) Next() <-chan struct{} {
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

// Ring costs a load where nobody waits.
func (b *Bell) Ring() {
	if b.waiting.Load() == nil {
		return
	}
	if c := b.waiting.Swap(nil); c != nil {
		time.AfterFunc(lull, func() { close(*c) })
	}
}
