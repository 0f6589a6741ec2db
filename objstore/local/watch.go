package local

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"time"

	"caret/objstore"
	"caret/objstore/local/disk"
	"caret/objstore/local/index"
)

const (
	// lookAgain is how often the disk's free space is looked at.
	lookAgain = 250 * time.Millisecond
	// scrubAgain is how often the tables of the index, and runs, are read and verified.
	scrubAgain = 24 * time.Hour
)

// watch merges runs, keeps the ballast, opens the index for writing once there is
// room, and makes it anew when it is found damaged, until the store is closed.
func (s *Store) watch() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	s.background.Go(func() {
		<-s.closing
		cancel()
	})
	s.background.Go(func() { s.mergeAll(ctx) })
	look := time.NewTicker(lookAgain)
	defer look.Stop()
	var failing failing
	for {
		s.space.keepBallast(s.log)
		if failing.over() {
			err := s.tend()
			failing.set(s.log, "the index can't be opened or made anew", err)
			if failing.long() && s.index.writable() != nil && !errors.Is(disk.NoSpace(err), objstore.ErrNoSpace) {
				s.fail(fmt.Errorf("the index can't be opened or made anew: %w", err))
			}
		}
		if err := s.gone(); err != nil {
			s.fail(err)
		}
		select {
		case <-ctx.Done():
			return
		case <-look.C:
		}
	}
}

// failing is work that is tried again and again: each time it fails it rests twice
// as long, up to a minute, and what it fails with is told once. The zero value is
// work that does not.
type failing struct {
	told  string
	times int
	pause time.Duration
	since time.Time
	until time.Time
}

// bearFor is how long, and bearTimes how often, something may fail that writes need before
// the store is broken. Time alone says little where nothing is tried for long, as nobody
// writes, or the process was stopped.
const (
	bearFor   = 8 * time.Second
	bearTimes = 5
)

// long says whether it has failed, again and again, for as long as it may.
func (f *failing) long() bool { return f.times >= bearTimes && time.Since(f.since) > bearFor }

// over says whether it has rested long enough.
func (f *failing) over() bool { return !time.Now().Before(f.until) }

// set takes down how it went.
func (f *failing) set(log *slog.Logger, what string, err error) {
	if err == nil {
		*f = failing{}
		return
	}
	if f.times++; f.times == 1 {
		f.since = time.Now()
	}
	if err.Error() != f.told {
		f.told = err.Error()
		log.Error(what, "err", err)
	}
	f.pause = min(max(2*f.pause, lookAgain), time.Minute)
	f.until = time.Now().Add(f.pause)
}

// gone says whether somebody took the directory away while it is in use, or the file by
// which it is locked: what is written here nobody would find again, and somebody else
// may be at it.
func (s *Store) gone() error {
	mine, err := s.lock.Stat()
	if err != nil {
		return err
	}
	now, err := os.Stat(s.path(lockName))
	if errors.Is(err, fs.ErrNotExist) || err == nil && !os.SameFile(mine, now) {
		return fmt.Errorf("%s was removed or replaced while it was in use", s.path(lockName))
	}
	return nil
}

// mergeAll merges runs whenever there is a new one, and now and then verifies all.
func (s *Store) mergeAll(ctx context.Context) {
	scrub := time.NewTicker(scrubAgain)
	defer scrub.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			return
		case <-s.merges.woken:
			if err = s.merge(ctx); errors.Is(err, objstore.ErrCorrupt) {
				err = errors.Join(err, s.scrub(ctx))
			}
		case <-scrub.C:
			err = s.scrub(ctx)
		}
		if err != nil && ctx.Err() == nil {
			s.log.Error("merge runs", "err", err)
		}
	}
}

// tend replaces an index that is damaged, or was opened when the disk was full.
func (s *Store) tend() error {
	h, err := s.index.use()
	if err != nil {
		return err
	}
	defer h.leave()
	s.space.index.Store(h.Size())
	if err := h.Seal(); err != nil && !s.space.full() {
		return err
	}
	switch {
	case s.space.full() || s.failed.Load() != nil:
		return nil
	case h.Damage() != nil, h.Stuck() != nil, h.dir == "":
		return s.replace(h.dir)
	case h.over != nil:
		return s.reopen(h)
	}
	return nil
}

// replace makes the index anew of what the log has, while nothing is written, and
// not where the old one is, or was before somebody took it away: badger goes on
// writing there, and removing, until it is closed.
func (s *Store) replace(old string) error {
	s.write.Lock()
	defer s.write.Unlock()
	s.runs.reading.RLock()
	defer s.runs.reading.RUnlock()
	list, err := s.indexes()
	if err != nil {
		return err
	}
	if err := s.Failure(); err != nil {
		return err // what the log has last may not be on disk
	}
	number, _ := indexNumber(old) // 0 of one in memory
	h, err := s.makeIndex(s.id, 1+slices.Max(append(list, number)), s.runs.all(), s.journal.Last())
	if err != nil {
		return err
	}
	s.take(h)
	s.log.Warn("the index has been made anew", "dir", h.dir)
	return nil
}

// reopen opens an index for writing that was not.
func (s *Store) reopen(old *held) error {
	s.write.Lock()
	defer s.write.Unlock()
	s.runs.reading.RLock()
	defer s.runs.reading.RUnlock()
	x, err := index.Open(old.dir, s.indexOptions(old.dir, index.Options{}))
	if err != nil {
		return err
	}
	h := &held{Index: x, dir: old.dir}
	state, err := h.State()
	if err == nil {
		infos := s.runs.all()
		f := &found{id: s.id, runs: infos, kept: lastOf(infos), last: s.journal.Last()}
		err = s.catchUp(h, f, state, false)
	}
	if err != nil {
		return errors.Join(err, x.Close())
	}
	s.take(h)
	s.log.Info("there is room again: writes go on")
	return nil
}

// take puts an index in the place of the one in use. The caller holds write.
func (s *Store) take(h *held) {
	state, err := h.State()
	if err != nil {
		s.fail(err)
		return
	}
	s.state = state
	s.index.set(h, func(old *held) {
		err := old.Close()
		if old.dir != h.dir && old.dir != "" {
			err = errors.Join(err, os.RemoveAll(old.dir), os.RemoveAll(old.dir+damagedSuffix))
		}
		if err != nil && !errors.Is(err, objstore.ErrCorrupt) {
			s.log.Warn("close an index that was replaced", "err", err)
		}
	})
}
