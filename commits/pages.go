package commits

// What is looked up by key goes in pages: a call of the store takes many keys, but the
// caller may turn out to want few. So pages begin small, and grow.
const (
	firstPage = 32
	pageGrows = 4
	maxPage   = 512
)

// pageOf is the size of the first page for a caller that wants about n things; 0 means
// that it is not known.
func pageOf(n int) int {
	if n <= 0 {
		return firstPage
	}
	return min(n, maxPage)
}

// nextPage is the size of the page after one of the given size.
func nextPage(size int) int { return min(size*pageGrows, maxPage) }

// inPages calls fn for all of list, a page at a time, until it returns false, and
// reports whether it never did. About hint of them are wanted.
func inPages[T any](list []T, hint int, fn func([]T) (bool, error)) (all bool, err error) {
	for size := pageOf(hint); len(list) > 0; size = nextPage(size) {
		n := min(size, len(list))
		if more, err := fn(list[:n]); err != nil || !more {
			return false, err
		}
		list = list[n:]
	}
	return true, nil
}
