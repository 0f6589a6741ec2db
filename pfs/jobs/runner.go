package jobs

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"caret/objstore"
	"caret/pfs/lease"
)

// Runner does what there is to do in the background.
type Runner struct {
	DB    objstore.Rows
	Lease *lease.Keeper
	Now   func() time.Time
	Log   *slog.Logger
	// FoldPage is how many paths one transaction folds in: few enough that
	// writers who share a sync with it do not notice.
	FoldPage int
	// OpenTTL and UploadTTL are how long an open commit, and an upload, is kept
	// that nobody writes to; 0 is for ever.
	OpenTTL, UploadTTL time.Duration
	// Elapsed is how long the process has been running, by a clock that nobody sets.
	Elapsed func() time.Duration

	kick    chan struct{}
	tries   map[string]*retry // of owned work that failed
	refused time.Duration     // how long to rest, as the store takes no writes; 0 if it does
	failed  failure           // of the work done last
	served  served            // as it was noted last
	noted   time.Duration     // what Elapsed said then
}

// failure is what work said when it failed, and when the log said so.
type failure struct {
	text string // "" if it did not
	said time.Time
}

// retry is when work that failed is tried again.
type retry struct {
	next  time.Time
	pause time.Duration
}

const (
	// every is how often rows are looked at without being told that there is
	// something: for work that other processes have left.
	every = lease.TTL
	// firstPause and maxPause are how long work that failed rests.
	firstPause = time.Second
	maxPause   = 5 * time.Minute
	// maxRefused is how long everything rests at most while the store takes no
	// writes: once there is room nobody tells.
	maxRefused = time.Minute
	// sayAgain is how often the log says that work fails as it did before.
	sayAgain = time.Minute
)

// Refused says whether err is that the store takes no writes, of whatever kind, for now.
func Refused(err error) bool {
	return errors.Is(err, objstore.ErrNoSpace) || errors.Is(err, objstore.ErrFailed)
}

// New returns a runner with the fields of r.
func New(r Runner) *Runner {
	r.kick, r.tries = make(chan struct{}, 1), make(map[string]*retry)
	return &r
}

// Kick says that there is something to do.
func (r *Runner) Kick() {
	select {
	case r.kick <- struct{}{}:
	default: // it will look anyway
	}
}

// Run works until ctx ends.
func (r *Runner) Run(ctx context.Context) {
	swept := time.Time{}
	for {
		err := r.Work(ctx)
		if ctx.Err() == nil {
			r.fail(err)
		}
		if now := time.Now(); !Refused(err) && now.Sub(swept) >= r.sweepEvery() {
			if err = r.Sweep(ctx); !Refused(err) {
				swept = now
			}
			if err != nil && ctx.Err() == nil && !Refused(err) {
				r.Log.Error("end what nobody touches any more; it is tried again", "err", err)
			}
		}
		r.mind(err)
		wait := time.NewTimer(r.pause())
		select {
		case <-ctx.Done():
			wait.Stop()
			return
		case <-r.kick:
		case <-wait.C:
		}
		wait.Stop()
	}
}

// fail takes note of how the last work went.
func (r *Runner) fail(err error) {
	if err == nil || Refused(err) {
		r.failed = failure{}
		return
	}
	now, text := r.Now(), err.Error()
	if text == r.failed.text && now.Sub(r.failed.said) < sayAgain {
		return
	}
	r.failed = failure{text, now}
	r.Log.Error("work in the background; it is tried again", "err", err)
}

// mind takes note of whether the store takes writes, given how the last work went.
func (r *Runner) mind(err error) {
	switch {
	case Refused(err) && r.refused == 0:
		r.Log.Warn("the store takes no writes; work in the background waits until it does", "err", err)
		r.refused = firstPause
	case Refused(err):
		r.refused = min(2*r.refused, maxRefused)
	case r.refused > 0:
		r.Log.Info("the store takes writes again; work in the background goes on")
		r.refused = 0
	}
}

// pause is how long to wait if nobody kicks.
func (r *Runner) pause() time.Duration {
	if r.refused > 0 {
		return r.refused
	}
	wait := min(every, r.sweepEvery())
	for _, t := range r.tries {
		wait = min(wait, max(t.next.Sub(r.Now()), 0))
	}
	if r.failed.text != "" {
		// What is due may not even have been looked at.
		return max(wait, firstPause)
	}
	return max(wait, time.Second/10)
}

// sweepEvery is how often what has grown old is looked for.
func (r *Runner) sweepEvery() time.Duration {
	wait := 10 * time.Minute
	for _, ttl := range []time.Duration{r.OpenTTL, r.UploadTTL} {
		if ttl > 0 {
			wait = min(wait, ttl/20)
		}
	}
	return max(wait, time.Second)
}

// Work does the owned work that no other process is at: folding, removing what
// was staged, ending what processes have left that are gone, and adding marks and lists
// that an earlier caret has left out. Each is tried whatever becomes of the others.
func (r *Runner) Work(ctx context.Context) error {
	return errors.Join(r.dropOrphans(ctx), r.dropAll(ctx), r.dropLeftovers(ctx), r.foldAll(ctx), r.markAll(ctx), r.listAll(ctx))
}

// Sweep ends what nobody has touched for long.
func (r *Runner) Sweep(ctx context.Context) error {
	if err := r.noteServed(ctx); err != nil {
		return err // how old things are is not known
	}
	return errors.Join(r.expireCommits(ctx), r.expireUploads(ctx), r.forgetCompleted(ctx), r.forgetLeases(ctx))
}
