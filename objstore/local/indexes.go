package local

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"caret/objstore"
	"caret/objstore/local/disk"
	"caret/objstore/local/index"
	"caret/objstore/local/journal"
	"caret/objstore/local/run"
	"caret/objstore/txn"
)

// indexPrefix begins the names of the folders of indexes. There is one, but for
// while another is made, which has a higher number.
const indexPrefix = "index-"

// indexes are the numbers of the folders of indexes, the newest first.
func (s *Store) indexes() ([]int, error) {
	entries, err := os.ReadDir(s.dir)
	var list []int
	for _, e := range entries {
		if n, ok := indexNumber(e.Name()); ok {
			list = append(list, n)
		}
	}
	slices.SortFunc(list, func(a, b int) int { return b - a })
	return list, err
}

// indexNumber is the number of a folder of an index.
func indexNumber(path string) (int, bool) {
	name := filepath.Base(path)
	n, err := strconv.Atoi(strings.TrimPrefix(name, indexPrefix))
	return n, err == nil && name == indexPrefix+strconv.Itoa(n)
}

// tables is how many bytes all tables of indexes have.
func (s *Store) tables() (n int64) {
	paths, _ := filepath.Glob(s.path(indexPrefix + "*/*.sst")) // the pattern is a good one
	for _, p := range paths {
		if info, err := os.Stat(p); err == nil {
			n += info.Size()
		}
	}
	return n
}

func (s *Store) indexDir(n int) string { return s.path(indexPrefix + strconv.Itoa(n)) }

// openIndex opens the index and gives it what it lacks, or makes it anew.
func (s *Store) openIndex(f *found) error {
	for _, segment := range s.journal.Segments() {
		records, err := segment.Records(f.kept)
		if err != nil {
			return err
		}
		for _, r := range records {
			for _, b := range r.Blobs {
				s.blobs.inLog[b.Hash] = inLog{b.At, len(b.Data)}
			}
			for _, row := range r.Rows {
				if row.Key[0] == keyIndex && len(row.Key) == 1+len(objstore.Hash{}) {
					s.blobs.hasRow(objstore.Hash(row.Key[1:]))
				}
			}
		}
	}
	list, err := s.indexes()
	if err != nil {
		return err
	}
	s.space.index.Store(s.tables())
	full := s.space.full()
	h, err := s.oneIndex(list, f, full)
	if err != nil {
		return err
	}
	s.index.set(h, nil)
	if !full {
		// Not before there is another: the log may turn out to be damaged too.
		for _, n := range list {
			if dir := s.indexDir(n); dir != h.dir {
				if err := s.replaced(dir); err != nil {
					return err
				}
			}
		}
	}
	return s.afterIndex(h)
}

// oneIndex opens the newest index that can be used, or makes one.
func (s *Store) oneIndex(list []int, f *found, full bool) (*held, error) {
	for _, n := range list {
		if h, err := s.tryIndex(s.indexDir(n), f, full); h != nil || err != nil {
			return h, err
		}
	}
	if full {
		return s.memoryIndex(f)
	}
	return s.makeIndex(f.id, 1+slices.Max(append(list, 0)), f.runs, f.last)
}

// afterIndex reads what the store remembers of rows.
func (s *Store) afterIndex(h *held) (err error) {
	if s.state, err = h.State(); err != nil {
		return err
	}
	s.space.index.Store(h.Size())
	s.merges.durable = h.tables
	s.merges.wake()
	v, err := s.index.get([]byte{keyPacks})
	if errors.Is(err, objstore.ErrNotFound) {
		return nil
	}
	if err == nil {
		s.packed, err = parsePackEnd(v)
	}
	return err
}

// indexOptions are those of an index in dir, that of which it is known when it has
// been found damaged, even if the process is killed before there is another: what
// badger writes from then on may lack rows, and look sound.
func (s *Store) indexOptions(dir string, opts index.Options) index.Options {
	opts.Log, opts.Fault = s.log, s.fault
	opts.Damaged = func() {
		if dir == "" {
			return
		}
		if err := errors.Join(os.WriteFile(dir+damagedSuffix, nil, 0o600), disk.SyncDir(s.dir)); err != nil {
			s.log.Error("mark the index as damaged", "err", err)
		}
	}
	return opts
}

// tryIndex opens an index and gives it what it lacks; nil if it is to be made
// anew.
func (s *Store) tryIndex(dir string, f *found, full bool) (*held, error) {
	if s.opts.Rebuild {
		s.spoiled(dir, errors.New("that was asked for"))
		return nil, nil
	}
	if exists(dir + damagedSuffix) {
		s.spoiled(dir, errors.New("it was found damaged while it was in use"))
		return nil, nil
	}
	x, err := index.Open(dir, s.indexOptions(dir, index.Options{ReadOnly: full}))
	if errors.Is(err, objstore.ErrCorrupt) {
		s.spoiled(dir, err)
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	h := &held{Index: x, dir: dir}
	state, err := h.State()
	h.tables = state.LSN // the rest was in memory, and is gone
	switch {
	case err != nil:
	case state == (index.State{}) && f.last > 0:
		err = fmt.Errorf("%w: it was not completed", objstore.ErrCorrupt)
	case state.ID != f.id && state != (index.State{}):
		err = fmt.Errorf("%w: it is of another store", objstore.ErrCorrupt)
	case state.LSN > f.last:
		err = fmt.Errorf("%w: it has come to %d, and the log to %d", objstore.ErrCorrupt, state.LSN, f.last)
	default:
		err = s.catchUp(h, f, state, full)
	}
	if errors.Is(err, objstore.ErrCorrupt) && !errors.Is(err, errLog) {
		s.spoiled(dir, err)
		if err := x.Close(); err != nil {
			s.log.Warn("close an index that is not used", "err", err)
		}
		return nil, nil
	}
	if err != nil {
		return nil, errors.Join(err, x.Close())
	}
	return h, nil
}

func (s *Store) spoiled(dir string, why error) {
	s.log.Warn("the index is made anew", "dir", dir, "because", why)
}

// replaced sets aside an index that another has taken the place of, and removes
// the one that was before.
func (s *Store) replaced(dir string) error {
	old, err := filepath.Glob(s.path("set-aside/" + indexPrefix + "*"))
	if err != nil {
		return err
	}
	for _, o := range old {
		if err := os.RemoveAll(o); err != nil {
			return err
		}
	}
	if err := s.setAside(dir); err != nil {
		return err
	}
	return os.RemoveAll(dir + damagedSuffix)
}

// errLog marks what is wrong with the log, and not with the index.
var errLog = errors.New("read the log")

func logError(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", errLog, err)
}

// records are those above an LSN. They are in segments if runs do not have them,
// and if write is held, or nothing is written yet, stay there.
func (s *Store) records(after uint64) (list []journal.Record, err error) {
	for _, segment := range s.journal.Segments() {
		records, err := segment.Records(after)
		if err != nil {
			return nil, err
		}
		list = append(list, records...)
	}
	return list, nil
}

// catchUp gives an index what it lacks: of runs, the first of which it must have,
// and segments those that have more. Rows that it has are written once more on the way, and in the end are
// what they were.
func (s *Store) catchUp(h *held, f *found, state index.State, full bool) error {
	if len(f.runs) > 0 && state.LSN < f.runs[0].To {
		// The first run may be one of many that were merged, in which what was
		// deleted is gone without a trace: the index would keep it.
		return fmt.Errorf("%w: it has come to %d, and of what was deleted up to %d nothing is known", objstore.ErrCorrupt, state.LSN, f.runs[0].To)
	}
	records, err := s.records(f.kept)
	if err != nil {
		return logError(err)
	}
	records = slices.DeleteFunc(records, func(r journal.Record) bool { return r.LSN <= state.LSN })
	lacking := slices.DeleteFunc(slices.Clone(f.runs), func(r run.Info) bool { return r.To <= min(state.LSN, state.Bulk) })
	if len(records) == 0 && len(lacking) == 0 && state.LSN == f.last && !full {
		if state == (index.State{}) {
			return h.Apply(none, index.State{ID: f.id})
		}
		return nil
	}
	to := index.State{ID: f.id, LSN: f.last, Bulk: f.kept}
	if full {
		h.over, h.rows = txn.NewTree(), txn.NewTree()
		return s.collect(lacking, records, state, h.lay)
	}
	load := h.Load()
	defer load.Discard()
	if err := s.collect(lacking, records, state, load.Put); err != nil {
		return err
	}
	return load.Close(to)
}

func none(func(_, _ []byte) bool) {}

// lay lays a row over those of the index.
func (h *held) lay(key, value []byte) error {
	key, value = slices.Clone(key), slices.Clone(value)
	h.over.Set(objstore.Row{Key: key, Value: value})
	if key[0] == keyRow {
		h.rows.Set(objstore.Row{Key: key[1:], Value: value})
	}
	return nil
}

// collect hands on where the blobs of bulks above state.Bulk are, then rows of
// runs that end above state.LSN, then those of records.
func (s *Store) collect(infos []run.Info, records []journal.Record, state index.State, put putter) error {
	for _, info := range infos {
		for _, b := range info.Bulks {
			if b.To <= state.Bulk {
				continue
			}
			if err := s.bulkRows(b, put); err != nil {
				return err
			}
		}
	}
	for _, info := range infos {
		if info.To <= state.LSN {
			continue
		}
		if err := s.runRows(info, put); err != nil {
			return err
		}
	}
	for _, r := range records {
		for _, row := range r.Rows {
			if err := put(row.Key, row.Value); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *Store) runRows(info run.Info, put putter) error {
	scan, err := run.Scan(context.Background(), []run.Info{info}, run.ScanOptions{Fault: s.fault})
	if err != nil {
		return logError(err)
	}
	defer scan.Close() //nolint:errcheck // it is only read
	for scan.Next() {
		if err := put(scan.Row().Key, scan.Row().Value); err != nil {
			return err
		}
	}
	return logError(scan.Err())
}

// complete opens an index that has all that the log has lost; nil if there is
// none.
func (s *Store) complete(f *found) (*held, error) {
	return s.usable(func(state index.State) bool { return state.ID == f.id && state.LSN >= f.reached })
}

// usable opens the newest index that is not damaged and has a state to like; nil
// if there is none. What badger's own log has counts, as nothing else is left.
func (s *Store) usable(like func(index.State) bool) (*held, error) {
	list, err := s.indexes()
	if err != nil {
		return nil, err
	}
	for _, n := range list {
		if exists(s.indexDir(n) + damagedSuffix) {
			continue
		}
		x, err := index.Open(s.indexDir(n), s.indexOptions(s.indexDir(n), index.Options{KeepLog: true}))
		if errors.Is(err, objstore.ErrCorrupt) {
			s.log.Warn("the index is damaged too", "err", err)
			continue
		}
		if err != nil {
			return nil, err
		}
		state, err := x.State()
		if err == nil && like(state) {
			return &held{Index: x, dir: s.indexDir(n)}, nil
		}
		if err := x.Close(); err != nil {
			return nil, err
		}
	}
	return nil, nil
}
