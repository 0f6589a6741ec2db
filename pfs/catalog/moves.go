package catalog

import (
	"encoding/binary"
	"time"

	"caret/commits"
	"caret/objstore"
	"caret/pfs/rows"
)

// Move is a time at which a branch was made to point elsewhere than its own
// commits lead to.
type Move struct {
	N      uint64    `json:"-"` // grows from one move to the next; it is in the key
	Time   time.Time `json:"time"`
	Action string    `json:"action"` // create, reset, merge, delete, restore
	Author string    `json:"author,omitempty"`
	From   string    `json:"from,omitempty"` // the head before, "" if there was none
	To     string    `json:"to,omitempty"`   // the head after
}

// Mover is who moves a branch, and when.
type Mover struct {
	Name string
	Time time.Time
}

// Number tells what is dropped together from what was dropped at another time; it is
// above 0. See RepoRow.With.
func (m Mover) Number() uint64 { return uint64(m.Time.UnixNano()) }

func movesKey(repo RepoRow, branch string) []byte {
	return append(rows.InRepo(rows.Move, repo.ID, branch), 0)
}

// logMove remembers a move of a branch.
func logMove(tx objstore.Writer, repo RepoRow, branch, action string, by Mover, from, to *BranchRow) error {
	m := Move{Time: by.Time.Truncate(time.Millisecond), Action: action, Author: by.Name}
	for row, id := range map[*BranchRow]*string{from: &m.From, to: &m.To} {
		if row == nil {
			continue
		}
		head, err := commits.ReadHead(tx, row.Lineage)
		if err != nil {
			return err
		}
		if head.N > 0 {
			*id = head.ID.String()
		}
	}
	prefix := movesKey(repo, branch)
	last, err := lastMove(tx, prefix)
	if err != nil {
		return err
	}
	return rows.Set(tx, binary.BigEndian.AppendUint64(prefix, last+1), m)
}

// lastMove is the number of the newest move; 0 if there is none.
func lastMove(tx objstore.Reader, prefix []byte) (uint64, error) {
	in := objstore.Prefix(prefix)
	in.Reverse = true
	page, err := tx.Page(in, 1)
	if err != nil || len(page) == 0 {
		return 0, err
	}
	return rows.Number(page[0].Key, page[0].Key[len(prefix):])
}

// Moves lists up to limit moves (0: all) of a branch before number before (0:
// now), newest first. A name keeps its moves when the branch goes and another
// one comes.
func Moves(tx objstore.Reader, repo RepoRow, branch string, before uint64, limit int) ([]Move, error) {
	prefix := movesKey(repo, branch)
	in := objstore.Prefix(prefix)
	in.Reverse = true
	if before > 0 {
		in.End = binary.BigEndian.AppendUint64(prefix, before)
	}
	var list []Move
	c := objstore.Scan(tx, in)
	for (limit <= 0 || len(list) < limit) && c.Next() {
		n, err := rows.Number(c.Key(), c.Key()[len(prefix):])
		if err != nil {
			return nil, err
		}
		m := Move{N: n}
		if err := rows.Decode(c.Key(), c.Value(), &m); err != nil {
			return nil, err
		}
		list = append(list, m)
	}
	return list, c.Err()
}
