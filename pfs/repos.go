package pfs

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"caret/commits"
	"caret/commits/revision"
	"caret/objstore"
)

// Repo is a set of branches that share a history.
type Repo struct {
	Name          string    `json:"name"`
	Description   string    `json:"description,omitempty"`
	DefaultBranch string    `json:"default_branch"`
	Created       time.Time `json:"created"`
	Owner         string    `json:"owner,omitempty"`
	// Bare says that it was made under its bare name: to S3 its default
	// branch is then a bucket of that name.
	Bare bool `json:"bare,omitempty"`
}

type repoRow struct {
	ID uint64 `json:"id"`
	Repo
}

func repoKey(name string) []byte { return append([]byte{keyRepo}, name...) }

// inRepo is the key of something with a name in a repo.
func inRepo(kind byte, repo uint64, name string) []byte {
	return append(binary.BigEndian.AppendUint64([]byte{kind}, repo), name...)
}

func readRepo(tx objstore.Reader, name string) (repoRow, error) {
	var r repoRow
	if err := revision.CheckName(name); err != nil {
		return r, err
	}
	err := getJSON(tx, repoKey(name), &r)
	if errors.Is(err, objstore.ErrNotFound) {
		return r, &MissingError{Kind: ErrNoSuchRepo, Name: name}
	}
	return r, err
}

// CreateRepo makes a repo and its default branch, empty. Created is set;
// ErrRepoExists, ErrInvalidName.
func (fs *FS) CreateRepo(ctx context.Context, r Repo) (Repo, error) {
	r.DefaultBranch = cmp.Or(r.DefaultBranch, DefaultBranch)
	if err := errors.Join(revision.CheckName(r.Name), revision.CheckName(r.DefaultBranch), checkText("description", r.Description)); err != nil {
		return Repo{}, err
	}
	r.Created = fs.timestamp()
	return r, fs.rows.Update(ctx, "", func(tx objstore.Writer) error {
		_, err := fs.createRepo(tx, r)
		return err
	})
}

func (fs *FS) createRepo(tx objstore.Writer, r Repo) (repoRow, error) {
	_, err := readRepo(tx, r.Name)
	if err == nil {
		return repoRow{}, fmt.Errorf("%w: %s", ErrRepoExists, r.Name)
	}
	if !errors.Is(err, ErrNoSuchRepo) {
		return repoRow{}, err
	}
	row := repoRow{Repo: r}
	if row.ID, err = nextNumber(tx, "repo"); err != nil {
		return row, err
	}
	if err := setJSON(tx, repoKey(r.Name), row); err != nil {
		return row, err
	}
	_, err = fs.createBranch(tx, row, r.DefaultBranch, commits.Pos{}, "")
	return row, err
}

// Repo describes one repo.
func (fs *FS) Repo(ctx context.Context, name string) (Repo, error) {
	var r repoRow
	err := fs.rows.View(ctx, func(tx objstore.Reader) (err error) {
		r, err = readRepo(tx, name)
		return err
	})
	return r.Repo, err
}

// RepoUpdate is what is to change of a repo; nil leaves it as it is.
type RepoUpdate struct {
	Description   *string
	DefaultBranch *string // must be there
}

// UpdateRepo changes what is said of a repo, and what its bare name means.
// ErrNoSuchBranch if the new default branch is not there.
func (fs *FS) UpdateRepo(ctx context.Context, name string, u RepoUpdate) (Repo, error) {
	var r repoRow
	err := fs.rows.Update(ctx, "", func(tx objstore.Writer) (err error) {
		if r, err = readRepo(tx, name); err != nil {
			return err
		}
		if u.Description != nil {
			if err := checkText("description", *u.Description); err != nil {
				return err
			}
			r.Description = *u.Description
		}
		if u.DefaultBranch != nil {
			if _, err := readBranchRow(tx, r, *u.DefaultBranch); err != nil {
				return err
			}
			r.DefaultBranch = *u.DefaultBranch
		}
		return setJSON(tx, repoKey(name), r)
	})
	return r.Repo, err
}

// Repos lists up to limit repos (0: all) whose names sort after after.
func (fs *FS) Repos(ctx context.Context, after string, limit int) ([]Repo, error) {
	var list []Repo
	err := fs.rows.View(ctx, func(tx objstore.Reader) error {
		list = nil
		return scanNames(tx, []byte{keyRepo}, after, limit, func(name string, value []byte) error {
			var r repoRow
			err := decodeJSON(repoKey(name), value, &r)
			list = append(list, r.Repo)
			return err
		})
	})
	return list, err
}

// scanNames calls fn for up to limit rows (0: all) under prefix behind after.
func scanNames(tx objstore.Reader, prefix []byte, after string, limit int, fn func(name string, value []byte) error) error {
	n := 0
	return eachName(tx, prefix, after, func(name string, value []byte) (bool, error) {
		n++
		return n != limit, fn(name, value)
	})
}

// eachName calls fn for the rows under prefix behind after until it returns
// false.
func eachName(tx objstore.Reader, prefix []byte, after string, fn func(name string, value []byte) (bool, error)) error {
	r := objstore.Prefix(prefix)
	if after != "" {
		r.Start = append(append(append([]byte(nil), prefix...), after...), 0)
	}
	c := objstore.Scan(tx, r)
	for c.Next() {
		if more, err := fn(string(c.Key()[len(prefix):]), c.Value()); err != nil || !more {
			return err
		}
	}
	return c.Err()
}

// DeleteRepo removes a repo with its branches and tags; ErrNotEmpty if it
// holds a commit and force is not set. Its branches can be restored until
// their space is reclaimed.
func (fs *FS) DeleteRepo(ctx context.Context, name string, force bool) error {
	return fs.rows.Update(ctx, "", func(tx objstore.Writer) error {
		r, err := readRepo(tx, name)
		if err != nil {
			return err
		}
		branches, err := readBranches(tx, r, "", 0)
		if err != nil {
			return err
		}
		for _, b := range branches {
			if b.N > 0 && !force {
				return fmt.Errorf("%w: repo %s has commits on branch %s", ErrNotEmpty, name, b.Name)
			}
		}
		for _, b := range branches {
			if b.Protected {
				return fmt.Errorf("%w: branch %s of repo %s is protected", ErrDenied, b.Name, name)
			}
			if err := fs.dropBranch(tx, r, b.Name, ""); err != nil {
				return err
			}
		}
		return fs.dropRepo(tx, r)
	})
}

// timestamp is now with the precision that rows keep.
func (fs *FS) timestamp() time.Time { return fs.now().UTC().Truncate(time.Millisecond) }
