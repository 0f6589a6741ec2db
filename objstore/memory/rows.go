package memory

import (
	"context"
	"runtime"
	"strings"

	"caret/objstore"
)

// rows implements objstore.Rows: those of txn, and who calls them from the
// transaction of an Update is told here. Elsewhere that would wait for itself
// for ever.
type rows struct{ *Store }

// View implements objstore.Rows.
func (r rows) View(ctx context.Context, fn func(objstore.Reader) error) error {
	r.notWithin("View")
	return r.rows.View(ctx, fn)
}

// Update implements objstore.Rows.
func (r rows) Update(ctx context.Context, about objstore.Subject, fn func(objstore.Writer) error) error {
	r.notWithin("Update")
	return r.rows.Update(ctx, about, func(tx objstore.Writer) error { return r.transact(tx, fn) })
}

// Number implements objstore.Rows.
func (r rows) Number(ctx context.Context, sequence string, floor uint64) (uint64, error) {
	return r.rows.Number(ctx, sequence, floor)
}

// Changed implements objstore.Rows.
func (r rows) Changed() <-chan struct{} { return r.rows.Changed() }

// transact is on the stack of whatever a transaction calls.
//
//go:noinline
func (s *Store) transact(tx objstore.Writer, fn func(objstore.Writer) error) error {
	s.busy.Store(true)
	defer s.busy.Store(false)
	return fn(tx)
}

// notWithin panics if its caller is called by the transaction of an Update.
func (s *Store) notWithin(what string) {
	if !s.busy.Load() {
		return
	}
	var stack [256]uintptr
	frames := runtime.CallersFrames(stack[:runtime.Callers(1, stack[:])])
	for {
		f, more := frames.Next()
		if strings.HasSuffix(f.Function, "/memory.(*Store).transact") {
			panic("memory: the transaction of an Update calls " + what)
		}
		if !more {
			return
		}
	}
}
