package index

import (
	"encoding/binary"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/pb"
	"github.com/dgraph-io/ristretto/v2/z"
)

// Sorted writes rows in the order of their keys into an index that is new and
// empty: straight into tables, which takes a third of the time and of the memory
// of a Loader. Nothing else is written meanwhile.
type Sorted struct {
	x   *Index
	w   *badger.StreamWriter
	buf *z.Buffer
}

// sortedBuffer is how many bytes of rows are handed to badger at once.
const sortedBuffer = 4 << 20

// LoadSorted begins to write. The caller ends it by Close or Discard.
func (x *Index) LoadSorted() (*Sorted, error) {
	s := &Sorted{x: x, w: x.db.NewStreamWriter(), buf: z.NewBuffer(sortedBuffer, "caret")}
	if err := s.w.Prepare(); err != nil {
		s.Discard()
		return nil, err
	}
	return s, nil
}

// Put sets a row; its key is above all before.
func (s *Sorted) Put(key, v []byte) error {
	stored := append(make([]byte, 0, len(v)+sumSize), v...)
	stored = binary.LittleEndian.AppendUint32(stored, sum(key, v))
	badger.KVToBuffer(&pb.KV{Key: key, Value: stored, Version: 1, StreamId: 1}, s.buf)
	if s.buf.LenNoPadding() < sortedBuffer-maxBytes/2 {
		return nil
	}
	return s.flush()
}

func (s *Sorted) flush() error {
	if err := s.x.fault("index.commit"); err != nil {
		return err
	}
	err := s.w.Write(s.buf)
	s.buf.Reset()
	return err
}

// Close writes the rest. The index can then be read and written to.
func (s *Sorted) Close() error {
	if err := s.flush(); err != nil {
		return err
	}
	err := s.w.Flush()
	s.release()
	return err
}

// Discard ends a Sorted that failed; after Close it does nothing.
func (s *Sorted) Discard() {
	if s.buf != nil {
		s.w.Cancel()
		s.release()
	}
}

func (s *Sorted) release() {
	s.buf.Release() //nolint:errcheck // it is memory
	s.buf = nil
}
