package commits

// NewSmallForkCache returns an empty memory of some bytes.
func NewSmallForkCache(bytes int) *ForkCache { return newForkCache(bytes) }

// StretchBytes is what a stretch takes that changed no path.
const StretchBytes = stretchBytes

// Bytes is what x counts, and what can be reached from it.
func (x *ForkCache) Bytes() (counted, reached int) {
	x.mu.Lock()
	defer x.mu.Unlock()
	seen := make(map[*stretch]bool)
	reach := func(s *stretch) {
		for ; s != nil && !seen[s]; s = s.under {
			seen[s] = true
			reached += s.bytes()
		}
	}
	for _, s := range x.known.Values() {
		reach(s)
	}
	for _, s := range x.newest {
		reach(s)
	}
	return x.bytes, reached
}
