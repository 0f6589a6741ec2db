package catalog

import (
	"errors"
	"fmt"
	"time"

	"caret/commits/revision"
	"caret/objstore"
	"caret/pfs/rows"
)

// Repo is a set of branches that share a history.
type Repo struct {
	Name          string    `json:"name"`
	Description   string    `json:"description,omitempty"`
	DefaultBranch string    `json:"default_branch"`
	Created       time.Time `json:"created"`
	Owner         string    `json:"owner,omitempty"` // the ID of a user
	// Bare says that it was made under its bare name: to S3 its default
	// branch is then a bucket of that name.
	Bare bool `json:"bare,omitempty"`
}

// RepoRow is a repo as it is kept. Its ID is never given to another one, whatever
// the name is given to.
type RepoRow struct {
	ID uint64 `json:"id"`
	Repo
}

func repoKey(name string) []byte { return rows.Key(rows.Repo, name) }

func droppedRepoKey(name string) []byte { return append(rows.Key(rows.DroppedRepo, name), 0) }

// ReadRepo reads a repo; ErrNoSuchRepo, revision.ErrName.
func ReadRepo(tx objstore.Reader, name string) (RepoRow, error) {
	var r RepoRow
	if err := revision.CheckName(name); err != nil {
		return r, err
	}
	err := rows.Get(tx, repoKey(name), &r)
	if errors.Is(err, objstore.ErrNotFound) {
		return r, &MissingError{Kind: ErrNoSuchRepo, Name: name}
	}
	return r, err
}

// EachRepo calls fn for the repos whose names sort behind after, in order,
// until it returns false.
func EachRepo(tx objstore.Reader, after string, fn func(RepoRow) (more bool, err error)) error {
	return rows.Each(tx, []byte{rows.Repo}, after, func(name string, value []byte) (bool, error) {
		var r RepoRow
		if err := rows.Decode(repoKey(name), value, &r); err != nil {
			return false, err
		}
		return fn(r)
	})
}

// CreateRepo writes a new repo, which has no branch yet. ErrRepoExists.
func CreateRepo(tx objstore.Writer, id uint64, r Repo) (RepoRow, error) {
	_, err := ReadRepo(tx, r.Name)
	if err == nil {
		return RepoRow{}, fmt.Errorf("%w: %s", ErrRepoExists, r.Name)
	}
	if !errors.Is(err, ErrNoSuchRepo) {
		return RepoRow{}, err
	}
	row := RepoRow{ID: id, Repo: r}
	return row, SetRepo(tx, row)
}

// SetRepo writes what is said of a repo.
func SetRepo(tx objstore.Writer, r RepoRow) error { return rows.Set(tx, repoKey(r.Name), r) }

// DropRepo takes the name of a repo away. Its rows stay.
func DropRepo(tx objstore.Writer, r RepoRow, now time.Time) error {
	key, err := nextDropped(tx, droppedRepoKey(r.Name), now)
	if err != nil {
		return err
	}
	return errors.Join(rows.Set(tx, key, r), tx.Delete(repoKey(r.Name)))
}

// DroppedRepo reads the repo of that name that was deleted last, and its key.
// ErrNoSuchRepo.
func DroppedRepo(tx objstore.Reader, name string) (RepoRow, []byte, error) {
	var r RepoRow
	key, err := rows.Last(tx, droppedRepoKey(name), &r)
	if err == nil && key == nil {
		err = fmt.Errorf("%w: %s, nor was one deleted", ErrNoSuchRepo, name)
	}
	return r, key, err
}

// RestoreRepo gives the repo of that name that was deleted last its name back.
func RestoreRepo(tx objstore.Writer, name string) (RepoRow, error) {
	r, key, err := DroppedRepo(tx, name)
	if err != nil {
		return r, err
	}
	return r, errors.Join(tx.Delete(key), SetRepo(tx, r))
}
