package memory

import (
	"sync"
	"sync/atomic"

	"caret/objstore"
	"caret/objstore/txn"
)

// Options make a store fail; the zero value does not.
type Options struct {
	// Fault, if set, is called before each operation with its name, and makes
	// it fail with the error it returns: blob.put, blob.get, rows.view,
	// rows.update, rows.commit, sequence.reserve.
	Fault func(point string) error
	// Outcome, if set, is called at each commit that writes anything. If it
	// returns an error, Update fails with objstore.ErrUnknownOutcome and that,
	// and committed says whether it happened all the same.
	Outcome func() (committed bool, err error)
}

// Store is an objstore.Store. Make one with New.
type Store struct {
	opts Options
	rows *txn.Rows
	busy atomic.Bool // the transaction of an Update runs

	table   atomic.Pointer[txn.Tree] // what is committed; replaced, never changed
	numbers struct {
		sync.Mutex
		last map[string]uint64 // reserved
	}
	blobs blobs
}

// New returns an empty store.
func New() *Store { return NewWith(Options{}) }

// NewWith returns an empty store with options.
func NewWith(opts Options) *Store {
	s := &Store{opts: opts}
	s.table.Store(txn.NewTree())
	s.numbers.last = make(map[string]uint64)
	s.blobs = blobs{store: s, gate: txn.NewGate(), data: make(map[objstore.Hash][]byte)}
	s.rows = txn.New(engine{s}, txn.Options{Alone: true, Rehearse: true, Sole: true})
	return s
}

// Blobs returns the blobs.
func (s *Store) Blobs() objstore.Blobs { return &s.blobs }

// Rows returns the rows.
func (s *Store) Rows() objstore.Rows { return rows{s} }

// Failed is never closed: there is no disk.
func (s *Store) Failed() <-chan struct{} { return nil }

// Failure returns nil.
func (s *Store) Failure() error { return nil }

// Close waits for what is under way and makes later calls fail.
func (s *Store) Close() error {
	s.rows.Close()
	s.blobs.gate.Close()
	return nil
}

// fault lets a test fail the operation that comes next.
func (s *Store) fault(point string) error {
	if s.opts.Fault == nil {
		return nil
	}
	return s.opts.Fault(point)
}
