package commits

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"caret/commits/revision"
	"caret/objstore"
)

// Find returns the position of a commit, on the lineage that made it.
func Find(tx objstore.Reader, id ID) (Pos, error) {
	b, err := tx.Get(idKey(id))
	if errors.Is(err, objstore.ErrNotFound) {
		return Pos{}, fmt.Errorf("%w: %s", ErrNoCommit, id)
	}
	if err != nil {
		return Pos{}, err
	}
	return decodePos(b)
}

func encodePos(p Pos) []byte {
	return binary.AppendUvarint(binary.AppendUvarint(nil, uint64(p.Lineage)), p.N)
}

func decodePos(b []byte) (Pos, error) {
	p, rest, err := cutPos(b)
	if err == nil && len(rest) > 0 {
		err = fmt.Errorf("%w: %d bytes behind the position of a commit", objstore.ErrCorrupt, len(rest))
	}
	return p, err
}

// cutPos splits what encodePos made from the front of b.
func cutPos(b []byte) (p Pos, rest []byte, err error) {
	for _, to := range []*uint64{(*uint64)(&p.Lineage), &p.N} {
		v, k := binary.Uvarint(b)
		if k <= 0 {
			return Pos{}, nil, fmt.Errorf("%w: position of a commit", objstore.ErrCorrupt)
		}
		*to, b = v, b[k:]
	}
	return p, b, nil
}

// FindPrefix finds the commit of the repo whose id begins with prefix, in hex digits.
// It returns ErrNoCommit if there is none and ErrAmbiguous if there are several.
func FindPrefix(tx objstore.Reader, repo uint64, prefix string) (ID, Pos, error) {
	lo, hi, err := revision.IDRange(prefix)
	if err != nil {
		return ID{}, Pos{}, err
	}
	in := objstore.Range{Start: idKey(lo), End: append(idKey(hi), 0)}
	search := prefixSearch{tx: tx, repo: repo, prefix: prefix, inRepo: make(map[LineageID]bool)}
	const size = 16 // of a page; mostly there is one id, or none
	for {
		page, err := tx.Page(in, size)
		if err == nil {
			err = search.add(page)
		}
		if err != nil {
			return ID{}, Pos{}, err
		}
		if len(page) < size {
			break
		}
		in = in.Behind(page[size-1].Key)
	}
	if search.found.IsZero() {
		return ID{}, Pos{}, fmt.Errorf("%w: %s", ErrNoCommit, prefix)
	}
	return search.found, search.at, nil
}

// prefixSearch is the state of a FindPrefix.
type prefixSearch struct {
	tx     objstore.Reader
	repo   uint64
	prefix string
	inRepo map[LineageID]bool // of the lineages met so far
	found  ID
	at     Pos // of found
}

// add is given rows of ids that begin with the prefix, of whatever repo.
func (s *prefixSearch) add(page []objstore.Row) error {
	positions := make([]Pos, len(page))
	var unknown []LineageID
	for i, row := range page {
		var err error
		if positions[i], err = decodePos(row.Value); err != nil {
			return err
		}
		if id := positions[i].Lineage; !slices.Contains(unknown, id) {
			if _, ok := s.inRepo[id]; !ok {
				unknown = append(unknown, id)
			}
		}
	}
	lineages, err := readLineages(s.tx, unknown)
	if err != nil {
		return err
	}
	for _, l := range lineages {
		s.inRepo[l.ID] = l.Repo == s.repo
	}
	for i, p := range positions {
		if !s.inRepo[p.Lineage] {
			continue
		}
		var id ID
		if err := setID(&id, page[i].Key[1:]); err != nil {
			return fmt.Errorf("%w: commit id row: %w", objstore.ErrCorrupt, err)
		}
		if !s.found.IsZero() {
			return fmt.Errorf("%w: %s fits %s and %s", ErrAmbiguous, s.prefix, s.found, id)
		}
		s.found, s.at = id, p
	}
	return nil
}

// FindTime finds the newest commit that was made at or before t, among those that lead
// to p by first parents. It returns a position on p's lineage, with N 0 if there is none.
func FindTime(tx objstore.Reader, p Pos, t time.Time) (Pos, error) {
	var down descent
	for at := p; at.N > 0 && at.Lineage != 0; {
		l, err := ReadLineage(tx, at.Lineage)
		if err == nil {
			err = down.to(&l)
		}
		if err != nil {
			return Pos{}, err
		}
		if at.N > l.Fork.N {
			n, err := findTimeOn(tx, at, l.Fork.N, t)
			if err != nil || n > l.Fork.N {
				return Pos{Lineage: p.Lineage, N: n}, err
			}
		}
		at = Pos{Lineage: l.Fork.Lineage, N: min(at.N, l.Fork.N)}
	}
	return Pos{Lineage: p.Lineage}, nil
}

// timeProbes is how many commits are read at once in the search for a time, so that it
// takes eight calls of the store to find one of a million.
const timeProbes = 6

// findTimeOn is FindTime on one lineage, among the commits from the one with number
// after, not included, up to end. It returns after if all of them are later than t.
func findTimeOn(tx objstore.Reader, end Pos, after uint64, t time.Time) (uint64, error) {
	lo, hi := after, end.N // the answer is in [lo, hi]
	for lo < hi {
		// The oldest that is left comes first: on a lineage that began after t, that
		// is all there is to look at.
		step := max((hi-lo)/timeProbes, 1)
		var keys [][]byte
		var probes []uint64
		for n := lo + 1; n <= hi && len(probes) < timeProbes; n += step {
			keys, probes = append(keys, commitKey(Pos{Lineage: end.Lineage, N: n})), append(probes, n)
		}
		rows, err := tx.GetMany(keys)
		if err != nil {
			return 0, err
		}
		for i, n := range probes {
			if rows[i] == nil {
				return 0, missingRecord(Pos{Lineage: end.Lineage, N: n})
			}
			c, err := decodeRecord(Pos{Lineage: end.Lineage, N: n}, rows[i])
			if err != nil {
				return 0, err
			}
			if c.Time.After(t) {
				hi = n - 1
				break
			}
			lo = n
		}
	}
	return lo, nil
}
