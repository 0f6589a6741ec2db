package local

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"caret/objstore"
	"caret/objstore/local/disk"
	"caret/objstore/local/journal"
	"caret/objstore/local/pack"
	"caret/objstore/local/run"
)

// checkpoint writes what is in full segments of the log to runs and packs, one
// segment after another, until the log is closed and there are none.
func (s *Store) checkpoint() {
	for segment := s.journal.Sealed(); segment != nil; segment = s.journal.Sealed() {
		f := &flushing{segment: segment}
		for err := s.flush(f); err != nil; err = s.flush(f) {
			err = fmt.Errorf("write a checkpoint: %w", disk.NoSpace(err))
			if err.Error() != f.told {
				f.told = err.Error()
				s.log.Error("the log is not given back", "err", err)
			}
			// Once there is room, or another index, it can go on.
			if !errors.Is(err, objstore.ErrNoSpace) && s.index.writable() == nil {
				s.fail(err)
			}
			if s.Failure() != nil {
				return
			}
			s.journal.Stuck(err)
			select {
			case <-s.closing:
				return // the next start goes on
			case <-time.After(time.Second):
			}
		}
		s.merges.wake()
	}
}

// flushing is a segment on its way to a run and packs. What is done of it is not
// done again when the rest is tried again: it takes room for ever.
type flushing struct {
	segment *journal.Segment
	read    bool
	records []journal.Record
	bulk    bulk
	written bool   // the run is there
	told    string // what was said of the last failure
}

// flush writes the rows of a segment to a run and its small blobs to a pack, and
// frees it.
func (s *Store) flush(f *flushing) error {
	if err := s.index.writable(); err != nil {
		return err
	}
	if !f.written {
		if err := s.flushRun(f); err != nil {
			return err
		}
		f.written, f.records = true, nil
	}
	if err := s.indexBulk(f.bulk.blobs, f.segment.Last()); err != nil {
		return err
	}
	s.blobs.packed(f.bulk.blobs)
	s.journal.Free(f.segment)
	return nil
}

// flushRun writes the run, behind a pack.
func (s *Store) flushRun(f *flushing) (err error) {
	after, to := s.runs.to(), f.segment.Last()
	if !f.read {
		if f.records, err = f.segment.Records(after); err != nil {
			return err
		}
		f.read, f.bulk.blobs = true, recordBlobs(f.records, after)
	}
	if err := s.pack(&f.bulk, to); err != nil {
		return err
	}
	w, err := run.Create(s.path("log"), s.id, after, to, run.Options{Fault: s.fault})
	if err != nil {
		return err
	}
	defer w.Abort()
	for _, row := range lastRows(f.records) {
		if err := w.Add(row); err != nil {
			return err
		}
	}
	for _, b := range f.bulk.places {
		w.Bulk(b)
	}
	info, err := w.Close()
	if err != nil {
		return err
	}
	s.runs.add(info)
	return nil
}

// lastRows are the rows of records by key, of each key the last.
func lastRows(records []journal.Record) []objstore.Row {
	var rows []objstore.Row
	for _, r := range records {
		rows = append(rows, r.Rows...)
	}
	slices.SortStableFunc(rows, func(a, b objstore.Row) int { return bytes.Compare(a.Key, b.Key) })
	kept := rows[:0]
	for i, row := range rows {
		if i+1 == len(rows) || !bytes.Equal(row.Key, rows[i+1].Key) {
			kept = append(kept, row)
		}
	}
	return kept
}

// inBulk is a small blob on its way from the log to a pack.
type inBulk struct {
	hash objstore.Hash
	data []byte
	from *journal.Segment
	at   pack.Place
}

// bulk is small blobs, and where those of them went that are in packs.
type bulk struct {
	blobs  []inBulk
	packed int // how many of them, the first
	places []run.Bulk
}

// recordBlobs are the blobs of records above an LSN.
func recordBlobs(records []journal.Record, after uint64) (list []inBulk) {
	for _, r := range records {
		if r.LSN <= after {
			continue
		}
		for _, b := range r.Blobs {
			list = append(list, inBulk{hash: b.Hash, data: b.Data, from: b.At.Segment})
		}
	}
	return list
}

// bulkSize is how many bytes of blobs are written to a pack at once.
const bulkSize = 4 << 20

// pack writes the small blobs that are not yet in packs to these, durably. to is
// the LSN up to which they are all there are. After an error it can be called
// again.
func (s *Store) pack(b *bulk, to uint64) error {
	for b.packed < len(b.blobs) {
		rest := b.blobs[b.packed:]
		var data [][]byte
		for size := 0; len(data) < len(rest) && size < bulkSize; size += len(data[len(data)-1]) {
			data = append(data, rest[len(data)].data)
		}
		place, at, err := s.packs.AppendBulk(data)
		if err != nil {
			return err
		}
		for i := range data {
			rest[i].at = at[i]
		}
		if err := s.packs.Sync(); err != nil {
			err = fmt.Errorf("sync packs: %w", disk.NoSpace(err))
			s.fail(err)
			return err
		}
		b.packed += len(data)
		b.places = append(b.places, run.Bulk{Pack: place.Pack, Offset: place.Offset, Length: int64(place.Length), To: to})
	}
	return nil
}

// indexChunk is how many places of blobs are written to the index at once, as
// groups of transactions wait meanwhile.
const indexChunk = 500

// indexBulk says in the index where blobs are that were packed, unless they were
// damaged and stored again, and have rows that say it.
func (s *Store) indexBulk(blobs []inBulk, to uint64) error {
	for len(blobs) > 0 {
		n := min(len(blobs), indexChunk)
		var rows []objstore.Row
		s.write.Lock()
		for _, b := range s.blobs.bare(blobs[:n]) {
			rows = append(rows, objstore.Row{Key: indexKey(b.hash), Value: placeRow(soundRow, b.at)})
		}
		err := s.index.apply(rowsOf(&journal.Record{Rows: rows}), s.state)
		s.write.Unlock()
		if err != nil {
			return err
		}
		blobs = blobs[n:]
	}
	s.write.Lock()
	defer s.write.Unlock()
	s.state.Bulk = to
	return s.index.apply(none, s.state)
}

// bulkRows are the rows of the blobs in a bulk. If it is damaged they are left
// out, and whoever reads one of them is told.
func (s *Store) bulkRows(b run.Bulk, put putter) error {
	list, err := s.packs.ReadBulk(pack.Place{Pack: b.Pack, Offset: b.Offset, Length: int(b.Length)})
	if errors.Is(err, objstore.ErrCorrupt) {
		s.log.Error("small blobs are lost", "err", err)
		return nil
	}
	if err != nil {
		return err
	}
	for at, data := range list {
		if err := put(indexKey(objstore.Sum(data)), placeRow(soundRow, at)); err != nil {
			return err
		}
	}
	return nil
}

// fan is how many runs of about one size become one.
const fan = run.DefaultFan

// merge merges runs as long as there are enough of one size. The index must
// have them in its tables: what it lacks after a crash is read from runs, and is
// little only as long as these are small.
func (s *Store) merge(ctx context.Context) error {
	for ctx.Err() == nil {
		durable, err := s.durable()
		if err != nil {
			return err
		}
		list := slices.DeleteFunc(s.runs.all(), func(r run.Info) bool { return r.To > durable })
		picked := run.Pick(list, fan)
		if picked == nil || s.writable() != nil {
			return nil
		}
		info, err := run.Merge(ctx, s.path("log"), s.id, picked, run.Options{Fault: s.fault})
		if err != nil {
			return err
		}
		if err := s.supersede(picked, info); err != nil {
			return err
		}
	}
	return nil
}

// supersede removes runs that have become one, unless somebody reads them now.
func (s *Store) supersede(picked []run.Info, info run.Info) error {
	s.runs.reading.Lock()
	defer s.runs.reading.Unlock()
	s.runs.add(info)
	for _, r := range picked {
		if err := os.Remove(r.Path); err != nil {
			return err
		}
	}
	return nil
}

// durable is an LSN up to which all rows are in tables of the index: they were
// written when a memtable was the newest that is gone now.
func (s *Store) durable() (uint64, error) {
	h, err := s.index.use()
	if err != nil {
		return 0, err
	}
	defer h.leave()
	s.write.Lock()
	lsn := s.state.LSN
	s.write.Unlock()
	oldest, newest, err := h.Pending()
	if err != nil {
		return 0, err
	}
	m := &s.merges
	m.samples = append(m.samples, sample{lsn, newest, h})
	m.samples = slices.DeleteFunc(m.samples, func(p sample) bool {
		if p.of == h && (p.newest < oldest || oldest == 0) {
			m.durable = max(m.durable, p.lsn)
		}
		return p.of != h || p.lsn <= m.durable
	})
	return m.durable, nil
}

// merges is what the goroutine knows that merges runs.
type merges struct {
	woken   chan struct{}
	samples []sample // of the past, the oldest first
	durable uint64
}

// sample says that rows up to an LSN were in no memtable above newest.
type sample struct {
	lsn    uint64
	newest int
	of     *held
}

func (m *merges) wake() {
	select {
	case m.woken <- struct{}{}:
	default:
	}
}
