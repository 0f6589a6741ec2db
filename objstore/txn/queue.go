package txn

import (
	"context"
	"runtime"
	"sync"

	"caret/objstore"
)

// maxGroup is the most Updates that share a commit.
const maxGroup = 1024

// request is an Update that waits to be told how it went.
type request struct {
	ctx context.Context
	fn  func(objstore.Writer) error

	// What follows is set when told is closed.
	told      chan struct{}
	err       error
	cancelled bool // before fn was run; err says so
	value     any  // of a panic, if not nil
	exits     bool // ends its caller's goroutine, as t.FailNow does
}

// answer is what Update does in the end.
func (r *request) answer() error {
	switch {
	case r.value != nil:
		panic(r.value)
	case r.exits:
		runtime.Goexit()
	}
	return r.err
}

// queue is the Updates that wait, and whether somebody is at them.
type queue struct {
	mu      sync.Mutex
	waiting []*request // those of the group under way too
	flush   bool       // a commit is asked for, though nobody waits
	working bool
}

// add lets a request wait, or asks for a commit if it is nil. The caller has
// entered.
func (x *Rows) add(r *request) {
	q := &x.queue
	q.mu.Lock()
	defer q.mu.Unlock()
	if r == nil {
		q.flush = true
	} else {
		q.waiting = append(q.waiting, r)
	}
	if !q.working {
		q.working = true
		x.gate.hold()
		go x.work()
	}
}

// work commits group after group while somebody waits.
func (x *Rows) work() {
	defer x.gate.Leave()
	idle := false
	defer func() {
		if !idle {
			x.exited()
		}
	}()
	for {
		group, ok := x.queue.next()
		if !ok {
			idle = true
			return
		}
		x.queue.drop(x.commit(group))
	}
}

// next is the group to come. It stays in the queue.
func (q *queue) next() ([]*request, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.working = q.flush || len(q.waiting) > 0
	q.flush = false
	n := min(len(q.waiting), maxGroup)
	return q.waiting[:n:n], q.working
}

// drop takes the first n requests out, who have been told.
func (q *queue) drop(n int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	clear(q.waiting[:n])
	q.waiting = q.waiting[n:]
}

// exited goes on after a transaction ended the goroutine it ran in: with the
// rest of its group, of which nothing was committed.
func (x *Rows) exited() {
	q := &x.queue
	q.mu.Lock()
	defer q.mu.Unlock()
	r := x.running
	if r == nil {
		return // the engine panics, which ends the process
	}
	for i := range q.waiting {
		if q.waiting[i] == r {
			q.waiting = append(q.waiting[:i:i], q.waiting[i+1:]...)
			break
		}
	}
	r.exits = true
	close(r.told)
	x.running = nil
	x.gate.hold()
	go x.work()
}
