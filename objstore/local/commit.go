package local

import (
	"errors"
	"fmt"

	"github.com/dgraph-io/badger/v4"
	"golang.org/x/sys/unix"

	"caret/objstore"
	"caret/objstore/txn"
)

// maxIndexBytes of index rows ride along with a group. Together with the most
// that a group writes they are one transaction to badger: that takes 15 % of a
// memtable and one entry for every 96 bytes of that.
const maxIndexBytes = 1 << 20

// tx implements txn.Tx.
type tx struct {
	snapshot
	store *Store
}

// Commit implements txn.Tx: first the bytes of blobs, then all rows. All blobs
// that were put before an Update began are among those that wait now.
func (t *tx) Commit(b txn.Batch) error {
	s := t.store
	blobs := s.blobs.take()
	if b.Writes.Len() == 0 && len(blobs) == 0 {
		return nil
	}
	if err := s.packs.sync(); err != nil {
		err = fmt.Errorf("sync packs: %w", noSpace(err))
		s.fail(err)
		return err
	}
	if err := s.commitRows(blobs, b.Writes); err != nil {
		err = fmt.Errorf("commit rows: %w", noSpace(err))
		s.fail(err)
		return err
	}
	s.blobs.indexed(blobs)
	s.stats.groups.Add(1)
	s.stats.transactions.Add(int64(b.Transactions))
	return nil
}

// commitRows writes index rows and a group's rows in one transaction, or, if
// there are very many blobs, some of their index rows before.
func (s *Store) commitRows(blobs []*pending, writes *txn.Tree) error {
	t := s.db.NewTransaction(true)
	defer func() { t.Discard() }()
	bytes := 0
	for _, b := range blobs {
		row := b.row()
		if err := t.Set(indexKey(b.hash), row); err != nil {
			return err
		}
		if bytes += len(row) + len(b.hash) + txn.RowOverhead; bytes > maxIndexBytes {
			if err := s.commit(t); err != nil {
				return err
			}
			t, bytes = s.db.NewTransaction(true), 0
		}
	}
	for k, v := range writes.All() {
		var err error
		if v == nil {
			err = t.Delete(rowKey(k))
		} else {
			err = t.Set(rowKey(k), v)
		}
		if err != nil {
			return err
		}
	}
	err := s.commit(t)
	if err != nil && writes.Len() > 0 {
		err = fmt.Errorf("%w: %w", objstore.ErrUnknownOutcome, err)
	}
	return err
}

// commit commits a transaction of badger, which syncs it.
func (s *Store) commit(t *badger.Txn) error {
	if err := s.fault("rows.commit"); err != nil {
		return err
	}
	if err := t.Commit(); err != nil {
		return err
	}
	return s.fault("rows.committed")
}

// noSpace lets a full disk be recognized.
func noSpace(err error) error {
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
		return fmt.Errorf("%w: %w", objstore.ErrNoSpace, err)
	}
	return err
}
