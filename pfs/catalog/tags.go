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
	Author     string // who made it; "" of tags that an earlier caret made
	Message    string
}

type tagRow struct {
	Lineage commits.LineageID `json:"line"`
	N       uint64            `json:"n"`
	Created time.Time         `json:"created"`
	Author  string            `json:"author,omitempty"`
	Message string            `json:"message,omitempty"`
}

func (t *tagRow) pos() commits.Pos { return commits.Pos{Lineage: t.Lineage, N: t.N} }

// tag is the row as it is told, but for its commit.
func (t *tagRow) tag(repo RepoRow, name string) Tag {
	return Tag{Repo: repo.Name, Name: name, Created: t.Created, Author: t.Author, Message: t.Message}
}

func tagKey(repo RepoRow, name string) []byte { return rows.InRepo(rows.Tag, repo.ID, name) }

func readTag(tx objstore.Reader, repo RepoRow, name string) (tagRow, error) {
	var t tagRow
	err := rows.Get(tx, tagKey(repo, name), &t)
	if errors.Is(err, objstore.ErrNotFound) {
		err = &MissingError{Kind: ErrNoSuchTag, Repo: repo.Name, Name: name}
	}
	return t, err
}

// noTag is err, that there is no branch of a name, which says so if a tag has it.
func noTag(tx objstore.Reader, repo RepoRow, err error) error {
	var missing *MissingError
	if !errors.As(err, &missing) || !errors.Is(missing, ErrNoSuchBranch) {
		return err
	}
	switch _, tagErr := readTag(tx, repo, missing.Name); {
	case tagErr == nil:
		missing.Tag = true
	case !errors.Is(tagErr, ErrNoSuchTag):
		return tagErr
	}
	return missing
}

// ReadTag describes a tag; ErrNoSuchTag.
func ReadTag(tx objstore.Reader, repo RepoRow, name string) (Tag, error) {
	t, err := readTag(tx, repo, name)
	if err != nil {
		return Tag{}, err
	}
	c, err := commits.Read(tx, t.pos())
	told := t.tag(repo, name)
	told.Commit = c.ID
	return told, err
}

// Tags lists up to limit tags of a repo (0: all) whose names sort behind after, of those
// whose commits sees says yes of.
func Tags(tx objstore.Reader, repo RepoRow, after string, limit int, sees func(commits.Pos) (bool, error)) ([]Tag, error) {
	var list []Tag
	var at []commits.Pos
	err := rows.Each(tx, tagKey(repo, ""), after, func(name string, value []byte) (bool, error) {
		var t tagRow
		if err := rows.Decode(tagKey(repo, name), value, &t); err != nil {
			return false, err
		}
		ok, err := sees(t.pos())
		if ok {
			list, at = append(list, t.tag(repo, name)), append(at, t.pos())
		}
		return limit <= 0 || len(list) < limit, err
	})
	if err != nil {
		return nil, err
	}
	return list, nameCommits(tx, list, at)
}

// nameCommits fills in the commits of tags, which are at those places.
func nameCommits(tx objstore.Reader, list []Tag, at []commits.Pos) error {
	made, err := commits.ReadMany(tx, at)
	if err != nil {
		return err
	}
	for i := range list {
		list[i].Commit = made[i].ID
	}
	return nil
}

// checkTagFree says with ErrTagExists, or ErrBranchExists, what has the name.
func checkTagFree(tx objstore.Reader, repo RepoRow, name string) error {
	values, err := tx.GetMany([][]byte{tagKey(repo, name), branchKey(repo, name)})
	switch {
	case err != nil:
		return err
	case values[0] != nil:
		return fmt.Errorf("%w: %s in repo %s", ErrTagExists, name, repo.Name)
	case values[1] != nil:
		return fmt.Errorf("%w: %s in repo %s", ErrBranchExists, name, repo.Name)
	}
	return nil
}

// CreateTag makes t, the name of a commit of the repo that is at a place. ErrTagExists,
// and ErrBranchExists if a branch has the name.
func CreateTag(tx objstore.Writer, repo RepoRow, t Tag, at commits.Pos) error {
	if err := checkTagFree(tx, repo, t.Name); err != nil {
		return err
	}
	row := tagRow{Lineage: at.Lineage, N: at.N, Created: t.Created, Author: t.Author, Message: t.Message}
	return rows.Set(tx, tagKey(repo, t.Name), row)
}

func droppedTagKey(repo RepoRow, name string) []byte {
	return append(rows.InRepo(rows.DroppedTag, repo.ID, name), 0)
}

// DropTag takes the name of a tag away; the commit stays. ErrNoSuchTag.
func DropTag(tx objstore.Writer, repo RepoRow, name string, now time.Time) error {
	row, err := readTag(tx, repo, name)
	if err != nil {
		return err
	}
	key, err := nextDropped(tx, droppedTagKey(repo, name), now)
	if err != nil {
		return err
	}
	return errors.Join(rows.Set(tx, key, row), tx.Delete(tagKey(repo, name)))
}

// RestoreTag brings back the tag of that name that was deleted last. ErrTagExists,
// ErrBranchExists, ErrNoSuchTag.
func RestoreTag(tx objstore.Writer, repo RepoRow, name string) (Tag, error) {
	if err := checkTagFree(tx, repo, name); err != nil {
		return Tag{}, err
	}
	var row tagRow
	key, err := rows.Last(tx, droppedTagKey(repo, name), &row)
	if err != nil {
		return Tag{}, err
	}
	if key == nil {
		return Tag{}, fmt.Errorf("%w: no tag %s of repo %s was deleted", ErrNoSuchTag, name, repo.Name)
	}
	if err := errors.Join(tx.Delete(key), rows.Set(tx, tagKey(repo, name), row)); err != nil {
		return Tag{}, err
	}
	return ReadTag(tx, repo, name)
}

// DroppedTag is a tag that RestoreTag can bring back.
type DroppedTag struct {
	Tag
	Deleted time.Time
}

// DroppedTags lists up to limit (0: all) deleted tags of a repo whose names sort behind
// after, each as it was deleted last.
func DroppedTags(tx objstore.Reader, repo RepoRow, after string, limit int) ([]DroppedTag, error) {
	var list []Tag
	var at []commits.Pos
	times, err := eachDropped(tx, rows.InRepo(rows.DroppedTag, repo.ID, ""), after, limit, func(name string, value []byte) error {
		var t tagRow
		err := rows.Decode(droppedTagKey(repo, name), value, &t)
		list, at = append(list, t.tag(repo, name)), append(at, t.pos())
		return err
	})
	if err == nil {
		err = nameCommits(tx, list, at)
	}
	if err != nil {
		return nil, err
	}
	dropped := make([]DroppedTag, len(list))
	for i, t := range list {
		dropped[i] = DroppedTag{t, times[i]}
	}
	return dropped, nil
}
