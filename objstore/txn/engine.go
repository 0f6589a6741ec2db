package txn

import (
	"context"

	"caret/objstore"
)

// Engine is what a store has of its own. View and Reserve may be called at any
// time, by many; of Tx there is one at a time.
type Engine interface {
	// View returns what is committed at this moment.
	View(ctx context.Context) (Snapshot, error)

	// Begin returns what is committed at this moment, for a group of Updates
	// to build on. Its error says why nothing can be written, and is told to
	// all who wait.
	Begin() (Tx, error)

	// Reserve takes n numbers of a sequence, all above floor, and returns the
	// last of them. They are the caller's alone, durably so, and above all that
	// were taken before. n is at most MaxBlock.
	Reserve(ctx context.Context, sequence string, floor, n uint64) (last uint64, err error)
}

// Snapshot is the rows of one moment, used by one goroutine at a time. Limits
// that Page is given are above 0, and ranges not empty by their bounds.
type Snapshot interface {
	objstore.Reader
	// Discard ends the snapshot; what it returned stays.
	Discard()
}

// Tx is a snapshot after which nothing was committed when Commit begins.
type Tx interface {
	Snapshot
	// Commit makes a batch durable, whole or not at all. It is called for every
	// group, even with nothing to write: a store may have other things that
	// are to be durable before Updates are told so, and all that was there when
	// they began is there now. Its error is told to the whole group; one that
	// leaves open what is stored wraps objstore.ErrUnknownOutcome.
	Commit(Batch) error
}

// Batch is what a group of Updates writes.
type Batch struct {
	Writes       *Tree // a nil value deletes; not changed any more
	Transactions int   // Updates that succeed with it
}
