package local

import (
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"caret/objstore/local/index"
)

type counters struct {
	blobs, bytes, duplicates, groups, transactions atomic.Int64
}

// Stats counts what was done since the store was opened.
type Stats struct {
	Blobs        int64 // stored
	Bytes        int64 // in them
	Duplicates   int64 // blobs put that were there already
	Groups       int64 // syncs of rows
	Transactions int64 // that shared them
}

// Stats returns the counts.
func (s *Store) Stats() Stats {
	return Stats{
		Blobs: s.stats.blobs.Load(), Bytes: s.stats.bytes.Load(), Duplicates: s.stats.duplicates.Load(),
		Groups: s.stats.groups.Load(), Transactions: s.stats.transactions.Load(),
	}
}

// Memory is about how many bytes of memory a store takes at most, besides what those who
// use it hold: the index, and what is on its way into the log.
const Memory = index.Memory + 2*waitBytes

// Files is how many files the store has open, more or less: the packs, the tables of
// the index, and some of the log.
func (s *Store) Files() int {
	tables, _ := filepath.Glob(s.path(indexPrefix + "*/*.sst")) // the pattern is a good one
	return s.packs.Len() + len(tables) + otherFiles
}

// otherFiles is about how many files are open that are neither packs nor tables.
const otherFiles = 16

// Space is what there is on the disk, in bytes, and how much has to be free for writes to
// be taken.
type Space struct{ Size, Free, Reserve int64 }

// Space asks the disk.
func (s *Store) Space() (Space, error) {
	free, err := s.space.read()
	return Space{Size: s.space.disk, Free: free, Reserve: max(s.space.floor(), 0)}, err
}

// Observe has ran called from now on with how long the function of each Update of
// rows took, while which no other one runs.
func (s *Store) Observe(ran func(time.Duration)) { s.ran.Store(&ran) }

func (s *Store) observe(took time.Duration) {
	if ran := s.ran.Load(); ran != nil {
		(*ran)(took)
	}
}

// Usage is the space in bytes that a store takes on disk.
type Usage struct{ Index, Log, Packs int64 }

// DiskUsage is the space that the store takes.
func (s *Store) DiskUsage() (u Usage, err error) {
	list, err := s.indexes()
	if err != nil {
		return u, err
	}
	for _, n := range list {
		size, err := usage(s.indexDir(n))
		if err != nil {
			return u, err
		}
		u.Index += size
	}
	if u.Log, err = usage(s.path("log")); err != nil {
		return u, err
	}
	u.Packs, err = usage(s.path("packs"))
	return u, err
}

func usage(dir string) (int64, error) {
	var sum int64
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		var st unix.Stat_t
		if err := unix.Stat(path, &st); os.IsNotExist(err) {
			return nil // badger removed it meanwhile
		} else if err != nil {
			return err
		}
		sum += st.Blocks * 512
		return nil
	})
	return sum, err
}
