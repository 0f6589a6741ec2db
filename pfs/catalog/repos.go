package catalog

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"
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
	// With is set in a repo that was deleted, and in the branches that went with it: a
	// number that is the same in all of them, and in no others of the repo.
	With uint64 `json:"with,omitempty"`
}

// ListName is what a branch of the repo is called in lists of all branches: BRANCH.REPO,
// or the repo's name alone for what that means in one that was made under its bare name.
func (r *Repo) ListName(branch string) string {
	if r.Bare && branch == r.DefaultBranch {
		return r.Name
	}
	return branch + "." + r.Name
}

// SplitListName is a branch and a repo in a ListName; the branch is "" if it is the repo's
// default one.
func SplitListName(name string) (branch, repo string) {
	if i := strings.LastIndexByte(name, '.'); i >= 0 {
		return name[:i], name[i+1:]
	}
	return "", name
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

// DropRepo takes the name of a repo away, whose branches were dropped by DropBranch with
// the same number. Its other rows stay.
func DropRepo(tx objstore.Writer, r RepoRow, with uint64, by Mover) error {
	key, err := nextDropped(tx, droppedRepoKey(r.Name), by.Time)
	if err != nil {
		return err
	}
	r.With = with
	return errors.Join(rows.Set(tx, key, r), tx.Delete(repoKey(r.Name)))
}

// DroppedRepo is a repo that RestoreRepo can bring back.
type DroppedRepo struct {
	RepoRow
	Deleted time.Time

	at uint64 // the time in its key
}

// Position says where the repo stands among all that were deleted; see DroppedRepos.
func (d *DroppedRepo) Position() string { return fmt.Sprintf("%s.%d", d.Name, d.at) }

// DroppedRepos calls fn for the repos that were deleted, by name and then by time, from
// behind the position after ("": all; ErrInvalidArgument), until it returns false.
func DroppedRepos(tx objstore.Reader, after string, fn func(DroppedRepo) (more bool, err error)) error {
	if after != "" {
		name, digits, _ := strings.Cut(after, ".")
		at, err := strconv.ParseUint(digits, 10, 64)
		if err != nil || revision.CheckName(name) != nil {
			return fmt.Errorf("%w: %q is behind no deleted repo", ErrInvalidArgument, after)
		}
		after = string(binary.BigEndian.AppendUint64([]byte(name+"\x00"), at))
	}
	return rows.Each(tx, []byte{rows.DroppedRepo}, after, func(rest string, value []byte) (bool, error) {
		key := rows.Key(rows.DroppedRepo, rest)
		_, at, err := splitDropped(key, 1)
		if err != nil {
			return false, err
		}
		d := DroppedRepo{Deleted: droppedAt(at), at: at}
		if err := rows.Decode(key, value, &d.RepoRow); err != nil {
			return false, err
		}
		return fn(d)
	})
}

// FindDroppedRepo finds the repo of that name that was deleted last, of those with that
// id (0: any) that fit. ErrNoSuchRepo.
func FindDroppedRepo(tx objstore.Reader, name string, id uint64, fits func(RepoRow) (bool, error)) (DroppedRepo, error) {
	var found DroppedRepo
	in := objstore.Prefix(droppedRepoKey(name))
	in.Reverse = true
	c := objstore.Scan(tx, in)
	for c.Next() {
		_, at, err := splitDropped(c.Key(), 1)
		if err != nil {
			return found, err
		}
		d := DroppedRepo{Deleted: droppedAt(at), at: at}
		if err := rows.Decode(c.Key(), c.Value(), &d.RepoRow); err != nil {
			return found, err
		}
		if id != 0 && d.ID != id {
			continue
		}
		if ok, err := fits(d.RepoRow); ok || err != nil {
			return d, err
		}
	}
	if err := c.Err(); err != nil {
		return found, err
	}
	if id != 0 {
		return found, fmt.Errorf("%w: no repo %s with the id %d was deleted", ErrNoSuchRepo, name, id)
	}
	return found, fmt.Errorf("%w: no repo %s was deleted", ErrNoSuchRepo, name)
}

// RestoreRepo gives a repo that was deleted a name again, which may be another than it
// had, and no branch. ErrRepoExists.
func RestoreRepo(tx objstore.Writer, d DroppedRepo, name string) (RepoRow, error) {
	key := binary.BigEndian.AppendUint64(droppedRepoKey(d.Name), d.at)
	r := d.Repo
	r.Name = name
	row, err := CreateRepo(tx, d.ID, r)
	if err != nil {
		return row, err
	}
	return row, tx.Delete(key)
}

// RestoreBranches gives the branches their names back that went with a repo when that was
// deleted, once the repo is there again.
func RestoreBranches(tx objstore.Writer, d DroppedRepo, repo RepoRow, by Mover) ([]NamedBranch, error) {
	prefix := rows.InRepo(rows.DroppedBranch, repo.ID, "")
	var list []NamedBranch
	c := objstore.Scan(tx, objstore.Prefix(prefix))
	for c.Next() {
		name, at, err := splitDropped(c.Key(), len(prefix))
		if err != nil {
			return nil, err
		}
		b := NamedBranch{Name: name}
		if err := rows.Decode(c.Key(), c.Value(), &b.BranchRow); err != nil {
			return nil, err
		}
		if b.With != d.With || d.With == 0 && at != d.at { // an earlier caret gave both the same time, and said no more
			continue
		}
		if err := b.restore(tx, repo, name, c.Key(), by); err != nil {
			return nil, err
		}
		list = append(list, b)
	}
	return list, c.Err()
}
