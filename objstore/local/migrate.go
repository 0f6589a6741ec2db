package local

import (
	"fmt"
	"os"

	"caret/objstore"
	"caret/objstore/local/index"
	"caret/objstore/local/journal"
	"caret/objstore/local/pack"
	"caret/objstore/local/run"
)

// How versions 1 and 2 said where a blob is: 0 and its bytes, or 1 and the pack,
// the offset of the header before its bytes, and their length.
const (
	oldInline = 0
	oldPlace  = 1
	oldHeader = 44
)

// migrate makes a log of the rows that versions 1 and 2 had in badger alone. What
// they had stays as it is until that is done.
func (s *Store) migrate() error {
	old, log := s.path("rows"), s.path("log")
	s.log.Info("bringing the store to a new format, with a log of all rows", "dir", s.dir)
	if err := os.RemoveAll(log); err != nil {
		return err
	}
	if err := os.MkdirAll(log, 0o700); err != nil {
		return err
	}
	id := newID()
	w, err := run.Create(log, id, 0, 1, run.Options{Fault: s.fault})
	if err != nil {
		return err
	}
	defer w.Abort()
	m := &migration{s: s, w: w}
	if err := index.ReadOld(old, s.log, m.row); err != nil {
		return err
	}
	if err := m.flush(); err != nil {
		return err
	}
	if _, err := w.Close(); err != nil {
		return err
	}
	if err := s.openedOnce(id); err != nil {
		return err
	}
	if err := s.writeFormat(id); err != nil {
		return err
	}
	return os.RemoveAll(old)
}

// openedOnce lets the log say how far it has come.
func (s *Store) openedOnce(id journal.ID) error {
	scan, err := journal.ReadDir(s.path("log"))
	if err != nil {
		return err
	}
	j, err := scan.Open(id, 1, 1, journal.Options{Size: s.segmentSize(), Fault: s.fault})
	if err != nil {
		return err
	}
	return j.Close()
}

// migration is rows on their way into a run.
type migration struct {
	s     *Store
	w     *run.Writer
	blobs []inBulk
	bytes int
}

func (m *migration) row(r objstore.Row) error {
	if r.Key[0] != keyIndex {
		return m.w.Add(r)
	}
	if len(r.Key) != len(objstore.Hash{})+1 || len(r.Value) == 0 {
		return fmt.Errorf("%w: row of a blob", objstore.ErrCorrupt)
	}
	switch r.Value[0] {
	case oldInline:
		m.blobs = append(m.blobs, inBulk{hash: objstore.Hash(r.Key[1:]), data: r.Value[1:]})
		if m.bytes += len(r.Value); m.bytes < bulkSize {
			return nil
		}
		return m.flush()
	case oldPlace:
		at, err := parseOldPlace(r.Value)
		if err != nil {
			return err
		}
		return m.w.Add(objstore.Row{Key: r.Key, Value: placeRow(soundRow, at)})
	}
	return fmt.Errorf("%w: row of a blob of kind %d", objstore.ErrCorrupt, r.Value[0])
}

func parseOldPlace(row []byte) (at pack.Place, err error) {
	row = append([]byte{soundRow}, row[1:]...)
	if at, _, err = parsePlace(row); err == nil {
		at.Offset += oldHeader
	}
	return at, err
}

// flush writes the small blobs so far to a pack.
func (m *migration) flush() error {
	b := bulk{blobs: m.blobs}
	if err := m.s.pack(&b, 1); err != nil {
		return err
	}
	for _, p := range b.places {
		m.w.Bulk(p)
	}
	m.blobs, m.bytes = nil, 0
	return nil
}
