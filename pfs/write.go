package pfs

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"unicode/utf8"

	"caret/commits"
	"caret/commits/revision"
	"caret/objstore"
	"caret/objstore/content"
)

// WriteOptions are what a write may say besides what is written.
type WriteOptions struct {
	Author, Message string
	User            string // the ID of who writes
	// IfHead makes the write conditional: the branch's head must be the
	// commit that this id or expression means. ErrPrecondition otherwise.
	IfHead string
	// If is about the file that is written.
	If Condition
	// ACL is that of the file that is written; nil is the default, that its
	// branch's owner alone may read it.
	ACL *ACL
	// On, if set, must be of the branch that is written to, which was then
	// authorized: another one of the name may have taken its place.
	On *Snapshot
	// DryRun makes a Revert and a RestoreFiles only find out what they would
	// change. Their errors are the same.
	DryRun bool

	internal bool      // an open commit that is part of one request
	merges   bool      // a merge, which protected branches take too
	base     *Snapshot // what an open commit is based on, if not on the head
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
	Hashes []objstore.Hash
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
	Commit commits.ID
	// Info is the file as the write left it.
	Info Info
	// Existed says that the path had a file before.
	Existed bool
}

// NewFile returns a writer for the content of a file; what its Close returns
// is then given a name by Put. sizeHint is the length in bytes, -1 if it is
// not known.
func (fs *FS) NewFile(ctx context.Context, sizeHint int64) *content.Writer {
	return content.NewWriter(ctx, fs.blobs, content.Options{SizeHint: sizeHint})
}

// Put makes path of a branch (or of an open commit) a file with content c,
// in a commit of its own. The commit is durable when Put returns.
// ErrReadOnly if to is something else; ErrPrecondition, ErrInvalidPath, and
// what Resolve says of to.
func (fs *FS) Put(ctx context.Context, to Ref, path string, c content.Content, attrs commits.Attrs, opt WriteOptions) (Committed, error) {
	entry := commits.Entry{Content: c, Attrs: attrs}
	return fs.put(ctx, to, path, entry, opt, nil)
}

// Copy makes path a file with the content of from, which moves no bytes.
// attrs nil keeps those of from.
func (fs *FS) Copy(ctx context.Context, from Info, to Ref, path string, attrs *commits.Attrs, opt WriteOptions) (Committed, error) {
	entry := from.Entry
	if attrs != nil {
		entry.Attrs = *attrs
	}
	return fs.put(ctx, to, path, entry, opt, nil)
}

// put makes entry the state of path; also runs in the same transaction.
func (fs *FS) put(ctx context.Context, to Ref, path string, entry commits.Entry, opt WriteOptions, also func(objstore.Writer, Committed) error) (Committed, error) {
	if err := checkPath(path); err != nil {
		return Committed{}, err
	}
	id, err := revision.NewID(fs.rand)
	if err != nil {
		return Committed{}, err
	}
	var done Committed
	err = fs.rows.Update(ctx, "", func(tx objstore.Writer) error {
		done = Committed{}
		s, err := fs.target(tx, to, opt)
		if err != nil {
			return err
		}
		cur, err := s.current(tx, path)
		if err != nil {
			return err
		}
		if err := opt.If.check(path, cur); err != nil {
			return err
		}
		done.Existed = cur != nil
		ch := []commits.Change{{Path: path, State: commits.State{Entry: entry}}}
		if done.Commit, err = fs.write(tx, s, id, ch, opt); err != nil {
			return err
		}
		done.Info = Info{Path: path, State: ch[0].State}
		if err := s.setFileACL(tx, path, done.Info.Commit, opt.ACL); err != nil {
			return err
		}
		if also != nil {
			return also(tx, done)
		}
		return nil
	})
	if err != nil {
		return Committed{}, err
	}
	return done, nil
}

// Target is what a write to ref writes to, or why it would be refused: what
// Resolve says of it, or ErrReadOnly.
func (fs *FS) Target(ctx context.Context, ref Ref) (*Snapshot, error) {
	var s *Snapshot
	err := fs.rows.View(ctx, func(tx objstore.Reader) (err error) {
		if s, err = fs.target(tx, ref, WriteOptions{}); err != nil {
			return err
		}
		_, err = s.view(tx) // so that the write finds remembered what lies beneath forks
		return err
	})
	return s, err
}

// target resolves what is to be written to and checks that it may be.
func (fs *FS) target(tx objstore.Reader, to Ref, opt WriteOptions) (*Snapshot, error) {
	s, err := fs.resolve(tx, to)
	if err == nil {
		err = checkText("message", opt.Message)
	}
	if err != nil {
		return nil, err
	}
	if opt.On != nil && (opt.On.home != s.home || opt.On.repo.ID != s.repo.ID) {
		return nil, fmt.Errorf("%w: %s was deleted meanwhile; there is another one of that name", ErrNoSuchBranch, opt.On.Branch)
	}
	ifHead := opt.IfHead
	if !s.Writable {
		return nil, readOnly(tx, s)
	}
	if s.protected && !opt.merges {
		return nil, protected(s.Branch, s.Repo)
	}
	if s.finishing {
		return nil, fmt.Errorf("%w: commit %s is being finished", ErrConflict, s.ID)
	}
	if ifHead == "" {
		return s, nil
	}
	x, err := revision.Parse(ifHead)
	if err != nil {
		return nil, err
	}
	to.Version = x
	want, err := fs.resolve(tx, to)
	if err != nil && !errors.Is(err, ErrNoSuchVersion) && !errors.Is(err, ErrNoSuchCommit) {
		return nil, err
	}
	if err != nil || want.ID != s.ID {
		return nil, fmt.Errorf("%w: the head of branch %s is not %s", ErrPrecondition, s.Branch, ifHead)
	}
	return s, nil
}

// MaxText is how many bytes a message, a description or a name for people may
// have: a page of a listing holds a thousand of them.
const MaxText = 16 << 10

// checkText says why s cannot be what is said to be.
func checkText(what, s string) error {
	switch {
	case len(s) > MaxText:
		return fmt.Errorf("%w: a %s of %d bytes, at most %d are allowed", ErrInvalidArgument, what, len(s), MaxText)
	case !utf8.ValidString(s):
		return fmt.Errorf("%w: the %s is not UTF-8", ErrInvalidArgument, what)
	}
	return nil
}

func protected(branch, repo string) error {
	return fmt.Errorf("%w: branch %s of repo %s is protected; it takes merges only", ErrDenied, branch, repo)
}

// readOnly tells what could be written to instead.
func readOnly(tx objstore.Reader, s *Snapshot) error {
	branch := s.Branch
	if branch == "" {
		branch = s.repo.DefaultBranch
	}
	if _, err := readBranchRow(tx, s.repo, branch); err != nil {
		return fmt.Errorf("%w: commit %s of repo %s is history", ErrReadOnly, s.ID, s.Repo)
	}
	return fmt.Errorf("%w: commit %s of repo %s is history; write to %s.%s", ErrReadOnly, s.ID, s.Repo, branch, s.Repo)
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

// write makes the changes a commit of the branch, or stages them, and fills
// in what they were given.
func (fs *FS) write(tx objstore.Writer, s *Snapshot, id commits.ID, changes []commits.Change, opt WriteOptions) (commits.ID, error) {
	meta := commits.Meta{ID: id, Time: fs.timestamp(), Author: opt.Author, Message: opt.Message}
	if !s.Open && meta.Time.Before(s.Time) {
		meta.Time = s.Time // a clock that went back
	}
	for i := range changes {
		if changes[i].Commit.IsZero() { // else it is an older version again
			changes[i].Modified = meta.Time
		}
	}
	if !s.Open {
		_, err := commits.Append(tx, s.line, changes, meta)
		return id, err
	}
	return s.ID, errors.Join(s.touch(tx), s.stage(tx, changes))
}

// stage adds changes to an open commit. Deleting what its parent does not
// have only takes back what was staged.
func (s *Snapshot) stage(tx objstore.Writer, changes []commits.Change) error {
	parent, err := s.fs.forks.View(tx, s.pos, commits.ID{})
	if err != nil {
		return err
	}
	for i := range changes {
		ch := &changes[i]
		if ch.Commit.IsZero() {
			ch.Commit = s.ID
		}
		if ch.Deleted && ch.Commit == s.ID { // else it stays deleted
			st, err := parent.Lookup(ch.Path)
			if errors.Is(err, commits.ErrNoPath) || err == nil && st.Deleted {
				if err := commits.Unstage(tx, s.ID, ch.Path); err != nil {
					return err
				}
				continue
			}
			if err != nil {
				return err
			}
		}
		if err := commits.Stage(tx, s.ID, *ch); err != nil {
			return err
		}
	}
	return nil
}
