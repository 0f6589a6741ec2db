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

// Branch is a line of commits under a name.
type Branch struct {
	Repo, Name string
	Created    time.Time
	Head       commits.ID // zero when it has no commit
	N          uint64     // how many commits lead to the head
	Time       time.Time  // of the head; zero when there is none
	Default    bool       // it is what the repo's bare name means
	Protected  bool       // it takes merges only
}

type branchRow struct {
	Line    commits.LineageID `json:"line"`
	Created time.Time         `json:"created"`
	// Home is the first line, if a reset has put another in its place: what
	// belongs to the branch and not to its history is kept under it.
	Home commits.LineageID `json:"home,omitempty"`
	// Protected branches take merges alone, and are neither reset nor deleted.
	Protected bool `json:"protected,omitempty"`
}

func (b *branchRow) home() commits.LineageID { return cmp.Or(b.Home, b.Line) }

func readBranchRow(tx objstore.Reader, repo repoRow, name string) (branchRow, error) {
	var b branchRow
	err := getJSON(tx, inRepo(keyBranch, repo.ID, name), &b)
	if errors.Is(err, objstore.ErrNotFound) {
		return b, &MissingError{Kind: ErrNoSuchBranch, Repo: repo.Name, Name: name}
	}
	return b, err
}

// readBranch reads the rows of a branch and its repo.
func readBranch(tx objstore.Reader, repo, name string) (repoRow, branchRow, error) {
	r, err := readRepo(tx, repo)
	if err != nil {
		return r, branchRow{}, err
	}
	row, err := readBranchRow(tx, r, name)
	return r, row, err
}

func describeBranch(tx objstore.Reader, repo repoRow, name string, row branchRow) (Branch, error) {
	b := Branch{Repo: repo.Name, Name: name, Created: row.Created, Default: name == repo.DefaultBranch, Protected: row.Protected}
	head, err := commits.ReadHead(tx, row.Line)
	if err == nil && head.N > 0 {
		b.Head, b.N, b.Time = head.ID, head.N, head.Time
	}
	return b, err
}

// CreateBranch makes a branch whose head is from, or an empty one if from is
// nil, in constant time and space; author is who does, for the branch's moves.
// ErrBranchExists, ErrInvalidName, and what
// Resolve says of from.
func (fs *FS) CreateBranch(ctx context.Context, repo, name string, from *Ref, author string) (Branch, error) {
	if err := revision.CheckName(name); err != nil {
		return Branch{}, err
	}
	var b Branch
	err := fs.rows.Update(ctx, "", func(tx objstore.Writer) error {
		r, err := readRepo(tx, repo)
		if err != nil {
			return err
		}
		var fork commits.Pos
		if from != nil {
			if from.Repo != repo {
				return fmt.Errorf("%w: a branch of %s cannot begin at a commit of %s", ErrInvalidArgument, repo, from.Repo)
			}
			snap, err := fs.resolve(tx, *from)
			if err != nil {
				return err
			}
			if snap.Open {
				return fmt.Errorf("%w: commit %s is still open", ErrInvalidArgument, snap.ID)
			}
			fork = snap.pos
		}
		row, err := fs.createBranch(tx, r, name, fork, author)
		if err != nil {
			return err
		}
		b, err = describeBranch(tx, r, name, row)
		return err
	})
	return b, err
}

// checkFree says with ErrBranchExists that a branch or a tag has the name.
func checkFree(tx objstore.Reader, repo repoRow, name string) error {
	_, err := readBranchRow(tx, repo, name)
	if err == nil {
		return fmt.Errorf("%w: %s in repo %s", ErrBranchExists, name, repo.Name)
	}
	if !errors.Is(err, ErrNoSuchBranch) {
		return err
	}
	if _, err := tx.Get(inRepo(keyTag, repo.ID, name)); !errors.Is(err, objstore.ErrNotFound) {
		if err == nil {
			err = fmt.Errorf("%w: %s in repo %s is a tag", ErrBranchExists, name, repo.Name)
		}
		return err
	}
	return nil
}

func (fs *FS) createBranch(tx objstore.Writer, repo repoRow, name string, fork commits.Pos, author string) (branchRow, error) {
	if err := checkFree(tx, repo, name); err != nil {
		return branchRow{}, err
	}
	n, err := nextNumber(tx, "line")
	if err != nil {
		return branchRow{}, err
	}
	row := branchRow{Line: commits.LineageID(n), Created: fs.timestamp()}
	if err := commits.CreateLineage(tx, row.Line, repo.ID, fork); err != nil {
		return row, err
	}
	if err := fs.logMove(tx, repo, name, "create", author, nil, &row); err != nil {
		return row, err
	}
	return row, setJSON(tx, inRepo(keyBranch, repo.ID, name), row)
}

// Branch describes one branch.
func (fs *FS) Branch(ctx context.Context, repo, name string) (Branch, error) {
	var b Branch
	err := fs.rows.View(ctx, func(tx objstore.Reader) error {
		r, row, err := readBranch(tx, repo, name)
		if err != nil {
			return err
		}
		b, err = describeBranch(tx, r, name, row)
		return err
	})
	return b, err
}

// Branches lists up to limit branches (0: all) whose names sort after after.
func (fs *FS) Branches(ctx context.Context, repo, after string, limit int) ([]Branch, error) {
	var list []Branch
	err := fs.rows.View(ctx, func(tx objstore.Reader) error {
		r, err := readRepo(tx, repo)
		if err != nil {
			return err
		}
		list, err = readBranches(tx, r, after, limit)
		return err
	})
	return list, err
}

func readBranches(tx objstore.Reader, r repoRow, after string, limit int) ([]Branch, error) {
	var list []Branch
	err := scanNames(tx, inRepo(keyBranch, r.ID, ""), after, limit, func(name string, value []byte) error {
		var row branchRow
		if err := decodeJSON(inRepo(keyBranch, r.ID, name), value, &row); err != nil {
			return err
		}
		b, err := describeBranch(tx, r, name, row)
		list = append(list, b)
		return err
	})
	return list, err
}

// DeleteBranchOptions say when a branch may go.
type DeleteBranchOptions struct {
	// Empty refuses with ErrNotEmpty when its head holds files, or when other
	// branches of the repo would stay without a default.
	Empty bool
	// Author is who deletes it, for the branch's moves.
	Author string
}

// DeleteBranch removes a branch; the last one takes its repo with it. What
// it held can be restored until its space is reclaimed.
func (fs *FS) DeleteBranch(ctx context.Context, repo, name string, opt DeleteBranchOptions) error {
	return fs.rows.Update(ctx, "", func(tx objstore.Writer) error {
		r, row, err := readBranch(tx, repo, name)
		if err != nil {
			return err
		}
		all, err := readBranches(tx, r, "", 2)
		if err != nil {
			return err
		}
		if opt.Empty {
			if err := fs.checkEmpty(tx, r, name, row, len(all)); err != nil {
				return err
			}
		}
		if row.Protected {
			return fmt.Errorf("%w: branch %s of repo %s is protected", ErrDenied, name, repo)
		}
		if err := fs.dropBranch(tx, r, name, opt.Author); err != nil {
			return err
		}
		if len(all) == 1 {
			return fs.dropRepo(tx, r)
		}
		return nil
	})
}

func (fs *FS) checkEmpty(tx objstore.Reader, r repoRow, name string, row branchRow, branches int) error {
	if branches > 1 && name == r.DefaultBranch {
		return fmt.Errorf("%w: repo %s has other branches than %s", ErrNotEmpty, r.Name, name)
	}
	head, err := commits.ReadHead(tx, row.Line)
	if err != nil {
		return err
	}
	v, err := fs.forks.View(tx, commits.Pos{Lineage: row.Line, N: head.N}, commits.ID{})
	if err != nil {
		return err
	}
	w := v.Walk("")
	if w.Next() {
		return fmt.Errorf("%w: branch %s of repo %s holds files", ErrNotEmpty, name, r.Name)
	}
	return w.Err()
}

// dropBranch takes the name away and keeps the line. Its uploads and open
// commits can no longer be reached.
func (fs *FS) dropBranch(tx objstore.Writer, r repoRow, name, author string) error {
	row, err := readBranchRow(tx, r, name)
	if err != nil {
		return err
	}
	if err := fs.logMove(tx, r, name, "delete", author, &row, nil); err != nil {
		return err
	}
	dropped := binary.BigEndian.AppendUint64(append(inRepo(keyDropped, r.ID, name), 0), uint64(fs.now().UnixNano()))
	return errors.Join(setJSON(tx, dropped, row), tx.Delete(inRepo(keyBranch, r.ID, name)))
}
