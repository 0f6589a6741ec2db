package local

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/options"

	"caret/objstore"
	"caret/objstore/txn"
)

// Options configure a store; the zero value is fine.
type Options struct {
	// PackSize is the size in bytes at which a pack file is closed and the
	// next one begun. 0 is 512 MiB.
	PackSize int64
	// InlineMax is the largest blob, in bytes, that is kept in its index row
	// and not in a pack. 0 is DefaultInlineMax, negative keeps none.
	InlineMax int
	// Reserve is how much disk space, in bytes, writes leave free. 0 is 1 GiB
	// or a twentieth of the disk, whichever is less; negative is none.
	Reserve int64
	// Log takes warnings; nil discards them.
	Log *slog.Logger
	// Fault, if set, is called before each operation on the disk with its
	// name, and makes it fail with the error it returns. For tests.
	Fault func(point string) error
}

// DefaultInlineMax is where by `go test -bench Inline` a pack begins to pay.
const DefaultInlineMax = 512

// memTable is badger's unit of work in memory and on disk. A transaction can
// hold 15 % of it. A smaller one fits the processor's caches better: with
// Snappy, 32 MiB commit to a branch of a million objects a fifth faster than
// 64 MiB (caretbench -run million).
const memTable = 32 << 20

// Store is an objstore.Store in a directory.
type Store struct {
	dir   string
	opts  Options
	log   *slog.Logger
	lock  *os.File
	db    *badger.DB
	packs *packs
	blobs *blobs
	space *space

	rows    *txn.Rows
	numbers sync.Mutex            // held while numbers of a sequence are reserved
	failed  atomic.Pointer[error] // the first disk error, after which nothing is written
	stats   counters
}

// Open opens the store in dir, which is made if it does not exist.
// objstore.ErrLocked, objstore.ErrNewerFormat.
func Open(dir string, opts Options) (*Store, error) {
	opts.PackSize = cmp.Or(opts.PackSize, 512<<20)
	opts.InlineMax = cmp.Or(opts.InlineMax, DefaultInlineMax)
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	s := &Store{dir: dir, opts: opts, log: opts.Log}
	if err := s.open(); err != nil {
		s.release() //nolint:errcheck // the first error tells more
		return nil, fmt.Errorf("open data directory %s: %w", dir, err)
	}
	s.rows = txn.New(engine{s}, txn.Options{Log: s.log, Sole: true})
	return s, nil
}

func (s *Store) open() error {
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return err
	}
	var err error
	if s.lock, err = lockDir(s.dir); err != nil {
		return err
	}
	older, err := s.checkFormat()
	if err != nil {
		return err
	}
	s.space = newSpace(s.dir, s.opts.Reserve)
	if err := s.space.prepare(s.log); err != nil {
		return err
	}
	rows := filepath.Join(s.dir, "rows")
	if err := quarantine(rows, filepath.Join(s.dir, "rows-quarantine"), s.log); err != nil {
		return err
	}
	if s.db, err = badger.Open(badgerOptions(rows, s.log)); err != nil {
		return err
	}
	if s.packs, err = openPacks(filepath.Join(s.dir, "packs"), s.opts.PackSize, s.fault); err != nil {
		return err
	}
	s.blobs = &blobs{store: s, gate: txn.NewGate(), pending: make(map[objstore.Hash]*pending)}
	if older {
		return s.writeFormat()
	}
	return nil
}

func badgerOptions(dir string, log *slog.Logger) badger.Options {
	return badger.DefaultOptions(dir).
		WithSyncWrites(true).
		WithDetectConflicts(false). // groups commit one after another, and nothing else writes their rows
		WithNumVersionsToKeep(1).
		WithValueThreshold(1 << 20). // values stay in the tree
		WithMemTableSize(memTable).
		WithNumMemtables(2).
		WithBlockCacheSize(64 << 20).
		WithIndexCacheSize(64 << 20).
		WithCompression(options.Snappy). // ZSTD saves 5 % and costs 15 % of the time
		WithCompactL0OnClose(true).
		WithVerifyValueChecksum(true).
		WithValueLogFileSize(64 << 20).
		WithMetricsEnabled(false).
		WithLogger(badgerLog{log})
}

// fault lets a test fail the operation on the disk that comes next.
func (s *Store) fault(point string) error {
	if s.opts.Fault == nil {
		return nil
	}
	return s.opts.Fault(point)
}

// fail records a disk error after which nothing more is written.
func (s *Store) fail(err error) {
	if s.failed.CompareAndSwap(nil, &err) {
		s.log.Error("store refuses writes from now on", "err", err)
	}
}

// writable says why nothing can be written.
func (s *Store) writable() error {
	if err := s.failed.Load(); err != nil {
		return fmt.Errorf("%w: %w", objstore.ErrFailed, *err)
	}
	return s.space.check()
}

// Blobs returns the blobs.
func (s *Store) Blobs() objstore.Blobs { return s.blobs }

// Rows returns the rows.
func (s *Store) Rows() objstore.Rows { return s.rows }

// Close waits for what is under way and closes the store.
func (s *Store) Close() error {
	if !s.rows.Close() {
		return nil
	}
	s.blobs.gate.Close()
	return s.release()
}

func (s *Store) release() error {
	var errs []error
	if s.db != nil {
		errs = append(errs, s.db.Close())
	}
	if s.packs != nil {
		errs = append(errs, s.packs.close())
	}
	if s.lock != nil {
		errs = append(errs, unlockDir(s.lock))
	}
	return errors.Join(errs...)
}

// badgerLog hands badger's messages on.
type badgerLog struct{ log *slog.Logger }

func (l badgerLog) Errorf(f string, a ...any)   { l.log.Error("badger: " + fmt.Sprintf(f, a...)) }
func (l badgerLog) Warningf(f string, a ...any) { l.log.Warn("badger: " + fmt.Sprintf(f, a...)) }
func (l badgerLog) Infof(f string, a ...any)    { l.log.Debug("badger: " + fmt.Sprintf(f, a...)) }
func (l badgerLog) Debugf(string, ...any)       {}
