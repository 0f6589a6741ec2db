package objstore

import (
	"bytes"
	"context"
	"errors"
	"slices"
)

// Errors that implementations return, wrapped with where they happened.
var (
	// ErrNotFound: no row has that key, or no blob has that hash.
	ErrNotFound = errors.New("not found")
	// ErrCorrupt: stored bytes do not have the hash they are stored under,
	// or a record on disk is damaged. The bytes are never returned.
	ErrCorrupt = errors.New("stored data is corrupt")
	// ErrNoSpace: free space is below the reserve. Reads go on.
	ErrNoSpace = errors.New("not enough free disk space")
	// ErrUnknownOutcome: the transaction was to be committed, and whether it
	// was is not known, as when the connection to a database broke just then.
	// What later transactions see of it stays so: all or nothing. Whoever gets
	// it looks before acting.
	ErrUnknownOutcome = errors.New("outcome of the transaction is unknown")
	// ErrTooLarge: a transaction or a blob is larger than the store takes.
	ErrTooLarge = errors.New("too large for one transaction")
	// ErrFailed: the store is broken, and takes no writes until it is opened
	// again; see Store.Failed.
	ErrFailed = errors.New("store refuses writes after a disk error")
	// ErrClosed: the store has been closed.
	ErrClosed = errors.New("store is closed")
	// ErrNewerFormat: the directory was written by a newer caret.
	ErrNewerFormat = errors.New("data directory has a newer format")
	// ErrForeign: the directory has parts of another store.
	ErrForeign = errors.New("data directory has parts of different stores")
	// ErrLocked: another process has the directory open.
	ErrLocked = errors.New("data directory is in use by another process")
)

// MaxBlob is the largest blob, in bytes, that Put accepts.
const MaxBlob = 16 << 20

// Blobs stores immutable bytes by their BLAKE3-256 hash. All methods may be
// called concurrently.
type Blobs interface {
	// Put stores data and returns its hash. Bytes that are there already are
	// not stored again. data is not kept after Put returns. The blob can be
	// read at once; it is durable once an Update that began after Put
	// returned has succeeded. It fails with ErrTooLarge beyond MaxBlob,
	// ErrNoSpace below the reserve.
	Put(ctx context.Context, data []byte) (Hash, error)

	// Get appends the bytes with hash h to buf[:0] and returns the result.
	// The hash of what is returned has been verified; ErrCorrupt otherwise,
	// ErrNotFound when there is no such blob.
	Get(ctx context.Context, h Hash, buf []byte) ([]byte, error)
}

// MaxKey is the longest key of a row, in bytes: what fits into an index entry
// of PostgreSQL.
const MaxKey = 2500

// MaxValue is the longest value of a row, in bytes.
const MaxValue = 1<<20 - 1<<10

// Subject says what an Update is about, as a path of names from the whole to
// the part, such as "sales/master"; "" is nothing in particular. It is a hint:
// a store may let Updates of one subject, or of a part of it, wait for each
// other instead of having them run into conflicts.
type Subject string

// Rows is an ordered map from keys to values, both byte strings, with
// serializable transactions. Keys are 1 to MaxKey bytes and compare as bytes.
// Several processes may share one; nothing in memory stands for what is stored.
type Rows interface {
	// View runs fn on a consistent snapshot. The Reader is valid until fn
	// returns, and is no Writer: what it reads has been committed. fn's error
	// is returned as it is.
	View(ctx context.Context, fn func(Reader) error) error

	// Update runs fn in a transaction. If fn returns an error nothing is
	// written and that error is returned as it is. When Update returns nil,
	// everything fn wrote is durable, as are all blobs put before. fn may be
	// run more than once and must not call View or Update. Concurrent
	// Updates appear in one order, each atomic, and may share a sync.
	// A transaction may write about 3 MiB in 30,000 rows, and values of at most
	// MaxValue; beyond: ErrTooLarge. All Updates wait for one another: fn does what
	// takes a bounded time, whatever a client asks for, and ends if ctx does. It may read
	// about 48 MiB in 20,000 rows; beyond: ErrTooLarge.
	// ErrUnknownOutcome says that it may or may not have been committed.
	Update(ctx context.Context, about Subject, fn func(Writer) error) error

	// Number gives out the next number of a sequence, which is above floor and
	// was never given out before, to whatever process. Numbers grow in each
	// process; some are never given out.
	Number(ctx context.Context, sequence string, floor uint64) (uint64, error)

	// Changed is closed some time, at most about 10 ms, after the next
	// committed Update, by whatever process. Who calls it before looking at
	// rows misses nothing: a change that the look does not see closes it.
	Changed() <-chan struct{}
}

// Reader reads rows in a transaction, its own writes included. What it returns
// may be kept, and not be changed.
type Reader interface {
	// Get returns the value of key, or ErrNotFound.
	Get(key []byte) ([]byte, error)

	// GetMany returns the values of keys, in their order; nil where there is
	// no row. (The value of a row that is empty is not nil.) It may cost as
	// much as one Get where the store is far away.
	GetMany(keys [][]byte) ([][]byte, error)

	// Page returns the first limit rows of a range; fewer say that there are
	// no more. Nothing stays open between two pages. See Scan.
	Page(r Range, limit int) ([]Row, error)
}

// Row is a key with its value.
type Row struct{ Key, Value []byte }

// Writer reads and writes rows in a transaction. Compare-and-set is a Get
// followed by a Set: transactions are serializable.
type Writer interface {
	Reader
	// Set gives key a value. Both are copied.
	Set(key, value []byte) error
	// Delete removes key. Removing what is not there is no error.
	Delete(key []byte) error
	// Full says that as much is written, or read, as others may have to wait for: a
	// long job ends its step here. It is about half of what a transaction may, or less.
	Full() bool
}

// Range is the keys from Start, included, to End, excluded. An empty Start
// is the first key, a nil End is past the last. Reverse walks it backwards.
type Range struct {
	Start, End []byte
	Reverse    bool
}

// Empty says whether no key can be in r.
func (r Range) Empty() bool { return r.End != nil && bytes.Compare(r.Start, r.End) >= 0 }

// Behind is the part of r that follows key in the direction of the walk.
func (r Range) Behind(key []byte) Range {
	if r.Reverse {
		r.End = key
	} else {
		r.Start = append(slices.Clip(key), 0)
	}
	return r
}

// Prefix is the range of all keys that begin with p.
func Prefix(p []byte) Range {
	return Range{Start: p, End: PrefixEnd(p)}
}

// PrefixEnd is the first key after all keys that begin with p; nil if there
// is none.
func PrefixEnd(p []byte) []byte {
	for i := len(p) - 1; i >= 0; i-- {
		if p[i] != 0xff {
			end := append([]byte(nil), p[:i+1]...)
			end[i]++
			return end
		}
	}
	return nil
}

// Store is one place that has both. Close waits for transactions under way.
type Store interface {
	Blobs() Blobs
	Rows() Rows
	Close() error

	// Failed is closed when the store is broken: a disk error left it unknown
	// what is stored, or it can't be written to and could not mend that by itself.
	// Nothing mends it but to open it again, in another process if need be. Until
	// it is closed it can be read as far as that goes. A store that is full, or whose
	// network is down for now, is not broken.
	Failed() <-chan struct{}
	// Failure says why Failed is closed, with ErrFailed; nil before.
	Failure() error
}
