package commits

import (
	"cmp"
	"fmt"

	"caret/objstore"
)

// Read reads the commit at p, which may be inherited, with its parents.
func Read(tx objstore.Reader, p Pos) (Commit, error) {
	list, err := ReadMany(tx, []Pos{p})
	if err != nil {
		return Commit{}, err
	}
	return list[0], nil
}

// ReadMany is Read of many commits, in the order of the list. It takes one call of the
// store, and one more for each fork point between a position and the lineage that made
// the commit, or its parent.
func ReadMany(tx objstore.Reader, list []Pos) ([]Commit, error) {
	return newRecordReader(tx).read(list)
}

// recordReader reads records, and remembers for one transaction where lineages forked.
type recordReader struct {
	tx    objstore.Reader
	forks map[LineageID]Pos
}

func newRecordReader(tx objstore.Reader) *recordReader {
	return &recordReader{tx: tx, forks: make(map[LineageID]Pos)}
}

// lookedFor is a record that a recordReader reads.
type lookedFor struct {
	at     Pos // where it is looked for next
	down   descent
	commit Commit
}

// read reads the commits at the given positions, with their parents.
func (r *recordReader) read(list []Pos) ([]Commit, error) {
	records := make(map[Pos]*lookedFor, 2*len(list))
	var todo []*lookedFor
	lookFor := func(p Pos) {
		if records[p] == nil {
			records[p] = &lookedFor{at: p}
			todo = append(todo, records[p])
		}
	}
	for _, p := range list {
		lookFor(p)
		if p.N > 1 {
			lookFor(firstParent(p))
		}
	}
	for len(todo) > 0 {
		var err error
		if todo, err = r.look(todo); err != nil {
			return nil, err
		}
	}
	commits := make([]Commit, len(list))
	for i, p := range list {
		commits[i] = records[p].commit
		var parent *Commit
		if p.N > 1 {
			parent = &records[firstParent(p)].commit
			commits[i].setParent(parent.ID)
		}
		if err := commits[i].checkParent(parent); err != nil {
			return nil, err
		}
	}
	return commits, nil
}

// firstParent is the position of the first parent of the commit at p.
func firstParent(p Pos) Pos { return Pos{Lineage: p.Lineage, N: p.N - 1} }

func (c *Commit) setParent(id ID) {
	if len(c.Parents) == 0 {
		c.Parents = make([]ID, 1)
	}
	c.Parents[0] = id
}

// look reads those of the records that are where they are looked for. It returns the
// others, which are to be looked for on the lineages those forked from.
func (r *recordReader) look(todo []*lookedFor) ([]*lookedFor, error) {
	keys := make([][]byte, 0, len(todo)+1)
	for _, w := range todo {
		if w.at.N == 0 || w.at.Lineage == 0 {
			return nil, fmt.Errorf("%w: number %d", ErrNoCommit, w.at.N)
		}
		keys = append(keys, commitKey(w.at))
	}
	var unknown []LineageID
	for _, w := range todo {
		if _, ok := r.forks[w.at.Lineage]; !ok {
			r.forks[w.at.Lineage] = Pos{}
			unknown, keys = append(unknown, w.at.Lineage), append(keys, lineageKey(keyLineage, w.at.Lineage))
		}
	}
	rows, err := r.tx.GetMany(keys)
	if err != nil {
		return nil, err
	}
	lineages, err := decodeLineages(unknown, rows[len(todo):])
	if err != nil {
		return nil, err
	}
	for _, l := range lineages {
		r.forks[l.ID] = l.Fork
	}
	inherited := todo[:0]
	for i, w := range todo {
		if rows[i] != nil {
			if w.commit, err = decodeRecord(w.at, rows[i]); err != nil {
				return nil, err
			}
			continue
		}
		fork := r.forks[w.at.Lineage]
		if w.at.N > fork.N {
			return nil, r.missing(w.at)
		}
		if err := w.down.to(&Lineage{ID: w.at.Lineage, Fork: fork}); err != nil {
			return nil, err
		}
		w.at.Lineage = fork.Lineage
		inherited = append(inherited, w)
	}
	return inherited, nil
}

// missing is why there is no record at p, which the lineage has not inherited: it has
// not got so far, or the row is lost.
func (r *recordReader) missing(p Pos) error {
	head, err := ReadHead(r.tx, p.Lineage)
	if err == nil && p.N <= head.N {
		err = missingRecord(p)
	}
	return cmp.Or(err, fmt.Errorf("%w: number %d", ErrNoCommit, p.N))
}

func missingRecord(p Pos) error {
	return fmt.Errorf("%w: the record of commit %d of lineage %d is missing", objstore.ErrCorrupt, p.N, p.Lineage)
}

// checkParent finds out whether the commit's first parent, nil if it has none, is the one
// that it was made on.
func (c *Commit) checkParent(parent *Commit) error {
	want := objstore.Hash{}
	if parent != nil {
		want = parent.Hash
	}
	if c.ParentHash == want {
		return nil
	}
	return fmt.Errorf("%w: commit %s, number %d of lineage %d, says that the hash of its parent's record is %s, which is %s",
		objstore.ErrCorrupt, c.ID, c.Pos.N, c.Pos.Lineage, c.ParentHash, want)
}

// each calls fn for the commits at the given positions until it returns false, and
// reports whether it never did.
func (r *recordReader) each(list []Pos, fn func(Commit) (bool, error)) (bool, error) {
	commits, err := r.read(list)
	if err != nil {
		return false, err
	}
	for _, c := range commits {
		if more, err := fn(c); err != nil || !more {
			return false, err
		}
	}
	return true, nil
}

// records walks the records on one lineage, from the newest to the oldest.
type records struct {
	rows     *objstore.Cursor
	expected Pos    // that is to come
	after    uint64 // where to stop
	commit   Commit // without its first parent
	err      error
}

// scanRecords begins at end and stops before the commit with number after, or at the
// first that the lineage has made itself. About hint records are wanted.
func scanRecords(tx objstore.Reader, end Pos, after uint64, hint int) *records {
	return &records{expected: end, after: after, rows: objstore.ScanHint(tx, objstore.Range{
		Start: commitKey(Pos{Lineage: end.Lineage, N: after + 1}),
		End:   commitKey(Pos{Lineage: end.Lineage, N: end.N + 1}), Reverse: true,
	}, hint)}
}

// next moves to the next record. That none is missing in between is checked; whether the
// last one is the first that the lineage has made is for checkEnd.
func (r *records) next() bool {
	if r.err != nil || !r.rows.Next() {
		return false
	}
	if n := keyN(r.rows.Key()); n != r.expected.N {
		r.err = missingRecord(r.expected)
		return false
	}
	r.commit, r.err = decodeRecord(r.expected, r.rows.Value())
	r.expected.N--
	return r.err == nil
}

// checkEnd finds out, after the last record, whether there should be more, given the
// number of the commit that the lineage forked at.
func (r *records) checkEnd(fork uint64) error {
	if err := r.Err(); err != nil {
		return err
	}
	if r.expected.N > max(r.after, fork) {
		return missingRecord(r.expected)
	}
	return nil
}

// Err is what ended the walk early.
func (r *records) Err() error {
	if r.err != nil {
		return r.err
	}
	return r.rows.Err()
}
