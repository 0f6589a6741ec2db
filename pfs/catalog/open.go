package catalog

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"caret/commits"
	"caret/objstore"
	"caret/pfs/rows"
)

// OpenRow is an open commit as it is kept: a commit that is still written to.
type OpenRow struct {
	Branch  string            `json:"branch"`
	Lineage commits.LineageID `json:"line"`           // of the branch
	First   commits.LineageID `json:"home,omitempty"` // of the branch, if it is another
	Base    commits.LineageID `json:"base"`           // lineage and number of the parent
	N       uint64            `json:"n"`
	Started time.Time         `json:"started"`
	Touched time.Time         `json:"touched,omitzero"` // last written to, if later
	Author  string            `json:"author,omitempty"`
	Starter string            `json:"starter,omitempty"` // the user's ID
	Message string            `json:"message,omitempty"`
	// Finishing: no more writes are taken, as long as the lease of Owner lasts.
	Finishing bool `json:"finishing,omitempty"`
	// Internal: it is part of one request of Owner's, and dropped when that
	// one's lease is over.
	Internal bool `json:"internal,omitempty"`
	// Owner is the process that works on the commit; see package lease. Attempt
	// tells its attempts apart.
	Owner   string `json:"owner,omitempty"`
	Attempt string `json:"attempt,omitempty"`
	// Resolved: what lost by a strategy was dropped, as it lost to what the branch
	// was at a commit.
	Resolved        bool              `json:"resolved,omitempty"`
	ResolvedLineage commits.LineageID `json:"resolved_line,omitempty"`
	ResolvedN       uint64            `json:"resolved_n,omitempty"`
}

// Home is the branch's first lineage; see BranchRow.
func (o *OpenRow) Home() commits.LineageID { return cmp.Or(o.First, o.Lineage) }

// Parent is the commit that it is based on.
func (o *OpenRow) Parent() commits.Pos { return commits.Pos{Lineage: o.Base, N: o.N} }

// LostTo is the commit of the branch that what was dropped lost to; zero if
// nothing was.
func (o *OpenRow) LostTo() commits.Pos {
	return commits.Pos{Lineage: o.ResolvedLineage, N: o.ResolvedN}
}

// LastTouched is when it was last written to, a minute more or less.
func (o *OpenRow) LastTouched() time.Time {
	if o.Touched.IsZero() {
		return o.Started
	}
	return o.Touched
}

// OpenKey is the key of an open commit's row.
func OpenKey(repo uint64, id commits.ID) []byte { return rows.InRepo(rows.Open, repo, string(id[:])) }

// SplitOpenKey is the repo and the id in the key of an open commit's row.
func SplitOpenKey(key []byte) (repo uint64, id commits.ID, err error) {
	if len(key) != 1+8+len(id) {
		return 0, id, rows.BadKey(key)
	}
	copy(id[:], key[1+8:])
	repo, err = rows.Number(key, key[1:])
	return repo, id, err
}

// ReadOpen reads an open commit; commits.ErrNoCommit if there is none.
func ReadOpen(tx objstore.Reader, repo RepoRow, id commits.ID) (OpenRow, error) {
	var o OpenRow
	err := rows.Get(tx, OpenKey(repo.ID, id), &o)
	if errors.Is(err, objstore.ErrNotFound) {
		return o, fmt.Errorf("%w: %s in repo %s", commits.ErrNoCommit, id, repo.Name)
	}
	return o, err
}

// SetOpen writes an open commit.
func SetOpen(tx objstore.Writer, repo RepoRow, id commits.ID, o OpenRow) error {
	return rows.Set(tx, OpenKey(repo.ID, id), o)
}

// DeleteOpen removes the row of an open commit, and leaves what is staged in it.
func DeleteOpen(tx objstore.Writer, repo RepoRow, id commits.ID) error {
	return tx.Delete(OpenKey(repo.ID, id))
}

// EachOpen calls fn for the open commits of a repo whose ids sort behind after
// (zero: all), in order, until it returns false.
func EachOpen(tx objstore.Reader, repo RepoRow, after commits.ID, fn func(commits.ID, OpenRow) (more bool, err error)) error {
	behind := ""
	if !after.IsZero() {
		behind = string(after[:])
	}
	prefix := rows.InRepo(rows.Open, repo.ID, "")
	return rows.Each(tx, prefix, behind, func(raw string, value []byte) (bool, error) {
		key := append(prefix[:len(prefix):len(prefix)], raw...)
		_, id, err := SplitOpenKey(key)
		if err != nil {
			return false, err
		}
		var o OpenRow
		if err := rows.Decode(key, value, &o); err != nil {
			return false, err
		}
		return fn(id, o)
	})
}
