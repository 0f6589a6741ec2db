package local

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"caret/objstore"
)

// space watches the free space of the disk. badger maps its files into
// memory, and a full disk kills the process by a signal; so writes are
// refused before.
type space struct {
	dir     string
	reserve int64
	checked atomic.Int64 // when free was read, in nanoseconds
	free    atomic.Int64 // what was free then, less what was written since
}

const (
	spaceAge    = 50 * time.Millisecond // after which free is read again
	ballastSize = 64 << 20
	openNeeds   = 3 * memTable // what badger may write while it opens
)

func newSpace(dir string, reserve int64) *space {
	sp := &space{dir: dir, reserve: reserve}
	var st unix.Statfs_t
	if reserve == 0 && unix.Statfs(dir, &st) == nil {
		sp.reserve = min(1<<30, int64(st.Blocks)*st.Bsize/20)
	}
	return sp
}

// read asks the system how much is free.
func (sp *space) read() (int64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(sp.dir, &st); err != nil {
		return 0, os.NewSyscallError("statfs", err)
	}
	return int64(st.Bavail) * st.Bsize, nil
}

// prepare gives the ballast file back if badger may lack the space to open,
// and sets it up otherwise.
func (sp *space) prepare(log *slog.Logger) error {
	if sp.reserve < 0 {
		return nil
	}
	free, err := sp.read()
	if err != nil {
		return err
	}
	path := filepath.Join(sp.dir, "ballast")
	if free < openNeeds {
		if os.Remove(path) == nil {
			log.Warn("disk is nearly full: gave up the ballast file to open", "free", free)
		}
		return nil
	}
	if free < sp.reserve+openNeeds+ballastSize {
		return nil
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := unix.Fallocate(int(f.Fd()), 0, 0, ballastSize); err != nil {
		log.Warn("no ballast file", "err", err)
	}
	return nil
}

// wrote counts what has been written since free was read.
func (sp *space) wrote(n int64) { sp.free.Add(-n) }

// check is objstore.ErrNoSpace when less than the reserve is free.
func (sp *space) check() error {
	if sp.reserve < 0 {
		return nil
	}
	now := time.Now().UnixNano()
	if last := sp.checked.Load(); now-last > int64(spaceAge) || sp.free.Load() < sp.reserve {
		free, err := sp.read()
		if err != nil {
			return err
		}
		sp.free.Store(free)
		sp.checked.Store(now)
	}
	if free := sp.free.Load(); free < sp.reserve {
		return fmt.Errorf("%w: %d MiB are free, %d MiB are kept in reserve", objstore.ErrNoSpace, free>>20, sp.reserve>>20)
	}
	return nil
}
