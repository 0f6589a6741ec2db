package pfs

import (
	"context"
	"errors"
	"fmt"

	"caret/commits"
	"caret/commits/revision"
	"caret/objstore"
)

// Batch collects files that become visible together, in one commit, however
// many there are.
type Batch struct {
	fs   *FS
	to   Ref // the open commit that takes them
	repo string
	id   CommitID
	own  bool // the open commit was started here
	// strict: what changed on the branch meanwhile, at what is staged or at
	// decided, is a conflict.
	strict  bool
	decided func(path string) bool
	unmoved bool       // the branch may not have moved at all
	merged  []CommitID // further parents
	opt     WriteOptions
	staged  map[string]commits.Change
	size    int
	total   int // bytes of paths and attributes so far
	Files   int // added so far
}

// maxBatch is how many bytes of paths and attributes a batch may have: they
// are all rows, and take memory beyond their size until they are folded in.
const maxBatch = 64 << 20

// batchRows and batchBytes are when a batch is staged: well within a
// transaction.
const (
	batchRows  = 500
	batchBytes = 512 << 10
)

// NewBatch begins a batch. Close must be called; what was not finished by
// then is dropped. If to is an open commit the files are staged in it.
func (fs *FS) NewBatch(ctx context.Context, to Ref, opt WriteOptions) (*Batch, error) {
	s, err := fs.Resolve(ctx, to)
	if err != nil {
		return nil, err
	}
	b := &Batch{fs: fs, to: to, repo: to.Repo, id: s.ID, opt: opt, unmoved: opt.IfHead != "", staged: make(map[string]commits.Change)}
	if s.Open {
		return b, nil
	}
	opt.internal = true
	o, err := fs.StartCommit(ctx, to, opt)
	if err != nil {
		return nil, err
	}
	b.own, b.id, b.to = true, o.ID, Ref{Repo: to.Repo, Base: revision.Expr{Base: o.ID.String()}}
	return b, nil
}

// Add adds a file. A later one of the same path replaces it.
func (b *Batch) Add(ctx context.Context, path string, p FilePart, attrs Attrs) error {
	if err := checkPath(path); err != nil {
		return err
	}
	if b.total += len(path) + attrsSize(&attrs); b.total > maxBatch {
		return fmt.Errorf("%w: the paths and attributes of the files are more than %d MiB", ErrTooLarge, maxBatch>>20)
	}
	return b.add(ctx, commits.Change{Path: path, State: commits.State{Entry: commits.Entry{Content: p.Content, Attrs: attrs}}})
}

func (b *Batch) add(ctx context.Context, ch commits.Change) error {
	b.Files++
	b.staged[ch.Path] = ch
	b.size += b.sizeOf(&ch)
	// What goes into somebody's open commit waits for Finish: nobody would
	// drop it if the batch fails.
	if b.own && (len(b.staged) >= batchRows || b.size >= batchBytes) {
		return b.flush(ctx)
	}
	return nil
}

// flush stages what was added, a transaction's worth at a time.
func (b *Batch) flush(ctx context.Context) error {
	var step []commits.Change
	size := 0
	for _, ch := range b.staged {
		step = append(step, ch)
		size += b.sizeOf(&ch)
		if len(step) < batchRows && size < batchBytes {
			continue
		}
		if err := b.stage(ctx, step); err != nil {
			return err
		}
		step, size = nil, 0
	}
	clear(b.staged)
	b.size = 0
	return b.stage(ctx, step)
}

// sizeOf is about how many bytes of rows a change takes.
func (b *Batch) sizeOf(ch *commits.Change) int {
	size := len(ch.Path) + attrsSize(&ch.Attrs)
	if b.opt.ACL != nil {
		size += 200 + 120*len(b.opt.ACL.Grants)
	}
	return size
}

func (b *Batch) stage(ctx context.Context, changes []commits.Change) error {
	if len(changes) == 0 {
		return nil
	}
	return b.fs.rows.Update(ctx, "", func(tx objstore.Writer) error {
		s, err := b.fs.target(tx, b.to, WriteOptions{})
		if err != nil {
			return err
		}
		staged := append([]commits.Change(nil), changes...)
		if _, err := b.fs.write(tx, s, b.id, staged, b.opt); err != nil {
			return err
		}
		for i := range staged {
			if staged[i].Commit != b.id {
				continue // an older version again, with what was granted on it
			}
			if err := s.setFileACL(tx, staged[i].Path, staged[i].Commit, b.opt.ACL); err != nil {
				return err
			}
		}
		return nil
	})
}

// Finish makes the files visible, and returns the commit that has them.
func (b *Batch) Finish(ctx context.Context) (CommitID, error) {
	if err := b.flush(ctx); err != nil {
		return CommitID{}, err
	}
	if !b.own {
		return b.id, nil
	}
	f := finish{fs: b.fs, id: b.id, unmoved: b.unmoved, merges: b.opt.merges, merged: b.merged, decided: b.decided}
	if !b.strict {
		f.opt.Strategy = Theirs
	}
	c, err := f.do(ctx, b.repo)
	if err == nil {
		b.own = false
	}
	return c.ID, err
}

// Close drops what was not finished.
func (b *Batch) Close() error {
	if !b.own {
		return nil
	}
	err := b.fs.AbortCommit(context.Background(), b.repo, b.id)
	if errors.Is(err, ErrNoSuchCommit) {
		err = nil
	}
	return err
}

// attrsSize is about how many bytes attrs take in a row.
func attrsSize(a *Attrs) int {
	n := 200 + len(a.ContentType) + len(a.ContentEncoding) + len(a.ContentDisposition) + len(a.ContentLanguage) +
		len(a.CacheControl) + len(a.Expires)
	for _, m := range []map[string]string{a.Meta, a.Tags} {
		for k, v := range m {
			n += len(k) + len(v)
		}
	}
	return n
}
