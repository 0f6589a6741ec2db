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
	"caret/objstore/local/journal"
	"caret/objstore/local/pack"
	"caret/objstore/local/run"
)

// checkpoint writes what is in full segments of the log to runs and packs, one
// segment after another, until the log is closed and there are none.
func (s *Store) checkpoint() {
	for segment := s.journal.Sealed(); segment != nil; segment = s.journal.Sealed() {
		err := s.flush(segment)
		if err == nil {
			s.merges.wake()
			continue
		}
		s.log.Error("write a checkpoint", "err", err)
		s.journal.Stuck(fmt.Errorf("write a checkpoint: %w", noSpace(err)))
		if !errors.Is(noSpace(err), objstore.ErrNoSpace) {
			s.fail(fmt.Errorf("write a checkpoint: %w", err))
			return
		}
		select {
		case <-s.closing:
			return // the next start goes on
		case <-time.After(time.Second):
		}
	}
}

// flush writes the rows of a segment to a run and its small blobs to a pack, and
// frees it.
func (s *Store) flush(segment *journal.Segment) error {
	after := s.runs.to()
	records, err := segment.Records(after)
	if err != nil {
		return err
	}
	bulk, err := s.pack(recordBlobs(records, after), segment.Last())
	if err != nil {
		return err
	}
	w, err := run.Create(s.path("log"), s.id, after, segment.Last(), run.Options{Fault: s.fault})
	if err != nil {
		return err
	}
	defer w.Abort()
	for _, row := range lastRows(records) {
		if err := w.Add(row); err != nil {
			return err
		}
	}
	for _, b := range bulk.places {
		w.Bulk(b)
	}
	info, err := w.Close()
	if err != nil {
		return err
	}
	s.runs.add(info)
	if err := s.indexBulk(bulk.blobs, segment.Last()); err != nil {
		return err
	}
	s.blobs.packed(bulk.blobs)
	s.journal.Free(segment)
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

// bulk is where small blobs of the log went.
type bulk struct {
	blobs  []inBulk
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

// pack writes small blobs to packs, durably. to is the LSN up to which these are
// all there are.
func (s *Store) pack(blobs []inBulk, to uint64) (b bulk, err error) {
	b.blobs = blobs
	for len(blobs) > 0 {
		var data [][]byte
		for size := 0; len(data) < len(blobs) && size < bulkSize; size += len(data[len(data)-1]) {
			data = append(data, blobs[len(data)].data)
		}
		place, at, err := s.packs.AppendBulk(data)
		if err != nil {
			return b, err
		}
		for i := range data {
			blobs[i].at = at[i]
		}
		blobs = blobs[len(data):]
		b.places = append(b.places, run.Bulk{Pack: place.Pack, Offset: place.Offset, Length: int64(place.Length), To: to})
		if err := s.packs.Sync(); err != nil {
			return b, fmt.Errorf("sync packs: %w", err)
		}
	}
	return b, nil
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
		s.runs.add(info)
		for _, r := range picked {
			if err := os.Remove(r.Path); err != nil {
				return err
			}
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
