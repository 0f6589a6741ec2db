package pfs

import (
	"context"
	"fmt"
	"strings"
	"time"

	"caret/commits"
	"caret/objstore"
)

// Commit reads the record of the commit that ref means, for who may list it.
// ErrNoSuchVersion if its branch has none, ErrInvalidArgument if it is still open.
func (fs *FS) Commit(ctx context.Context, ref Ref) (c Commit, err error) {
	err = fs.View(ctx, func(v *View) error {
		s, err := v.finished(ref, ActList)
		if err != nil {
			return err
		}
		shown, err := s.shown(v.tx, true)
		if err != nil {
			return err
		}
		if c, err = commits.Read(v.tx, s.Pos); err == nil {
			err = shown.cover(&c)
		}
		return err
	})
	return c, err
}

// LogOptions say which part of a log is wanted.
type LogOptions struct {
	// Path keeps only commits that changed it; with a slash at its end, ones
	// that changed anything under it.
	Path string
	// Since and Until keep only commits of that time, both included; zero is
	// no limit.
	Since, Until time.Time
	// Author and Message keep only commits that have the text there, whatever
	// its case.
	Author, Message string
	After           commits.ID // only commits older than it
	Limit           int        // at most so many; 0 is all
}

// keeps says whether the log has the commit, by what is said of it.
func (o *LogOptions) keeps(c *commits.Commit) bool {
	has := func(s, part string) bool {
		return part == "" || strings.Contains(strings.ToLower(s), strings.ToLower(part))
	}
	return has(c.Author, o.Author) && has(c.Message, o.Message)
}

// Log lists the commits that lead to the snapshot, newest first. But for Author
// and Message, it takes time in proportion to what it lists.
func (s *Snapshot) Log(ctx context.Context, opt LogOptions) ([]commits.Commit, error) {
	var list []commits.Commit
	err := s.read(ctx, func(tx objstore.Reader) error {
		list = nil
		from, err := s.logStart(tx, &opt)
		if err != nil || from.N == 0 {
			return err
		}
		shown, err := s.shown(tx, true)
		if err != nil {
			return err
		}
		if opt.Path != "" {
			if there, err := shown.hasAny(opt.Path); err != nil || !there {
				return err
			}
		}
		return s.sys.eachCommit(tx, from, opt.Path, func(c commits.Commit) (bool, error) {
			if err := ctx.Err(); err != nil || c.Time.Before(opt.Since) {
				return false, err
			}
			if !opt.keeps(&c) {
				return true, nil
			}
			err := shown.cover(&c)
			list = append(list, c)
			return opt.Limit == 0 || len(list) < opt.Limit, err
		})
	})
	return list, err
}

// logStart is the newest commit that may be listed.
func (s *Snapshot) logStart(tx objstore.Reader, opt *LogOptions) (commits.Pos, error) {
	from := s.Pos
	if !opt.After.IsZero() {
		var err error
		if from, err = s.olderThan(tx, opt.After); err != nil || from.N == 0 {
			return from, err
		}
	}
	if opt.Until.IsZero() {
		return from, nil
	}
	return commits.FindTime(tx, from, opt.Until)
}

// eachCommit calls fn for the commits back from p that changed path, or all
// if path is empty, until it returns false.
func (sys *System) eachCommit(tx objstore.Reader, p commits.Pos, path string, fn func(commits.Commit) (bool, error)) error {
	switch {
	case path == "":
		return commits.Log(tx, p, fn)
	case strings.HasSuffix(path, "/"):
		return sys.forks.LogUnder(tx, p, path, fn)
	}
	// The path's own states know their commits; no walk is needed.
	v, err := sys.forks.View(tx, p, commits.ID{})
	if err != nil {
		return err
	}
	return v.History(path, func(st commits.State) (bool, error) {
		c, err := commits.Read(tx, commits.Pos{Lineage: p.Lineage, N: st.N})
		if err != nil {
			return false, err
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
	own, err := commits.Owner(tx, commits.Pos{Lineage: s.Pos.Lineage, N: min(p.N, s.Pos.N)})
	if err != nil {
		return p, err
	}
	if own != p {
		return p, fmt.Errorf("%w: %s does not lead to %s", ErrNoSuchCommit, id, s.ID)
	}
	return commits.Owner(tx, commits.Pos{Lineage: p.Lineage, N: p.N - 1})
}

// Ancestor is the snapshot of a commit that leads to s by first parents, as it
// is reached through the same branch. ErrNoSuchCommit if it does not.
func (s *Snapshot) Ancestor(ctx context.Context, id CommitID) (*Snapshot, error) {
	then := &Snapshot{sys: s.sys, v: s.v, sight: s.sight}
	err := s.read(ctx, func(tx objstore.Reader) error {
		if _, err := s.olderThan(tx, id); err != nil {
			return err
		}
		p, err := commits.Find(tx, id)
		if err != nil {
			return err
		}
		at, err := s.At(tx, p)
		if err == nil {
			then.Snapshot = *at
		}
		return err
	})
	return then, err
}

// History lists up to limit (0: all) versions of path as of the snapshot,
// newest first, deletions included.
func (s *Snapshot) History(ctx context.Context, path string, limit int) ([]Info, error) {
	if err := checkPath(path); err != nil {
		return nil, err
	}
	var list []Info
	err := s.read(ctx, func(tx objstore.Reader) error {
		list = nil
		v, err := s.view(tx)
		if err != nil {
			return err
		}
		shown, err := s.shown(tx, true)
		if err != nil {
			return err
		}
		return v.History(path, func(st commits.State) (bool, error) {
			there, err := shown.has(path, st.Commit)
			if there {
				list = append(list, Info{Path: path, State: st})
			}
			return limit == 0 || len(list) < limit, err
		})
	})
	return list, err
}

// Changes lists up to limit (0: all) paths behind after that the commit
// changed, with the state it gave them; of an open commit those staged in it.
func (fs *FS) Changes(ctx context.Context, ref Ref, after string, limit int) (list []Info, err error) {
	err = fs.View(ctx, func(v *View) error {
		list = nil
		s, err := v.Open(ref, ActList, "")
		if err != nil {
			return err
		}
		shown, err := s.shown(v.tx, true)
		if err != nil {
			return err
		}
		add := func(ch commits.Change) (bool, error) {
			there, err := shown.has(ch.Path, ch.Commit)
			if there {
				list = append(list, ch)
			}
			return limit == 0 || len(list) < limit, err
		}
		if s.Open {
			return commits.Staged(v.tx, s.ID, after, add)
		}
		if err := s.Finished(); err != nil {
			return err
		}
		c, err := commits.Read(v.tx, s.Pos)
		if err != nil {
			return err
		}
		return commits.Changes(v.tx, c, after, add)
	})
	return list, err
}
