package run

import "math"

const (
	// DefaultFan is how many runs of about one size become one.
	DefaultFan = 8
	// pickFloor is the size, in bytes, below which runs are all of one size.
	pickFloor = 4 << 10
	// pickSpan is how far the sizes of one tier are apart, as a power of fan.
	// Below 1, so that runs that became one are not of the tier they were of.
	pickSpan = 0.75
)

// Pick says which of the runs of a chain (see Cover) are to be merged now: those
// of the newest tier that has fan of them or more, at most four times fan; nil if
// there is none. fan below 2 is DefaultFan. A tier is runs that follow each other
// whose sizes are within a factor of about fan. Called until it returns nil after
// each new run, a row that stays is written about log_fan(n) times in n runs,
// and there are fewer than about fan*log_fan(n) runs.
func Pick(runs []Info, fan int) []Info {
	if fan < 2 {
		fan = DefaultFan
	}
	var picked []Info
	for start := 0; start < len(runs); {
		end := tierEnd(runs[start:], fan) + start
		if end-start >= fan {
			picked = runs[start:min(end, start+4*fan)]
		}
		start = end
	}
	return picked
}

// tierEnd is how many of runs, the oldest first, are one tier: those up to the
// last one that is not much smaller than the largest. Tiers are relative, as
// with fixed bounds runs of one size could lie on both sides of one.
func tierEnd(runs []Info, fan int) int {
	top := 0.0
	for _, r := range runs {
		top = max(top, level(r, fan))
	}
	for i := len(runs) - 1; i > 0; i-- {
		if level(runs[i], fan) >= top-pickSpan {
			return i + 1
		}
	}
	return min(len(runs), 1)
}

func level(r Info, fan int) float64 {
	return math.Log(max(float64(r.Size), pickFloor)) / math.Log(float64(fan))
}
