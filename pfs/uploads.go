package pfs

import (
	"context"
	"errors"
	"fmt"
	"io"

	"caret/commits"
	"caret/objstore"
	"caret/objstore/budget"
	"caret/objstore/content"
	"caret/pfs/changeset"
	"caret/pfs/upload"
)

// CreateUpload begins an upload to a branch or open commit. Its author and
// message become the commit's.
func (fs *FS) CreateUpload(ctx context.Context, to Ref, path string, attrs Attrs, opt WriteOptions) (Upload, error) {
	if err := checkPath(path); err != nil {
		return Upload{}, err
	}
	id, err := upload.NewID(fs.sys.rand)
	if err != nil {
		return Upload{}, err
	}
	u := Upload{ID: id, Path: path, Started: fs.sys.timestamp(), Attrs: attrs, Message: opt.Message, ACL: opt.ACL}
	err = fs.update(ctx, about(to), nil, func(c *change) error {
		s, err := c.target(to, ActWrite, path, &opt)
		if err != nil {
			return err
		}
		u.Author, u.User = c.who.Name, c.who.ID
		return errors.Join(c.sys.engine.Touch(c.tx, &s.Snapshot), upload.Set(c.tx, upload.Into(&s.Snapshot), u))
	})
	return u, err
}

// upload finds an upload by where it goes, for who began it and the owner of the
// branch.
func (v *View) upload(to Ref, path, id string) (Upload, *Snapshot, error) {
	s, err := v.Target(to, ActWrite, path)
	if err != nil {
		return Upload{}, nil, err
	}
	u, err := upload.Read(v.tx, upload.Into(&s.Snapshot), path, id)
	if err == nil && u.User != v.who.ID {
		err = v.decide(s, ActOwn, "")
	}
	return u, s, err
}

// Upload describes one upload; ErrNoSuchUpload.
func (fs *FS) Upload(ctx context.Context, to Ref, path, id string) (u Upload, err error) {
	if err := checkPath(path); err != nil {
		return Upload{}, err
	}
	err = fs.View(ctx, func(v *View) (err error) {
		u, _, err = v.upload(to, path, id)
		return err
	})
	return u, err
}

// AbortUpload drops an upload and its parts.
func (fs *FS) AbortUpload(ctx context.Context, to Ref, path, id string) error {
	if err := checkPath(path); err != nil {
		return err
	}
	err := fs.update(ctx, about(to), nil, func(c *change) error {
		_, s, err := c.upload(to, path, id)
		if err != nil {
			return err
		}
		return upload.Drop(c.tx, upload.Into(&s.Snapshot), path, id)
	})
	if err == nil {
		fs.sys.jobs.Kick() // parts may be left over
	}
	return err
}

// Uploads lists the uploads into what a snapshot that can be written to is.
func (s *Snapshot) Uploads(ctx context.Context, opt UploadsOptions) (page UploadsPage, err error) {
	if !s.Writable || s.Home == 0 {
		return page, nil
	}
	err = s.read(ctx, func(tx objstore.Reader) (err error) {
		page, err = upload.List(tx, upload.Into(&s.Snapshot), opt)
		return err
	})
	return page, err
}

// NewPart returns a writer for part number of an upload; what its Close
// returns is then given to PutPart. sizeHint is its length in bytes, -1 if
// it is not known.
func (fs *FS) NewPart(ctx context.Context, to Ref, path, id string, number int, sizeHint int64) (Upload, *FileWriter, error) {
	if err := errors.Join(checkPath(path), upload.CheckNumber(number)); err != nil {
		return Upload{}, nil, err
	}
	var u Upload
	var first int64
	err := fs.View(ctx, func(v *View) (err error) {
		if u, _, err = v.upload(to, path, id); err == nil {
			first, err = upload.FirstSize(v.tx, id)
		}
		return err
	})
	if err != nil {
		return Upload{}, nil, err
	}
	// Nearly all clients send parts of one size but for the last. If this is
	// where it will lie, completing needs not read it again to hash the whole.
	size := max(sizeHint, first, 0)
	return u, content.NewPartWriter(ctx, fs.sys.blobs, content.Options{SizeHint: sizeHint, Budget: fs.sys.budget}, int64(number-1)*size), nil
}

// PutPart adds a part to an upload, or replaces it. It is durable when
// PutPart returns.
func (fs *FS) PutPart(ctx context.Context, to Ref, path, id string, number int, p FilePart, sum Checksum) (PartInfo, error) {
	if err := errors.Join(checkPath(path), upload.CheckNumber(number)); err != nil {
		return PartInfo{}, err
	}
	row := upload.Part{Part: p, Modified: fs.sys.timestamp(), Checksum: sum}
	err := fs.update(ctx, about(to), nil, func(c *change) error {
		_, s, err := c.upload(to, path, id)
		if err != nil {
			return err
		}
		return errors.Join(c.sys.engine.Touch(c.tx, &s.Snapshot), upload.SetPart(c.tx, id, number, row))
	})
	return row.Info(number), err
}

// PartsPage is a page of the parts of an upload.
type PartsPage struct {
	Upload Upload
	Parts  []PartInfo
	More   bool
	Owner  User // of the branch
}

// Parts lists up to limit parts with numbers above after.
func (fs *FS) Parts(ctx context.Context, to Ref, path, id string, after, limit int) (page PartsPage, err error) {
	err = fs.View(ctx, func(v *View) error {
		u, s, err := v.upload(to, path, id)
		if err != nil {
			return err
		}
		page.Upload = u
		if page.Owner, err = s.Owner(ctx); err == nil {
			page.Parts, page.More, err = upload.Parts(v.tx, id, after, limit)
		}
		return err
	})
	return page, err
}

// chosen reads the parts of an upload that are asked for.
func (fs *FS) chosen(ctx context.Context, to Ref, path, id string, asked []CompletedPart) (u Upload, parts []upload.Part, err error) {
	err = fs.View(ctx, func(v *View) error {
		if u, _, err = v.upload(to, path, id); err == nil {
			parts, err = upload.Choose(v.tx, id, asked)
		}
		return err
	})
	return u, parts, err
}

// CompleteUpload joins parts, in the order given, to a file, in a commit of
// its own. sum is the file's checksum, zero if it has none. Doing it again
// after it succeeded succeeds with the same result. ErrInvalidPart,
// ErrPartOrder, ErrPartTooSmall, ErrNoSuchUpload.
func (fs *FS) CompleteUpload(ctx context.Context, to Ref, path, id string, asked []CompletedPart, sum Checksum, opt WriteOptions) (Committed, error) {
	if err := checkPath(path); err != nil {
		return Committed{}, err
	}
	u, parts, err := fs.chosen(ctx, to, path, id, asked)
	if errors.Is(err, ErrNoSuchUpload) {
		return fs.completed(ctx, to, path, id, err)
	}
	if err != nil {
		return Committed{}, err
	}
	entry := joinedEntry(u, parts, sum)
	if entry.Content, err = content.Concat(ctx, fs.sys.blobs, fs.sys.budget, upload.Join(parts)); err != nil {
		return Committed{}, err
	}
	if opt.ACL == nil {
		opt.ACL = u.ACL
	}
	if opt.Message == "" {
		opt.Message = u.Message
	}
	done, err := fs.put(ctx, to, path, entry, opt, func(c *change, s *Snapshot) (func(CommitID) error, error) {
		u, _, err := c.upload(to, path, id)
		if err != nil {
			return nil, err
		}
		return func(made CommitID) error { return c.sys.endUpload(c.tx, s, u, made) }, nil
	})
	if errors.Is(err, ErrNoSuchUpload) { // somebody else completed it meanwhile
		return fs.completed(ctx, to, path, id, err)
	}
	if err == nil {
		fs.sys.leftOver(parts)
	}
	return done, err
}

// joinedEntry is the file that parts make, but for its content.
func joinedEntry(u Upload, parts []upload.Part, sum Checksum) commits.Entry {
	entry := commits.Entry{Attrs: u.Attrs, Parts: make([]int64, len(parts))}
	for i := range parts {
		entry.Parts[i] = parts[i].Part.Root.Size
		if v := parts[i].Checksum.Value; v != "" && sum.Algorithm != "" {
			entry.PartSums = append(entry.PartSums, v)
		}
	}
	if len(entry.PartSums) < len(parts) {
		entry.PartSums = nil
	}
	entry.Attrs.Checksum = sum
	return entry
}

// leftOver has the parts of an upload removed that is over, if they were too many for the
// transaction that ended it.
func (s *System) leftOver(parts []upload.Part) {
	if len(parts) >= upload.DropStep {
		s.jobs.Kick()
	}
}

// endUpload ends an upload with the commit that was made of it.
func (s *System) endUpload(tx objstore.Writer, into *Snapshot, u Upload, made CommitID) error {
	done := upload.Completed{Commit: made, Open: into.Open, Path: u.Path, Lineage: into.Home, At: s.timestamp()}
	return upload.Complete(tx, upload.Into(&into.Snapshot), u, done)
}

// CompleteInto makes the parts of an upload, joined, the files that fill adds to
// a batch: an archive's, all of them in one commit or none. The upload is then
// done; if that fails it stays. Otherwise it is like CompleteUpload.
func (fs *FS) CompleteInto(ctx context.Context, to Ref, path, id string, asked []CompletedPart, opt WriteOptions, fill func(io.Reader, *Batch) error) (CommitID, error) {
	u, parts, err := fs.chosen(ctx, to, path, id, asked)
	if errors.Is(err, ErrNoSuchUpload) {
		done, err := fs.completed(ctx, to, path, id, err)
		return done.Commit, err
	}
	if err != nil {
		return CommitID{}, err
	}
	release, err := fs.sys.lease.Hold(ctx)
	if err != nil {
		return CommitID{}, err
	}
	defer release()
	attempt, end := fs.sys.lease.Begin()
	defer end()
	scope, err := fs.claimUpload(ctx, to, path, id, attempt)
	if err != nil && !errors.Is(err, ErrUnknownOutcome) {
		return CommitID{}, err
	}
	if err != nil {
		return CommitID{}, errors.Join(err, fs.unclaimUpload(ctx, to, scope, path, id, attempt))
	}
	if opt.ACL == nil {
		opt.ACL = u.ACL
	}
	made, err := fs.fillBatch(ctx, to, parts, opt, func(spec *changeset.Spec, s *Snapshot) {
		spec.Ends = func(tx objstore.Writer, made CommitID) error {
			u, err := fs.ownUpload(tx, upload.Into(&s.Snapshot), path, id, attempt)
			if err != nil {
				return err
			}
			return fs.sys.endUpload(tx, s, u, made)
		}
	}, fill)
	if err == nil {
		fs.sys.leftOver(parts)
		return made, nil
	}
	if errors.Is(err, ErrNoSuchUpload) { // somebody else completed it meanwhile
		done, err := fs.completed(ctx, to, path, id, err)
		return done.Commit, err
	}
	return CommitID{}, errors.Join(err, fs.unclaimUpload(ctx, to, scope, path, id, attempt))
}

// fillBatch makes a commit of what fill makes of the content of parts.
func (fs *FS) fillBatch(ctx context.Context, to Ref, parts []upload.Part, opt WriteOptions, more func(*changeset.Spec, *Snapshot), fill func(io.Reader, *Batch) error) (CommitID, error) {
	whole, err := content.Concat(ctx, fs.sys.blobs, fs.sys.budget, upload.Join(parts))
	if err != nil {
		return CommitID{}, err
	}
	// What is read is held while members are written: counted as one, so that nobody
	// waits for a buffer who keeps one.
	reading := fs.sys.budget.None(budget.Work)
	defer reading.Release()
	if err := reading.Grow(content.ReadMemory); err != nil {
		return CommitID{}, err
	}
	r, err := content.NewReader(ctx, fs.sys.blobs, nil, whole.Root, 0, -1)
	if err != nil {
		return CommitID{}, err
	}
	defer r.Close()
	b, err := fs.batch(ctx, to, opt, more)
	if err != nil {
		return CommitID{}, err
	}
	err = fill(r, b)
	var id CommitID
	if err == nil {
		id, err = b.Finish(ctx)
	}
	return id, errors.Join(err, b.Close())
}

// claimUpload makes this attempt the only one that completes an upload, and says
// where that goes.
func (fs *FS) claimUpload(ctx context.Context, to Ref, path, id, attempt string) (scope upload.Scope, err error) {
	err = fs.update(ctx, about(to), nil, func(c *change) error {
		u, s, err := c.upload(to, path, id)
		if err != nil {
			return err
		}
		busy, err := c.sys.lease.Busy(c.tx, u.Owner, u.Attempt, c.sys.now())
		if err == nil && busy {
			err = fmt.Errorf("%w: upload %s is being completed", ErrConflict, id)
		}
		if err != nil {
			return err
		}
		u.Owner, u.Attempt = c.sys.lease.Owner(), attempt
		scope = upload.Into(&s.Snapshot)
		return upload.Set(c.tx, scope, u)
	})
	return scope, err
}

// ownUpload reads an upload that must still be this attempt's to complete.
func (fs *FS) ownUpload(tx objstore.Reader, scope upload.Scope, path, id, attempt string) (Upload, error) {
	u, err := upload.Read(tx, scope, path, id)
	if err == nil && (u.Owner != fs.sys.lease.Owner() || u.Attempt != attempt) {
		err = fmt.Errorf("%w: upload %s was taken over by somebody else, as this took too long", ErrConflict, id)
	}
	return u, err
}

// unclaimUpload lets others complete an upload, even if ctx has ended.
func (fs *FS) unclaimUpload(ctx context.Context, to Ref, scope upload.Scope, path, id, attempt string) error {
	return fs.sys.db.Update(context.WithoutCancel(ctx), about(to), func(tx objstore.Writer) error {
		u, err := fs.ownUpload(tx, scope, path, id, attempt)
		if errors.Is(err, ErrConflict) || errors.Is(err, ErrNoSuchUpload) {
			return nil
		}
		if err != nil {
			return err
		}
		u.Owner, u.Attempt = "", ""
		return upload.Set(tx, scope, u)
	})
}

// completed is the outcome of an upload that was completed before; missing
// if it was not.
func (fs *FS) completed(ctx context.Context, to Ref, path, id string, missing error) (Committed, error) {
	var done Committed
	err := fs.View(ctx, func(v *View) error {
		s, err := v.Open(to, ActWrite, path)
		if err != nil {
			return err
		}
		row, err := upload.ReadCompleted(v.tx, id)
		if errors.Is(err, ErrNoSuchUpload) || err == nil && (row.Lineage != s.Home || row.Path != path) {
			return missing
		}
		if err != nil {
			return err
		}
		at, err := s.ToCommit(v.tx, row.Commit)
		if err != nil {
			return err
		}
		done.Commit, done.Existed = row.Commit, false
		if done.Info, err = v.snapshot(at).stat(v.tx, path); errors.Is(err, ErrNoSuchPath) {
			err = nil // an archive, of which only the members are there
		}
		return err
	})
	return done, err
}
