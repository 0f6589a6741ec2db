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
	"time"

	"caret/objstore"
	"caret/objstore/local/index"
	"caret/objstore/local/journal"
	"caret/objstore/local/pack"
	"caret/objstore/txn"
)

// Options configure a store; the zero value is fine.
type Options struct {
	// PackSize is the size in bytes at which a pack file is closed and the
	// next one begun. 0 is 512 MiB.
	PackSize int64
	// SmallMax is the largest blob, in bytes, that is written to the log first
	// and to a pack with many others later. 0 is DefaultSmallMax, negative none;
	// at most 1 MiB.
	SmallMax int
	// SegmentSize is that of the files of the log. 0 is 32 MiB, or less on a
	// small disk.
	SegmentSize int64
	// Reserve is how much disk space, in bytes, writes leave free beside what
	// the index may need. 0 is 1 GiB or a twentieth of the disk, whichever is
	// less; negative is none at all.
	Reserve int64
	// Rebuild makes the index anew, whatever its state.
	Rebuild bool
	// AcceptLoss opens a store whose log is damaged with what can be read of it,
	// and sets the damaged files aside. Without it Open refuses, unless the
	// index has what the log has lost.
	AcceptLoss bool
	// Progress, if set, is told now and then how many of the rows are in an
	// index that is being made; total is 0 if it is not known.
	Progress func(done, total uint64)
	// Log takes warnings; nil discards them.
	Log *slog.Logger
	// Fault, if set, is called before each operation on the disk with its
	// name, and makes it fail with the error it returns. For tests.
	Fault func(point string) error
}

// DefaultSmallMax is a compromise. By `go test ./objstore/local -bench Put` it makes 4
// KiB take a third of the time with one writer and the same with 32; of 16 KiB it makes
// those take half as long again.
const DefaultSmallMax = 16 << 10

// Store is an objstore.Store in a directory.
type Store struct {
	dir     string
	opts    Options
	log     *slog.Logger
	lock    *os.File
	id      journal.ID
	said    identity
	journal *journal.Journal
	runs    runs
	packs   *pack.Packs
	index   current
	blobs   *blobs
	space   *space

	rows   *txn.Rows
	write  sync.Mutex            // held while a record is written and indexed, and for state
	state  index.State           // of the index
	packed packEnd               // as the log has it
	failed atomic.Pointer[error] // the first disk error, after which nothing is written
	broken chan struct{}         // closed then
	stats  counters
	ran    atomic.Pointer[func(time.Duration)] // see Observe

	noRoom struct { // how making room in the log fails
		sync.Mutex
		failing
	}
	merges     merges
	closing    chan struct{} // closed when background work is to end
	background sync.WaitGroup
}

// Open opens the store in dir, which is made if it does not exist.
// objstore.ErrLocked, objstore.ErrNewerFormat; objstore.ErrCorrupt if what is
// there can't be opened without losing something, with what can be done.
func Open(dir string, opts Options) (*Store, error) {
	opts.PackSize = cmp.Or(opts.PackSize, 512<<20)
	opts.SmallMax = min(cmp.Or(opts.SmallMax, DefaultSmallMax), maxSide)
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	s := &Store{dir: dir, opts: opts, log: opts.Log, closing: make(chan struct{}), broken: make(chan struct{}), merges: merges{woken: make(chan struct{}, 1)}}
	if err := s.open(); err != nil {
		s.release() //nolint:errcheck // the first error tells more
		return nil, fmt.Errorf("open data directory %s: %w", dir, err)
	}
	s.rows = txn.New(engine{s}, txn.Options{Log: s.log, Sole: true, Ran: s.observe})
	s.background.Go(s.checkpoint)
	s.background.Go(s.watch)
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
	version, err := s.checkFormat()
	if err != nil {
		return err
	}
	s.space = newSpace(s.dir, s.opts.Reserve)
	if s.packs, err = pack.Open(s.path("packs"), s.opts.PackSize, s.fault); err != nil {
		return err
	}
	if err := s.readPacksMark(); err != nil {
		return err
	}
	s.blobs = newBlobs(s)
	if version < formatVersion {
		if err := s.migrate(); err != nil {
			return fmt.Errorf("bring format version %d to %d: %w", version, formatVersion, err)
		}
	}
	if err := s.openLog(); err != nil {
		return err
	}
	if s.state.LSN > 0 { // the log has what a migration that was killed then left behind
		if err := os.RemoveAll(s.path("rows")); err != nil {
			return err
		}
	}
	if missing, first := s.packs.Continue(s.packed.pack, s.packed.end); missing > 0 {
		s.log.Error("packs are missing: what is in them can't be read until they are put back while no server runs; `caret fsck` names the files", "missing", missing, "first", first)
	}
	return s.identify()
}

func (s *Store) path(name string) string { return filepath.Join(s.dir, name) }

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
		close(s.broken)
		if s.journal != nil {
			s.journal.Refuse(s.Failure())
		}
	}
}

// Failed is closed when the store is broken; see objstore.Store.
func (s *Store) Failed() <-chan struct{} { return s.broken }

// Failure says why nothing is written any more; nil if it is.
func (s *Store) Failure() error {
	if err := s.failed.Load(); err != nil {
		return fmt.Errorf("%w: %w", objstore.ErrFailed, *err)
	}
	return nil
}

// writable says why nothing can be written.
func (s *Store) writable() error {
	if err := s.Failure(); err != nil {
		return err
	}
	return s.space.check()
}

// Blobs returns the blobs.
func (s *Store) Blobs() objstore.Blobs { return s.blobs }

// Rows returns the rows.
func (s *Store) Rows() objstore.Rows { return s.rows }

// Close waits for what is under way, writes a checkpoint and closes the store.
func (s *Store) Close() error {
	if !s.rows.Close() {
		return nil
	}
	close(s.blobs.ended)
	s.blobs.gate.Close()
	var err error
	if s.writable() == nil {
		s.write.Lock()
		err = s.journal.Seal()
		s.write.Unlock()
	}
	s.journal.Stop()
	close(s.closing)
	s.background.Wait()
	if failed := s.failed.Load(); err == nil && failed != nil {
		err = *failed
	}
	return errors.Join(err, s.release())
}

func (s *Store) release() error {
	var errs []error
	if s.space != nil {
		errs = append(errs, s.index.close(s.space))
	}
	if s.journal != nil {
		errs = append(errs, s.journal.Close())
	}
	if s.packs != nil {
		errs = append(errs, s.packs.Close())
	}
	if s.lock != nil {
		errs = append(errs, unlockDir(s.lock))
	}
	return errors.Join(errs...)
}
