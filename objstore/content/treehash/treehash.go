// Package treehash makes the BLAKE3 hash of a whole from hashes of its parts.
//
// BLAKE3 is a binary tree over chunks of 1024 bytes. The chaining value of a
// subtree depends on where in the whole it lies, and on nothing else outside
// of it. So a part that is hashed for its place yields values that can be
// joined with those of its neighbours without reading the bytes again.
//
// https://github.com/BLAKE3-team/BLAKE3-specs/blob/master/blake3.pdf, 2.1
package treehash

import (
	"encoding/binary"
	"fmt"
	"math/bits"

	"lukechampine.com/blake3/guts"
)

const (
	// Align is what the place of a part must be a multiple of, in bytes.
	Align = guts.ChunkSize
	// maxTree is the size of the largest subtree that a value is kept for.
	// It is well below any part that has a neighbour, so that of two parts or
	// more there are two values or more, which the root is made from.
	maxTree = 1 << 20
	batch   = guts.MaxSIMD * guts.ChunkSize // bytes that are hashed at once
	// ValueSize is the size of a chaining value in bytes.
	ValueSize = 32
)

type value = [8]uint32

// Hasher computes the values of a part as it is written.
type Hasher struct {
	pos  int64 // of the next byte of buf, in the whole
	n    int   // bytes in buf
	tree joiner
	out  []byte
	buf  [batch]byte
}

// New hashes a part that begins at offset, a multiple of Align.
func New(offset int64) *Hasher { return &Hasher{pos: offset} }

// Write hashes p; it never fails.
func (h *Hasher) Write(p []byte) (int, error) {
	total := len(p)
	for len(p) > 0 {
		// Up to the next boundary of a batch, so that batches are subtrees.
		want := batch - int(h.pos%batch)
		if h.n == 0 && len(p) > want && want == batch {
			h.compress((*[batch]byte)(p[:batch]), batch)
			p = p[batch:]
			continue
		}
		n := copy(h.buf[h.n:want], p)
		h.n += n
		p = p[n:]
		if h.n == want && len(p) > 0 {
			h.flush()
		}
	}
	return total, nil
}

// flush hashes what is buffered, as the largest subtrees it consists of.
func (h *Hasher) flush() {
	for done := 0; done < h.n; {
		size := treeSize(h.pos, int64(h.n-done), batch)
		var b [batch]byte
		copy(b[:], h.buf[done:done+int(size)])
		h.compress(&b, int(size))
		done += int(size)
	}
	h.n = 0
}

func (h *Hasher) compress(b *[batch]byte, n int) {
	node := guts.CompressBuffer(b, n, &guts.IV, uint64(h.pos/Align), 0)
	h.add(guts.ChainingValue(node), int64(n))
}

// add takes the value of the next n bytes and puts values out once they are
// of subtrees as large as they are kept.
func (h *Hasher) add(v value, n int64) {
	h.tree.push(v, h.pos, level(n))
	h.pos += n
	if h.pos%maxTree == 0 {
		h.emit()
	}
}

func (h *Hasher) emit() {
	h.tree.mergeAll()
	for _, s := range h.tree.stack {
		for _, w := range s.v {
			h.out = binary.LittleEndian.AppendUint32(h.out, w)
		}
	}
	h.tree.stack = h.tree.stack[:0]
}

// Values ends the part and returns its chaining values in order.
func (h *Hasher) Values() []byte {
	h.flush()
	h.emit()
	return h.out
}

// treeSize is the size of the largest subtree, up to limit, that begins at
// pos and is among the next n bytes; a last chunk may be short.
func treeSize(pos, n, limit int64) int64 {
	if n <= Align {
		return n
	}
	size := int64(1) << (63 - bits.LeadingZeros64(uint64(min(n, limit))))
	if pos > 0 {
		size = min(size, int64(1)<<bits.TrailingZeros64(uint64(pos)))
	}
	return size
}

// level is the height of a subtree of n bytes. A short last chunk has a level
// of its own: it has no sibling before the root is made.
func level(n int64) int {
	if n < Align {
		return -1
	}
	return bits.Len64(uint64(n/Align)) - 1
}

// joiner puts subtrees together from left to right. A pair is merged only
// when something follows it, so the last merge is left for the root.
type joiner struct {
	stack []subtree
}

// subtree is 1<<level chunks from pos on, a multiple of their size.
type subtree struct {
	v     value
	pos   int64
	level int
}

func (j *joiner) push(v value, pos int64, level int) {
	j.mergeAll()
	j.stack = append(j.stack, subtree{v, pos, level})
}

// mergeAll merges siblings, from the right.
func (j *joiner) mergeAll() {
	for n := len(j.stack); n >= 2; n-- {
		left, right := &j.stack[n-2], &j.stack[n-1]
		if left.level != right.level || left.pos%(2*Align<<left.level) != 0 {
			return
		}
		node := guts.ParentNode(left.v, right.v, &guts.IV, 0)
		*left = subtree{guts.ChainingValue(node), left.pos, left.level + 1}
		j.stack = j.stack[:n-1]
	}
}

// Joiner makes the hash of a whole from the values of its parts.
type Joiner struct {
	tree joiner
	pos  int64
}

// Pos is where the next part begins.
func (j *Joiner) Pos() int64 { return j.pos }

// Add takes the values of the next part, of size bytes, as Hasher.Values
// returned them for a part at Pos. Only the last part may have a size that
// is not a multiple of Align.
func (j *Joiner) Add(values []byte, size int64) error {
	if j.pos%Align != 0 {
		return fmt.Errorf("part at %d, which is no multiple of %d", j.pos, Align)
	}
	for left := size; left > 0; {
		n := treeSize(j.pos, left, maxTree)
		if len(values) < ValueSize {
			return fmt.Errorf("values of a part of %d bytes are too few", size)
		}
		var v value
		for i := range v {
			v[i] = binary.LittleEndian.Uint32(values[4*i:])
		}
		values = values[ValueSize:]
		j.tree.push(v, j.pos, level(n))
		j.pos += n
		left -= n
	}
	if len(values) > 0 {
		return fmt.Errorf("values of a part of %d bytes are too many", size)
	}
	return nil
}

// Sum is the BLAKE3-256 hash of everything added. It takes two values or
// more, as any two parts have unless one is empty.
func (j *Joiner) Sum() ([32]byte, error) {
	var sum [32]byte
	n := len(j.tree.stack)
	if n < 2 {
		return sum, fmt.Errorf("%d subtrees have no root to compute", n)
	}
	right := j.tree.stack[n-1].v
	for i := n - 2; i > 0; i-- {
		right = guts.ChainingValue(guts.ParentNode(j.tree.stack[i].v, right, &guts.IV, 0))
	}
	root := guts.ParentNode(j.tree.stack[0].v, right, &guts.IV, guts.FlagRoot)
	words := guts.CompressNode(root)
	for i := range 8 {
		binary.LittleEndian.PutUint32(sum[4*i:], words[i])
	}
	return sum, nil
}
