package budget

// Tally counts what is collected bit by bit, as a Share that grows in steps.
type Tally struct {
	share *Share
	ahead int // bytes that are counted in advance
}

// tallyStep is how many bytes are counted at once.
const tallyStep = 256 << 10

// Tally begins to count. Release must be called.
func (b *Budget) Tally(k Kind) *Tally { return &Tally{share: b.None(k)} }

// Count counts n bytes that are about to be held. See Share.Grow.
func (t *Tally) Count(n int) error {
	if t.ahead -= n; t.ahead >= 0 {
		return nil
	}
	more := max(tallyStep, -t.ahead)
	if err := t.share.Grow(int64(more)); err != nil {
		t.ahead += n
		return err
	}
	t.ahead += more
	return nil
}

// Release gives back what was counted.
func (t *Tally) Release() {
	t.share.Release()
	t.ahead = 0
}
