package catalog

import (
	"errors"
	"fmt"
	"time"

	"caret/commits"
	"caret/objstore"
	"caret/pfs/rows"
)

// Tag is a name for a commit, which never moves.
type Tag struct {
	Repo, Name string
	Commit     commits.ID
	Created    time.Time
}

type tagRow struct {
	Lineage commits.LineageID `json:"line"`
	N       uint64            `json:"n"`
	Created time.Time         `json:"created"`
}

func (t *tagRow) pos() commits.Pos { return commits.Pos{Lineage: t.Lineage, N: t.N} }

func tagKey(repo RepoRow, name string) []byte { return rows.InRepo(rows.Tag, repo.ID, name) }

func readTag(tx objstore.Reader, repo RepoRow, name string) (tagRow, error) {
	var t tagRow
	err := rows.Get(tx, tagKey(repo, name), &t)
	if errors.Is(err, objstore.ErrNotFound) {
		err = &MissingError{Kind: ErrNoSuchTag, Repo: repo.Name, Name: name}
	}
	return t, err
}

// ReadTag describes a tag; ErrNoSuchTag.
func ReadTag(tx objstore.Reader, repo RepoRow, name string) (Tag, error) {
	t, err := readTag(tx, repo, name)
	if err != nil {
		return Tag{}, err
	}
	c, err := commits.Read(tx, t.pos())
	return Tag{Repo: repo.Name, Name: name, Commit: c.ID, Created: t.Created}, err
}

// Tags lists up to limit tags of a repo (0: all) whose names sort behind after.
func Tags(tx objstore.Reader, repo RepoRow, after string, limit int) ([]Tag, error) {
	var list []Tag
	var at []commits.Pos
	err := rows.Some(tx, tagKey(repo, ""), after, limit, func(name string, value []byte) error {
		var t tagRow
		err := rows.Decode(tagKey(repo, name), value, &t)
		list, at = append(list, Tag{Repo: repo.Name, Name: name, Created: t.Created}), append(at, t.pos())
		return err
	})
	if err != nil {
		return nil, err
	}
	made, err := commits.ReadMany(tx, at)
	if err != nil {
		return nil, err
	}
	for i := range list {
		list[i].Commit = made[i].ID
	}
	return list, nil
}

// CreateTag names a commit of the repo. ErrTagExists, and ErrBranchExists if a
// branch has the name.
func CreateTag(tx objstore.Writer, repo RepoRow, name string, at commits.Pos, now time.Time) error {
	values, err := tx.GetMany([][]byte{tagKey(repo, name), branchKey(repo, name)})
	switch {
	case err != nil:
		return err
	case values[0] != nil:
		return fmt.Errorf("%w: %s in repo %s", ErrTagExists, name, repo.Name)
	case values[1] != nil:
		return fmt.Errorf("%w: %s in repo %s", ErrBranchExists, name, repo.Name)
	}
	return rows.Set(tx, tagKey(repo, name), tagRow{Lineage: at.Lineage, N: at.N, Created: now})
}

// DeleteTag removes a tag; the commit stays. ErrNoSuchTag.
func DeleteTag(tx objstore.Writer, repo RepoRow, name string) error {
	if _, err := readTag(tx, repo, name); err != nil {
		return err
	}
	return tx.Delete(tagKey(repo, name))
}
