package txn_test

import (
	"context"
	"runtime"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"caret/objstore"
	"caret/objstore/txn"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// stub is an Engine over a tree that counts what is asked of it.
type stub struct {
	mu       sync.Mutex // of what follows
	table    *txn.Tree
	numbers  map[string]uint64
	batches  []batch
	pages    int      // that were read
	asked    []string // keys that were read
	reserved []uint64 // sizes of blocks

	begin   func() error
	commit  func() (committed bool, err error)
	reserve func() error
}

type batch struct{ rows, bytes, transactions int }

// open returns the rows of an engine, which are closed in the end.
func open(t testing.TB, e txn.Engine, opts txn.Options) *txn.Rows {
	x := txn.New(e, opts)
	t.Cleanup(func() { x.Close() })
	return x
}

func newStub() *stub {
	return &stub{table: txn.NewTree(), numbers: map[string]uint64{},
		begin: func() error { return nil }, commit: func() (bool, error) { return true, nil }, reserve: func() error { return nil }}
}

func (s *stub) View(context.Context) (txn.Snapshot, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return &stubTx{stub: s, table: s.table}, nil
}

func (s *stub) Begin() (txn.Tx, error) {
	if err := s.begin(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return &stubTx{stub: s, table: s.table}, nil
}

func (s *stub) Reserve(_ context.Context, sequence string, floor, n uint64) (uint64, error) {
	if err := s.reserve(); err != nil {
		return 0, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.numbers[sequence] = max(s.numbers[sequence], floor) + n
	s.reserved = append(s.reserved, n)
	return s.numbers[sequence], nil
}

type stubTx struct {
	*stub
	table *txn.Tree
	ended bool
}

func (t *stubTx) Discard() { t.ended = true }

func (t *stubTx) alive() {
	if t.ended {
		panic("a snapshot was used after Discard")
	}
}

func (t *stubTx) Get(key []byte) ([]byte, error) {
	values, err := t.GetMany([][]byte{key})
	if err == nil && values[0] == nil {
		err = objstore.ErrNotFound
	}
	return values[0], err
}

func (t *stubTx) GetMany(keys [][]byte) ([][]byte, error) {
	t.alive()
	values := make([][]byte, len(keys))
	t.mu.Lock()
	defer t.mu.Unlock()
	for i, k := range keys {
		t.asked = append(t.asked, string(k))
		values[i], _ = t.table.Get(k)
	}
	return values, nil
}

func (t *stubTx) Page(r objstore.Range, limit int) ([]objstore.Row, error) {
	t.alive()
	if limit <= 0 || r.Empty() {
		panic("an empty page is read")
	}
	t.pages++
	return t.table.Page(r, limit), nil
}

func (t *stubTx) Commit(b txn.Batch) error {
	t.alive()
	done := batch{rows: b.Writes.Len(), transactions: b.Transactions}
	next := t.table.Copy()
	for k, v := range b.Writes.All() {
		done.bytes += len(k) + len(v) + txn.RowOverhead
		if v == nil {
			next.Delete(k)
		} else {
			next.Set(objstore.Row{Key: k, Value: v})
		}
	}
	committed, err := t.commit()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.batches = append(t.batches, done)
	if committed {
		t.stub.table = next
	}
	return err
}

// gathered is Updates that came while a commit was under way, so that they are
// one group.
type gathered struct {
	*txn.Rows
	stub *stub
	t    *testing.T
	wg   sync.WaitGroup
	gate chan struct{}
}

// gather begins an Update that is held up in its transaction.
func gather(t *testing.T) *gathered {
	s := newStub()
	g := &gathered{Rows: open(t, s, txn.Options{}), stub: s, t: t, gate: make(chan struct{})}
	running := make(chan struct{})
	g.wg.Go(func() {
		if err := g.Update(context.Background(), "", func(objstore.Writer) error {
			close(running)
			<-g.gate
			return nil
		}); err != nil {
			t.Error(err)
		}
	})
	<-running
	return g
}

// add lets an Update wait behind those before it.
func (g *gathered) add(ctx context.Context, fn func(objstore.Writer) error, told func(error)) {
	before := g.Waiting()
	g.wg.Go(func() { told(g.Update(ctx, "", fn)) })
	for g.Waiting() == before {
		runtime.Gosched()
	}
}

// release lets all go on and waits until they are told.
func (g *gathered) release() {
	close(g.gate)
	g.wg.Wait()
}
