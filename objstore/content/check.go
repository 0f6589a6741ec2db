package content

import (
	"context"
	"errors"
	"fmt"

	"caret/objstore"
)

// Fault is a blob that content needs and cannot have.
type Fault struct {
	Blob    objstore.Hash
	Offset  int64 // where in the content the bytes begin that it stands for
	Size    int64 // how many these are
	Missing bool  // it is not there; else it is damaged
	Err     error
}

// Checker reads content to find out whether it is whole. It remembers which blobs are,
// so that content that shares blobs reads them once. One goroutine may use it.
type Checker struct {
	blobs  objstore.Blobs
	most   int
	whole  map[checked]struct{}
	buf    []byte
	faults []Fault
	offset int64

	Blobs int64 // that were read
	Bytes int64 // in them
	// After, if set, is called when a blob was read, and ends a check with its error.
	After func() error
}

// checked is a ref under which all is whole. Of the hash half is enough to tell blobs
// apart.
type checked struct {
	hash  [16]byte
	size  int64
	level uint8
}

// NewChecker returns a checker that remembers most blobs at most, some 50 bytes each;
// of others it reads those again that it meets again.
func NewChecker(blobs objstore.Blobs, most int) *Checker {
	return &Checker{blobs: blobs, most: most, whole: make(map[checked]struct{})}
}

// Check reads all blobs that root leads to, and returns those that are missing or
// damaged, in the order of the content. err is what kept it from looking.
func (c *Checker) Check(ctx context.Context, root Ref) ([]Fault, error) {
	c.faults, c.offset = nil, 0
	if root.Size == 0 {
		return nil, nil
	}
	_, err := c.check(ctx, root)
	return c.faults, err
}

// check checks what is under r, and says whether all of it is whole.
func (c *Checker) check(ctx context.Context, r Ref) (whole bool, err error) {
	key := checked{size: r.Size, level: r.Level}
	copy(key.hash[:], r.Hash[:])
	if _, ok := c.whole[key]; ok {
		c.offset += r.Size
		return true, nil
	}
	refs, fault, err := c.read(ctx, r)
	if err != nil {
		return false, err
	}
	if fault != nil {
		f := Fault{Blob: r.Hash, Offset: c.offset, Size: r.Size, Missing: errors.Is(fault, objstore.ErrNotFound), Err: fault}
		c.faults = append(c.faults, f)
		c.offset += r.Size
		return false, nil
	}
	if r.Level == 0 {
		c.offset += r.Size
	}
	whole = true
	for _, below := range refs {
		ok, err := c.check(ctx, below)
		if err != nil {
			return false, err
		}
		whole = whole && ok
	}
	if whole && len(c.whole) < c.most {
		c.whole[key] = struct{}{}
	}
	return whole, nil
}

// read reads one blob, and what it lists if it is a list. fault is what is wrong with
// the blob; err says nothing of it.
func (c *Checker) read(ctx context.Context, r Ref) (refs []Ref, fault, err error) {
	if r.Size < 0 || r.Level > maxLevel {
		return nil, fmt.Errorf("%w: a ref of %d bytes on level %d", objstore.ErrCorrupt, r.Size, r.Level), nil
	}
	b, fault := c.blobs.Get(ctx, r.Hash, c.buf)
	if fault != nil {
		if ctx.Err() != nil || errors.Is(fault, objstore.ErrClosed) {
			return nil, nil, fault
		}
		return nil, fault, nil
	}
	c.buf = b[:0]
	c.Blobs++
	c.Bytes += int64(len(b))
	if c.After != nil {
		if err := c.After(); err != nil {
			return nil, nil, err
		}
	}
	if r.Level > 0 {
		refs, fault = parseList(b, r)
		return refs, fault, nil
	}
	if int64(len(b)) != r.Size {
		fault = fmt.Errorf("%w: blob %s has %d bytes, not %d", objstore.ErrCorrupt, r.Hash, len(b), r.Size)
	}
	return nil, fault, nil
}
