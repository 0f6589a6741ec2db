package pfs

import (
	"context"
	"fmt"
	"strings"

	"caret/commits"
)

// CopyFiles makes every file of from whose path begins with prefix one of to
// with dest in the place of prefix, in one commit, which moves no content.
// Attributes and tags are kept. may, if not nil, is asked about each path that
// is read. ErrNoSuchPath if there are none.
func (fs *FS) CopyFiles(ctx context.Context, from *Snapshot, prefix string, to Ref, dest string, may func(path string) error, opt WriteOptions) (Undone, error) {
	b, err := fs.NewBatch(ctx, to, opt)
	if err != nil {
		return Undone{}, err
	}
	for info, err := range from.All(ctx, prefix) {
		path := dest + strings.TrimPrefix(info.Path, prefix)
		if err == nil && may != nil {
			err = may(info.Path)
		}
		if err == nil {
			err = checkPath(path)
		}
		if err == nil {
			err = b.add(ctx, commits.Change{Path: path, State: commits.State{Entry: info.Entry}})
		}
		if err != nil {
			return Undone{}, joinClose(err, b)
		}
	}
	if b.Files == 0 {
		return Undone{}, joinClose(fmt.Errorf("%w: nothing is under %q", ErrNoSuchPath, prefix), b)
	}
	id, err := b.Finish(ctx)
	if err != nil {
		return Undone{}, joinClose(err, b)
	}
	return Undone{Commit: id, Files: b.Files}, nil
}
