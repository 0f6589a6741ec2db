package local

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"

	"caret/objstore"
	"caret/objstore/local/disk"
	"caret/objstore/local/journal"
	"caret/objstore/txn"
)

// The first byte of every key in the log and in the index.
const (
	keyRow    = 'r' // then the row's own key
	keyIndex  = 'x' // then a blob's hash
	keyNumber = 'n' // then a sequence's name
	keyPacks  = 'p' // alone: how far the packs are known to reach
)

var rowPrefix = []byte{keyRow}

// engine implements txn.Engine.
type engine struct{ *Store }

// View implements txn.Engine.
func (e engine) View(context.Context) (txn.Snapshot, error) { return e.index.snapshot() }

// Begin implements txn.Engine.
func (e engine) Begin() (txn.Tx, error) {
	if err := e.writable(); err != nil {
		return nil, err
	}
	if err := e.index.writable(); err != nil {
		return nil, err
	}
	if err := e.room(); err != nil {
		return nil, err
	}
	snapshot, err := e.index.snapshot()
	if err != nil {
		return nil, err
	}
	return &tx{snapshot, e.Store}, nil
}

// Reserve implements txn.Engine. A row of each sequence has the last number
// that was reserved.
func (e engine) Reserve(_ context.Context, sequence string, floor, n uint64) (uint64, error) {
	if err := e.writable(); err != nil {
		return 0, err
	}
	if err := e.index.writable(); err != nil {
		return 0, err
	}
	if err := e.lockRoomy(); err != nil {
		return 0, err
	}
	defer e.write.Unlock()
	key := append([]byte{keyNumber}, sequence...)
	v, err := e.index.get(key)
	if err != nil && !errors.Is(err, objstore.ErrNotFound) {
		return 0, err
	}
	var stored uint64
	if err == nil {
		if len(v) != 8 {
			return 0, fmt.Errorf("%w: row of a sequence with %d bytes", objstore.ErrCorrupt, len(v))
		}
		stored = binary.BigEndian.Uint64(v)
	}
	last := max(stored, floor) + n
	row := objstore.Row{Key: key, Value: binary.BigEndian.AppendUint64(nil, last)}
	return last, e.commit(nil, []objstore.Row{row}, nil)
}

// tx implements txn.Tx.
type tx struct {
	txn.Snapshot
	store *Store
}

// maxSide is how much of what blobs need rides along with a group in one
// record: bytes of small ones, and rows of others.
const (
	maxSide     = 1 << 20
	maxSideRows = 10000
)

// Commit implements txn.Tx: first the bytes of large blobs, then one record, or
// a few if many blobs wait. All blobs that were put before an Update began are
// among those.
func (t *tx) Commit(b txn.Batch) error {
	s := t.store
	waiting := s.blobs.take()
	if b.Writes.Len() == 0 && waiting.empty() {
		return nil
	}
	if err := s.packs.Sync(); err != nil {
		err = fmt.Errorf("sync packs: %w", disk.NoSpace(err))
		s.fail(err)
		return err
	}
	for {
		part := waiting.cut()
		if waiting.empty() {
			return s.commitLast(part, b)
		}
		if err := s.commitPart(part, nil); err != nil {
			s.blobs.back(waiting)
			return err
		}
	}
}

// commitLast commits the writes of a group with the last of the blobs.
func (s *Store) commitLast(part *waiting, b txn.Batch) error {
	if err := s.commitPart(part, b.Writes); err != nil {
		return err
	}
	s.stats.groups.Add(1)
	s.stats.transactions.Add(int64(b.Transactions))
	return nil
}

// commitPart writes a record when there is room for it.
func (s *Store) commitPart(part *waiting, writes *txn.Tree) error {
	if err := s.lockRoomy(); err != nil {
		s.blobs.back(part)
		return err
	}
	defer s.write.Unlock()
	if err := s.commit(part.small, append(part.rows(), s.packsRow()...), writes); err != nil {
		if writes != nil && writes.Len() > 0 {
			err = fmt.Errorf("%w: %w", objstore.ErrUnknownOutcome, err)
		}
		return err
	}
	s.blobs.logged(part)
	return nil
}

// lockRoomy takes write when there is room for a record and the store has not
// failed. It is not held while waiting, as who makes room needs it.
func (s *Store) lockRoomy() error {
	for {
		if err := s.room(); err != nil {
			return err
		}
		s.write.Lock()
		if err := s.Failure(); err != nil {
			s.write.Unlock()
			return err
		}
		if s.journal.Roomy() {
			return nil
		}
		s.write.Unlock()
	}
}

// room waits for room in the log. What else than a full disk keeps it from being made
// is borne for a while.
func (s *Store) room() error {
	err := disk.NoSpace(s.journal.Room())
	if failure := s.Failure(); failure != nil {
		return failure
	}
	s.noRoom.Lock()
	defer s.noRoom.Unlock()
	if err == nil || errors.Is(err, objstore.ErrNoSpace) || errors.Is(err, objstore.ErrClosed) || s.index.writable() != nil {
		s.noRoom.failing = failing{}
		return err
	}
	s.noRoom.set(s.log, "there is no room in the log", err)
	if s.noRoom.long() {
		s.fail(err)
	}
	return err
}

// commit writes a record and, when it is on disk, its rows to the index. The
// caller holds write. An error is the store's end, as far as writing goes. An index
// that is found damaged just then is none: it is made anew of the log.
func (s *Store) commit(small []*pending, rows []objstore.Row, writes *txn.Tree) error {
	r := &journal.Record{Rows: rows, Blobs: make([]journal.Blob, len(small))}
	for i, p := range small {
		r.Blobs[i] = journal.Blob{Hash: p.hash, Data: p.data}
	}
	if writes != nil {
		for k, v := range writes.All() {
			r.Rows = append(r.Rows, objstore.Row{Key: rowKey(k), Value: v})
		}
	}
	err := s.fault("log.append")
	if err == nil {
		err = s.journal.Append(r)
	}
	if err == nil {
		err = s.journal.Sync()
	}
	if err != nil {
		err = fmt.Errorf("write the log: %w", disk.NoSpace(err))
		s.fail(err)
		return err
	}
	for i, p := range small {
		p.log = r.Blobs[i].At
	}
	s.space.wrote(int64(bytesOf(small)))
	s.state.LSN = r.LSN
	err = s.index.apply(rowsOf(r), s.state)
	if broken := s.index.writable(); err == nil || errors.Is(broken, objstore.ErrCorrupt) {
		return nil // nothing is read of a damaged index
	} else if broken == nil {
		s.fail(fmt.Errorf("write the index: %w", err))
	}
	return fmt.Errorf("write the index: %w", err)
}

func rowKey(key []byte) []byte { return append(append(make([]byte, 0, 1+len(key)), keyRow), key...) }

// rowsOf goes through the rows of a record.
func rowsOf(r *journal.Record) iter.Seq2[[]byte, []byte] {
	return func(yield func(_, _ []byte) bool) {
		for _, row := range r.Rows {
			if !yield(row.Key, row.Value) {
				return
			}
		}
	}
}
