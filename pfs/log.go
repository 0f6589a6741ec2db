package pfs

import (
	"context"
	"fmt"
	"strings"

	"caret/commits"
	"caret/objstore"
)

// Commit reads the record of the commit that ref means. ErrNoSuchVersion if
// its branch has none, ErrInvalidArgument if it is still open.
func (fs *FS) Commit(ctx context.Context, ref Ref) (commits.Commit, error) {
	var c commits.Commit
	err := fs.rows.View(ctx, func(tx objstore.Reader) error {
		s, err := fs.finished(tx, ref)
		if err != nil {
			return err
		}
		c, err = commits.Read(tx, s.pos)
		return err
	})
	return c, translate(err)
}

// finished resolves a ref that must mean a finished commit.
func (fs *FS) finished(tx objstore.Reader, ref Ref) (*Snapshot, error) {
	s, err := fs.resolve(tx, ref)
	switch {
	case err != nil:
		return nil, err
	case s.Open:
		return nil, fmt.Errorf("%w: commit %s is still open", ErrInvalidArgument, s.ID)
	case s.N == 0:
		return nil, fmt.Errorf("%w: branch %s of repo %s has no commit yet", ErrNoSuchVersion, s.Branch, s.Repo)
	}
	return s, nil
}

// LogOptions say which part of a log is wanted.
type LogOptions struct {
	// Path keeps only commits that changed it; with a slash at its end, ones
	// that changed anything under it.
	Path  string
	After commits.ID // only commits older than it
	Limit int        // at most so many; 0 is all
}

// Log lists the commits that lead to the snapshot, newest first.
func (s *Snapshot) Log(ctx context.Context, opt LogOptions) ([]commits.Commit, error) {
	var list []commits.Commit
	err := s.fs.rows.View(ctx, func(tx objstore.Reader) error {
		list = nil
		from := s.pos
		if !opt.After.IsZero() {
			p, err := s.olderThan(tx, opt.After)
			if err != nil || p.N == 0 {
				return err
			}
			from = p
		}
		return eachCommit(ctx, tx, from, opt.Path, func(c commits.Commit) (bool, error) {
			list = append(list, c)
			return opt.Limit == 0 || len(list) < opt.Limit, nil
		})
	})
	return list, translate(err)
}

// eachCommit calls fn for the commits back from p that changed path, or all
// if path is empty, until it returns false.
func eachCommit(ctx context.Context, tx objstore.Reader, p commits.Pos, path string, fn func(commits.Commit) (bool, error)) error {
	if path != "" && !strings.HasSuffix(path, "/") {
		// The path's own states know their commits; no walk is needed.
		v, err := (*commits.Lines)(nil).View(tx, p, commits.ID{})
		if err != nil {
			return err
		}
		return v.History(path, func(st commits.State) (bool, error) {
			c, err := commits.Read(tx, commits.Pos{Line: p.Line, N: st.N})
			if err != nil {
				return false, err
			}
			return fn(c)
		})
	}
	return commits.Log(tx, p, func(c commits.Commit) (bool, error) {
		if err := ctx.Err(); err != nil {
			return false, err
		}
		if path != "" {
			if ok, err := commits.Touches(tx, c, path); err != nil || !ok {
				return true, err
			}
		}
		return fn(c)
	})
}

// olderThan is the parent of a commit that leads to the snapshot.
func (s *Snapshot) olderThan(tx objstore.Reader, id commits.ID) (commits.Pos, error) {
	p, err := commits.Find(tx, id)
	if err != nil {
		return p, err
	}
	own, err := commits.Owner(tx, commits.Pos{Line: s.pos.Line, N: min(p.N, s.pos.N)})
	if err != nil {
		return p, err
	}
	if own != p {
		return p, fmt.Errorf("%w: %s does not lead to %s", ErrNoSuchCommit, id, s.ID)
	}
	return commits.Owner(tx, commits.Pos{Line: p.Line, N: p.N - 1})
}

// History lists up to limit (0: all) versions of path as of the snapshot,
// newest first, deletions included.
func (s *Snapshot) History(ctx context.Context, path string, limit int) ([]Info, error) {
	if err := checkPath(path); err != nil {
		return nil, err
	}
	var list []Info
	err := s.fs.rows.View(ctx, func(tx objstore.Reader) error {
		list = nil
		v, err := s.view(tx)
		if err != nil {
			return err
		}
		return v.History(path, func(st commits.State) (bool, error) {
			list = append(list, Info{Path: path, State: st})
			return limit == 0 || len(list) < limit, nil
		})
	})
	return list, err
}

// Changes lists up to limit (0: all) paths behind after that the commit
// changed, with the state it gave them.
func (fs *FS) Changes(ctx context.Context, ref Ref, after string, limit int) ([]Info, error) {
	var list []Info
	err := fs.rows.View(ctx, func(tx objstore.Reader) error {
		list = nil
		s, err := fs.finished(tx, ref)
		if err != nil {
			return err
		}
		c, err := commits.Read(tx, s.pos)
		if err != nil {
			return err
		}
		return commits.Changes(tx, c, after, func(ch commits.Change) (bool, error) {
			list = append(list, Info{Path: ch.Path, State: ch.State})
			return limit == 0 || len(list) < limit, nil
		})
	})
	return list, translate(err)
}
