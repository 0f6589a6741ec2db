package pfs

import (
	"context"
	"fmt"

	"caret/commits"
	"caret/commits/revision"
	"caret/objstore"
)

// SetTags gives the file at path other tags (nil: none) in a commit of its
// own. The version stays the same. version, if not nil, must lead to the
// current one: ErrReadOnly otherwise, as history does not change.
func (fs *FS) SetTags(ctx context.Context, to Ref, path string, version *Expr, tags map[string]string, opt WriteOptions) (Committed, error) {
	if err := checkPath(path); err != nil {
		return Committed{}, err
	}
	id, err := revision.NewID(fs.rand)
	if err != nil {
		return Committed{}, err
	}
	var done Committed
	err = fs.rows.Update(ctx, "", func(tx objstore.Writer) error {
		done = Committed{Existed: true}
		s, err := fs.target(tx, to, opt)
		if err != nil {
			return err
		}
		cur, err := s.current(tx, path)
		if err != nil {
			return err
		}
		if version != nil {
			at := to
			at.Version = *version
			then, err := fs.resolve(tx, at)
			if err != nil {
				return err
			}
			past, err := then.stat(tx, path)
			if err != nil {
				return err
			}
			if cur == nil || past.Commit != cur.Commit {
				return fmt.Errorf("%w: only the current version of %q can be given other tags", ErrReadOnly, path)
			}
		}
		if cur == nil {
			return fmt.Errorf("%w: %q", ErrNoSuchPath, path)
		}
		ch := []commits.Change{{Path: path, State: cur.State}}
		ch[0].Attrs.Tags, ch[0].Removed = tags, nil
		if done.Commit, err = fs.write(tx, s, id, ch, opt); err != nil {
			return err
		}
		done.Info = Info{Path: path, State: ch[0].State}
		return nil
	})
	if err != nil {
		return Committed{}, err
	}
	return done, nil
}
