package pfs

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"caret/commits"
	"caret/commits/revision"
	"caret/objstore"
)

// Move is a time at which a branch was made to point elsewhere than its own
// commits lead to.
type Move struct {
	N      uint64    `json:"-"` // grows from one move to the next; it is in the key
	Time   time.Time `json:"time"`
	Action string    `json:"action"` // create, reset, merge, delete, restore
	Author string    `json:"author,omitempty"`
	From   string    `json:"from,omitempty"` // the head before, "" if there was none
	To     string    `json:"to,omitempty"`   // the head after
}

func movesKey(repo repoRow, branch string) []byte {
	return append(inRepo(keyMoves, repo.ID, branch), 0)
}

// logMove remembers a move of a branch.
func (fs *FS) logMove(tx objstore.Writer, repo repoRow, branch, action, author string, from, to *branchRow) error {
	m := Move{Time: fs.timestamp(), Action: action, Author: author}
	for row, id := range map[*branchRow]*string{from: &m.From, to: &m.To} {
		if row == nil {
			continue
		}
		head, err := commits.ReadHead(tx, row.Line)
		if err != nil {
			return err
		}
		if head.N > 0 {
			*id = head.ID.String()
		}
	}
	n, err := nextNumber(tx, "move")
	if err != nil {
		return err
	}
	return setJSON(tx, binary.BigEndian.AppendUint64(movesKey(repo, branch), n), m)
}

// Moves lists up to limit times (0: all) before number before (0: now) at
// which a branch was made to point elsewhere, newest first. A name keeps its
// moves when the branch goes and another one comes.
func (fs *FS) Moves(ctx context.Context, repo, branch string, before uint64, limit int) ([]Move, error) {
	var list []Move
	err := fs.rows.View(ctx, func(tx objstore.Reader) error {
		list = nil
		r, err := readRepo(tx, repo)
		if err != nil {
			return err
		}
		prefix := movesKey(r, branch)
		in := objstore.Prefix(prefix)
		in.Reverse = true
		if before > 0 {
			in.End = binary.BigEndian.AppendUint64(prefix, before)
		}
		c := objstore.Scan(tx, in)
		for (limit <= 0 || len(list) < limit) && c.Next() {
			m := Move{N: binary.BigEndian.Uint64(c.Key()[len(prefix):])}
			if err := decodeJSON(c.Key(), c.Value(), &m); err != nil {
				return err
			}
			list = append(list, m)
		}
		return c.Err()
	})
	return list, err
}

// ResetBranch makes to, a commit of the same repo, the head of a branch. What
// the branch had is in its moves, and stays. Open commits that were started
// from what no longer leads to the head cannot be finished any more.
func (fs *FS) ResetBranch(ctx context.Context, repo, name string, to Ref, opt WriteOptions) (Branch, error) {
	var b Branch
	err := fs.rows.Update(ctx, "", func(tx objstore.Writer) error {
		s, err := fs.target(tx, Ref{Repo: repo, Branch: name}, opt)
		if err != nil {
			return err
		}
		at, err := fs.resolve(tx, to)
		if err != nil {
			return err
		}
		if at.Open || at.Repo != repo {
			return fmt.Errorf("%w: a branch is reset to a finished commit of its repo", ErrInvalidArgument)
		}
		b, err = fs.moveBranch(tx, s, at.pos, "reset", opt.Author)
		return err
	})
	return b, err
}

// moveBranch makes the branch that s is the head of go on from another commit.
func (fs *FS) moveBranch(tx objstore.Writer, s *Snapshot, to commits.Pos, action, author string) (Branch, error) {
	old, err := readBranchRow(tx, s.repo, s.Branch)
	if err != nil {
		return Branch{}, err
	}
	n, err := nextNumber(tx, "line")
	if err != nil {
		return Branch{}, err
	}
	row := old
	row.Home, row.Line = old.home(), commits.LineageID(n)
	if err := commits.CreateLineage(tx, row.Line, s.repo.ID, to); err != nil {
		return Branch{}, err
	}
	if err := setJSON(tx, inRepo(keyBranch, s.repo.ID, s.Branch), row); err != nil {
		return Branch{}, err
	}
	if err := fs.logMove(tx, s.repo, s.Branch, action, author, &old, &row); err != nil {
		return Branch{}, err
	}
	return describeBranch(tx, s.repo, s.Branch, row)
}

// ProtectBranch makes a branch refuse writes, resets and its deletion with
// ErrDenied, or take them again.
func (fs *FS) ProtectBranch(ctx context.Context, repo, name string, protected bool) (Branch, error) {
	var b Branch
	err := fs.rows.Update(ctx, "", func(tx objstore.Writer) error {
		r, row, err := readBranch(tx, repo, name)
		if err != nil {
			return err
		}
		row.Protected = protected
		if err := setJSON(tx, inRepo(keyBranch, r.ID, name), row); err != nil {
			return err
		}
		b, err = describeBranch(tx, r, name, row)
		return err
	})
	return b, err
}

// RestoreBranch brings back the branch of that name that was deleted last,
// and its repo if that went with it. ErrBranchExists if there is one of the
// name, or a tag; ErrNoSuchBranch if none was deleted.
func (fs *FS) RestoreBranch(ctx context.Context, repo, name, author string) (Branch, error) {
	if err := errors.Join(revision.CheckName(repo), revision.CheckName(name)); err != nil {
		return Branch{}, err
	}
	var b Branch
	err := fs.rows.Update(ctx, "", func(tx objstore.Writer) error {
		r, err := readRepo(tx, repo)
		if errors.Is(err, ErrNoSuchRepo) {
			r, err = fs.restoreRepo(tx, repo)
		}
		if err != nil {
			return err
		}
		if err := checkFree(tx, r, name); err != nil {
			return err
		}
		var row branchRow
		key, err := lastUnder(tx, append(inRepo(keyDropped, r.ID, name), 0), &row)
		if err != nil {
			return err
		}
		if key == nil {
			return fmt.Errorf("%w: no branch %s of repo %s was deleted", ErrNoSuchBranch, name, repo)
		}
		if err := errors.Join(tx.Delete(key), setJSON(tx, inRepo(keyBranch, r.ID, name), row)); err != nil {
			return err
		}
		if err := fs.logMove(tx, r, name, "restore", author, nil, &row); err != nil {
			return err
		}
		b, err = describeBranch(tx, r, name, row)
		return err
	})
	return b, err
}

// DeletedBranch is a branch that RestoreBranch can bring back.
type DeletedBranch struct {
	Branch
	Deleted time.Time
}

// DeletedBranches lists up to limit (0: all) deleted branches of a repo, which
// may be deleted itself, whose names sort behind after, each as it was deleted
// last. ErrNoSuchRepo.
func (fs *FS) DeletedBranches(ctx context.Context, repo, after string, limit int) ([]DeletedBranch, error) {
	var list []DeletedBranch
	err := fs.rows.View(ctx, func(tx objstore.Reader) error {
		list = nil
		r, err := readRepo(tx, repo)
		if errors.Is(err, ErrNoSuchRepo) {
			r, _, err = deletedRepo(tx, repo)
		}
		if err != nil {
			return err
		}
		prefix := inRepo(keyDropped, r.ID, "")
		in := objstore.Prefix(prefix)
		if after != "" {
			in.Start = objstore.PrefixEnd(append(inRepo(keyDropped, r.ID, after), 0))
		}
		return eachDropped(tx, in, len(prefix), func(name string, at time.Time, row branchRow) (bool, error) {
			b, err := describeBranch(tx, r, name, row)
			if n := len(list); n > 0 && list[n-1].Name == name {
				list = list[:n-1] // it was deleted before, too
			} else if limit > 0 && n == limit {
				return false, err
			}
			list = append(list, DeletedBranch{b, at})
			return true, err
		})
	})
	return list, err
}

// eachDropped calls fn for rows of deleted branches, whose names begin behind
// skip bytes of the key, until it returns false.
func eachDropped(tx objstore.Reader, in objstore.Range, skip int, fn func(name string, at time.Time, row branchRow) (bool, error)) error {
	c := objstore.Scan(tx, in)
	for c.Next() {
		var row branchRow
		if err := decodeJSON(c.Key(), c.Value(), &row); err != nil {
			return err
		}
		rest := c.Key()[skip:]
		name, at := rest[:len(rest)-9], binary.BigEndian.Uint64(rest[len(rest)-8:])
		if more, err := fn(string(name), time.Unix(0, int64(at)).UTC(), row); err != nil || !more {
			return err
		}
	}
	return c.Err()
}

// deletedRepo reads the repo of that name that was deleted last, and its key.
func deletedRepo(tx objstore.Reader, name string) (repoRow, []byte, error) {
	var r repoRow
	key, err := lastUnder(tx, droppedRepoKey(name), &r)
	if err == nil && key == nil {
		err = fmt.Errorf("%w: %s, nor was one deleted", ErrNoSuchRepo, name)
	}
	return r, key, err
}

func (fs *FS) restoreRepo(tx objstore.Writer, name string) (repoRow, error) {
	r, key, err := deletedRepo(tx, name)
	if err != nil {
		return r, err
	}
	return r, errors.Join(tx.Delete(key), setJSON(tx, repoKey(name), r))
}

func droppedRepoKey(name string) []byte { return append(append([]byte{keyDroppedRepo}, name...), 0) }

// dropRepo takes the name of a repo away.
func (fs *FS) dropRepo(tx objstore.Writer, r repoRow) error {
	key := binary.BigEndian.AppendUint64(droppedRepoKey(r.Name), uint64(fs.now().UnixNano()))
	return errors.Join(setJSON(tx, key, r), tx.Delete(repoKey(r.Name)))
}

// lastUnder reads the last row under prefix; a nil key says there is none.
func lastUnder(tx objstore.Reader, prefix []byte, v any) ([]byte, error) {
	in := objstore.Prefix(prefix)
	in.Reverse = true
	c := objstore.Scan(tx, in)
	if !c.Next() {
		return nil, c.Err()
	}
	key := append([]byte(nil), c.Key()...)
	return key, decodeJSON(key, c.Value(), v)
}
