package txn

import (
	"context"
	"fmt"
	"math"
	"sync"
)

// Numbers are reserved in blocks, which grow as more are asked for; what is
// left of a block when the process ends is never given out.
const (
	minBlock  = 64
	blockGrow = 4
	// MaxBlock is the most numbers that are reserved at once.
	MaxBlock = 1024
)

// maxNumber is so far from the largest there is that reserving blocks never
// comes to that.
const maxNumber = math.MaxInt64

// sequences are those that numbers were asked of.
type sequences struct {
	mu  sync.Mutex
	all map[string]*sequence
}

// sequence is the block that a process has of a sequence.
type sequence struct {
	name  string
	turn  chan struct{} // holds one while somebody is at the following
	last  uint64        // given out
	end   uint64        // of the block
	block uint64        // the size of the next
}

func (s *sequences) get(name string) *sequence {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := s.all[name]
	if q == nil {
		if s.all == nil {
			s.all = make(map[string]*sequence)
		}
		q = &sequence{name: name, turn: make(chan struct{}, 1), block: minBlock}
		s.all[name] = q
	}
	return q
}

// Number implements objstore.Rows: mostly from memory, each block after it is
// durable that it is taken.
func (x *Rows) Number(ctx context.Context, name string, floor uint64) (uint64, error) {
	if err := x.enter(ctx); err != nil {
		return 0, err
	}
	defer x.gate.Leave()
	q := x.sequences.get(name)
	select {
	case q.turn <- struct{}{}:
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	defer func() { <-q.turn }()
	return q.next(ctx, x.engine, floor)
}

func (q *sequence) next(ctx context.Context, from Engine, floor uint64) (uint64, error) {
	floor = max(floor, q.last)
	if floor > maxNumber {
		return 0, fmt.Errorf("sequence %s: no numbers above %d", q.name, floor)
	}
	if floor >= q.end {
		end, err := from.Reserve(ctx, q.name, floor, q.block)
		if err != nil {
			return 0, fmt.Errorf("reserve numbers of sequence %s: %w", q.name, err)
		}
		q.end, floor = end, end-q.block
		q.block = min(q.block*blockGrow, MaxBlock)
	}
	q.last = floor + 1
	return q.last, nil
}
