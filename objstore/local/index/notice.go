package index

import (
	"sync"
	"sync/atomic"

	"github.com/dgraph-io/badger/v4/y"
	"github.com/klauspost/compress/s2"
)

// badger's iterators take a block that can't be read for the end of its table,
// and compactions then leave out what was in it. Nothing tells that something
// went wrong but the error that badger makes on the way, and drops: it is made
// of one of two values, whose text badger asks for. They are replaced by
// values that count how often they are asked.
var (
	notices atomic.Uint64
	open    atomic.Int64 // indexes that are
	watched sync.Once
)

// watchErrors replaces the two values before the first index of a process is
// opened.
func watchErrors() {
	watched.Do(func() {
		y.ErrChecksumMismatch = noticed{y.ErrChecksumMismatch}
		s2.ErrCorrupt = noticed{s2.ErrCorrupt}
	})
}

// noticed is an error that counts how often somebody wants to know what it says.
type noticed struct{ error }

// Error implements error.
func (n noticed) Error() string {
	notices.Add(1)
	return n.error.Error()
}
