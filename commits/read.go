package commits

import (
	"fmt"

	"caret/objstore"
)

// Read reads the commit at p, an inherited one perhaps, with its parents.
func Read(tx objstore.Reader, p Pos) (Commit, error) {
	list, err := ReadMany(tx, []Pos{p})
	if err != nil {
		return Commit{}, err
	}
	return list[0], nil
}

// ReadMany reads the commits at the given positions, in their order, inherited ones
// included, with their parents. It takes one call of the store, and one more for
// each fork point that lies between a position and its commit or the parent.
func ReadMany(tx objstore.Reader, list []Pos) ([]Commit, error) {
	r := newRecordReader(tx)
	return r.read(list)
}

// recordReader reads records of commits, and remembers where lineages forked.
type recordReader struct {
	tx    objstore.Reader
	forks map[LineageID]Pos
}

func newRecordReader(tx objstore.Reader) *recordReader {
	return &recordReader{tx: tx, forks: make(map[LineageID]Pos)}
}

// wanted is a record, named by the position that asks for it.
type wanted struct {
	at     Pos // where it is looked for next
	commit Commit
}

func (r *recordReader) read(list []Pos) ([]Commit, error) {
	records := make(map[Pos]*wanted, 2*len(list))
	var todo []*wanted
	want := func(p Pos) {
		if records[p] == nil {
			records[p] = &wanted{at: p}
			todo = append(todo, records[p])
		}
	}
	for _, p := range list {
		want(p)
		if p.N > 1 {
			want(before(p))
		}
	}
	for len(todo) > 0 {
		var err error
		if todo, err = r.round(todo); err != nil {
			return nil, err
		}
	}
	commits := make([]Commit, len(list))
	for i, p := range list {
		commits[i] = records[p].commit
		if p.N > 1 {
			commits[i].setParent(records[before(p)].commit.ID)
		}
	}
	return commits, nil
}

// before is the position of a commit's first parent, inherited perhaps.
func before(p Pos) Pos { return Pos{Lineage: p.Lineage, N: p.N - 1} }

// round looks for each record on the lineage it has come to, and returns those that
// are to be looked for on the one which that has left.
func (r *recordReader) round(todo []*wanted) ([]*wanted, error) {
	keys := make([][]byte, 0, len(todo)+1)
	for _, w := range todo {
		if w.at.N == 0 || w.at.Lineage == 0 {
			return nil, fmt.Errorf("%w: number %d", ErrNoCommit, w.at.N)
		}
		keys = append(keys, commitKey(w.at))
	}
	var asked []LineageID
	for _, w := range todo {
		if _, ok := r.forks[w.at.Lineage]; !ok {
			r.forks[w.at.Lineage] = Pos{}
			asked, keys = append(asked, w.at.Lineage), append(keys, lineageKey(keyLineage, w.at.Lineage))
		}
	}
	rows, err := r.tx.GetMany(keys)
	if err != nil {
		return nil, err
	}
	for i, id := range asked {
		row := rows[len(todo)+i]
		if row == nil {
			return nil, fmt.Errorf("lineage %d: %w", id, objstore.ErrNotFound)
		}
		l, err := decodeLineage(id, row)
		if err != nil {
			return nil, err
		}
		r.forks[id] = l.Fork
	}
	return r.take(todo, rows)
}

// take decodes the records that were found, and sends the others on.
func (r *recordReader) take(todo []*wanted, rows [][]byte) ([]*wanted, error) {
	next := todo[:0]
	for i, w := range todo {
		if rows[i] != nil {
			var err error
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
		next = append(next, w)
	}
	return next, nil
}

func (c *Commit) setParent(id ID) {
	if len(c.Parents) == 0 {
		c.Parents = make([]ID, 1)
	}
	c.Parents[0] = id
}

// records walks the records of the commits that end's lineage made itself, from
// end back to the one behind number after.
type records struct {
	rows   *objstore.Cursor
	end    Pos
	commit Commit
	err    error
}

func scanRecords(tx objstore.Reader, end Pos, after uint64, hint int) *records {
	return &records{end: end, rows: objstore.ScanHint(tx, objstore.Range{
		Start: commitKey(Pos{Lineage: end.Lineage, N: after + 1}),
		End:   commitKey(Pos{Lineage: end.Lineage, N: end.N + 1}), Reverse: true,
	}, hint)}
}

// next moves to the next older record; its first parent is not set.
func (r *records) next() bool {
	if r.err != nil || !r.rows.Next() {
		return false
	}
	r.commit, r.err = decodeRecord(Pos{Lineage: r.end.Lineage, N: lastN(r.rows.Key())}, r.rows.Value())
	return r.err == nil
}

func (r *records) fail() error {
	if r.err != nil {
		return r.err
	}
	return r.rows.Err()
}
