package local

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"caret/objstore"
	"caret/objstore/local/disk"
	"caret/objstore/local/index"
	"caret/objstore/local/journal"
	"caret/objstore/local/run"
	"caret/objstore/txn"
)

// makeIndex makes an index of runs and the records behind them.
func (s *Store) makeIndex(id journal.ID, number int, infos []run.Info, last uint64) (*held, error) {
	dir := s.indexDir(number)
	if err := os.RemoveAll(dir + damagedSuffix); err != nil { // of one of that number that failed
		return nil, err
	}
	h, err := s.fillIndex(dir, id, infos, last)
	if err == nil {
		// Closing writes out what is in memory, without which it is not complete, and
		// would be made once more after a kill.
		err = h.Close()
	}
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	x, err := index.Open(dir, s.indexOptions(dir, index.Options{}))
	if err != nil {
		return nil, err
	}
	return &held{Index: x, dir: dir, tables: last}, disk.SyncDir(s.dir)
}

// fillIndex makes an index in dir, or in memory if that is "".
func (s *Store) fillIndex(dir string, id journal.ID, infos []run.Info, last uint64) (_ *held, err error) {
	tail, err := s.records(lastOf(infos))
	if err != nil {
		return nil, err
	}
	x, err := index.Open(dir, s.indexOptions(dir, index.Options{InMemory: dir == ""}))
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, x.Close())
		}
	}()
	put, end := s.progress(infos, tail)
	load, err := s.loadRuns(x, infos, put)
	if err != nil {
		return nil, err
	}
	defer load.Discard()
	state := index.State{ID: id, LSN: last, Bulk: lastOf(infos)}
	if err := s.collect(nil, tail, state, put(load.Put)); err != nil {
		return nil, err
	}
	if err := load.Close(state); err != nil {
		return nil, err
	}
	end()
	return &held{Index: x, dir: dir}, nil
}

// putter writes a row; a nil value deletes.
type putter func(key, value []byte) error

// loadRuns writes the rows of runs to a new index, and where the blobs of bulks
// are. What runs say of blobs counts before that, and comes last in them.
func (s *Store) loadRuns(x *index.Index, infos []run.Info, counted func(putter) putter) (*index.Loader, error) {
	if len(infos) == 0 {
		return x.Load(), nil
	}
	scan, err := run.Scan(context.Background(), infos, run.ScanOptions{Fault: s.fault})
	if err != nil {
		return nil, logError(err)
	}
	defer scan.Close() //nolint:errcheck // it is only read
	sorted, err := x.LoadSorted()
	if err != nil {
		return nil, err
	}
	defer sorted.Discard()
	put, more := counted(sorted.Put), scan.Next()
	for ; more && scan.Row().Key[0] < keyIndex; more = scan.Next() {
		if row := scan.Row(); row.Value != nil {
			if err := put(row.Key, row.Value); err != nil {
				return nil, err
			}
		}
	}
	if err := sorted.Close(); err != nil {
		return nil, err
	}
	load := x.Load()
	for _, info := range infos {
		for _, b := range info.Bulks {
			if err := s.bulkRows(b, load.Put); err != nil {
				return load, err
			}
		}
	}
	put = counted(load.Put)
	for ; more; more = scan.Next() {
		if err := put(scan.Row().Key, scan.Row().Value); err != nil {
			return load, err
		}
	}
	return load, logError(scan.Err())
}

// progress tells of rows that are put, out of how many; done of all, in the end.
func (s *Store) progress(infos []run.Info, tail []journal.Record) (counted func(putter) putter, end func()) {
	var done, total uint64
	for _, info := range infos {
		total += info.Rows
	}
	for _, r := range tail {
		total += uint64(len(r.Rows))
	}
	const step = 1 << 16
	tell := func() {
		s.log.Info("making the index", "rows", done, "total", max(done, total))
		if s.opts.Progress != nil {
			s.opts.Progress(done, max(done, total))
		}
	}
	return func(put putter) putter {
		return func(key, value []byte) error {
			if done++; done%step == 0 {
				tell()
			}
			return put(key, value)
		}
	}, tell
}

// maxMemory is how many bytes of files of rows are read into memory, where they
// take several times that, when there is no room for an index on disk.
const maxMemory = 128 << 20

// memoryIndex makes an index in memory, to be read only.
func (s *Store) memoryIndex(f *found) (*held, error) {
	var size int64
	for _, info := range f.runs {
		size += info.Size
	}
	if size > maxMemory {
		return nil, fmt.Errorf("%w: the index is missing or damaged, and there is no room to make it anew: %w", objstore.ErrNoSpace, s.space.check())
	}
	s.log.Warn("the disk is full: made the index in memory, until there is room")
	h, err := s.fillIndex("", f.id, f.runs, f.last)
	if err == nil {
		h.over, h.rows = txn.NewTree(), txn.NewTree()
	}
	return h, err
}

// salvage makes an index of everything that can be read of a damaged log.
func (s *Store) salvage(f *found) (*held, error) {
	list, err := s.indexes()
	if err != nil {
		return nil, err
	}
	dir := s.indexDir(1 + slices.Max(append(list, 0)))
	x, err := index.Open(dir, s.indexOptions(dir, index.Options{}))
	if err != nil {
		return nil, err
	}
	h := &held{Index: x, dir: dir}
	load := h.Load()
	defer load.Discard()
	for _, info := range slices.Concat(f.runs, f.beyond) {
		err := s.collect([]run.Info{info}, nil, index.State{}, load.Put)
		if errors.Is(err, objstore.ErrCorrupt) {
			s.log.Warn("what follows in a file of the log is lost", "err", err)
		} else if err != nil {
			return nil, err
		}
	}
	records, err := f.scan.Beyond(f.id, f.kept)
	if err == nil {
		err = s.collect(nil, records, index.State{}, load.Put)
	}
	if err == nil {
		err = load.Close(index.State{ID: f.id, LSN: f.reached, Bulk: f.reached})
	}
	return h, err
}
