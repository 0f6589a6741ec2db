package txn

import (
	"context"
	"runtime"
	"slices"
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

// queue is the Updates that wait for the goroutine that commits them. That one
// stays: a new one each time would first have to grow its stack.
type queue struct {
	mu      sync.Mutex
	waiting []*request    // those of the group under way too
	flush   bool          // a commit is asked for, though nobody waits
	wake    chan struct{} // holds one if there may be something to do; closed in the end
	ended   chan struct{} // closed after that
}

// add lets a request wait, or asks for a commit if it is nil. The caller has
// entered.
func (q *queue) add(r *request) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if r == nil {
		q.flush = true
	} else {
		q.waiting = append(q.waiting, r)
	}
	q.ring()
}

func (q *queue) ring() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// work commits group after group.
func (x *Rows) work() {
	done := false
	defer func() {
		if done {
			close(x.queue.ended)
		} else {
			x.exited()
		}
	}()
	for range x.queue.wake {
		for group, ok := x.queue.next(); ok; group, ok = x.queue.next() {
			x.queue.drop(x.commit(group))
		}
	}
	done = true
}

// next is the group to come, if there is something to do. It stays in the queue.
func (q *queue) next() ([]*request, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	ok := q.flush || len(q.waiting) > 0
	q.flush = false
	n := min(len(q.waiting), maxGroup)
	return q.waiting[:n:n], ok
}

// drop takes the first n requests out, who have been told.
func (q *queue) drop(n int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	clear(q.waiting[:n])
	q.waiting = q.waiting[n:]
}

// remove takes one request out.
func (q *queue) remove(r *request) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if i := slices.Index(q.waiting, r); i >= 0 {
		q.waiting = append(q.waiting[:i:i], q.waiting[i+1:]...)
	}
}

// exited goes on after a transaction ended the goroutine it ran in: with the
// rest of its group, of which nothing was committed.
func (x *Rows) exited() {
	r := x.running
	if r == nil {
		return // the engine panics, which ends the process
	}
	x.running = nil
	x.queue.remove(r)
	x.queue.ring()
	go x.work()
	r.exits = true
	close(r.told)
}
