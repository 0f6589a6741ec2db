package pfs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"

	"caret/commits"
	"caret/objstore"
	"caret/objstore/content"
	"caret/pfs/access"
	"caret/pfs/catalog"
)

// Snapshot is what a Ref meant at one moment, and its files. It never changes;
// only that of an open commit does, as it is written to.
//
// It is read in the view that opened it while that lasts, and later in views of
// its own: what it holds is the same, and that it may be read was decided.
type Snapshot struct {
	catalog.Snapshot
	sys *System
	v   *View
	// sight is how much of it is shown to whom it was opened for; see present.
	sight access.Sight
	last  struct { // what was looked up last: to decide about a file, and then to read it
		path  string
		found bool
		state commits.State
		err   error
	}
}

func (v *View) snapshot(at *catalog.Snapshot) *Snapshot {
	return &Snapshot{Snapshot: *at, sys: v.sys, v: v}
}

// read runs fn in the snapshot's view, or in one of its own.
func (s *Snapshot) read(ctx context.Context, fn func(objstore.Reader) error) error {
	if s.v != nil && s.v.tx != nil {
		return fn(s.v.tx)
	}
	return s.sys.db.View(ctx, fn)
}

// view reads the snapshot's states in a transaction.
func (s *Snapshot) view(tx objstore.Reader) (*commits.View, error) {
	at := s.Side()
	return s.sys.forks.View(tx, at.Pos, at.Open)
}

// lookup is the state of path in the snapshot's view.
func (s *Snapshot) lookup(path string) (commits.State, error) {
	if s.last.found && s.last.path == path {
		return s.last.state, s.last.err
	}
	v, err := s.view(s.v.tx)
	if err != nil {
		return commits.State{}, err
	}
	s.last.state, s.last.err = v.Lookup(path)
	s.last.path, s.last.found = path, true
	return s.last.state, s.last.err
}

// Stat describes the file at path. ErrNoSuchPath if there is none, as a
// DeletedError if there was one.
func (s *Snapshot) Stat(ctx context.Context, path string) (Info, error) {
	if err := checkPath(path); err != nil {
		return Info{}, err
	}
	var info Info
	err := s.read(ctx, func(tx objstore.Reader) (err error) {
		if info, err = s.stat(tx, path); !errors.Is(err, ErrNoSuchPath) || s.sight == access.Present {
			return err
		}
		last, lookErr := s.newest(tx, path)
		if lookErr != nil || last == nil {
			return errors.Join(lookErr, err)
		}
		return &DeletedError{err, Info{Path: path, State: *last}}
	})
	return info, err
}

func (s *Snapshot) stat(tx objstore.Reader, path string) (Info, error) {
	var st commits.State
	var err error
	if s.v != nil && s.v.tx != nil { // then tx is it
		st, err = s.lookup(path)
	} else {
		var v *commits.View
		if v, err = s.view(tx); err == nil {
			st, err = v.Lookup(path)
		}
	}
	if err == nil && st.Deleted {
		err = fmt.Errorf("%w: %q", ErrNoSuchPath, path)
	}
	if err != nil {
		return Info{}, err
	}
	return Info{Path: path, State: st}, nil
}

// newest is the newest version of path, which may be a deletion; nil if the path
// never had a file.
func (s *Snapshot) newest(tx objstore.Reader, path string) (*commits.State, error) {
	v, err := s.view(tx)
	if err != nil {
		return nil, err
	}
	st, err := v.Newest(path)
	if err != nil || st == nil || st.Unlisted {
		return nil, err
	}
	return st, nil
}

const (
	// maxSince is how many commits, and paths that they changed, a transaction that
	// writes looks at to find out what a branch has become since it was looked at.
	maxSince = 500
	// maxCaughtUp is the same in a view, which nobody waits for.
	maxCaughtUp = 1 << 20
)

// changedSince are the paths that the branch whose head s is has changed since then was its
// head. errMoved if it was made to point elsewhere, or they, or the commits, are more than
// most.
func (s *Snapshot) changedSince(tx objstore.Reader, then *Snapshot, most int) (map[string]struct{}, error) {
	if s.Pos == then.Pos && s.Home == then.Home && s.Open == then.Open {
		return nil, nil
	}
	if s.Open || then.Open || s.Lineage != then.Lineage || s.N < then.N {
		return nil, errMoved
	}
	paths, all, err := commits.ChangedSince(tx, s.Pos, then.N, most)
	if err == nil && !all {
		err = errMoved
	}
	return paths, err
}

// Read streams bytes [off, off+length) of a file; length -1 is to its end.
// Every byte handed out has been verified; ErrCorrupt otherwise.
func (s *Snapshot) Read(ctx context.Context, info Info, off, length int64) (io.ReadCloser, error) {
	return content.NewReader(ctx, s.sys.blobs, s.sys.budget, info.Content.Root, off, length)
}

// Settings reads the settings of the branch that the snapshot was reached
// through.
func (s *Snapshot) Settings(ctx context.Context) (Settings, error) {
	var set Settings
	err := s.read(ctx, func(tx objstore.Reader) error {
		row, err := access.ReadSettings(tx, &s.Snapshot)
		if err == nil {
			err = row.ReadCORS(tx)
		}
		if err == nil {
			set = row.Settings
		}
		return err
	})
	return set, err
}

// Owner is who owns the branch that the snapshot was reached through; a user
// with an ID alone if it is gone.
func (s *Snapshot) Owner(ctx context.Context) (User, error) {
	var u User
	err := s.read(ctx, func(tx objstore.Reader) error {
		row, err := access.ReadSettings(tx, &s.Snapshot)
		if err != nil {
			return err
		}
		if u, err = access.ReadUserByID(tx, row.ACL.Owner); errors.Is(err, ErrNoSuchUser) {
			u, err = User{ID: row.ACL.Owner}, nil
		}
		return err
	})
	return u, err
}

// FileACL is the ACL of the version of a file that the snapshot has.
func (s *Snapshot) FileACL(ctx context.Context, path string) (ACL, error) {
	var a ACL
	err := s.read(ctx, func(tx objstore.Reader) error {
		row, err := access.ReadSettings(tx, &s.Snapshot)
		if err != nil {
			return err
		}
		a, err = row.FileACL(tx, path, func(path string) (commits.State, error) {
			info, err := s.stat(tx, path)
			return info.State, err
		})
		return err
	})
	return a, err
}

// ListOptions say which part of a listing is wanted.
type ListOptions struct {
	Prefix    string // only paths that begin with it
	Delimiter string // paths are cut behind its first occurrence after Prefix; "" never
	After     string // only what sorts after it; a common prefix that it begins with too is left out
	Limit     int    // at most so many items
}

// Item is a file, or a common prefix of files.
type Item struct {
	Prefix string // set for a common prefix; then Info is empty
	Info
}

// name is what the item is listed under.
func (i Item) name() string {
	if i.Prefix != "" {
		return i.Prefix
	}
	return i.Path
}

// ListPage is one page of a listing, in the order of the paths' bytes.
type ListPage struct {
	Items     []Item
	Truncated bool   // there is more
	Next      string // the After of the next page, when truncated
}

// List lists files and common prefixes.
func (s *Snapshot) List(ctx context.Context, opt ListOptions) (ListPage, error) {
	var page ListPage
	if opt.Limit <= 0 {
		return page, nil
	}
	err := s.read(ctx, func(tx objstore.Reader) error {
		page = ListPage{}
		v, err := s.view(tx)
		if err != nil {
			return err
		}
		shown, err := s.shown(tx, false)
		if err != nil {
			return err
		}
		return page.fill(ctx, v.WalkHint(opt.Prefix, opt.Limit+1), shown, opt)
	})
	return page, err
}

func (p *ListPage) fill(ctx context.Context, w *commits.Walker, shown *present, opt ListOptions) error {
	if opt.After >= opt.Prefix && opt.After != "" {
		if cp := commonPrefix(opt.After, opt); cp != "" {
			seekPast(w, cp)
		} else {
			w.Seek(opt.After + "\x00")
		}
	}
	for w.Next() {
		if err := ctx.Err(); err != nil {
			return err
		}
		if ok, err := shown.hasState(w); err != nil {
			return err
		} else if !ok {
			continue
		}
		if len(p.Items) == opt.Limit {
			p.Truncated = true
			p.Next = p.Items[len(p.Items)-1].name()
			break
		}
		if cp := commonPrefix(w.Path(), opt); cp != "" {
			p.Items = append(p.Items, Item{Prefix: cp})
			seekPast(w, cp)
			continue
		}
		st, err := w.State()
		if err != nil {
			return err
		}
		p.Items = append(p.Items, Item{Info: Info{Path: w.Path(), State: st}})
	}
	return w.Err()
}

// seekPast goes behind every path that begins with prefix.
func seekPast(w *commits.Walker, prefix string) {
	if end := objstore.PrefixEnd([]byte(prefix)); end != nil {
		w.Seek(string(end))
		return
	}
	for w.Next() { // a prefix of 0xff bytes alone; not UTF-8, so never stored
		continue
	}
}

// commonPrefix is what path is rolled up into; "" if it is listed itself.
func commonPrefix(path string, opt ListOptions) string {
	if opt.Delimiter == "" || !strings.HasPrefix(path, opt.Prefix) {
		return ""
	}
	i := strings.Index(path[len(opt.Prefix):], opt.Delimiter)
	if i < 0 {
		return ""
	}
	return path[:len(opt.Prefix)+i+len(opt.Delimiter)]
}

// allPage is how many files All reads in one transaction.
const allPage = 1000

// All goes through every file whose path begins with prefix, in order. The
// sequence ends after the first error.
func (s *Snapshot) All(ctx context.Context, prefix string) iter.Seq2[Info, error] {
	return func(yield func(Info, error) bool) {
		opt := ListOptions{Prefix: prefix, Limit: allPage}
		for {
			page, err := s.List(ctx, opt)
			if err != nil {
				yield(Info{}, err)
				return
			}
			for _, it := range page.Items {
				if !yield(it.Info, nil) {
					return
				}
			}
			if !page.Truncated {
				return
			}
			opt.After = page.Next
		}
	}
}
