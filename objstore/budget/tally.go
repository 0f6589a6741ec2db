package budget

import "context"

// Tally counts what is collected bit by bit, as a Share that grows in steps.
type Tally struct {
	share *Share
	ahead int // bytes that are counted in advance
}

// tallyStep is how many bytes are counted at once.
const tallyStep = 256 << 10

// Tally begins to count. Release must be called.
func (b *Budget) Tally(k Kind) *Tally { return &Tally{share: b.None(k)} }

// Count counts n bytes that are about to be held. It may wait the first time, and later
// it does not; see Share.Grow.
func (t *Tally) Count(ctx context.Context, n int) error {
	if t.share == nil || n <= t.ahead {
		t.ahead -= n
		return nil
	}
	more := max(tallyStep, n-t.ahead)
	if err := t.grow(ctx, int64(more)); err != nil {
		return err
	}
	t.ahead += more - n
	return nil
}

func (t *Tally) grow(ctx context.Context, n int64) error {
	switch s := t.share; {
	case s.n > 0:
		return s.Grow(n)
	case n > s.p.size:
		return s.errNever()
	default:
		return s.wait(ctx, n)
	}
}

// Release gives back what was counted.
func (t *Tally) Release() {
	t.share.Release()
	t.ahead = 0
}
