package pfs

import (
	"context"
	"errors"
	"fmt"
	"time"

	"caret/commits"
	"caret/commits/revision"
	"caret/objstore"
)

// Tag is a name for a commit, which never moves.
type Tag struct {
	Repo, Name string
	Commit     CommitID
	Created    time.Time
}

type tagRow struct {
	Line    commits.LineageID `json:"line"`
	N       uint64            `json:"n"`
	Created time.Time         `json:"created"`
}

func describeTag(tx objstore.Reader, r repoRow, name string, row tagRow) (Tag, error) {
	c, err := commits.Read(tx, commits.Pos{Lineage: row.Line, N: row.N})
	return Tag{Repo: r.Name, Name: name, Commit: c.ID, Created: row.Created}, err
}

// CreateTag names the commit that at means. ErrTagExists, ErrBranchExists if
// a branch has the name, ErrInvalidName, ErrNoSuchVersion if there is no
// commit yet.
func (fs *FS) CreateTag(ctx context.Context, repo, name string, at Ref) (Tag, error) {
	if err := revision.CheckName(name); err != nil {
		return Tag{}, err
	}
	var t Tag
	err := fs.rows.Update(ctx, "", func(tx objstore.Writer) error {
		s, err := fs.finished(tx, at)
		if err != nil {
			return err
		}
		if s.Repo != repo {
			return fmt.Errorf("%w: a tag of %s cannot name a commit of %s", ErrInvalidArgument, repo, s.Repo)
		}
		key := inRepo(keyTag, s.repo.ID, name)
		if _, err := tx.Get(key); !errors.Is(err, objstore.ErrNotFound) {
			if err == nil {
				err = fmt.Errorf("%w: %s in repo %s", ErrTagExists, name, repo)
			}
			return err
		}
		if _, err := readBranchRow(tx, s.repo, name); !errors.Is(err, ErrNoSuchBranch) {
			if err == nil {
				err = fmt.Errorf("%w: %s in repo %s", ErrBranchExists, name, repo)
			}
			return err
		}
		row := tagRow{Line: s.pos.Lineage, N: s.pos.N, Created: fs.timestamp()}
		t = Tag{Repo: repo, Name: name, Commit: s.ID, Created: row.Created}
		return setJSON(tx, key, row)
	})
	return t, err
}

// Tag describes a tag. ErrNoSuchTag.
func (fs *FS) Tag(ctx context.Context, repo, name string) (Tag, error) {
	var t Tag
	err := fs.rows.View(ctx, func(tx objstore.Reader) error {
		r, err := readRepo(tx, repo)
		if err != nil {
			return err
		}
		var row tagRow
		if err = getJSON(tx, inRepo(keyTag, r.ID, name), &row); errors.Is(err, objstore.ErrNotFound) {
			return fmt.Errorf("%w: %s in repo %s", ErrNoSuchTag, name, repo)
		}
		if err == nil {
			t, err = describeTag(tx, r, name, row)
		}
		return err
	})
	return t, err
}

// Tags lists up to limit tags of a repo (0: all) whose names sort after after.
func (fs *FS) Tags(ctx context.Context, repo, after string, limit int) ([]Tag, error) {
	var list []Tag
	err := fs.rows.View(ctx, func(tx objstore.Reader) error {
		list = nil
		r, err := readRepo(tx, repo)
		if err != nil {
			return err
		}
		return scanNames(tx, inRepo(keyTag, r.ID, ""), after, limit, func(name string, value []byte) error {
			var row tagRow
			if err := decodeJSON(inRepo(keyTag, r.ID, name), value, &row); err != nil {
				return err
			}
			t, err := describeTag(tx, r, name, row)
			list = append(list, t)
			return err
		})
	})
	return list, err
}

// DeleteTag removes a tag; the commit stays. ErrNoSuchTag.
func (fs *FS) DeleteTag(ctx context.Context, repo, name string) error {
	return fs.rows.Update(ctx, "", func(tx objstore.Writer) error {
		r, err := readRepo(tx, repo)
		if err != nil {
			return err
		}
		key := inRepo(keyTag, r.ID, name)
		if _, err := tx.Get(key); err != nil {
			if errors.Is(err, objstore.ErrNotFound) {
				err = &MissingError{Kind: ErrNoSuchTag, Repo: repo, Name: name}
			}
			return err
		}
		return tx.Delete(key)
	})
}
