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
	"caret/objstore/local/index"
)

// space watches the free space of the disk. badger maps its files into
// memory, and a full disk kills the process by a signal; so writes are
// refused while there is still room for all that badger may be about to do.
type space struct {
	dir     string
	reserve int64
	disk    int64        // its size in bytes
	none    bool         // there can be no ballast here, as it seems
	index   atomic.Int64 // bytes of the tables of the index
	checked atomic.Int64 // when free was read, in nanoseconds
	free    atomic.Int64 // what was free then, less what was written since
}

const (
	spaceAge = 50 * time.Millisecond // after which free is read again
	// ballastSize is that of a file to be given up when others have filled the
	// disk while badger is at work.
	ballastSize = 64 << 20
	// flushNeeds is what badger writes to make a table of a memtable, and to go
	// on with the next, whose file is not allocated before.
	flushNeeds = 2*index.MemTable + 16<<20
	// maxCompactions is the most that compactions under way may write before
	// they remove what they read.
	maxCompactions = 512 << 20
)

func newSpace(dir string, reserve int64) *space {
	sp := &space{dir: dir, reserve: reserve}
	var st unix.Statfs_t
	if unix.Statfs(dir, &st) == nil {
		sp.disk = int64(st.Blocks) * st.Bsize
	}
	if reserve == 0 {
		sp.reserve = min(1<<30, sp.disk/20)
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

// needs is what the index may write before the next look.
func (sp *space) needs() int64 { return flushNeeds + min(sp.index.Load(), maxCompactions) }

// floor is the free space below which nothing is written.
func (sp *space) floor() int64 {
	if sp.reserve < 0 {
		return -1
	}
	return sp.reserve + sp.needs()
}

// full says whether there is so little room that nothing should be written.
func (sp *space) full() bool {
	if sp.reserve < 0 {
		return false
	}
	free, err := sp.read()
	return err == nil && free < sp.needs()
}

// keepBallast gives the ballast up when badger may lack the space for what it is
// doing, and makes it when there is plenty.
func (sp *space) keepBallast(log *slog.Logger) {
	if sp.reserve < 0 {
		return
	}
	free, err := sp.read()
	if err != nil {
		return
	}
	path := filepath.Join(sp.dir, "ballast")
	info, err := os.Stat(path)
	there := err == nil && info.Size() == ballastSize
	switch {
	case free < sp.needs()/2:
		if os.Remove(path) == nil {
			log.Warn("disk is nearly full: gave up the ballast file", "free", free)
		}
	case !there && !sp.none && free > sp.floor()+2*ballastSize:
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			return
		}
		defer f.Close()
		if err := unix.Fallocate(int(f.Fd()), 0, 0, ballastSize); err != nil {
			log.Warn("no ballast file", "err", err)
			sp.none = true
		}
	}
}

// wrote counts what has been written since free was read.
func (sp *space) wrote(n int64) { sp.free.Add(-n) }

// check is objstore.ErrNoSpace when less than the floor is free.
func (sp *space) check() error {
	floor := sp.floor()
	if floor < 0 {
		return nil
	}
	now := time.Now().UnixNano()
	if last := sp.checked.Load(); now-last > int64(spaceAge) || sp.free.Load() < floor {
		free, err := sp.read()
		if err != nil {
			return err
		}
		sp.free.Store(free)
		sp.checked.Store(now)
	}
	if free := sp.free.Load(); free < floor {
		return fmt.Errorf("%w: %d MiB are free, %d MiB are kept in reserve", objstore.ErrNoSpace, free>>20, floor>>20)
	}
	return nil
}
