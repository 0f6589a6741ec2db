package pfs

import (
	"cmp"
	"context"
	"crypto/cipher"
	"crypto/rand"
	"errors"
	"io"
	"log/slog"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"caret/commits"
	"caret/objstore"
	"caret/objstore/budget"
	"caret/pfs/access"
	"caret/pfs/changeset"
	"caret/pfs/jobs"
	"caret/pfs/lease"
	"caret/pfs/rows"
)

// System is the versioned file system on one store.
type System struct {
	db     objstore.Rows
	blobs  objstore.Blobs
	budget *budget.Budget
	now    func() time.Time
	rand   io.Reader
	log    *slog.Logger
	forks  *commits.ForkCache
	rows   *rows.Cache
	sealer access.Sealer
	lease  *lease.Keeper
	engine *changeset.Engine
	jobs   *jobs.Runner

	// secrets are those of access keys, which never change: that a key is still
	// there is decided elsewhere, each time.
	secrets *lru.Cache[string, string]

	numbers struct {
		sync.Mutex
		upgraded bool // they are not counted in rows any more
	}

	openTTL    time.Duration
	watching   context.Context // of all watches
	endWatches context.CancelFunc
	stop       context.CancelFunc
	wg         sync.WaitGroup
}

// Options configure a System; the zero value is fine.
type Options struct {
	Now func() time.Time // the clock; time.Now if nil
	// Elapsed is how long the process has been running, by a clock that nobody sets. If
	// it is nil that is measured; with a Now of its own the process has been running since
	// 1970, and Now is never set.
	Elapsed func() time.Duration
	Rand    io.Reader    // source of ids; crypto/rand if nil
	Log     *slog.Logger // nil discards
	// Exclusive says that no other process can have the store open, as it is
	// locked: what earlier ones have left undone is then taken over at once, and
	// not when their leases are over.
	Exclusive bool
	// LayerAbove is how many staged changes an open commit may have to be
	// written into its branch's rows by the transaction that finishes it; one
	// with more becomes a layer that is folded in afterwards. 0 is 1000.
	LayerAbove int
	// Sealer encrypts the secrets of keys; nil leaves them as they are. SealerName says
	// in errors where its own key is kept.
	Sealer     cipher.AEAD
	SealerName string
	// OpenTTL is how long an open commit that nobody writes to is kept, and
	// UploadTTL an upload that gets no more parts; 0 is for ever. Time in which no
	// process has the store open does not count.
	OpenTTL, UploadTTL time.Duration
	// Budget is what the memory of requests is taken from; nil has no limit.
	Budget *budget.Budget

	manual   bool // tests do what goes on in the background by hand
	foldPage int  // paths folded in by one transaction; 0 is 500
}

// maxSecrets is how many secrets of keys are remembered.
const maxSecrets = 4096

// Open returns the file system that is kept in store. What earlier processes
// have left half done is taken up in the background. A store that refuses writes,
// as its disk is full (ErrNoSpace) or failed (ErrFailed), can be read; what was
// left half done waits until there is room.
func Open(ctx context.Context, store objstore.Store, opts Options) (*System, error) {
	s := &System{
		db: store.Rows(), blobs: store.Blobs(), budget: opts.Budget, now: opts.Now, rand: opts.Rand, log: opts.Log,
		sealer: access.Sealer{AEAD: opts.Sealer, Name: opts.SealerName}, forks: commits.NewForkCache(), openTTL: opts.OpenTTL,
	}
	if s.now == nil {
		s.now = time.Now
	}
	if opts.Elapsed == nil && opts.Now == nil {
		started := time.Now()
		opts.Elapsed = func() time.Duration { return time.Since(started) } // by the monotonic clock
	} else if opts.Elapsed == nil {
		opts.Elapsed = func() time.Duration { return s.now().Sub(time.Unix(0, 0)) }
	}
	if s.rand == nil {
		s.rand = rand.Reader
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	var err error
	if s.secrets, err = lru.New[string, string](maxSecrets); err != nil {
		return nil, err
	}
	if s.rows, err = rows.NewCache(); err != nil {
		return nil, err
	}
	s.lease = lease.New(s.db, s.now, s.log, rand.Text(), opts.Exclusive)
	s.jobs = jobs.New(jobs.Runner{
		DB: s.db, Lease: s.lease, Now: s.now, Log: s.log, FoldPage: cmp.Or(opts.foldPage, 500), OpenTTL: opts.OpenTTL, UploadTTL: opts.UploadTTL,
		Elapsed: opts.Elapsed,
	})
	s.engine = &changeset.Engine{
		DB: s.db, Forks: s.forks, Lease: s.lease, Now: s.now, Rand: s.rand, Log: s.log, Budget: s.budget,
		LayerAbove: cmp.Or(opts.LayerAbove, 1000), TouchEvery: touchEvery(opts.OpenTTL), Layered: s.jobs.Kick, Dropped: s.jobs.Kick,
	}
	if err := s.upgrade(ctx); jobs.Refused(err) {
		s.log.Warn("the store takes no writes: only reads succeed until it does", "err", err)
	} else if err != nil {
		return nil, err
	}
	// What is refused here is asked for again in the background.
	for _, check := range []func(context.Context, objstore.Rows) error{jobs.CheckMarks, jobs.CheckLists} {
		if err := check(ctx, s.db); err != nil && !jobs.Refused(err) {
			return nil, err
		}
	}
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	s.stop = stop
	s.watching, s.endWatches = context.WithCancel(background)
	if !opts.manual {
		s.wg.Go(func() { s.jobs.Run(background) })
		s.wg.Go(func() { s.lease.Run(background) })
	}
	return s, nil
}

// touchEvery is how exactly it is kept when an open commit was last written to.
func touchEvery(ttl time.Duration) time.Duration {
	if ttl > 0 {
		return min(time.Minute, ttl/20)
	}
	return time.Minute
}

// Close waits for background work to stop. It does not close the store.
func (s *System) Close() error {
	s.stop()
	s.wg.Wait()
	err := s.lease.End(context.Background())
	if errors.Is(err, objstore.ErrClosed) || jobs.Refused(err) {
		err = nil // it runs out by itself
	}
	return err
}

// As is the file system as a caller sees it.
func (s *System) As(who Caller) *FS { return &FS{sys: s, who: who} }

// Secret is what requests with an access key are signed with. ErrNoSuchKey. It
// may be that of a key that was deleted lately: what its holder asks for is then
// refused with ErrKeyGone.
func (s *System) Secret(ctx context.Context, accessKey string) (string, error) {
	if secret, ok := s.secrets.Get(accessKey); ok {
		return secret, nil
	}
	var secret string
	err := s.db.View(ctx, func(tx objstore.Reader) (err error) {
		secret, err = s.sealer.Secret(tx, accessKey)
		return err
	})
	if err == nil {
		s.secrets.Add(accessKey, secret)
	}
	return secret, err
}

// Folding says whether there are commits of many files that have yet to be
// folded into their branches. Readers see no difference.
func (s *System) Folding(ctx context.Context) (waiting bool, err error) {
	err = s.db.View(ctx, func(tx objstore.Reader) (err error) {
		waiting, err = jobs.Folding(tx)
		return err
	})
	return waiting, err
}

// Ready says why the store cannot be read.
func (s *System) Ready(ctx context.Context) error {
	return s.db.View(ctx, func(tx objstore.Reader) error {
		_, err := tx.Page(objstore.Prefix([]byte{rows.Repo}), 1)
		return err
	})
}

// Writable says with ErrNoSpace or ErrFailed why the store takes no writes, as far
// as it tells without one.
func (s *System) Writable(ctx context.Context) error {
	return s.db.Update(ctx, "", func(objstore.Writer) error { return nil })
}

// EndWatches ends all watches with ErrClosed, and those to come: the first
// step of a shutdown that waits for requests under way. Close does it too.
func (s *System) EndWatches() { s.endWatches() }

// timestamp is now with the precision that rows keep.
func (s *System) timestamp() time.Time { return s.now().UTC().Truncate(time.Millisecond) }
