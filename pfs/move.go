package pfs

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"caret/commits"
	"caret/objstore"
	"caret/pfs/catalog"
	"caret/pfs/changeset"
)

// MoveFile makes the file at from one at to, in one commit of the branch (or
// staged in the open commit) that on means. Attributes and tags are kept.
// ErrNoSuchPath. What the branch changes of either path meanwhile is a
// ConflictError: it would be lost.
func (fs *FS) MoveFile(ctx context.Context, on Ref, from, to string, opt WriteOptions) (Undone, error) {
	m := moving{fs: fs, from: from, to: to}
	m.each = func(ctx context.Context, fn func(Item) error) error {
		var info Info
		err := fs.View(ctx, func(v *View) error {
			s, err := v.again(m.src, ActRead, from)
			if err == nil {
				info, err = s.Stat(ctx, from)
			}
			return err
		})
		if err != nil {
			return err
		}
		return fn(Item{Info: info})
	}
	return m.do(ctx, on, ActRead, from, opt)
}

// MoveFiles is MoveFile for all files whose paths begin with from, which to
// takes the place of; it may be under from itself. What the branch changes of them meanwhile is a
// ConflictError, and so is what it adds to them.
func (fs *FS) MoveFiles(ctx context.Context, on Ref, from, to string, opt WriteOptions) (Undone, error) {
	m := moving{fs: fs, from: from, to: to, under: true}
	m.each = func(ctx context.Context, fn func(Item) error) error { return fs.eachUnder(ctx, m.src, from, fn) }
	return m.do(ctx, on, ActList, "", opt)
}

// moving is a move under way.
type moving struct {
	fs       *FS
	from, to string
	under    bool      // they are prefixes
	src      *Snapshot // the branch's head when it was looked at
	each     func(context.Context, func(Item) error) error
	writer   commits.Writer
}

func (m *moving) do(ctx context.Context, on Ref, act Action, path string, opt WriteOptions) (Undone, error) {
	if m.from == m.to {
		return Undone{}, fmt.Errorf("%w: %q would be moved onto itself", ErrInvalidArgument, m.to)
	}
	var set *changeset.Set
	err := m.fs.View(ctx, func(v *View) (err error) {
		if m.src, err = v.target(on, ActWrite, path, &opt); err == nil {
			err = v.decide(m.src, act, path)
		}
		if err != nil {
			return err
		}
		spec := m.fs.spec(m.src, ActWrite, &opt, v.who)
		mayWrite := spec.Decide
		spec.Decide = func(tx objstore.Reader, at *catalog.Snapshot) error {
			v, err := m.fs.begin(context.Background(), tx)
			if err == nil {
				_, err = v.again(m.src, act, path)
			}
			return cmp.Or(err, mayWrite(tx, at))
		}
		spec.Wrote = m.fs.sys.wroteFiles(opt.ACL, v.who)
		if m.under {
			spec.AboutPrefix, spec.About = m.from, func(path string) bool { return strings.HasPrefix(path, m.from) }
		}
		if m.writer, err = v.writer(m.src, opt.ACL); err != nil {
			return err
		}
		set, err = m.fs.sys.engine.Begin(spec)
		return err
	})
	if err != nil {
		return Undone{}, err
	}
	done, err := m.into(ctx, set)
	return done, errors.Join(err, set.Close())
}

// into adds the move to set and publishes that. What is moved goes first, so that
// what comes to a path that something was moved away from stays.
func (m *moving) into(ctx context.Context, set *changeset.Set) (Undone, error) {
	err := m.each(ctx, func(it Item) error {
		return set.Add(ctx, commits.Change{Path: it.Path, State: commits.State{Deleted: true, Writer: m.writer}}, 0)
	})
	files := 0
	if err == nil {
		err = m.each(ctx, func(it Item) error {
			files++
			path := m.to + strings.TrimPrefix(it.Path, m.from)
			if err := checkPath(path); err != nil {
				return err
			}
			return set.Add(ctx, commits.Change{Path: path, State: commits.State{Entry: it.Entry, Writer: m.writer}}, 0)
		})
	}
	if err != nil {
		return Undone{}, err
	}
	id, err := set.Publish(ctx)
	return Undone{Commit: id, Files: files}, err
}
