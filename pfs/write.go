package pfs

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"caret/commits"
	"caret/commits/revision"
	"caret/objstore"
	"caret/objstore/content"
	"caret/pfs/access"
	"caret/pfs/catalog"
	"caret/pfs/changeset"
)

// WriteOptions are what a write may say besides what is written.
type WriteOptions struct {
	Message string
	// IfHead makes the write conditional: the branch's head must be the
	// commit that this id or expression means when the write is made visible.
	// ErrPrecondition otherwise, with what the head is.
	IfHead string
	// If is about the file that is written.
	If Condition
	// ACL is that of the file that is written. nil is the default: who neither
	// owns the branch nor is an administrator owns what it writes, and otherwise
	// the branch's owner does.
	ACL *ACL
	// Source is, in a copy, where the file was found: that it may be read is decided
	// again with the write. nil if it was not looked up by a name.
	Source *Snapshot
}

// Condition is decided against the file at the path in the transaction that
// makes the commit, so it holds against concurrent writers.
type Condition struct {
	// IfMatch: the file must exist (ErrNoSuchPath) and match (ErrPrecondition).
	IfMatch *Match
	// IfNoneMatch: it must not exist or not match. ErrPrecondition.
	IfNoneMatch *Match
}

// Match fits files by the hash of their content.
type Match struct {
	Any    bool // every file
	Hashes []Hash
	MD5s   []string // as Checksum has them
}

// Fits says whether i is such a file.
func (m *Match) Fits(i *Info) bool {
	md5 := i.Attrs.Checksum.MD5
	return m.Any || slices.Contains(m.Hashes, i.Content.Hash) || md5 != "" && slices.Contains(m.MD5s, md5)
}

// check decides about cur, nil if the path has no file.
func (c *Condition) check(path string, cur *Info) error {
	switch {
	case c.IfMatch != nil && cur == nil:
		return fmt.Errorf("%w: %q", ErrNoSuchPath, path)
	case c.IfMatch != nil && !c.IfMatch.Fits(cur):
		return fmt.Errorf("%w: %q has other content", ErrPrecondition, path)
	case c.IfNoneMatch != nil && cur != nil && c.IfNoneMatch.Fits(cur):
		return fmt.Errorf("%w: %q exists", ErrPrecondition, path)
	}
	return nil
}

// Committed is the outcome of a write.
type Committed struct {
	// Commit is the commit that the write made, or the open commit that it
	// is staged in.
	Commit CommitID
	// Info is the file as the write left it.
	Info Info
	// Existed says that the path had a file before.
	Existed bool
}

// NewFile returns a writer for the content of a file; what its Close returns
// is then given a name by Put. sizeHint is the length in bytes, -1 if it is
// not known.
func (fs *FS) NewFile(ctx context.Context, sizeHint int64) *FileWriter {
	return content.NewWriter(ctx, fs.sys.blobs, content.Options{SizeHint: sizeHint, Budget: fs.sys.budget})
}

// Put makes path of a branch (or of an open commit) a file with content c,
// in a commit of its own. The commit is durable when Put returns.
// ErrReadOnly if to is something else; ErrPrecondition, ErrInvalidPath, and
// what View.Open says of to.
func (fs *FS) Put(ctx context.Context, to Ref, path string, c content.Content, attrs Attrs, opt WriteOptions) (Committed, error) {
	return fs.put(ctx, to, path, commits.Entry{Content: c, Attrs: attrs}, opt, nil)
}

// Copy makes path a file with the content of from, which moves no bytes.
// attrs nil keeps those of from.
func (fs *FS) Copy(ctx context.Context, from Info, to Ref, path string, attrs *Attrs, opt WriteOptions) (Committed, error) {
	entry := from.Entry
	if attrs != nil {
		entry.Attrs = *attrs
	}
	return fs.put(ctx, to, path, entry, opt, func(c *change, _ *Snapshot) (func(CommitID) error, error) {
		if opt.Source == nil {
			return nil, nil
		}
		_, err := c.again(opt.Source, ActRead, from.Path)
		return nil, err
	})
}

// put makes entry the state of path. first, if not nil, runs before it in the
// same transaction, and what it returns then.
func (fs *FS) put(ctx context.Context, to Ref, path string, entry commits.Entry, opt WriteOptions, first func(*change, *Snapshot) (then func(CommitID) error, err error)) (Committed, error) {
	if err := checkPath(path); err != nil {
		return Committed{}, err
	}
	id, err := revision.NewID(fs.sys.rand)
	if err != nil {
		return Committed{}, err
	}
	var done Committed
	err = fs.update(ctx, about(to), made(id), func(c *change) error {
		done = Committed{}
		s, err := c.target(to, ActWrite, path, &opt)
		if err != nil {
			return err
		}
		var then func(CommitID) error
		if first != nil {
			if then, err = first(c, s); err != nil {
				return err
			}
		}
		cur, err := s.current(c.tx, path)
		if err != nil {
			return err
		}
		if err := opt.If.check(path, cur); err != nil {
			return err
		}
		done.Existed = cur != nil
		ch := []commits.Change{{Path: path, State: commits.State{Entry: entry}}}
		if done.Commit, err = c.write(s, id, ch, &opt); err != nil {
			return err
		}
		done.Info = ch[0]
		if then != nil {
			return then(done.Commit)
		}
		return nil
	})
	if err != nil {
		return Committed{}, err
	}
	return done, nil
}

// write makes the changes a commit of the branch, or stages them, and fills
// in what they were given.
func (c *change) write(s *Snapshot, id CommitID, changes []commits.Change, opt *WriteOptions) (CommitID, error) {
	writer, err := c.writer(s, opt.ACL)
	if err != nil {
		return CommitID{}, err
	}
	for i := range changes {
		changes[i].Writer = writer
	}
	spec := changeset.Spec{Author: c.who.Name, Message: opt.Message, User: c.who.ID, Wrote: c.sys.wroteFiles(opt.ACL, c.who)}
	return c.sys.engine.Write(c.tx, &s.Snapshot, id, changes, &spec)
}

// writer is what files say of the caller that it writes to s with an ACL, or
// with none.
func (v *View) writer(s *Snapshot, a *ACL) (commits.Writer, error) {
	if a != nil || v.who.Admin {
		return commits.Writer{}, nil
	}
	set, err := access.ReadSettings(v.tx, &s.Snapshot)
	if err != nil {
		return commits.Writer{}, err
	}
	return set.Writer(v.who), nil
}

// wroteFiles gives files that were written by a caller their ACL, nil the default one.
func (s *System) wroteFiles(a *ACL, by Caller) func(objstore.Writer, *catalog.Snapshot, []commits.Change) error {
	return func(tx objstore.Writer, at *catalog.Snapshot, changes []commits.Change) error {
		if a == nil && !at.Open {
			return nil // a version that is new has none
		}
		set, err := access.ReadSettings(tx, at)
		if err != nil {
			return err
		}
		for _, ch := range changes {
			if ch.Deleted {
				continue
			}
			// What is staged again is the same version, and loses what it had.
			if err := set.SetFileACL(tx, ch.Path, ch.Commit, a); err != nil {
				return err
			}
		}
		if opensToOthers(a) {
			return s.auditWritten(tx, by, at, changes, a)
		}
		return nil
	}
}

// current is the file at path, nil if there is none.
func (s *Snapshot) current(tx objstore.Reader, path string) (*Info, error) {
	info, err := s.stat(tx, path)
	if errors.Is(err, ErrNoSuchPath) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &info, nil
}
