package content

import (
	"context"
	"fmt"
	"sync"

	"caret/objstore"
	"caret/objstore/budget"
)

// chunk is one of those that a reader hands out.
type chunk struct {
	ref      Ref
	from, to int64  // the bytes of it that are to be handed out
	data     []byte // all of it; nil if it is not in memory
	share    *budget.Share
}

// rest is what is to be handed out.
func (c *chunk) rest() []byte { return c.data[c.from:c.to] }

// kind is what its memory counts as.
func (c *chunk) kind() budget.Kind {
	if c.ref.Size <= MinChunk {
		return budget.Small
	}
	return budget.Reading
}

// room is how much memory it takes.
func (c *chunk) room() int64 {
	n := min(max(c.ref.Size, 0), objstore.MaxBlob)
	if n <= MinChunk {
		return n
	}
	return roomClass(n) * roomStep
}

// load reads its data, whose memory was taken, and verifies it.
func (c *chunk) load(ctx context.Context, blobs objstore.Blobs, share *budget.Share) error {
	buf := getRoom(c.room())
	data, err := getBlob(ctx, blobs, c.ref, buf)
	if err == nil && int64(len(data)) != c.ref.Size {
		err = fmt.Errorf("%w: chunk %s has %d bytes, not %d", objstore.ErrCorrupt, c.ref.Hash, len(data), c.ref.Size)
	}
	if err != nil {
		putRoom(buf)
		share.Release()
		return err
	}
	c.data, c.share = data, share
	return nil
}

// drop gives its memory back; it can be loaded again.
func (c *chunk) drop() {
	if c.data != nil {
		putRoom(c.data)
		c.share.Release()
		c.data, c.share = nil, nil
	}
}

// Chunks are read into buffers of a few sizes, so that what was counted for one is what
// it has.
const (
	roomStep    = 512 << 10
	roomClasses = MaxChunk / roomStep
)

// roomClass is the class of n bytes, from 1.
func roomClass(n int64) int64 { return max(1, (n+roomStep-1)/roomStep) }

// rooms are buffers that were used, by class. Smaller ones than those of the first are
// left to the collector.
var rooms [roomClasses + 1]sync.Pool

// getRoom returns an empty buffer with room for n bytes.
func getRoom(n int64) []byte {
	class := roomClass(n)
	if n >= MinChunk && class <= roomClasses {
		if b, ok := rooms[class].Get().(*[]byte); ok {
			return (*b)[:0]
		}
	}
	return make([]byte, 0, n)
}

// putRoom takes a buffer back that is not used any more.
func putRoom(b []byte) {
	if n := int64(cap(b)); n%roomStep == 0 && n > 0 && n <= MaxChunk {
		rooms[roomClass(n)].Put(&b)
	}
}
