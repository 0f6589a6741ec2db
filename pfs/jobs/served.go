package jobs

import (
	"context"
	"errors"
	"time"

	"caret/objstore"
	"caret/pfs/rows"
)

// What nobody touches grows old only while somebody could: the time in which no process
// had the store open does not count, nor does what a clock jumps over. So a row keeps
// when a process was last known to serve, and the gaps before that. A process knows by a
// clock that cannot be set how long it has been running; what lies between the row's time
// and that is a gap.

// served is the value of that row.
type served struct {
	Last time.Time `json:"last"`
	Gaps []gap     `json:"gaps,omitempty"` // from the oldest on, without overlaps
}

// gap is a time in which nobody was served; one before all others begins with the zero
// time.
type gap struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
}

const (
	// shortest is the shortest gap that counts: clocks are not that exact.
	shortest = time.Minute
	// maxGaps is how many gaps are kept; the closest of more are joined, which makes
	// things live longer.
	maxGaps = 64
)

// note says that the process has been serving for some time up to now.
func (s *served) note(now time.Time, serving time.Duration) {
	for i, g := range s.Gaps { // the clock was ahead, and is put back
		if g.To.After(now) {
			s.Gaps[i].To = now
		}
		if !g.From.Before(now) {
			s.Gaps = s.Gaps[:i]
			break
		}
	}
	if since := now.Add(-serving); since.Sub(s.Last) >= shortest {
		s.Gaps = append(s.Gaps, gap{s.Last, since})
	}
	for len(s.Gaps) > maxGaps {
		s.join()
	}
	s.Last = now
}

// join joins the two gaps with the least time between them.
func (s *served) join() {
	closest := 1
	between := func(i int) time.Duration { return s.Gaps[i].From.Sub(s.Gaps[i-1].To) }
	for i := range s.Gaps {
		if i > 1 && between(i) < between(closest) {
			closest = i
		}
	}
	s.Gaps[closest-1].To = s.Gaps[closest].To
	s.Gaps = append(s.Gaps[:closest], s.Gaps[closest+1:]...)
}

// since is how long after a time there was somebody to be served by, up to the last note.
func (s *served) since(t time.Time) time.Duration {
	age := s.Last.Sub(t)
	for _, g := range s.Gaps {
		from := g.From
		if from.Before(t) {
			from = t
		}
		if g.To.After(from) {
			age -= g.To.Sub(from)
		}
	}
	return age
}

// noteServed brings the row up to date, if there is anything that grows old.
func (r *Runner) noteServed(ctx context.Context) error {
	some := false
	for _, kind := range []byte{rows.Open, rows.Upload, rows.Completed} {
		if !some {
			var err error
			if some, err = r.any(ctx, kind); err != nil {
				return err
			}
		}
	}
	if !some {
		return nil
	}
	var s served
	now, up := r.Now().UTC().Round(0), r.Elapsed()
	err := r.DB.Update(ctx, "", func(tx objstore.Writer) error {
		s = served{}
		if err := rows.Get(tx, rows.Key(rows.Served, ""), &s); err != nil && !errors.Is(err, objstore.ErrNotFound) {
			return err
		}
		s.note(now, up-r.noted)
		return rows.Set(tx, rows.Key(rows.Served, ""), s)
	})
	if err == nil {
		r.served, r.noted = s, up
	}
	return err
}

// older returns a question: whether a time is longer ago than ttl, as far as anybody was
// served.
func (r *Runner) older(ttl time.Duration) func(time.Time) bool {
	return func(t time.Time) bool { return r.served.since(t) > ttl }
}
