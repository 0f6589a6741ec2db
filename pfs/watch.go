package pfs

import (
	"context"
	"fmt"
	"slices"
	"time"

	"caret/commits"
	"caret/pfs/catalog"
)

// Watch hands out the commits of a branch in the order they were made, each
// once, as they come. It holds nothing of the store between two calls and
// keeps no writer waiting, however slow its reader is. It is for one
// goroutine.
type Watch struct {
	fs   *FS
	repo catalog.RepoRow
	name string            // of the branch
	home commits.LineageID // names it for good
	path string
	at   commits.Pos // the newest commit looked at; zero is the beginning
	seen CommitID    // its id
}

// WatchOptions say which commits are watched for.
type WatchOptions struct {
	// After is the commit behind which the first one comes, such as the last
	// one of an earlier watch. Zero: the branch's head at this moment.
	After CommitID
	// FromStart begins with the branch's first commit instead.
	FromStart bool
	// Path keeps only commits that changed it; with a slash at its end, ones
	// that changed anything under it.
	Path string
}

// watchPage is how many commits are read in one transaction.
const watchPage = 256

// Watch begins to watch a branch, which stays the one that ref means now,
// whatever the name is given to later. What Resolve says of ref,
// ErrInvalidArgument if it is not a branch; ErrNoSuchCommit, or ErrDiverged
// if After does not lead to the branch's head; ErrClosed.
func (fs *FS) Watch(ctx context.Context, ref Ref, opt WatchOptions) (*Watch, error) {
	w := &Watch{fs: fs, path: opt.Path}
	err := w.view(ctx, func(v *View) error {
		s, err := v.Open(ref, ActList, "")
		if err != nil {
			return err
		}
		if !s.Writable || s.Open {
			return fmt.Errorf("%w: a branch is watched, and %s is none", ErrInvalidArgument, ref)
		}
		w.repo, w.name, w.home = s.Row, s.Branch, s.Home
		switch {
		case opt.FromStart:
			return nil
		case opt.After.IsZero():
			w.at, w.seen = s.Pos, s.ID
			return nil
		}
		w.seen = opt.After
		if w.at, err = commits.Find(v.tx, opt.After); err != nil {
			return err
		}
		_, _, _, err = w.head(v)
		return err
	})
	if err != nil {
		return nil, err
	}
	return w, nil
}

// Seen is the newest commit that was looked at, whether or not it was handed
// out: another watch may go on behind it. Zero is the beginning.
func (w *Watch) Seen() CommitID { return w.seen }

// Next waits for commits and returns the next ones, oldest first; none if
// idle (which may be nil) fires first. An error is the watch's end:
// ErrDiverged if the branch was reset to where what was handed out does not
// lead, ErrNoSuchBranch if it was deleted, ErrClosed if the FS ends.
func (w *Watch) Next(ctx context.Context, idle <-chan time.Time) ([]Commit, error) {
	for {
		changed := w.fs.sys.db.Changed()
		list, more, err := w.look(ctx)
		if err != nil || len(list) > 0 {
			return list, err
		}
		if more { // none of a page changed the path
			now := make(chan struct{})
			close(now)
			changed = now
		}
		select {
		case <-changed:
		case <-idle:
			list, _, err := w.look(ctx) // also whether the caller still may
			return list, err
		case <-w.fs.sys.watching.Done(): // the next look tells
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// look reads a page of what is new, and says whether there is more.
func (w *Watch) look(ctx context.Context) (list []Commit, more bool, err error) {
	err = w.view(ctx, func(v *View) error {
		list, more = nil, false
		lineage, head, s, err := w.head(v)
		if err != nil || head.ID == w.seen {
			return err
		}
		tx := v.tx
		shown, err := s.shown(tx, true)
		if err != nil {
			return err
		}
		there, err := shown.hasAny(w.path)
		if err != nil {
			return err
		}
		to := commits.Pos{Lineage: lineage, N: min(head.N, w.at.N+watchPage)}
		err = commits.Log(tx, to, func(c Commit) (bool, error) {
			if c.Pos.N <= w.at.N {
				return false, nil
			}
			if w.path != "" {
				if !there {
					return true, nil
				}
				if touched, err := commits.Touches(tx, c, w.path); err != nil || !touched {
					return true, err
				}
			}
			err := shown.cover(&c)
			list = append(list, c)
			return true, err
		})
		if err != nil {
			return err
		}
		last, err := commits.Read(tx, to)
		if err != nil {
			return err
		}
		w.at, w.seen, more = last.Pos, last.ID, to.N < head.N
		return nil
	})
	if err != nil {
		return nil, false, err // a list that broke off has no oldest commits
	}
	slices.Reverse(list)
	return list, more, nil
}

// head finds the branch, as a snapshot that was decided about, and its newest commit,
// to which the one that was seen last must lead, if the caller may still list it.
func (w *Watch) head(v *View) (commits.LineageID, commits.Head, *Snapshot, error) {
	row, err := catalog.ReadBranch(v.tx, w.repo, w.name)
	if err == nil && row.Home() != w.home {
		err = fmt.Errorf("%w: %s in repo %s was deleted; there is another one of that name", ErrNoSuchBranch, w.name, w.repo.Name)
	}
	if err != nil {
		return 0, commits.Head{}, nil, err
	}
	s := v.snapshot(&catalog.Snapshot{Repo: w.repo.Name, Row: w.repo, Branch: w.name, Lineage: row.Lineage, Home: w.home, Writable: true})
	head, err := commits.ReadHead(v.tx, row.Lineage)
	if err == nil {
		err = v.decide(s, ActList, "")
	}
	if err != nil || w.at.N == 0 || head.ID == w.seen {
		return row.Lineage, head, s, err
	}
	same, err := commits.Owner(v.tx, commits.Pos{Lineage: row.Lineage, N: min(w.at.N, head.N)})
	if err == nil && same != w.at {
		err = fmt.Errorf("%w: %s on branch %s; the branch was reset, or the commit is of another one", ErrDiverged, w.seen, w.name)
	}
	return row.Lineage, head, s, err
}

// view reads until EndWatches.
func (w *Watch) view(ctx context.Context, fn func(*View) error) error {
	if w.fs.sys.watching.Err() != nil {
		return fmt.Errorf("%w, and nothing is watched any more", ErrClosed)
	}
	return w.fs.View(ctx, fn)
}
