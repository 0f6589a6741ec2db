package pfs

import (
	"errors"
	"testing"
	"time"

	"caret/objstore"
	"caret/objstore/memory"
	"caret/pfs/rows"
)

// servedFS is a store that processes are started and stopped on, with a clock that is
// set at will.
type servedFS struct {
	*testing.T
	*FS
	shared objstore.Store
	now    time.Time
	up     time.Duration // of the process
	open   Ref
	upload Upload
}

const servedTTL = 24 * time.Hour

// newServed has an open commit and an upload that nobody touches.
func newServed(t *testing.T) *servedFS {
	t.Helper()
	x := &servedFS{T: t, shared: memory.New(), now: time.UnixMilli(1_700_000_000_000).UTC()}
	x.start()
	mustRepo(t, x.FS, "r")
	o, err := x.StartCommit(t.Context(), Ref{Repo: "r"}, WriteOptions{})
	if err != nil {
		t.Fatal(err)
	}
	x.open = openRef("r", o.ID)
	mustPut(t, x.FS, x.open, "f", "staged")
	if x.upload, err = x.CreateUpload(t.Context(), Ref{Repo: "r"}, "up", Attrs{}, WriteOptions{}); err != nil {
		t.Fatal(err)
	}
	x.run(time.Minute)
	return x
}

func (x *servedFS) start() {
	x.Helper()
	x.up = 0
	var err error
	x.FS, err = openRoot(x.Context(), x.shared, Options{
		manual: true, OpenTTL: servedTTL, UploadTTL: servedTTL,
		Now: func() time.Time { return x.now }, Elapsed: func() time.Duration { return x.up },
	})
	if err != nil {
		x.Fatal(err)
	}
}

// run lets the process serve for a while, and sweep every ten minutes.
func (x *servedFS) run(d time.Duration) {
	x.Helper()
	for ; d > 0; d -= 10 * time.Minute {
		step := min(d, 10*time.Minute)
		x.now, x.up = x.now.Add(step), x.up+step
		if err := x.sys.jobs.Sweep(x.Context()); err != nil {
			x.Fatal(err)
		}
	}
}

// down stops the process and starts another one after some time.
func (x *servedFS) down(d time.Duration) {
	x.Helper()
	if err := x.sys.Close(); err != nil {
		x.Fatal(err)
	}
	x.now = x.now.Add(d)
	x.start()
	x.run(time.Second)
}

// there checks whether the open commit and the upload are.
func (x *servedFS) there(want bool, when string) {
	x.Helper()
	_, _, err := x.OpenCommit(x.Context(), x.open)
	if err != nil && !errors.Is(err, ErrNoSuchCommit) || (err == nil) != want {
		x.Errorf("%s: the open commit: %v, want it there: %v", when, err, want)
	}
	_, err = x.Upload(x.Context(), Ref{Repo: "r"}, "up", x.upload.ID)
	if err != nil && !errors.Is(err, ErrNoSuchUpload) || (err == nil) != want {
		x.Errorf("%s: the upload: %v, want it there: %v", when, err, want)
	}
}

// TestExpiryWhileDown: what nobody touches grows old while a server runs, and only then.
func TestExpiryWhileDown(t *testing.T) {
	t.Parallel()
	x := newServed(t)
	x.run(10 * time.Hour)
	for range 10 {
		x.down(30 * 24 * time.Hour)
	}
	x.there(true, "after long times without a server")
	x.run(13 * time.Hour)
	x.there(true, "an hour before its time")
	x.run(2 * time.Hour)
	x.there(false, "after its time")
}

// TestExpiryWithNights: a server that runs by day alone does end what nobody touches.
func TestExpiryWithNights(t *testing.T) {
	t.Parallel()
	x := newServed(t)
	for range 100 {
		x.run(8 * time.Hour)
		x.down(16 * time.Hour)
	}
	x.there(false, "after 100 days")
}

// TestExpiryByClocksThatJump: a clock that is wrong by years drops nothing, whether it is
// put right or not.
func TestExpiryByClocksThatJump(t *testing.T) {
	t.Parallel()
	const years = 10 * 365 * 24 * time.Hour
	for _, back := range []bool{true, false} {
		x := newServed(t)
		x.now = x.now.Add(years)
		x.run(10 * time.Minute)
		x.there(true, "after the jump")
		if back {
			x.now = x.now.Add(-years)
			x.run(10 * time.Minute)
			x.there(true, "put right")
		}
		x.run(20 * time.Hour)
		x.there(true, "before its time")
		x.run(5 * time.Hour)
		x.there(false, "after its time")
	}
}

// TestExpiryFromOlderCaret: what an older caret has left, which did not say when it ran,
// gets the whole time anew.
func TestExpiryFromOlderCaret(t *testing.T) {
	t.Parallel()
	x := newServed(t)
	err := x.shared.Rows().Update(t.Context(), "", func(tx objstore.Writer) error { return tx.Delete(rows.Key(rows.Served, "")) })
	if err != nil {
		t.Fatal(err)
	}
	x.down(30 * 24 * time.Hour)
	x.there(true, "of an older caret")
	x.run(23 * time.Hour)
	x.there(true, "before its time")
	x.run(2 * time.Hour)
	x.there(false, "after its time")
}
