package commits

import (
	"fmt"
	"slices"

	"caret/objstore"
)

// link is a lineage of a view's chain.
type link struct {
	known    *stretch // what is remembered of it, if anything
	*segment          // nil as long as nobody had to look there, which takes a known one
}

// segment is a lineage as far as a view shows it.
type segment struct {
	Lineage
	end  Pos  // the newest commit that the view shows
	head bool // end is the newest commit of the lineage
	read bool // Lineage and head are set
}

// at returns the segment of link i.
func (v *View) at(i int) *segment {
	k := &v.chain[i]
	if k.segment == nil {
		k.segment = &segment{end: k.known.end}
	}
	return k.segment
}

// read reads segments, none of which has been read, and the values of keys, which it
// returns, in one call of the store.
func (v *View) read(segs []*segment, keys [][]byte) ([][]byte, error) {
	n := len(keys)
	for _, g := range segs {
		keys = append(keys, lineageKey(keyLineage, g.end.Lineage), lineageKey(keyHead, g.end.Lineage))
	}
	if len(keys) == 0 {
		return nil, nil
	}
	values, err := v.tx.GetMany(keys)
	if err != nil {
		return nil, err
	}
	for i, g := range segs {
		var head Head
		if g.Lineage, head, err = decodeTip(g.end.Lineage, values[n+2*i], values[n+2*i+1]); err != nil {
			return nil, err
		}
		if g != v.chain[0].segment && g.end.N <= g.Fork.N { // or the chain might have no end
			return nil, fmt.Errorf("%w: lineage %d forked at number %d, and another one from it at %d", objstore.ErrCorrupt, g.ID, g.Fork.N, g.end.N)
		}
		g.head, g.read = g.end.N == head.N, true
	}
	return values[:n], nil
}

// inherited reports whether the first segment, which has been read, turns out to be of
// a lineage that inherits the view's commit. If so, it is replaced by that of the lineage
// it forked from, which is still to be read.
func (v *View) inherited() (bool, error) {
	g := v.at(0)
	if g.end.N > g.Fork.N {
		return false, nil
	}
	if err := v.down.to(&g.Lineage); err != nil {
		return false, err
	}
	v.chain[0].segment = &segment{end: Pos{Lineage: g.Fork.Lineage, N: g.end.N}}
	return true, nil
}

// extend adds to the chain what lies beneath its last lineage, which has been read if it
// is not known. It reports whether there is anything.
func (v *View) extend() (bool, error) {
	if len(v.chain) == 0 {
		return false, nil
	}
	last := v.chain[len(v.chain)-1]
	if last.known != nil || last.Fork.N == 0 {
		return false, nil // what is known reaches down to the first lineage
	}
	s, err := v.forks.beneath(v.tx, last.Fork)
	if err != nil {
		return false, err
	}
	if s == nil {
		v.chain = append(v.chain, link{segment: &segment{end: last.Fork}})
		return true, nil
	}
	v.chain = slices.Grow(v.chain, s.depth)
	for ; s != nil; s = s.under {
		v.chain = append(v.chain, link{known: s})
	}
	return true, nil
}

// segments reads the whole chain. What is known takes one call of the store, and any
// other lineage one of its own, as only its row says which one it forked from.
func (v *View) segments() ([]*segment, error) {
	var all, unread []*segment
	for more := len(v.chain) > 0; more; {
		all, unread = all[:0], unread[:0]
		for i := range v.chain {
			g := v.at(i)
			all = append(all, g)
			if !g.read {
				unread = append(unread, g)
			}
		}
		if _, err := v.read(unread, nil); err != nil {
			return nil, err
		}
		if inherited, err := v.inherited(); err != nil {
			return nil, err
		} else if inherited {
			continue
		}
		var err error
		if more, err = v.extend(); err != nil {
			return nil, err
		}
	}
	return all, nil
}
