package main

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"caret/objstore/budget"
)

// A client may be slow, but not so slow that it only keeps others from being served. See
// guardedBody for those who send.
const (
	// slowest is how many bytes a second are taken of an answer at least, on average over
	// half of the stall time in which the server has waited for nothing else.
	slowest = 1 << 10
	// slowestShort is how many come, or are taken, while other requests wait for memory,
	// over shortTick.
	slowestShort = 16 << 10
	shortTick    = 5 * time.Second
)

// errTooSlow ends an answer that its client hardly takes.
var errTooSlow = errors.New("the client takes less than 1 KiB/s of the answer")

// pace measures how fast a client takes what the server waits for.
type pace struct {
	bytes  int64
	waited time.Duration
}

// add counts bytes for which the server has waited, and says whether that is too slow.
func (p *pace) add(n int, waited, window time.Duration) (slow bool) {
	p.bytes += int64(n)
	if p.waited += waited; p.waited < window {
		return false
	}
	slow = float64(p.bytes) < slowest*p.waited.Seconds()
	*p = pace{}
	return slow
}

// under is the requests under way. When some wait for memory it cuts off those whose
// clients hardly send or read anything, as these hold some.
type under struct {
	budget *budget.Budget
	mu     sync.Mutex
	way    map[*exchange]*look
	round  int // of looks
}

// look is what was seen of a request at the last look.
type look struct {
	round int
	moved int64
}

func newUnder(b *budget.Budget) *under { return &under{budget: b, way: make(map[*exchange]*look)} }

// watched is requests that are looked at until ctx ends.
func watched(ctx context.Context, b *budget.Budget) *under {
	u := newUnder(b)
	go u.run(ctx)
	return u
}

func (u *under) begin(x *exchange) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.way[x] = &look{round: -1}
}

func (u *under) end(x *exchange) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.way, x)
}

// run looks until ctx ends.
func (u *under) run(ctx context.Context) {
	tick := time.NewTicker(shortTick)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			u.look()
		case <-ctx.Done():
			return
		}
	}
}

// look cuts off the requests that were too slow since the last look, if it was short
// of memory then, too.
func (u *under) look() {
	if !u.budget.Short() {
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.round++
	for x, last := range u.way {
		moved := x.moved.Load()
		if x.waiting.Load() && last.round == u.round-1 && moved-last.moved < int64(slowestShort*shortTick.Seconds()) {
			x.cutOff()
		}
		last.round, last.moved = u.round, moved
	}
}

// wait is the part of an exchange that is about its client being waited for.
type wait struct {
	waiting atomic.Bool  // for the client, to send or to take something
	moved   atomic.Int64 // bytes that came and went
	tooSlow atomic.Bool  // it is not waited for any longer
}

// cutOff ends the waiting for a client that is too slow.
func (x *exchange) cutOff() {
	x.tooSlow.Store(true)
	past := time.Unix(1, 0)
	x.ctl.SetReadDeadline(past)  //nolint:errcheck // what is read tells
	x.ctl.SetWriteDeadline(past) //nolint:errcheck // what is written tells
}
