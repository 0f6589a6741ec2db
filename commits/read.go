package commits

import (
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
		if p.N > 1 {
			commits[i].setParent(records[firstParent(p)].commit.ID)
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
			return nil, fmt.Errorf("%w: number %d", ErrNoCommit, w.at.N)
		}
		w.at.Lineage = fork.Lineage
		inherited = append(inherited, w)
	}
	return inherited, nil
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
	rows    *objstore.Cursor
	lineage LineageID
	commit  Commit // without its first parent
	err     error
}

// scanRecords begins at end and stops before the commit with number after, or at the
// first that the lineage has made itself. About hint records are wanted.
func scanRecords(tx objstore.Reader, end Pos, after uint64, hint int) *records {
	return &records{lineage: end.Lineage, rows: objstore.ScanHint(tx, objstore.Range{
		Start: commitKey(Pos{Lineage: end.Lineage, N: after + 1}),
		End:   commitKey(Pos{Lineage: end.Lineage, N: end.N + 1}), Reverse: true,
	}, hint)}
}

func (r *records) next() bool {
	if r.err != nil || !r.rows.Next() {
		return false
	}
	r.commit, r.err = decodeRecord(Pos{Lineage: r.lineage, N: keyN(r.rows.Key())}, r.rows.Value())
	return r.err == nil
}

// Err is what ended the walk early.
func (r *records) Err() error {
	if r.err != nil {
		return r.err
	}
	return r.rows.Err()
}
