package jobs

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestServed: what counts of a time is what processes were running in, less than a
// minute for each short gap more, and nothing less as long as there are few gaps.
func TestServed(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var s served
		now := time.UnixMilli(1_700_000_000_000).UTC()
		type moment struct {
			at     time.Time
			served time.Duration // from here on
			short  time.Duration // gaps that are too short to count
			gaps   int
		}
		var moments []moment
		s.note(now, 0)
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			ran := time.Duration(rapid.IntRange(0, 3600).Draw(t, "ran")) * time.Second
			down := time.Duration(0)
			if rapid.Bool().Draw(t, "down") {
				down = time.Duration(rapid.IntRange(0, 100_000).Draw(t, "seconds")) * time.Second
			}
			moments = append(moments, moment{at: now})
			for i := range moments {
				m := &moments[i]
				m.served += ran
				if down < shortest {
					m.short += down
				} else {
					m.gaps++
				}
			}
			now = now.Add(down + ran)
			s.note(now, ran)
		}
		if len(s.Gaps) > maxGaps {
			t.Fatalf("%d gaps are kept", len(s.Gaps))
		}
		for _, m := range moments {
			got, most := s.since(m.at), m.served+m.short
			if got > most || got < most && moments[0].gaps < maxGaps {
				t.Fatalf("%s of %s count since %s, with %d gaps", got, most, m.at, m.gaps)
			}
		}
	})
}
