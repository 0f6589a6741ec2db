package pfs

import (
	"context"
	"fmt"

	"caret/commits"
	"caret/commits/revision"
	"caret/pfs/changeset"
)

// SetTags gives the file at path other tags (nil: none) in a commit of its
// own. The version stays the same. version, if not nil, must lead to the
// current one: ErrReadOnly otherwise, as history does not change.
func (fs *FS) SetTags(ctx context.Context, to Ref, path string, version *revision.Expr, tags map[string]string, opt WriteOptions) (Committed, error) {
	if err := checkPath(path); err != nil {
		return Committed{}, err
	}
	id, err := revision.NewID(fs.sys.rand)
	if err != nil {
		return Committed{}, err
	}
	var done Committed
	err = fs.update(ctx, about(to), made(id), func(c *change) error {
		done = Committed{Existed: true}
		s, err := c.target(to, ActWrite, path, &opt)
		if err != nil {
			return err
		}
		cur, err := s.current(c.tx, path)
		if err != nil {
			return err
		}
		if version != nil {
			at := to
			at.Version = *version
			if err := c.isCurrent(at, path, cur); err != nil {
				return err
			}
		}
		if cur == nil {
			return fmt.Errorf("%w: %q", ErrNoSuchPath, path)
		}
		ch := []commits.Change{*cur}
		ch[0].Attrs.Tags, ch[0].Removed = tags, nil
		spec := changeset.Spec{Author: c.who.Name, Message: opt.Message}
		if done.Commit, err = c.sys.engine.Write(c.tx, &s.Snapshot, id, ch, &spec); err != nil {
			return err
		}
		done.Info = ch[0]
		return nil
	})
	if err != nil {
		return Committed{}, err
	}
	return done, nil
}

// isCurrent refuses a ref that leads to another version of path than the current
// one, and one to what the caller may not write to: what is there is not told.
func (v *View) isCurrent(at Ref, path string, cur *Info) error {
	then, err := v.Open(at, ActWrite, path)
	if err != nil {
		return err
	}
	past, err := then.stat(v.tx, path)
	if err != nil {
		return err
	}
	if cur == nil || past.Commit != cur.Commit {
		return fmt.Errorf("%w: only the current version of %q can be given other tags", ErrReadOnly, path)
	}
	return nil
}
