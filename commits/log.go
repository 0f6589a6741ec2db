package commits

import (
	"caret/objstore"
)

// Log calls fn for the commits from p back to the first, until it returns
// false.
func Log(tx objstore.Reader, p Pos, fn func(Commit) (bool, error)) error {
	return LogHint(tx, p, 0, fn)
}

// LogHint is Log for a caller that wants some n commits; 0 is unknown.
func LogHint(tx objstore.Reader, p Pos, n int, fn func(Commit) (bool, error)) error {
	if n > 0 {
		n++ // the last one's parent
	}
	// A commit's first parent is the next one met, so each waits for that.
	var last *Commit
	for p.N > 0 && p.Lineage != 0 {
		rows := scanRecords(tx, p, 0, n)
		for rows.next() {
			c := rows.commit
			if last != nil {
				last.setParent(c.ID)
				if more, err := fn(*last); err != nil || !more {
					return err
				}
			}
			last = &c
			n = max(n-1, 0)
		}
		if err := rows.fail(); err != nil {
			return err
		}
		l, err := ReadLineage(tx, p.Lineage)
		if err != nil {
			return err
		}
		p = Pos{Lineage: l.Fork.Lineage, N: min(p.N, l.Fork.N)}
	}
	if last != nil {
		_, err := fn(*last)
		return err
	}
	return nil
}
