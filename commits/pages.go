package commits

// Paths are looked up in pages, as a call of the store takes many, and who calls
// may want few: they begin small and grow.
const (
	firstPaths = 32
	pathsGrow  = 4
	maxPaths   = 512
)

// inPages calls fn for paths in pages until it returns false, and says whether it
// never did.
func inPages(paths []string, fn func([]string) (bool, error)) (all bool, err error) {
	for size := firstPaths; len(paths) > 0; size = min(size*pathsGrow, maxPaths) {
		n := min(size, len(paths))
		if more, err := fn(paths[:n]); err != nil || !more {
			return false, err
		}
		paths = paths[n:]
	}
	return true, nil
}
