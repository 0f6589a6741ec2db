package local

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"caret/objstore"
	"caret/objstore/local/disk"
	"caret/objstore/local/index"
	"caret/objstore/local/journal"
	"caret/objstore/local/run"
)

// found is what there is of a log: runs, which have all rows up to an LSN, and
// segments with the records behind them.
type found struct {
	id      journal.ID
	scan    *journal.Scan
	runs    []run.Info // those that follow each other from the beginning
	kept    uint64     // LSN up to which they have everything
	last    uint64     // LSN of the last record that follows them
	reached uint64     // LSN that the log is known to have come to
	beyond  []run.Info // behind what is missing
	useless []string   // files that may go
	damaged []string   // files that are damaged, and needed or not
	broken  error      // says what is missing; nil if nothing is
}

// openLog opens the log and the index. What a start finds is mended as far as
// nothing is lost by it.
func (s *Store) openLog() error {
	if err := errors.Join(os.RemoveAll(s.path("log-new")), os.MkdirAll(s.path("log"), 0o700)); err != nil {
		return err
	}
	f, err := s.soundLog(nil)
	if err != nil {
		return err
	}
	err = s.takeLog(f)
	if !errors.Is(err, errLog) || !errors.Is(err, objstore.ErrCorrupt) {
		return err
	}
	// Rows of runs are read only where there is no index that has them.
	if err := s.journal.Close(); err != nil {
		return err
	}
	s.journal = nil
	clear(s.blobs.inLog)
	if f, err = s.soundLog(err); err != nil {
		return err
	}
	return s.takeLog(f)
}

// soundLog is what there is of a log from which nothing is missing, once it has
// been mended if it has to be, or is known to be broken.
func (s *Store) soundLog(broken error) (*found, error) {
	f, err := s.readLog()
	if err != nil {
		return nil, err
	}
	if f.broken == nil {
		f.broken = broken
	}
	if f.broken != nil {
		if err := s.mend(f); err != nil {
			return nil, err
		}
		if f, err = s.readLog(); err == nil {
			err = f.broken
		}
	}
	return f, err
}

// takeLog opens a log from which nothing is missing, and its index.
func (s *Store) takeLog(f *found) (err error) {
	for _, path := range f.damaged {
		s.log.Warn("a file of the log is damaged and not needed", "file", path)
		if err := s.setAside(path); err != nil {
			return err
		}
	}
	// What has the rows of others must be there for sure before they go.
	if len(f.useless) > 0 {
		if err := disk.SyncDir(s.path("log")); err != nil {
			return err
		}
	}
	for _, path := range f.useless {
		if err := os.Remove(path); err != nil {
			return err
		}
	}
	s.id = f.id
	s.runs.list = f.runs
	if s.journal, err = f.scan.Open(f.id, f.kept, f.last, journal.Options{Size: s.segmentSize(), Fault: s.fault}); err != nil {
		return err
	}
	return s.openIndex(f)
}

// segmentSize is that of new segments of the log.
func (s *Store) segmentSize() int64 {
	if s.opts.SegmentSize > 0 || s.space.disk == 0 {
		return s.opts.SegmentSize
	}
	return min(journal.DefaultSize, s.space.disk/32)
}

// readLog finds out what there is of the log.
func (s *Store) readLog() (*found, error) {
	dir := s.path("log")
	infos, leftovers, damaged, err := run.List(dir)
	if err != nil {
		return nil, err
	}
	var ids []journal.ID
	for _, r := range infos {
		ids = append(ids, r.ID)
	}
	scan, err := journal.ReadDir(dir, ids...)
	if err != nil {
		return nil, err
	}
	f := &found{scan: scan, useless: leftovers}
	for _, w := range scan.Warnings {
		s.log.Warn("the log is damaged, and can do without", "err", w)
	}
	if scan.Empty() && len(infos)+len(damaged) == 0 {
		return f, s.newLog(f)
	}
	if f.id, err = oneID(scan, infos); err != nil {
		return nil, err
	}
	if f.id == (journal.ID{}) {
		for _, d := range damaged {
			f.damaged = append(f.damaged, d.Path)
		}
		return f, s.lostLog(f, fmt.Errorf("%w: no file in %s can be read", objstore.ErrCorrupt, dir))
	}
	if err := s.sameStore(f.id); err != nil {
		return nil, err
	}
	chain, superseded, gap := run.Cover(infos)
	f.runs = chain
	for _, r := range superseded {
		f.useless = append(f.useless, r.Path)
	}
	f.kept = lastOf(chain)
	f.last, f.reached, f.broken = scan.Follow(f.id, f.kept)
	if gap != nil {
		f.beyond = gap.Beyond
		f.reached = max(f.reached, f.beyond[len(f.beyond)-1].To)
		f.broken = fmt.Errorf("%w: no file of rows in %s has what was written between %d and %d", objstore.ErrCorrupt, dir, gap.After, gap.Until)
	}
	for _, d := range damaged {
		f.damaged = append(f.damaged, d.Path)
		if f.broken != nil {
			f.broken = fmt.Errorf("%w; %w", f.broken, d.Err)
		}
	}
	return f, nil
}

// newLog begins a log where there is none, which is so in a new directory alone.
func (s *Store) newLog(f *found) error {
	list, err := s.indexes()
	if err != nil {
		return err
	}
	if len(list) > 0 || s.packs.Len() > 0 {
		return s.lostLog(f, fmt.Errorf("%w: %s is empty, and there is an index or packs", objstore.ErrCorrupt, s.path("log")))
	}
	if f.id = s.said.format; f.id == (journal.ID{}) {
		f.id = newID()
	}
	return s.sameStore(f.id)
}

// lostLog lets a log of which nothing is left be made of the index, if that is
// accepted: nobody knows whether the index has all that was written.
func (s *Store) lostLog(f *found, why error) error {
	if !s.opts.AcceptLoss {
		return fmt.Errorf("%w. Restore the files from a backup, or run `caret rebuild --accept-loss --data %s`, which makes the log of what the index has", why, s.dir)
	}
	h, err := s.usable(func(state index.State) bool { return state != (index.State{}) })
	if err != nil {
		return err
	}
	if h == nil {
		return fmt.Errorf("%w. There is no index to make it of: restore the files from a backup", why)
	}
	state, err := h.State()
	f.id, f.broken = state.ID, why
	return errors.Join(err, h.Close(), s.sameStore(f.id))
}

func newID() (id journal.ID) {
	rand.Read(id[:]) // never fails, by its documentation
	return id
}

// oneID is the store that all files of a log belong to, the zero ID if none says it.
func oneID(scan *journal.Scan, infos []run.Info) (journal.ID, error) {
	ids := make(map[journal.ID]string)
	for id, path := range scan.IDs() {
		ids[id] = path
	}
	for _, r := range infos {
		ids[r.ID] = r.Path
	}
	switch len(ids) {
	case 0:
		return journal.ID{}, nil
	case 1:
		for id := range ids {
			return id, nil
		}
	}
	var files []string
	for id, path := range ids {
		files = append(files, fmt.Sprintf("%s (of %x)", path, id))
	}
	slices.Sort(files)
	return journal.ID{}, fmt.Errorf("%w: the log has files of several: %s; take away what does not belong here", objstore.ErrForeign, strings.Join(files, ", "))
}

// setAside moves what is damaged out of the way.
func (s *Store) setAside(path string) error {
	if err := s.fault("aside.rename"); err != nil {
		return err
	}
	aside := s.path("set-aside")
	if err := os.MkdirAll(aside, 0o700); err != nil {
		return err
	}
	to := filepath.Join(aside, asideName(path))
	s.log.Warn("set aside", "file", path, "as", to)
	return errors.Join(os.Rename(path, to), disk.SyncDir(filepath.Dir(path)), disk.SyncDir(aside))
}

// asideName is what a file is called that is set aside.
func asideName(path string) string {
	return filepath.Base(path) + "-" + time.Now().UTC().Format("20060102T150405.000000000")
}

// mend writes a log that has lost something anew: from the index, if that has
// all that was written, or else, if that is accepted, from what can be read.
func (s *Store) mend(f *found) error {
	s.log.Warn("the log is damaged", "err", f.broken)
	h, err := s.complete(f)
	if err != nil {
		return err
	}
	if h == nil {
		if !s.opts.AcceptLoss {
			return fmt.Errorf("%w. The index does not have it either. Restore the file from a backup, or run `caret rebuild --accept-loss --data %s`, which keeps what can be read and sets the rest aside", f.broken, s.dir)
		}
		if h, err = s.salvage(f); err != nil {
			return err
		}
	}
	// What the log alone has of small blobs goes to packs.
	records, err := f.scan.Beyond(f.id, f.kept)
	if err != nil {
		return err
	}
	state, err := h.State()
	if err == nil {
		err = s.dump(h, f.id, max(f.reached, state.LSN), records)
	}
	if err = errors.Join(err, h.Close()); err != nil {
		return err
	}
	rows, err := damagedRows(context.Background(), slices.Concat(f.runs, f.beyond))
	if err != nil {
		return err
	}
	for _, path := range slices.Concat(f.damaged, rows, f.scan.Damaged(f.id, f.kept)) {
		if err := s.setAside(path); err != nil {
			return err
		}
	}
	s.log.Warn("the log has been written anew; if small files of late are missing, `caret fsck` names them", "of", h.dir)
	return nil
}

// damagedRows are the files of runs with rows that are damaged.
func damagedRows(ctx context.Context, infos []run.Info) (paths []string, err error) {
	for _, info := range infos {
		r, err := run.Open(info.Path)
		if err == nil {
			err = errors.Join(r.Verify(ctx), r.Close())
		}
		if errors.Is(err, objstore.ErrCorrupt) {
			paths = append(paths, info.Path)
		} else if err != nil {
			return nil, err
		}
	}
	return paths, nil
}

// dump writes a run of all rows of an index, which then replaces all runs and
// records. That of its name may be there, damaged: then it ends one behind.
func (s *Store) dump(h *held, id journal.ID, to uint64, records []journal.Record) error {
	for exists(run.Path(s.path("log"), 0, to)) {
		to++
	}
	bulk := bulk{blobs: recordBlobs(records, 0)}
	if err := s.pack(&bulk, to); err != nil {
		return err
	}
	w, err := run.Create(s.path("log"), id, 0, to, run.Options{Fault: s.fault})
	if err != nil {
		return err
	}
	defer w.Abort()
	if err := h.Rows(w.Add); err != nil {
		return err
	}
	for _, b := range bulk.places {
		w.Bulk(b)
	}
	if _, err = w.Close(); err != nil {
		return err
	}
	state, err := h.State()
	if err != nil {
		return err
	}
	return h.Apply(none, index.State{ID: id, LSN: to, Bulk: state.Bulk})
}

// runs are the files that have the rows of the log up to some LSN.
type runs struct {
	reading sync.RWMutex // held while files are read, but for merging them, and to remove some
	mu      sync.Mutex
	list    []run.Info
}

func (r *runs) all() []run.Info {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.list)
}

// to is the LSN up to which they have everything.
func (r *runs) to() uint64 { return lastOf(r.all()) }

// lastOf is the LSN up to which runs that follow each other have everything.
func lastOf(list []run.Info) uint64 {
	if n := len(list); n > 0 {
		return list[n-1].To
	}
	return 0
}

// add puts a run in the place of those that it has the rows of, or behind all.
func (r *runs) add(info run.Info) {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := slices.DeleteFunc(slices.Clone(r.list), func(o run.Info) bool { return o.From >= info.From && o.To <= info.To })
	at := len(list)
	for i, o := range list {
		if o.From >= info.To {
			at = i
			break
		}
	}
	r.list = slices.Insert(list, at, info)
}
