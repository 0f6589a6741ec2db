package local

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/dgraph-io/badger/v4"
	"golang.org/x/sys/unix"

	"caret/objstore"
)

// Limits of a transaction, and of a group of them, which is one transaction
// to badger: that takes 15 % of a memtable and one entry for every 96 bytes of that.
const (
	maxGroup      = 1024 // transactions that share a sync
	maxTxnBytes   = 3 << 20
	maxTxnRows    = 30000
	rowOverhead   = 32      // what badger adds to a row when it counts bytes
	maxIndexBytes = 1 << 20 // of index rows that ride along with a group
)

// request is an Update that waits for the committer. A nil fn only asks for
// the pending blobs to be made durable.
type request struct {
	ctx  context.Context
	fn   func(objstore.Writer) error
	done chan error
}

// panicked carries a panic in a transaction to whoever called Update.
type panicked struct{ value any }

func (p panicked) Error() string { return fmt.Sprint("panic in transaction: ", p.value) }

// commitLoop is the committer.
func (s *Store) commitLoop() {
	defer close(s.done)
	for first := range s.requests {
		group := append(make([]*request, 0, 64), first)
	more:
		for len(group) < maxGroup {
			select {
			case r, ok := <-s.requests:
				if !ok {
					break more
				}
				group = append(group, r)
			default:
				break more
			}
		}
		s.commitGroup(group)
	}
}

// commitGroup runs transactions in order and makes them durable together.
func (s *Store) commitGroup(reqs []*request) {
	for len(reqs) > 0 {
		if err := s.writable(); err != nil {
			for _, r := range reqs {
				r.done <- err
			}
			return
		}
		// Taken after the requests were, so that every blob that was put
		// before one of them is among these.
		g := group{store: s, blobs: s.blobs.take(), rows: make(map[string][]byte)}
		reqs = g.run(reqs)
		err := g.commit()
		for _, r := range g.ok {
			r.done <- err
		}
		for _, f := range g.failed {
			f.r.done <- cmp.Or(err, f.err)
		}
	}
}

// group is transactions that become one of badger's.
type group struct {
	store *Store
	blobs []*pending
	rows  map[string][]byte // what they write; nil deletes
	bytes int
	ok    []*request
	// failed are those that returned an error. They are told when the group
	// is durable, as they may have failed because of what is in it: who is
	// told that something is there already must find it.
	failed []failure
}

type failure struct {
	r   *request
	err error
}

// run runs what fits and returns the rest.
func (g *group) run(reqs []*request) []*request {
	view := g.store.db.NewTransaction(false)
	defer view.Discard()
	seen := make(map[string]lookup)
	for i, r := range reqs {
		if r.fn == nil {
			g.ok = append(g.ok, r)
			continue
		}
		if err := r.ctx.Err(); err != nil {
			r.done <- err
			continue
		}
		w := &writer{reader: reader{txn: view, below: g.rows, own: make(map[string][]byte), seen: seen}}
		err := w.call(r.fn)
		switch {
		case err != nil:
			g.failed = append(g.failed, failure{r, err})
			continue
		case w.filled(1):
			r.done <- fmt.Errorf("%w: %d rows, %d bytes", objstore.ErrTooLarge, len(w.own), w.bytes)
			continue
		case g.bytes > 0 && (g.bytes+w.bytes > maxTxnBytes || len(g.rows)+len(w.own) > maxTxnRows):
			return reqs[i:] // runs again on top of this group
		}
		for k, v := range w.own {
			g.rows[k] = v
		}
		g.bytes += w.bytes
		g.ok = append(g.ok, r)
	}
	return nil
}

// commit makes the group durable: first the bytes of blobs, then all rows.
func (g *group) commit() error {
	if len(g.rows) == 0 && len(g.blobs) == 0 {
		return nil
	}
	s := g.store
	if err := s.packs.sync(); err != nil {
		err = fmt.Errorf("sync packs: %w", noSpace(err))
		s.fail(err)
		return err
	}
	if err := g.commitRows(); err != nil {
		err = fmt.Errorf("commit rows: %w", noSpace(err))
		s.fail(err)
		return err
	}
	s.blobs.indexed(g.blobs)
	s.stats.groups.Add(1)
	s.stats.transactions.Add(int64(len(g.ok)))
	return nil
}

// commitRows writes the index rows and the group's rows in one transaction,
// or, if there are very many blobs, their index rows before.
func (g *group) commitRows() error {
	txn := g.store.db.NewTransaction(true)
	defer func() { txn.Discard() }()
	bytes := 0
	for _, b := range g.blobs {
		row := b.row()
		if err := txn.Set(indexKey(b.hash), row); err != nil {
			return err
		}
		if bytes += len(row) + len(b.hash) + rowOverhead; bytes > maxIndexBytes {
			if err := g.commitTxn(txn); err != nil {
				return err
			}
			txn, bytes = g.store.db.NewTransaction(true), 0
		}
	}
	for k, v := range g.rows {
		var err error
		if v == nil {
			err = txn.Delete([]byte(k))
		} else {
			err = txn.Set([]byte(k), v)
		}
		if err != nil {
			return err
		}
	}
	return g.commitTxn(txn)
}

func (g *group) commitTxn(txn *badger.Txn) error {
	if err := g.store.fault("rows.commit"); err != nil {
		return err
	}
	return txn.Commit()
}

// noSpace lets a full disk be recognized.
func noSpace(err error) error {
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
		return fmt.Errorf("%w: %w", objstore.ErrNoSpace, err)
	}
	return err
}
