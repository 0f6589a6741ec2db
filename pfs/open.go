package pfs

import (
	"context"
	"errors"
	"fmt"
	"time"

	"caret/commits"
	"caret/commits/revision"
	"caret/objstore"
	"caret/pfs/access"
	"caret/pfs/catalog"
	"caret/pfs/changeset"
	"caret/pfs/upload"
)

// OpenCommit is a commit that is still written to: a transaction over any
// number of writes, which nobody else sees before it is finished.
type OpenCommit struct {
	ID      CommitID
	Repo    string
	Branch  string
	Parent  CommitID // the branch's head when it was started
	Started time.Time
	Author  string
	Message string
	// Touched is when it was last written to, some minutes more or less;
	// Expires when it is dropped if nobody does, or later if no server runs for a while;
	// zero if never.
	Touched, Expires time.Time
	Finishing        bool // no more writes are taken
}

// describeOpen tells of an open commit whose parent is known.
func (v *View) describeOpen(repo string, id CommitID, row *catalog.OpenRow, parent CommitID) (OpenCommit, error) {
	o := OpenCommit{
		ID: id, Repo: repo, Branch: row.Branch, Parent: parent, Started: row.Started, Author: row.Author, Message: row.Message, Touched: row.LastTouched(),
	}
	if ttl := v.sys.openTTL; ttl > 0 {
		o.Expires = row.LastTouched().Add(ttl)
	}
	var err error
	if row.Finishing {
		o.Finishing, err = v.sys.lease.Busy(v.tx, row.Owner, row.Attempt, v.sys.now())
	}
	return o, err
}

// StartCommit opens a commit on a branch. Writes to
// Ref{Repo, Base: the id} are staged in it.
func (fs *FS) StartCommit(ctx context.Context, branch Ref, opt WriteOptions) (OpenCommit, error) {
	id, err := revision.NewID(fs.sys.rand)
	if err != nil {
		return OpenCommit{}, err
	}
	var o OpenCommit
	var repo catalog.RepoRow
	started := func(tx objstore.Reader) (bool, error) {
		_, err := catalog.ReadOpen(tx, repo, id)
		return err == nil, nil
	}
	err = fs.update(ctx, about(branch), started, func(c *change) error {
		s, err := c.target(branch, ActWrite, "", &opt)
		if err != nil {
			return err
		}
		if s.Open {
			return fmt.Errorf("%w: %s is an open commit; start from a branch", ErrInvalidArgument, s.ID)
		}
		repo = s.Row
		row := catalog.OpenRow{
			Branch: s.Branch, Lineage: s.Lineage, First: s.Home, Base: s.Pos.Lineage, N: s.Pos.N,
			Started: c.sys.timestamp(), Author: c.who.Name, Starter: c.who.ID, Message: opt.Message,
		}
		if o, err = c.describeOpen(s.Repo, id, &row, s.ID); err != nil {
			return err
		}
		return catalog.SetOpen(c.tx, repo, id, row)
	})
	return o, err
}

// OpenCommits lists up to limit open commits (0: all) of a repo whose ids
// sort after after, of the branches that the caller may write to.
func (fs *FS) OpenCommits(ctx context.Context, repo string, after CommitID, limit int) ([]OpenCommit, error) {
	var list []OpenCommit
	err := fs.View(ctx, func(v *View) error {
		list = nil
		r, err := catalog.ReadRepo(v.tx, repo)
		if err != nil {
			return err
		}
		branches, err := v.writableBranches(r)
		if err != nil {
			return err
		}
		var ids []CommitID
		var found []catalog.OpenRow
		err = catalog.EachOpen(v.tx, r, after, func(id CommitID, row catalog.OpenRow) (bool, error) {
			if home, ok := branches[row.Branch]; !row.Internal && ok && home == row.Home() {
				ids, found = append(ids, id), append(found, row)
			}
			return limit <= 0 || len(found) < limit, nil
		})
		if err != nil {
			return err
		}
		parents, err := parentIDs(v.tx, found)
		for i := range found {
			if err != nil {
				break
			}
			var o OpenCommit
			o, err = v.describeOpen(repo, ids[i], &found[i], parents[i])
			list = append(list, o)
		}
		return err
	})
	return list, err
}

// writableBranches are the homes of the branches that the caller may write to,
// by name.
func (v *View) writableBranches(r catalog.RepoRow) (map[string]commits.LineageID, error) {
	all, err := catalog.Branches(v.tx, r, "", 0)
	if err != nil {
		return nil, err
	}
	homes := make(map[string]commits.LineageID)
	for _, b := range all {
		at := v.snapshot(&catalog.Snapshot{Repo: r.Name, Row: r, Branch: b.Name, Lineage: b.Lineage, Home: b.Home(), Writable: true})
		err := v.decide(at, ActWrite, "")
		if err == nil {
			homes[b.Name] = b.Home()
		} else if !errors.Is(err, ErrDenied) {
			return nil, err
		}
	}
	return homes, nil
}

// parentIDs are the ids of the commits that open ones are based on, zero where
// there is none.
func parentIDs(tx objstore.Reader, list []catalog.OpenRow) ([]CommitID, error) {
	ids := make([]CommitID, len(list))
	var at []commits.Pos
	var of []int
	for i := range list {
		if p := list[i].Parent(); p.N > 0 {
			at, of = append(at, p), append(of, i)
		}
	}
	read, err := commits.ReadMany(tx, at)
	for k := range read {
		ids[of[k]] = read[k].ID
	}
	return ids, err
}

// OpenCommit describes the open commit that ref means, for who may list it, and
// counts what is staged in it. ErrNoSuchCommit if it means none.
func (fs *FS) OpenCommit(ctx context.Context, ref Ref) (o OpenCommit, staged int, err error) {
	err = fs.View(ctx, func(v *View) error {
		s, err := v.Open(ref, ActList, "")
		if err != nil {
			return err
		}
		if !s.Open {
			return fmt.Errorf("%w: %s is not open", ErrNoSuchCommit, s.ID)
		}
		o, staged, err = v.inspectOpen(s)
		return err
	})
	return o, staged, err
}

// inspectOpen describes an open commit and counts what is staged in it.
func (v *View) inspectOpen(s *Snapshot) (o OpenCommit, staged int, err error) {
	parents, err := parentIDs(v.tx, []catalog.OpenRow{s.Started})
	if err != nil {
		return o, 0, err
	}
	if o, err = v.describeOpen(s.Repo, s.ID, &s.Started, parents[0]); err != nil {
		return o, 0, err
	}
	err = commits.Staged(v.tx, s.ID, "", func(commits.Change) (bool, error) {
		staged++
		return true, v.ctx.Err()
	})
	return o, staged, err
}

// ending opens the open commit that ref means for who may end it. ErrConflict if
// it is finished.
func (v *View) ending(ref Ref) (*Snapshot, error) {
	s, err := v.Open(ref, access.Write, "")
	if err != nil {
		return nil, err
	}
	if !s.Open {
		return nil, fmt.Errorf("%w: %s is not open: the commit %s is finished", ErrConflict, ref.Base, s.ID)
	}
	return s, v.decide(s, access.Finish, "")
}

// FinishOptions say how an open commit becomes one.
type FinishOptions struct {
	Message string // replaces the one it was started with
	// Strategy decides about paths that the branch changed meanwhile too:
	// Ours, Theirs, or "" to fail with a ConflictError.
	Strategy string
	// IfHead is that of WriteOptions, and about the head of the branch.
	IfHead string
}

// FinishCommit makes everything staged in the open commit that ref means one
// commit of its branch, all or nothing. With nothing staged the commit is empty.
// Who started it may, and the repo's owner.
func (fs *FS) FinishCommit(ctx context.Context, ref Ref, opt FinishOptions) (Commit, error) {
	if err := errors.Join(changeset.CheckStrategy(opt.Strategy), checkText("message", opt.Message)); err != nil {
		return Commit{}, err
	}
	var s, head *Snapshot
	var spec changeset.Spec
	err := fs.View(ctx, func(v *View) (err error) {
		if s, err = v.ending(ref); err != nil {
			return err
		}
		on := Ref{Repo: s.Repo, Branch: s.Branch}
		if head, err = v.resolve(on, ActWrite); err != nil {
			return err
		}
		spec = fs.spec(head, ActWrite, &WriteOptions{IfHead: opt.IfHead}, v.who)
		spec.On, spec.Base = &s.Snapshot, s.Pos
		return v.checkHead(head, on, opt.IfHead)
	})
	if err != nil {
		return Commit{}, err
	}
	mayWrite := spec.Decide
	spec.Decide = func(tx objstore.Reader, at *catalog.Snapshot) error {
		v, err := fs.begin(ctx, tx)
		if err == nil {
			err = v.decide(v.snapshot(&s.Snapshot), access.Finish, "")
		}
		if err != nil {
			return err
		}
		return mayWrite(tx, at)
	}
	c, err := fs.sys.engine.Finish(ctx, spec, opt.Message, opt.Strategy)
	if err != nil {
		return Commit{}, err
	}
	if err := upload.DropAll(context.WithoutCancel(ctx), fs.sys.db, upload.IntoOpen(s.ID)); err != nil {
		fs.sys.log.Warn("rows of uploads are left over until they expire", "commit", s.ID, "err", err) // nobody sees them
	}
	return c, nil
}

// AbortCommit drops the open commit that ref means and all that is staged in
// it, which is removed in the background.
func (fs *FS) AbortCommit(ctx context.Context, ref Ref) error {
	err := fs.update(ctx, about(ref), nil, func(c *change) error {
		s, err := c.aborting(ref)
		if err != nil {
			return err
		}
		return changeset.Drop(c.tx, s.Row, s.ID, &s.Started)
	})
	if err == nil {
		fs.sys.jobs.Kick()
	}
	return err
}

// aborting is ending of what is not about to be finished.
func (v *View) aborting(ref Ref) (*Snapshot, error) {
	s, err := v.ending(ref)
	if err == nil {
		err = v.sys.engine.CheckOpen(v.tx, &s.Snapshot)
	}
	return s, err
}

// Abortable is a dry run of AbortCommit: what would be dropped, and how many
// files are staged in it.
func (fs *FS) Abortable(ctx context.Context, ref Ref) (o OpenCommit, staged int, err error) {
	err = fs.View(ctx, func(v *View) error {
		s, err := v.aborting(ref)
		if err == nil {
			o, staged, err = v.inspectOpen(s)
		}
		return err
	})
	return o, staged, err
}
