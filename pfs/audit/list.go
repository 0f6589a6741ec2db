package audit

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"caret/objstore"
	"caret/pfs/rows"
)

// Query says which lines are wanted.
type Query struct {
	Since, Until time.Time // of this time or later, of this time or earlier; zero is no limit
	User         string    // by the user of that name
	Repo         string    // about the repo of that name
	RepoID       uint64    // about the repo with that id, if Repo is set too; 0 is any that had the name
	Before       time.Time // only lines that are older than that: the last of the page before
	Limit        int       // at most so many; 0 is all
}

// List lists lines, newest first. It reads those of the user, or else of the
// repo, if one is given, and otherwise all in that time.
func List(ctx context.Context, tx objstore.Reader, q Query) ([]Line, error) {
	var list []Line
	prefix := []byte{rows.Audit}
	switch {
	case q.User != "":
		prefix = indexPrefix(byUser, q.User)
	case q.Repo != "":
		prefix = indexPrefix(byRepo, q.Repo)
	}
	c := objstore.Scan(tx, q.within(prefix))
	for (q.Limit <= 0 || len(list) < q.Limit) && c.Next() {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		at, err := rows.Number(c.Key(), c.Key()[len(prefix):])
		if err != nil {
			return nil, err
		}
		l := Line{Time: time.Unix(0, int64(at)).UTC()}
		value := c.Value()
		if prefix[0] == rows.AuditIndex {
			if value, err = tx.Get(lineKey(at)); err != nil {
				return nil, missing(c.Key(), err)
			}
		}
		if err := rows.Decode(lineKey(at), value, &l); err != nil {
			return nil, err
		}
		if q.wants(&l) {
			list = append(list, l)
		}
	}
	return list, c.Err()
}

// within is the range of the rows in q's time whose keys have that time behind prefix.
func (q *Query) within(prefix []byte) objstore.Range {
	from, to := uint64(0), uint64(math.MaxInt64)
	if !q.Since.IsZero() {
		from = nanoseconds(q.Since)
	}
	if !q.Until.IsZero() {
		to = nanoseconds(q.Until) + 1
	}
	if !q.Before.IsZero() {
		to = min(to, nanoseconds(q.Before))
	}
	key := func(at uint64) []byte { return append(append([]byte(nil), prefix...), lineKey(at)[1:]...) }
	return objstore.Range{Start: key(from), End: key(to), Reverse: true}
}

// nanoseconds are those since 1970, as far as keys have them.
func nanoseconds(t time.Time) uint64 {
	switch {
	case t.Before(time.Unix(0, 0)):
		return 0
	case t.After(time.Unix(0, math.MaxInt64-1)):
		return math.MaxInt64 - 1
	}
	return uint64(t.UnixNano())
}

func (q *Query) wants(l *Line) bool {
	return (q.User == "" || l.User == q.User) && (q.Repo == "" || l.Repo == q.Repo && (q.RepoID == 0 || l.RepoID == q.RepoID))
}

// Check says what is wrong with a row of the trail: objstore.ErrCorrupt.
func Check(tx objstore.Reader, row objstore.Row) error {
	if row.Key[0] == rows.Audit {
		var l Line
		if len(row.Key) != 9 {
			return rows.BadKey(row.Key)
		}
		if err := rows.Decode(row.Key, row.Value, &l); err != nil {
			return err
		}
		return checkIndex(tx, row.Key, &l)
	}
	if len(row.Key) < 11 {
		return rows.BadKey(row.Key)
	}
	at, err := rows.Number(row.Key, row.Key[len(row.Key)-8:])
	if err == nil {
		_, err = tx.Get(lineKey(at))
	}
	return missing(row.Key, err)
}

// checkIndex says whether the rows are there that a line is found by.
func checkIndex(tx objstore.Reader, key []byte, l *Line) error {
	at, err := rows.Number(key, key[1:])
	if err != nil {
		return err
	}
	keys := l.indexKeys(at)
	values, err := tx.GetMany(keys)
	for i := range values {
		if err == nil && values[i] == nil {
			err = fmt.Errorf("%w: row %q has no row %q that it is found by", objstore.ErrCorrupt, key, keys[i])
		}
	}
	return err
}

// missing is the error that the line is not there that an index row leads to.
func missing(key []byte, err error) error {
	if errors.Is(err, objstore.ErrNotFound) {
		err = rows.BadKey(key)
	}
	return err
}
