package index

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"caret/objstore"
)

// errStuck: badger can't write what it has in memory. It tries again for ever, and
// whoever commits, or closes it, would wait for ever.
var errStuck = errors.New("badger can't write its tables")

// stuck is badger's log. What it says is handed on, and when it says that it can't
// write out a memtable nobody waits for it any more.
type stuck struct {
	log    *slog.Logger
	once   sync.Once
	failed chan struct{} // closed then
}

// newStuck hands on to log, which tells what badger says from the rest by its component.
func newStuck(log *slog.Logger) *stuck {
	return &stuck{log: log.With("component", "index"), failed: make(chan struct{})}
}

// Errorf implements badger.Logger.
func (s *stuck) Errorf(f string, a ...any) {
	level := slog.LevelError
	if strings.HasPrefix(f, "error flushing memtable") {
		select {
		case <-s.failed:
			level = slog.LevelDebug // it says so each second
		default:
			s.once.Do(func() { close(s.failed) })
		}
	}
	s.log.Log(context.Background(), level, "badger: "+strings.TrimSpace(fmt.Sprintf(f, a...)))
}

// Warningf implements badger.Logger.
func (s *stuck) Warningf(f string, a ...any) {
	level := slog.LevelWarn
	if strings.Contains(f, "might be too small") || strings.HasPrefix(f, "Cache life expectancy") {
		level = slog.LevelDebug // it says so of every cache that is smaller than what it is for
	}
	s.log.Log(context.Background(), level, "badger: "+strings.TrimSpace(fmt.Sprintf(f, a...)))
}

// Infof implements badger.Logger.
func (s *stuck) Infof(f string, a ...any) {
	s.log.Debug("badger: " + strings.TrimSpace(fmt.Sprintf(f, a...)))
}

// Debugf implements badger.Logger.
func (s *stuck) Debugf(string, ...any) {}

// Stuck says that nothing more can be written, as badger can't write out what it has
// in memory. Reading goes on.
func (x *Index) Stuck() error {
	select {
	case <-x.stuck.failed:
		return fmt.Errorf("%w: %w", objstore.ErrFailed, errStuck)
	default:
		return nil
	}
}

// Close writes out what is in memory and closes the index. If badger can't, it is
// left as it is, which its log says more about: nothing is lost by it.
func (x *Index) Close() error {
	done := make(chan error, 1)
	go func() {
		defer func() {
			if p := recover(); p != nil {
				done <- fmt.Errorf("%w: badger panics: %v", objstore.ErrCorrupt, p)
			}
		}()
		err := x.db.Close()
		if err == nil {
			err = x.sealClosed()
		}
		done <- err
	}()
	defer open.Add(-1)
	select {
	case err := <-done:
		return err
	case <-x.stuck.failed:
	case <-time.After(cmp.Or(x.opts.CloseWithin, time.Minute)):
	}
	// It may just have been slow.
	select {
	case err := <-done:
		return err
	default:
		return fmt.Errorf("close the index: %w", errStuck)
	}
}
