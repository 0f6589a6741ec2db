package txn

import (
	"cmp"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"caret/objstore"
)

// group is Updates that share a commit.
type group struct {
	*Rows
	tx     Tx
	read   Snapshot // what tx reads
	seen   seen
	writes *Tree // of all that succeeded so far
	bytes  int
	count  int // that succeeded
}

// commit runs requests in order, makes them durable together, and tells them.
// It returns how many these were; the others run again on top of them.
func (x *Rows) commit(requests []*request) (done int) {
	epoch := x.recent.now()
	tx, err := x.engine.Begin()
	if err != nil {
		for _, r := range requests {
			r.err = err
			close(r.told)
		}
		return len(requests)
	}
	defer tx.Discard()
	g := &group{Rows: x, tx: tx, read: x.recent.remember(tx, epoch), seen: make(seen), writes: NewTree()}
	for done < len(requests) && g.run(requests[done]) {
		done++
	}
	err = g.store()
	if g.writes.Len() > 0 && (err == nil || errors.Is(err, objstore.ErrUnknownOutcome)) {
		x.bell.Ring()
	}
	// Those that failed are told only now, as they may have failed because of
	// what is in the group: who is told that something is there already must
	// find it. If the commit fails they are told that.
	for _, r := range requests[:done] {
		if !r.cancelled {
			r.err = cmp.Or(err, r.err)
		}
		close(r.told)
	}
	return done
}

// store commits what the group writes.
func (g *group) store() error {
	g.recent.begin(g.writes)
	defer g.recent.end()
	return g.tx.Commit(Batch{Writes: g.writes, Transactions: g.count})
}

// run runs a transaction on top of those before it, and says whether there was
// room for it.
func (g *group) run(r *request) bool {
	if r.err = r.ctx.Err(); r.err != nil {
		r.cancelled = true
		return true
	}
	if g.opts.Rehearse {
		w := g.begin(r)
		g.call(w, r)
		w.rollback()
		if r.failed() {
			return true
		}
	}
	w := g.begin(r)
	g.call(w, r)
	if !r.failed() && w.filled() {
		r.err = w.tooLarge()
	}
	fits := g.bytes == 0 || g.bytes+w.bytes <= MaxBytes && g.writes.Len() <= MaxRows
	if r.failed() || !fits {
		w.rollback()
		return r.failed()
	}
	g.bytes += w.bytes
	g.count++
	return true
}

func (r *request) failed() bool { return r.err != nil || r.value != nil }

func (g *group) begin(r *request) *writer {
	return &writer{reader: reader{ctx: r.ctx, from: g.read, over: g.writes, seen: g.seen, read: new(spent)}}
}

// call runs fn. A panic is kept for whoever called Update, unless that is this
// goroutine.
func (g *group) call(w *writer, r *request) {
	if g.opts.Ran != nil {
		began := time.Now()
		defer func() { g.opts.Ran(time.Since(began)) }()
	}
	defer func() { w.ended = true }()
	if g.opts.Alone {
		r.err = r.fn(w)
		return
	}
	defer func() {
		if r.value = recover(); r.value != nil {
			g.running = nil
			g.opts.Log.Error("panic in a transaction", "panic", fmt.Sprint(r.value), "stack", string(debug.Stack()))
		}
	}()
	g.running = r
	r.err = r.fn(w)
	g.running = nil
}
