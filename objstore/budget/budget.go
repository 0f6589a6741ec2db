package budget

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	"caret/objstore"
)

// ErrBusy says that requests under way hold all the memory there is for what was asked for.
var ErrBusy = errors.New("the server is busy: other requests hold the memory that this one needs")

// Kind is what memory is taken for.
type Kind int

// The kinds, in the order in which one request may wait for several.
const (
	// Document is what a request sends that is read into memory as a whole, as it comes.
	Document Kind = iota
	// Work is what is known in advance: what documents are parsed into, pages of lists.
	Work
	// Collecting is what grows with what an operation is about, such as the paths of
	// a commit.
	Collecting
	// Window is what an answer holds however long its client takes.
	Window
	// Writing is the buffer that content is cut in while it comes.
	Writing
	// Reading is chunks of content on their way out.
	Reading
	// Small is either of the last two, for content of one small chunk.
	Small
	kinds int = iota
)

func (k Kind) String() string {
	return [kinds]string{"document", "work", "collecting", "window", "writing", "reading", "small"}[k]
}

// parts is how much of a budget each kind has, of as many as allParts.
var parts = [kinds]int64{Document: 3, Work: 2, Collecting: 3, Window: 2, Writing: 3, Reading: 3, Small: 2}

// allParts is the sum of the parts.
const allParts = 18

const (
	// Least is the smallest budget that serves all kinds of requests well, in bytes.
	Least = 64 << 20
	// DefaultWait is how long is waited for memory: longer than a client that neither
	// sends nor reads is let hold some while others wait for it.
	DefaultWait = 30 * time.Second
)

// Budget is bytes that requests share. Make one with New.
type Budget struct {
	size    int64
	wait    time.Duration
	parts   [kinds]part
	waits   atomic.Int64
	refused atomic.Int64
	began   time.Time
	lacked  atomic.Int64 // when somebody could not Grow, in nanoseconds since began; 0 is never
}

// part is the bytes of one kind.
type part struct {
	size    int64
	free    *semaphore.Weighted // first come, first served
	used    atomic.Int64
	waiting atomic.Int64
}

// New returns a budget of size bytes; for what is not free, wait is waited at most.
func New(size int64, wait time.Duration) *Budget {
	b := &Budget{size: size, wait: wait, began: time.Now()}
	for k := range b.parts {
		p := &b.parts[k]
		p.size = max(size/allParts*parts[k], 1)
		p.free = semaphore.NewWeighted(p.size)
	}
	return b
}

// Share is bytes that were taken. nil is none.
type Share struct {
	p *part
	b *Budget
	n int64
}

// Take takes n bytes, and waits until they are free. What is more than half of what there
// is of the kind counts as half of it: so whoever asks is served, and can grow. ErrBusy if that takes too long, or what ctx ends with.
func (b *Budget) Take(ctx context.Context, k Kind, n int64) (*Share, error) {
	if b == nil {
		return nil, nil
	}
	s := b.None(k)
	if err := s.Reserve(ctx, n); err != nil {
		return nil, err
	}
	return s, nil
}

func (b *Budget) waitFor(ctx context.Context, p *part, n int64) error {
	b.waits.Add(1)
	p.waiting.Add(1)
	defer p.waiting.Add(-1)
	limited, cancel := context.WithTimeout(ctx, b.wait)
	defer cancel()
	if p.free.Acquire(limited, n) == nil {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	b.refused.Add(1)
	return ErrBusy
}

// Try is Take without waiting; false if the bytes are not free, or somebody waits for
// them.
func (b *Budget) Try(k Kind, n int64) (*Share, bool) {
	if b == nil {
		return nil, true
	}
	s := b.None(k)
	if !s.p.free.TryAcquire(n) {
		return nil, false
	}
	s.p.used.Add(n)
	s.n = n
	return s, true
}

// None is an empty share, to Grow.
func (b *Budget) None(k Kind) *Share {
	if b == nil {
		return nil
	}
	return &Share{p: &b.parts[k], b: b}
}

// Reserve takes n bytes more: it waits, as Take does, if the share is empty, and does not,
// as Grow, if it is not.
func (s *Share) Reserve(ctx context.Context, n int64) error {
	if s == nil || n <= 0 {
		return nil
	}
	if s.n > 0 {
		return s.Grow(n)
	}
	return s.wait(ctx, min(n, max(s.p.size/2, 1)))
}

// wait is for an empty share: it waits for n bytes, which are not more than there are.
func (s *Share) wait(ctx context.Context, n int64) error {
	if !s.p.free.TryAcquire(n) {
		if err := s.b.waitFor(ctx, s.p, n); err != nil {
			return err
		}
	}
	s.p.used.Add(n)
	s.n = n
	return nil
}

// Grow takes n bytes more. It does not wait, as others may wait for what the share has:
// ErrBusy if they are not free, ErrTooLarge if they never are.
func (s *Share) Grow(n int64) error {
	if s == nil || n <= 0 {
		return nil
	}
	if s.n+n > s.p.size {
		return s.errNever()
	}
	if !s.p.free.TryAcquire(n) {
		s.b.refused.Add(1)
		s.b.lacked.Store(int64(max(time.Since(s.b.began), 1)))
		return ErrBusy
	}
	s.p.used.Add(n)
	s.n += n
	return nil
}

func (s *Share) errNever() error {
	return fmt.Errorf("%w: it takes more memory than the %d MiB that the server has for requests of this kind together", objstore.ErrTooLarge, s.p.size>>20)
}

// Release gives the bytes back. It may be called again, and the share may Grow again.
func (s *Share) Release() {
	if s == nil || s.n == 0 {
		return
	}
	s.p.used.Add(-s.n)
	s.p.free.Release(s.n)
	s.n = 0
}

// Stats is how a budget is used, in bytes.
type Stats struct {
	Size    int64
	Used    int64
	Parts   []Part
	Waiting int64 // requests that wait just now
	Waits   int64 // how often it was waited
	Refused int64 // and given up
}

// Part is how the bytes of one kind are used.
type Part struct {
	Kind       string
	Size, Used int64
	Waiting    int64
}

// Stats returns the numbers of this moment.
func (b *Budget) Stats() Stats {
	if b == nil {
		return Stats{}
	}
	st := Stats{Size: b.size, Waits: b.waits.Load(), Refused: b.refused.Load()}
	for k := range b.parts {
		p := &b.parts[k]
		used, waiting := p.used.Load(), p.waiting.Load()
		st.Used += used
		st.Waiting += waiting
		st.Parts = append(st.Parts, Part{Kind: Kind(k).String(), Size: p.size, Used: used, Waiting: waiting})
	}
	return st
}

// plenty is how many bytes of a kind may be taken before it is saved on.
const plenty = 64 << 20

// Plenty says whether so little of a kind is taken, and nobody waits for it, that it is not
// worth any effort to hold less of it.
func (b *Budget) Plenty(k Kind) bool {
	if b == nil {
		return true
	}
	p := &b.parts[k]
	return p.waiting.Load() == 0 && p.used.Load() <= min(p.size/2, plenty)
}

// shortFor is how long a budget is short of memory after somebody could not Grow: who
// looks for those that hold some in vain has to find it so more than once.
const shortFor = 15 * time.Second

// Short says whether somebody waits for memory, or could not Grow a while ago.
func (b *Budget) Short() bool {
	if b == nil {
		return false
	}
	if at := b.lacked.Load(); at != 0 && time.Since(b.began)-time.Duration(at) < shortFor {
		return true
	}
	for k := range b.parts {
		if b.parts[k].waiting.Load() > 0 {
			return true
		}
	}
	return false
}
