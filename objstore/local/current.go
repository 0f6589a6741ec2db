package local

import (
	"cmp"
	"errors"
	"fmt"
	"iter"
	"os"
	"sync"

	"caret/objstore"
	"caret/objstore/local/index"
	"caret/objstore/txn"
)

// current is the index that is in use. Another may take its place while it is
// read; it is closed when nobody reads it any more.
type current struct {
	mu  sync.Mutex
	now *held
}

// held is an index, and who uses it.
type held struct {
	*index.Index
	// over is the rows, by their keys in the log, that the index lacks as it can't
	// be written to; nil if it can.
	over *txn.Tree
	rows *txn.Tree // those of over that are rows of transactions, by their own keys
	dir  string
	// tables is the LSN up to which its tables had all rows when it was opened.
	tables uint64

	owner *current
	users int
	done  func() // when the last user leaves; nil while it is in use
}

// use is followed by leave.
func (c *current) use() (*held, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.now == nil {
		return nil, objstore.ErrClosed
	}
	c.now.users++
	return c.now, nil
}

func (h *held) leave() {
	h.owner.mu.Lock()
	h.users--
	done := h.done
	last := h.users == 0
	h.owner.mu.Unlock()
	if last && done != nil {
		done()
	}
}

// set puts another index in the place of the one in use. done is called when
// nobody reads that any more.
func (c *current) set(h *held, done func(old *held)) {
	if h != nil {
		h.owner = c
	}
	c.mu.Lock()
	old := c.now
	c.now = h
	idle := old != nil && old.users == 0
	if old != nil && !idle {
		old.done = func() { done(old) }
	}
	c.mu.Unlock()
	if idle {
		done(old)
	}
}

// snapshot is what is committed at this moment.
func (c *current) snapshot() (txn.Snapshot, error) {
	h, err := c.use()
	if err != nil {
		return nil, err
	}
	s := txn.Snapshot(h.Snapshot(rowPrefix))
	if h.over != nil {
		s = txn.Over(s, h.rows)
	}
	return &snapshot{s, h}, nil
}

// snapshot is one of an index in use.
type snapshot struct {
	txn.Snapshot
	of *held
}

// Discard implements txn.Snapshot.
func (s *snapshot) Discard() {
	defer s.of.leave()
	s.Snapshot.Discard()
}

// get reads a row by its key in the log.
func (c *current) get(key []byte) ([]byte, error) {
	h, err := c.use()
	if err != nil {
		return nil, err
	}
	defer h.leave()
	if h.over != nil {
		if v, ok := h.over.Get(key); ok && v == nil {
			return nil, objstore.ErrNotFound
		} else if ok {
			return v, nil
		}
	}
	return h.Get(key)
}

// apply writes rows to the index.
func (c *current) apply(rows iter.Seq2[[]byte, []byte], s index.State) error {
	h, err := c.use()
	if err != nil {
		return err
	}
	defer h.leave()
	return h.Apply(rows, s)
}

// writable says why rows can't be written to the index.
func (c *current) writable() error {
	h, err := c.use()
	if err != nil {
		return err
	}
	defer h.leave()
	if h.over != nil {
		return fmt.Errorf("%w: there was none when the store was opened; it is looked for again", objstore.ErrNoSpace)
	}
	return cmp.Or(h.Damage(), h.Stuck())
}

// close closes the index. On a full disk that would wait for room to write what
// is in memory, which the log has.
func (c *current) close(sp *space) error {
	c.mu.Lock()
	h := c.now
	c.now = nil
	c.mu.Unlock()
	if h == nil || h.over == nil && sp.full() {
		return nil
	}
	err := h.Close()
	if h.dir != "" && (errors.Is(err, objstore.ErrCorrupt) || h.Damage() != nil) {
		// The log has all, and the next start finds out.
		return os.WriteFile(h.dir+damagedSuffix, nil, 0o600)
	}
	return err
}

// damagedSuffix is that of the name of a file that says that an index beside it
// was found damaged while it was in use.
const damagedSuffix = ".damaged"
