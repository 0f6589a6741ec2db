package index

import (
	"bytes"
	"slices"

	"github.com/dgraph-io/badger/v4"
)

// maxIterators is how many a transaction keeps open.
const maxIterators = 8

// kindBytes begin the key of a row: this package's own and the one that says
// what the row is. No iterator is made to reach beyond.
const kindBytes = 2

// iterators are those of a transaction, the one used last at the end. Opening
// one takes 20 to 50 us, several times as long as to seek, so they are used
// again for whatever page lies within what they go through.
type iterators []iterator

type iterator struct {
	*badger.Iterator
	prefix  []byte // of all keys it goes through
	reverse bool
}

// get returns an iterator for keys with a prefix, which is copied. It is to be
// placed by Seek.
func (its *iterators) get(txn *badger.Txn, prefix []byte, reverse bool) *badger.Iterator {
	for i, it := range slices.Backward(*its) {
		if it.reverse == reverse && bytes.HasPrefix(prefix, it.prefix) {
			if last := len(*its) - 1; i != last {
				*its = append(slices.Delete(*its, i, i+1), it)
			}
			return it.Iterator
		}
	}
	if len(*its) == maxIterators {
		prefix = its.replace(prefix, reverse)
	}
	prefix = bytes.Clone(prefix)
	it := txn.NewIterator(badger.IteratorOptions{Reverse: reverse, Prefix: prefix})
	*its = append(*its, iterator{it, prefix, reverse})
	return it
}

// replace closes the iterator that has the most in common with what is asked
// for, and returns a prefix that covers both: who reads many ranges ends up
// with few iterators that serve all. Without any such, the oldest goes.
func (its *iterators) replace(prefix []byte, reverse bool) []byte {
	at, most := 0, kindBytes-1
	for i, it := range *its {
		if n := common(it.prefix, prefix); it.reverse == reverse && n > most {
			at, most = i, n
		}
	}
	if most >= kindBytes {
		prefix = prefix[:most]
	}
	(*its)[at].Close()
	*its = slices.Delete(*its, at, at+1)
	return prefix
}

// close closes all.
func (its *iterators) close() {
	for _, it := range *its {
		it.Close()
	}
	*its = nil
}

// common is how many bytes a and b begin with alike.
func common(a, b []byte) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

// shared is what all keys from start to end begin with; going backwards the
// end itself too, as that is where badger begins.
func shared(start, end []byte, reverse bool) []byte {
	n := common(start, end)
	if reverse || n == len(start) || n+1 != len(end) || start[n]+1 != end[n] {
		return start[:n]
	}
	// Nothing between start and end has another byte at n, nor, after that,
	// one below the greatest.
	for n++; n < len(start) && start[n] == 0xff; n++ {
	}
	return start[:n]
}
