package budget

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"caret/objstore"
)

// TestTake: what is not free is waited for, in turn, and no longer than was said.
func TestTake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New(18*70, time.Minute) // 210 for Reading
		first, err := b.Take(t.Context(), Reading, 100)
		if err == nil {
			err = first.Grow(50)
		}
		if err != nil {
			t.Fatal(err)
		}
		// The second would find room, but comes behind the first.
		var wg sync.WaitGroup
		for _, n := range []int64{100, 10} {
			wg.Go(func() {
				s, err := b.Take(t.Context(), Reading, n)
				if err != nil {
					t.Error(err)
				}
				s.Release()
			})
			synctest.Wait()
		}
		if _, ok := b.Try(Reading, 1); ok {
			t.Error("somebody went past those who wait")
		}
		if st := b.Stats(); !b.Short() || st.Waiting != 2 || st.Used != 150 || st.Size != 18*70 {
			t.Errorf("stats %+v", st)
		}
		// The other kinds go on.
		for _, k := range []Kind{Document, Work, Collecting, Window, Writing, Small} {
			s, err := b.Take(t.Context(), k, 100)
			if err != nil {
				t.Error(k, err)
			}
			s.Release()
		}
		first.Release()
		first.Release() // which changes nothing
		wg.Wait()
		if st := b.Stats(); b.Short() || st.Used != 0 || st.Waits != 2 || st.Refused != 0 {
			t.Errorf("in the end %+v", st)
		}
	})
}

// TestBusy: who waits too long is refused, and leaves no trace.
func TestBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New(18*70, time.Minute)
		all, err := b.Take(t.Context(), Writing, 1000) // counts as half of it
		if err == nil {
			err = all.Grow(105)
		}
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if _, err := b.Take(t.Context(), Writing, 1); !errors.Is(err, ErrBusy) || time.Since(began) != time.Minute {
			t.Errorf("after %s: %v", time.Since(began), err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := b.Take(ctx, Writing, 1); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrBusy) {
			t.Errorf("with a context that ends: %v", err)
		}
		all.Release()
		s, err := b.Take(t.Context(), Writing, 100)
		if err != nil {
			t.Fatal(err)
		}
		s.Release()
		if st := b.Stats(); st.Refused != 1 || st.Used != 0 {
			t.Errorf("stats %+v", st)
		}
	})
}

// TestGrow: a share grows without waiting, or not at all.
func TestGrow(t *testing.T) {
	b := New(18*70, time.Minute)
	one, two := b.None(Collecting), b.None(Collecting)
	if err := errors.Join(one.Reserve(t.Context(), 100), one.Grow(50)); err != nil {
		t.Fatal(err)
	}
	if err := two.Grow(61); !errors.Is(err, ErrBusy) {
		t.Errorf("what others have: %v", err)
	}
	if err := one.Reserve(t.Context(), 61); !errors.Is(err, objstore.ErrTooLarge) {
		t.Errorf("more than there is: %v", err)
	}
	if err := errors.Join(two.Grow(20), two.Reserve(t.Context(), 30), two.Grow(0)); err != nil {
		t.Error(err)
	}
	one.Release()
	if err := two.Grow(150); err != nil {
		t.Error(err)
	}
	two.Release()
	if used := b.Stats().Used; used != 0 {
		t.Errorf("%d used in the end", used)
	}
}

// TestTally: what is collected is counted in steps, and all given back.
func TestTally(t *testing.T) {
	b := New(18*tallyStep, time.Minute) // 2 steps for Work
	tally := b.Tally(Work)
	n := 0
	for ; ; n++ {
		if err := tally.Count(t.Context(), 1000); err != nil {
			if !errors.Is(err, objstore.ErrTooLarge) {
				t.Error(err)
			}
			break
		}
	}
	if used := b.Stats().Used; used != 2*tallyStep || n != 2*tallyStep/1000 {
		t.Errorf("%d counted, as %d bytes", n, used)
	}
	tally.Release()
	if err := tally.Count(t.Context(), tallyStep); err != nil || b.Stats().Used != tallyStep {
		t.Errorf("again: %v, %+v", err, b.Stats())
	}
	tally.Release()
	if used := b.Stats().Used; used != 0 {
		t.Errorf("%d used in the end", used)
	}
}

// TestUnlimited: no budget gives everybody everything.
func TestUnlimited(t *testing.T) {
	var b *Budget
	s, err := b.Take(t.Context(), Work, 1<<60)
	if err != nil || s.Grow(1<<60) != nil || s.Reserve(t.Context(), 1<<60) != nil || b.Tally(Work).Count(t.Context(), 1<<60) != nil || b.Short() || b.Stats().Size != 0 {
		t.Error("there is a limit")
	}
	s.Release()
	if _, ok := b.Try(Small, 1<<60); !ok {
		t.Error("there is a limit")
	}
}

// TestHammer: whatever many do at once, what is taken is never more than there is, and
// all of it comes back.
func TestHammer(t *testing.T) {
	b := New(8000, time.Minute)
	var wg sync.WaitGroup
	for i := range 32 {
		wg.Go(func() {
			for j := range 200 {
				first, then := Kind(i%kinds), Kind(j%kinds)
				if then < first {
					first, then = then, first
				}
				s, err := b.Take(t.Context(), first, int64(1+(i*j)%1000))
				if err != nil {
					t.Error(err)
					return
				}
				if err := s.Grow(int64(j % 7)); err != nil && !errors.Is(err, ErrBusy) && !errors.Is(err, objstore.ErrTooLarge) {
					t.Error(err)
				}
				if then > first { // in the order of kinds nobody waits for ever
					if s2, err := b.Take(t.Context(), then, int64(1+j)); err == nil {
						s2.Release()
					} else {
						t.Error(err)
					}
				}
				for _, p := range b.Stats().Parts {
					if p.Used > p.Size {
						t.Errorf("%s: %d of %d", p.Kind, p.Used, p.Size)
					}
				}
				s.Release()
			}
		})
	}
	wg.Wait()
	if st := b.Stats(); st.Used != 0 || st.Waiting != 0 || st.Refused != 0 && st.Waits == 0 {
		t.Errorf("in the end %+v", st)
	}
}
