package pfs

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"caret/commits"
	"caret/pfs/changeset"
)

// Batch collects files that become visible together, in one commit, however
// many there are. It is for one goroutine.
type Batch struct {
	set *changeset.Set
	acl int // about how many bytes the ACL of a file takes
	// writer is what the files say of who adds them.
	writer commits.Writer
}

// NewBatch begins a batch. Close must be called; what was not finished by
// then is dropped. If to is an open commit the files are staged in it.
func (fs *FS) NewBatch(ctx context.Context, to Ref, opt WriteOptions) (*Batch, error) {
	return fs.batch(ctx, to, opt, func(*changeset.Spec, *Snapshot) {})
}

func (fs *FS) batch(ctx context.Context, to Ref, opt WriteOptions, more func(*changeset.Spec, *Snapshot)) (*Batch, error) {
	b := &Batch{}
	err := fs.View(ctx, func(v *View) error {
		s, err := v.target(to, ActWrite, "", &opt)
		if err != nil {
			return err
		}
		spec := fs.spec(s, ActWrite, &opt, v.who)
		spec.Policy = changeset.Always(Theirs) // the last writer wins, as with puts
		spec.Wrote = fs.sys.wroteFiles(opt.ACL, v.who)
		more(&spec, s)
		if b.writer, err = v.writer(s, opt.ACL); err != nil {
			return err
		}
		b.set, err = fs.sys.engine.Begin(spec)
		return err
	})
	if opt.ACL != nil {
		b.acl = 200 + 120*len(opt.ACL.Grants)
	}
	return b, err
}

// Add adds a file. A later one of the same path replaces it.
func (b *Batch) Add(ctx context.Context, path string, p FilePart, attrs Attrs) error {
	if err := checkPath(path); err != nil {
		return err
	}
	entry := commits.Entry{Content: p.Content, Attrs: attrs}
	return b.set.Add(ctx, commits.Change{Path: path, State: commits.State{Entry: entry, Writer: b.writer}}, b.acl)
}

// Files is how many files were added.
func (b *Batch) Files() int { return b.set.Added() }

// Finish makes the files visible, and returns the commit that has them.
func (b *Batch) Finish(ctx context.Context) (CommitID, error) { return b.set.Publish(ctx) }

// Close drops what was not finished.
func (b *Batch) Close() error { return b.set.Close() }

// CopyFiles makes every file of from whose path begins with prefix one of to
// with dest in the place of prefix, in one commit, which moves no content.
// Attributes and tags are kept. Who does not own the branch that is read from
// must be allowed to read every file. ErrNoSuchPath if there are none.
func (fs *FS) CopyFiles(ctx context.Context, from Ref, prefix string, to Ref, dest string, opt WriteOptions) (Undone, error) {
	var src *Snapshot
	var set *changeset.Set
	var writer commits.Writer
	err := fs.View(ctx, func(v *View) (err error) {
		if src, err = v.Open(from, ActList, ""); err != nil {
			return err
		}
		s, err := v.target(to, ActWrite, "", &opt)
		if err != nil {
			return err
		}
		if src.Repo == s.Repo && src.Branch == s.Branch && src.ID == s.ID && prefix == dest {
			return fmt.Errorf("%w: %q would be copied onto itself", ErrInvalidArgument, dest)
		}
		spec := fs.spec(s, ActWrite, &opt, v.who)
		spec.Policy = changeset.Always(Theirs)
		spec.Wrote = fs.sys.wroteFiles(opt.ACL, v.who) // also so that none keeps the ACL of what was staged there
		if writer, err = v.writer(s, opt.ACL); err != nil {
			return err
		}
		set, err = fs.sys.engine.Begin(spec)
		return err
	})
	if err != nil {
		return Undone{}, err
	}
	if err := fs.copyInto(ctx, set, src, prefix, dest, writer); err != nil {
		return Undone{}, errors.Join(err, set.Close())
	}
	id, err := set.Publish(ctx)
	return Undone{Commit: id, Files: set.Added()}, errors.Join(err, set.Close())
}

// copyInto adds to set what is to be copied.
func (fs *FS) copyInto(ctx context.Context, set *changeset.Set, src *Snapshot, prefix, dest string, writer commits.Writer) error {
	return fs.eachUnder(ctx, src, prefix, func(it Item) error {
		path := dest + strings.TrimPrefix(it.Path, prefix)
		if err := checkPath(path); err != nil {
			return err
		}
		return set.Add(ctx, commits.Change{Path: path, State: commits.State{Entry: it.Entry, Writer: writer}}, 0)
	})
}

// eachUnder calls fn for the files whose paths begin with prefix, a page in each
// transaction. The caller must be allowed to read all of them. ErrNoSuchPath if
// there are none.
func (fs *FS) eachUnder(ctx context.Context, src *Snapshot, prefix string, fn func(Item) error) error {
	opt := ListOptions{Prefix: prefix, Limit: allPage}
	for found := false; ; {
		var page ListPage
		err := fs.View(ctx, func(v *View) (err error) {
			s, err := v.again(src, ActList, "")
			if err != nil {
				return err
			}
			if page, err = s.List(ctx, opt); err != nil {
				return err
			}
			return v.mayReadAll(s, page.Items)
		})
		if err != nil {
			return err
		}
		for _, it := range page.Items {
			found = true
			if err := fn(it); err != nil {
				return err
			}
		}
		switch {
		case page.Truncated:
			opt.After = page.Next
		case !found:
			return fmt.Errorf("%w: nothing is under %q", ErrNoSuchPath, prefix)
		default:
			return nil
		}
	}
}

// mayReadAll says with ErrDenied that the caller may not read all the files.
func (v *View) mayReadAll(s *Snapshot, items []Item) error {
	if v.decide(s, ActReadAll, "") == nil {
		return nil
	}
	for _, it := range items {
		if err := v.decide(s, ActRead, it.Path); err != nil {
			return err
		}
	}
	return nil
}
