package index

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/options"

	"caret/objstore"
)

// Options of an index.
type Options struct {
	// ReadOnly writes nothing, not even files of its own.
	ReadOnly bool
	// InMemory keeps everything in memory; there is no directory.
	InMemory bool
	// KeepLog believes badger's own write-ahead log, as nothing else has what it
	// has.
	KeepLog bool
	// Damaged, if set, is called when the index is first found damaged, before
	// anybody is told.
	Damaged func()
	// Log takes what badger says; not nil.
	Log *slog.Logger
	// CloseWithin is how long Close waits for badger; 0 is a minute.
	CloseWithin time.Duration
	// Fault, if set, is called before each commit with its name, and makes it
	// fail with the error it returns. For tests.
	Fault func(point string) error
}

// MemTable is badger's unit of work in memory and on disk. A transaction can
// hold 15 % of it. A smaller one fits the processor's caches better: with
// Snappy, 32 MiB commit to a branch of a million objects a fifth faster than
// 64 MiB (caretbench -run million).
const MemTable = 32 << 20

const (
	memTables  = 2
	blockCache = 64 << 20
	indexCache = 64 << 20
	compacting = 128 << 20 // tables that are being made
)

// Memory is about how many bytes of memory an index takes at most: its caches, the
// memtables in use and those being written, and what compactions work in.
const Memory = blockCache + indexCache + (memTables+2)*MemTable + compacting

// State says what an index holds.
type State struct {
	ID  [8]byte // of the store
	LSN uint64  // all rows of the log up to this
	// Bulk is the LSN up to which the small blobs of the log are found in packs.
	Bulk uint64
}

// Index is rows in badger.
type Index struct {
	dir     string
	opts    Options
	db      *badger.DB
	damage  atomic.Pointer[error] // the first that was noticed
	stuck   *stuck
	noticed atomic.Uint64 // count of what was noticed before, or was another's
	asking  sync.Mutex    // held to find out whose it was

	sealing sync.Mutex // for what follows
	sealed  map[string]uint32
}

// stateKey is where the State is. No other key is as short.
var stateKey = []byte{'l'}

// Open opens the index in dir, which is made if it does not exist. See the
// package for its errors.
func Open(dir string, opts Options) (_ *Index, err error) {
	if !opts.InMemory {
		if err := prepare(dir, opts); err != nil {
			return nil, err
		}
	}
	x := &Index{dir: dir, opts: opts, stuck: newStuck(opts.Log)}
	x.noticed.Store(notices.Load())
	watchErrors()
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: badger panics: %v", objstore.ErrCorrupt, p)
		}
	}()
	x.db, err = badger.Open(badgerOptions(dir, opts).WithLogger(x.stuck))
	if err != nil {
		return nil, openError(err)
	}
	open.Add(1)
	return x, nil
}

func badgerOptions(dir string, opts Options) badger.Options {
	return badger.DefaultOptions(dir).
		WithInMemory(opts.InMemory).
		WithReadOnly(opts.ReadOnly).
		WithBypassLockGuard(true). // the store has a lock of its own
		WithSyncWrites(false).
		WithDetectConflicts(false). // groups commit one after another, and nothing else writes their rows
		WithNumVersionsToKeep(1).
		WithChecksumVerificationMode(options.OnBlockRead).
		WithValueThreshold(1 << 20). // values stay in the tree
		WithMemTableSize(MemTable).
		WithNumMemtables(memTables).
		WithBlockCacheSize(blockCache).
		WithIndexCacheSize(indexCache).
		WithCompression(options.Snappy). // ZSTD saves 5 % and costs 15 % of the time
		WithCompactL0OnClose(false).     // it panics where nobody can recover if a table's index is damaged
		WithVerifyValueChecksum(true).
		WithValueLogFileSize(64 << 20).
		WithMetricsEnabled(false)
}

// discardName is the file in which badger counts what is of no use in its value log.
const discardName = "DISCARD"

// prepare verifies the files of badger and removes those that are not believed.
func prepare(dir string, opts Options) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) && !opts.ReadOnly {
		return os.MkdirAll(dir, 0o700)
	}
	if err != nil {
		return err
	}
	var tables []string
	manifest := false
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		switch filepath.Ext(path) {
		case ".mem":
			if opts.KeepLog {
				continue
			}
			if err := os.Remove(path); err != nil {
				return err
			}
		case ".vlog":
			// A cut at the wrong moment leaves empty ones, which badger refuses.
			if info, err := e.Info(); err == nil && info.Size() == 0 {
				if err := os.Remove(path); err != nil {
					return err
				}
			}
		case ".sst":
			tables = append(tables, path)
		}
		switch e.Name() {
		case badger.ManifestFilename:
			manifest = true
		case badger.KeyRegistryFileName, discardName:
			// Of no use without encryption and large values, and badger believes
			// the lengths in them.
			if err := os.Remove(path); err != nil {
				return err
			}
		}
	}
	if !manifest && len(tables) > 0 {
		return fmt.Errorf("%w: %s is missing beside %d tables", objstore.ErrCorrupt, filepath.Join(dir, badger.ManifestFilename), len(tables))
	}
	if err := checkSeal(dir, tables); err != nil {
		return err
	}
	return verifyTables(tables)
}

// openError tells damage from what a new index would not mend. badger's errors
// are text.
func openError(err error) error {
	for _, e := range []string{"no space left", "quota exceeded"} {
		if strings.Contains(err.Error(), e) {
			return fmt.Errorf("%w: %w", objstore.ErrNoSpace, err)
		}
	}
	for _, e := range []string{"too many open files", "permission denied", "cannot allocate memory", "read-only file system"} {
		if strings.Contains(err.Error(), e) {
			return err
		}
	}
	return fmt.Errorf("%w: %w", objstore.ErrCorrupt, err)
}

// State returns what the index holds; the zero State if it is new, or was not
// completed.
func (x *Index) State() (s State, err error) {
	v, err := x.Get(stateKey)
	if errors.Is(err, objstore.ErrNotFound) {
		return s, nil
	}
	if err != nil {
		return s, err
	}
	if len(v) != 24 {
		return s, fmt.Errorf("%w: state of the index", objstore.ErrCorrupt)
	}
	return State{[8]byte(v), binary.LittleEndian.Uint64(v[8:]), binary.LittleEndian.Uint64(v[16:])}, nil
}

func (s State) row() objstore.Row {
	v := slices.Clone(s.ID[:])
	v = binary.LittleEndian.AppendUint64(v, s.LSN)
	return objstore.Row{Key: stateKey, Value: binary.LittleEndian.AppendUint64(v, s.Bulk)}
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

const sumSize = 4

// sum is the checksum of a value, bound to its key.
func sum(key, value []byte) uint32 {
	return crc32.Update(crc32.Checksum(key, castagnoli), castagnoli, value)
}

// value checks what badger has as the value of a key, and returns it without its
// checksum.
func value(key, stored []byte) ([]byte, error) {
	n := len(stored) - sumSize
	if n < 0 || binary.LittleEndian.Uint32(stored[n:]) != sum(key, stored[:n]) {
		return nil, fmt.Errorf("%w: row %q of the index has another checksum", objstore.ErrCorrupt, key)
	}
	return stored[:n:n], nil
}

// Get returns the value of a key, or objstore.ErrNotFound.
func (x *Index) Get(key []byte) ([]byte, error) {
	s := x.Snapshot(nil)
	defer s.Discard()
	return s.Get(key)
}

// Rows hands on all rows by key, but for the state.
func (x *Index) Rows(fn func(objstore.Row) error) error {
	s := x.Snapshot(nil)
	defer s.Discard()
	r := objstore.Range{Start: objstore.PrefixEnd(stateKey), End: []byte{0xff}}
	for {
		page, err := s.Page(r, rowsAtOnce)
		if err != nil {
			return err
		}
		for _, row := range page {
			if err := fn(row); err != nil {
				return err
			}
		}
		if len(page) < rowsAtOnce {
			return nil
		}
		r = r.Behind(page[len(page)-1].Key)
	}
}

const rowsAtOnce = 1000

// Damage is what was found wrong with the index since it was opened; nil if
// nothing.
func (x *Index) Damage() error {
	if err := x.damage.Load(); err != nil {
		return *err
	}
	if notices.Load() == x.noticed.Load() {
		return nil
	}
	return x.ask()
}

// ask finds out what was noticed. If another index is open too, as while it takes
// the place of one that is damaged, it may be that one's.
func (x *Index) ask() error {
	x.asking.Lock()
	defer x.asking.Unlock()
	now := notices.Load()
	if now == x.noticed.Load() {
		return nil
	}
	err := fmt.Errorf("%w: a block of the index has another checksum", objstore.ErrCorrupt)
	if open.Load() > 1 {
		if err = x.Verify(); err == nil {
			x.noticed.Store(now)
		}
		return err
	}
	return x.fail(err)
}

func (x *Index) fail(err error) error {
	if x.damage.CompareAndSwap(nil, &err) {
		x.opts.Log.Error("the index is damaged", "dir", x.dir, "err", err)
		if x.opts.Damaged != nil {
			x.opts.Damaged()
		}
	}
	return *x.damage.Load()
}

// Verify reads and checks all tables. What is damaged wraps objstore.ErrCorrupt.
func (x *Index) Verify() error {
	tables, err := filepath.Glob(filepath.Join(x.dir, "*.sst"))
	if err != nil {
		return err
	}
	err = verifyTables(tables)
	if errors.Is(err, objstore.ErrCorrupt) {
		return x.fail(err)
	}
	return err
}

// Pending are the numbers of badger's memtables that are not tables yet.
func (x *Index) Pending() (oldest, newest int, err error) {
	entries, err := os.ReadDir(x.dir)
	for _, e := range entries {
		n := 0
		if _, err := fmt.Sscanf(e.Name(), "%05d.mem", &n); err != nil {
			continue
		}
		if oldest == 0 || n < oldest {
			oldest = n
		}
		newest = max(newest, n)
	}
	return oldest, newest, err
}

// Size is how many bytes the tables have.
func (x *Index) Size() int64 {
	lsm, _ := x.db.Size()
	return lsm
}
