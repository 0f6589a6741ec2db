package commits

import (
	"github.com/zeebo/blake3"

	"caret/objstore"
)

// inspect looks at commits whose records are fine: as many as fit a transaction.
func (k *ChainCheck) inspect(tx objstore.Reader) error {
	for looked := 0; len(k.todo) > 0 && looked < checkStep; {
		c := &k.todo[0]
		if k.sum == nil {
			if err := k.checkIDs(tx, c); err != nil {
				return err
			}
			k.sum = &changesCheck{c: c, hash: changesHash{h: blake3.New()}}
		}
		n, done, err := k.sum.step(tx, &k.found)
		if err != nil {
			return err
		}
		if looked += 1 + n; done {
			k.todo, k.sum = k.todo[1:], nil
		}
	}
	return nil
}

// checkIDs checks that a commit's id leads to it, that there are commits with the ids
// of its further parents, and what they brought in.
func (k *ChainCheck) checkIDs(tx objstore.Reader, c *Commit) error {
	keys := [][]byte{idKey(c.ID)}
	var merged []ID
	if len(c.Parents) > 1 {
		merged = c.Parents[1:]
		keys = append(keys, mergeKey(c.Pos))
	}
	for _, id := range merged {
		keys = append(keys, idKey(id))
	}
	rows, err := tx.GetMany(keys)
	if err != nil {
		return err
	}
	switch p, err := decodePos(rows[0]); {
	case rows[0] == nil:
		k.found.add(MissingCommit, c.Pos, c.ID, "", "its id leads nowhere: the row is missing")
	case err != nil:
		k.found.add(BadRow, c.Pos, c.ID, "", "the row of its id: %v", err)
	case p != c.Pos:
		k.found.add(BadRow, c.Pos, c.ID, "", "its id leads to commit %d of lineage %d, not to commit %d of lineage %d", p.N, p.Lineage, c.Pos.N, c.Pos.Lineage)
	}
	if merged == nil {
		return nil
	}
	var m mergeRow
	if rows[1] == nil {
		k.found.add(MissingRow, c.Pos, c.ID, "", "the row of what it merged is missing")
	} else if err := m.decode(rows[1]); err != nil {
		k.found.add(BadRow, c.Pos, c.ID, "", "the row of what it merged: %v", err)
	}
	for i, id := range merged {
		if rows[2+i] == nil {
			k.found.add(MissingCommit, Pos{}, id, "", "commit %s has it as a parent, but it is not there", c.ID)
		}
	}
	return nil
}

// changesCheck hashes what a commit changed, as it is found.
type changesCheck struct {
	c     *Commit
	hash  changesHash
	after string
	files int
	wrong bool // a state of its is missing or cannot be read, which is said elsewhere
}

// step goes on, and returns how many states it looked at and whether these were the last.
func (s *changesCheck) step(tx objstore.Reader, found *flaws) (n int, done bool, err error) {
	var list []storedChange
	if s.c.hasRows() {
		page, err := tx.Page(changesAfter(s.c.ID, s.after), checkStep)
		if err != nil {
			return 0, false, err
		}
		for _, row := range page {
			list = append(list, storedChange{changeKeyPath(row.Key), row.Value})
		}
		done = len(page) < checkStep
	} else {
		for _, p := range s.c.paths {
			list = append(list, storedChange{path: p})
		}
		done = true
	}
	if err := s.add(tx, list, found); err != nil {
		return len(list), false, err
	}
	if done {
		s.finish(found)
	}
	return len(list), done, nil
}

// add adds the states of paths, which are under the commit's id, or in the lineage.
func (s *changesCheck) add(tx objstore.Reader, list []storedChange, found *flaws) error {
	c := s.c
	var keys [][]byte
	for _, ch := range list {
		keys = append(keys, entryKey(c.Pos.Lineage, ch.path), versionKey(c.Pos.Lineage, ch.path, c.Pos.N))
	}
	if len(keys) == 0 {
		return nil
	}
	rows, err := tx.GetMany(keys)
	if err != nil {
		return err
	}
	for i, ch := range list {
		s.after = ch.path
		s.files++
		state := ch.state
		if len(state) == 0 {
			e, err := writtenBy(c, rows[2*i:2*i+2])
			if err != nil {
				s.wrong = true
				if !unreadable(rows[2*i : 2*i+2]) {
					found.add(MissingRow, c.Pos, c.ID, ch.path, "the state that commit %d left of it is missing", c.Pos.N)
				}
				continue
			}
			state = e.state
		}
		if _, err := decodeState(state); err != nil {
			s.wrong = true // which a StateCheck says
			continue
		}
		s.hash.add(ch.path, withoutMark(state))
	}
	return nil
}

// unreadable says whether one of the rows that a state may be in has no number; a
// StateCheck says so.
func unreadable(rows [][]byte) bool {
	for _, row := range rows {
		if row == nil {
			continue
		}
		if _, err := parseRow(row); err != nil {
			return true
		}
	}
	return false
}

// finish compares what was found with the record.
func (s *changesCheck) finish(found *flaws) {
	c := s.c
	path := ""
	if len(c.paths) == 1 {
		path = c.paths[0]
	}
	switch {
	case s.wrong:
	case s.files != c.Files:
		found.add(MissingRow, c.Pos, c.ID, path, "commit %d changed %d paths, and %d are found", c.Pos.N, c.Files, s.files)
	case s.hash.sum() != c.ChangesHash:
		found.add(BadRow, c.Pos, c.ID, path, "what commit %d changed does not have the hash in its record: a row was altered", c.Pos.N)
	}
}
