package commits

import (
	"slices"

	"caret/objstore"
)

// LoseMark makes the newest row of a path what a caret has left that made no marks.
func LoseMark(tx objstore.Writer, key []byte) error {
	row, err := tx.Get(key)
	if err != nil {
		return err
	}
	e, err := parseRow(row)
	if err != nil || e.flags()&flagEdited == 0 {
		return err
	}
	id, err := keyLineageID(key)
	if err != nil {
		return err
	}
	l, err := ReadLineage(tx, id)
	if err != nil {
		return err
	}
	head := row[:len(row)-len(e.state)]
	flags := e.flags() &^ flagEdited
	if flags == 0 {
		return tx.Set(key, slices.Concat(head, e.state[2:]))
	}
	row = slices.Concat(head, e.state[:1], []byte{flags}, e.state[2:])
	if flags&flagDeleted == 0 || l.Fork.N > 0 || len(l.Layers) > 0 {
		return tx.Set(key, row)
	}
	if err := tx.Delete(key); err != nil {
		return err
	}
	return tx.Set(versionKey(id, string(key[lineageKeyLen:]), e.n), row)
}

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
