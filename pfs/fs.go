package pfs

import (
	"cmp"
	"context"
	"crypto/cipher"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"caret/commits"
	"caret/objstore"
)

// FS is the versioned file system on one store.
type FS struct {
	store objstore.Store
	rows  objstore.Rows
	blobs objstore.Blobs
	now   func() time.Time
	rand  io.Reader
	log   *slog.Logger
	forks *commits.ForkCache

	sealer    cipher.AEAD
	openTTL   time.Duration
	maxDirect int // staged changes above it become a layer
	foldPage  int // paths folded in by one transaction

	completing sync.Map // uploads whose archives are being unpacked

	watching   context.Context // of all watches
	endWatches context.CancelFunc

	folds   chan commits.LineageID // lines with layers to fold in
	stop    context.CancelFunc
	stopped context.Context
	wg      sync.WaitGroup
}

// Options configure an FS; the zero value is fine.
type Options struct {
	Now  func() time.Time // the clock; time.Now if nil
	Rand io.Reader        // source of ids; crypto/rand if nil
	Log  *slog.Logger     // nil discards
	// LayerAbove is how many staged changes an open commit may have to be
	// written into its branch's rows by the transaction that finishes it; one
	// with more becomes a layer that is folded in afterwards. 0 is 1000.
	LayerAbove int
	// Sealer encrypts the secrets of keys; nil leaves them as they are.
	Sealer cipher.AEAD

	// OpenTTL is how long an open commit that nobody writes to is kept; 0 is
	// for ever.
	OpenTTL time.Duration

	holdFolding bool // tests fold, and drop what expires, by hand
}

// Open returns the file system that is kept in store. It resumes work that
// an earlier process left half done.
func Open(ctx context.Context, store objstore.Store, opts Options) (*FS, error) {
	fs := &FS{
		store: store, rows: store.Rows(), blobs: store.Blobs(),
		now: opts.Now, rand: opts.Rand, log: opts.Log, sealer: opts.Sealer,
		forks:     commits.NewForkCache(),
		openTTL:   opts.OpenTTL,
		maxDirect: cmp.Or(opts.LayerAbove, 1000),
		foldPage:  500,
		folds:     make(chan commits.LineageID, 1024),
	}
	if fs.now == nil {
		fs.now = time.Now
	}
	if fs.rand == nil {
		fs.rand = rand.Reader
	}
	if fs.log == nil {
		fs.log = slog.New(slog.DiscardHandler)
	}
	fs.stopped, fs.stop = context.WithCancel(context.WithoutCancel(ctx))
	fs.watching, fs.endWatches = context.WithCancel(fs.stopped)
	if !opts.holdFolding {
		fs.wg.Add(1)
		go fs.foldLoop()
	}
	if err := fs.resume(ctx); err != nil {
		fs.Close() //nolint:errcheck // the first error tells more
		return nil, err
	}
	if fs.openTTL > 0 && !opts.holdFolding {
		fs.wg.Add(1)
		go fs.expiryLoop()
	}
	return fs, nil
}

// Close waits for background work to stop. It does not close the store.
func (fs *FS) Close() error {
	fs.stop()
	fs.wg.Wait()
	return nil
}

// The first byte of every key of this package; FORMAT.md lists them all.
const (
	keyRepo        = 'r' // repo name -> repoRow
	keyBranch      = 'b' // repo id, name -> branchRow
	keyTag         = 't' // repo id, name -> tagRow
	keyDropped     = 'x' // repo id, branch name, 0, time of deletion -> branchRow
	keyDroppedRepo = 'X' // repo name, 0, time of deletion -> repoRow
	keyOpen        = 'o' // repo id, commit id -> openRow
	keyUpload      = 'u' // repo id, branch, 0, escaped path, 0 0, upload id -> Upload
	keyPart        = 'p' // upload id, part number -> partRow
	keyDone        = 'q' // upload id -> doneRow
	keyCounter     = 'n' // name -> last number given out
	keyFolding     = 'g' // line -> nothing: it has layers to fold in
	keyDropping    = 'a' // commit id -> nothing: an aborted commit whose rows go
	keyMoves       = 'R' // repo id, branch name, 0, number -> Move
	keySettings    = 's' // line of a branch -> settingsRow
	keyFileACL     = 'A' // line of a branch, path -> ACL
	keyUser        = 'U' // user name -> User
	keyUserID      = 'I' // user id -> its name
	keyAccess      = 'K' // access key -> keyRow
)

// nextNumber gives out numbers that are never given again.
func nextNumber(tx objstore.Writer, name string) (uint64, error) {
	key := append([]byte{keyCounter}, name...)
	var n uint64
	if err := getJSON(tx, key, &n); err != nil && !errors.Is(err, objstore.ErrNotFound) {
		return 0, err
	}
	n++
	return n, setJSON(tx, key, n)
}

func getJSON(tx objstore.Reader, key []byte, v any) error {
	b, err := tx.Get(key)
	if err != nil {
		return err
	}
	return decodeJSON(key, b, v)
}

func decodeJSON(key, b []byte, v any) error {
	if err := json.Unmarshal(b, v); err != nil {
		return fmt.Errorf("%w: row %q: %w", objstore.ErrCorrupt, key, err)
	}
	return nil
}

func setJSON(tx objstore.Writer, key []byte, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return tx.Set(key, b)
}
