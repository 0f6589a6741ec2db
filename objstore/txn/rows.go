package txn

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"caret/objstore"
)

// Options say how an Engine's Rows run transactions; the zero value is fine.
type Options struct {
	// Alone commits each Update for itself, in the goroutine of its caller, so
	// that a panic shows where it arose, and Flush does nothing. It is for
	// stores whose commits cost nothing.
	Alone bool
	// Rehearse runs each transaction twice, as the contract allows, and keeps
	// only the second run: who keeps something from the first is found out.
	Rehearse bool
	// Sole says that nobody commits to the engine but these Rows: what transactions read
	// over and over is then remembered.
	Sole bool
	// Ran, if set, is told how long the function of each Update took, of the one
	// goroutine that all wait for.
	Ran func(time.Duration)
	// Log is told of panics in transactions, with the stack that the caller of
	// Update does not see; nil discards them.
	Log *slog.Logger
}

// Rows implements objstore.Rows on an Engine.
type Rows struct {
	engine Engine
	opts   Options
	gate   *Gate
	bell   Bell
	recent *recent // nil if it is of no use

	sequences sequences
	queue     queue
	running   *request   // whose fn is run, known to who works on the queue
	turn      sync.Mutex // held by the Update under way, with Alone
}

// New returns the rows of an engine, which is theirs until Close.
func New(engine Engine, opts Options) *Rows {
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	x := &Rows{engine: engine, opts: opts, gate: NewGate()}
	if opts.Sole {
		x.recent = newRecent()
	}
	if !opts.Alone {
		x.queue.wake, x.queue.ended = make(chan struct{}, 1), make(chan struct{})
		go x.work()
	}
	return x
}

// enter is followed by x.gate.Leave, unless it fails.
func (x *Rows) enter(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return x.gate.Enter()
}

// View implements objstore.Rows. If ctx ends while fn runs, what that reads next fails.
func (x *Rows) View(ctx context.Context, fn func(objstore.Reader) error) error {
	if err := x.enter(ctx); err != nil {
		return err
	}
	defer x.gate.Leave()
	before := x.recent.now()
	snapshot, err := x.engine.View(ctx)
	if err != nil {
		return err
	}
	defer snapshot.Discard()
	snapshot = x.recent.remember(snapshot, before)
	r := &reader{ctx: ctx, from: snapshot}
	defer func() { r.ended = true }()
	return fn(r)
}

// Update implements objstore.Rows. If ctx ends while fn runs, what that reads next fails.
// Once fn has run the outcome is waited for, even if ctx ends.
func (x *Rows) Update(ctx context.Context, _ objstore.Subject, fn func(objstore.Writer) error) error {
	if err := x.enter(ctx); err != nil {
		return err
	}
	defer x.gate.Leave()
	r := &request{ctx: ctx, fn: fn, told: make(chan struct{})}
	if x.opts.Alone {
		x.turn.Lock()
		defer x.turn.Unlock()
		x.commit([]*request{r})
	} else {
		x.queue.add(r)
		<-r.told
	}
	return r.answer()
}

// Changed implements objstore.Rows.
func (x *Rows) Changed() <-chan struct{} { return x.bell.Next() }

// Flush asks for a Commit soon, though no Update may wait for one.
func (x *Rows) Flush() {
	if x.opts.Alone || x.gate.Enter() != nil {
		return
	}
	defer x.gate.Leave()
	x.queue.add(nil)
}

// Close waits for transactions under way, and says whether it was the first to
// close. The engine is then used no more.
func (x *Rows) Close() bool {
	first := x.gate.Close()
	if !x.opts.Alone {
		if first {
			close(x.queue.wake)
		}
		<-x.queue.ended
	}
	return first
}
