package txn

import (
	"sync"
	"sync/atomic"

	"caret/objstore"
)

// Gate counts who is inside something that is to be closed one day. Unlike
// with a RWMutex, who is inside may enter once more while it closes: that
// fails, and is not waited for.
type Gate struct {
	inside atomic.Int64 // and closing, once it closes
	empty  chan struct{}
	left   sync.Once
}

// closing is more than ever are inside.
const closing = 1 << 62

// NewGate returns an open gate.
func NewGate() *Gate { return &Gate{empty: make(chan struct{})} }

// Enter is followed by Leave, unless it returns objstore.ErrClosed.
func (g *Gate) Enter() error {
	if g.inside.Add(1) < closing {
		return nil
	}
	g.Leave()
	return objstore.ErrClosed
}

// Leave ends what Enter began.
func (g *Gate) Leave() {
	if g.inside.Add(-1) == closing {
		g.left.Do(func() { close(g.empty) })
	}
}

// Close lets nobody in any more and waits until all have left. It says whether
// it was the first to close.
func (g *Gate) Close() bool {
	for {
		n := g.inside.Load()
		if n >= closing {
			<-g.empty
			return false
		}
		// Closing enters too, so that leaving sees the last one out.
		if g.inside.CompareAndSwap(n, n+1+closing) {
			g.Leave()
			<-g.empty
			return true
		}
	}
}
