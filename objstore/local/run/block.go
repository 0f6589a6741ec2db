package run

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
)

// column is the values of one length in a block. They are laid out by position:
// the first bytes of all of them, then the second bytes, and so on. Rows of one
// kind have values of a few lengths, with the same things at the same places;
// zstd then finds bytes that are alike beside each other, and random ones too,
// which it leaves alone.
type column struct {
	start int // where its bytes begin
	rows  int // how many values it has
	taken int // how many of them are laid out already, or were met
}

// columns finds the columns of values with these lengths, in order of rows.
func columns(lengths map[int]*column) {
	at := 0
	for _, l := range slices.Sorted(maps.Keys(lengths)) {
		c := lengths[l]
		c.start, c.taken = at, 0
		at += l * c.rows
	}
}

// builder gathers the rows of a block.
type builder struct {
	rows    int
	lengths []byte // of each row: shared with the key before, rest of the key, value
	keys    []byte // the rests of the keys
	values  []byte // in order of rows
	sizes   []int  // of the values
	last    []byte // the last key
}

func (b *builder) size() int { return len(b.lengths) + len(b.keys) + len(b.values) }

func (b *builder) reset() {
	b.rows, b.lengths, b.keys, b.values, b.sizes, b.last = 0, b.lengths[:0], b.keys[:0], b.values[:0], b.sizes[:0], b.last[:0]
}

func (b *builder) add(r Row) {
	shared := 0
	for shared < len(b.last) && shared < len(r.Key) && b.last[shared] == r.Key[shared] {
		shared++
	}
	rest := r.Key[shared:]
	value := uint64(0)
	if r.Value != nil {
		value = uint64(len(r.Value)) + 1
	}
	b.lengths = binary.AppendUvarint(b.lengths, uint64(shared))
	b.lengths = binary.AppendUvarint(b.lengths, uint64(len(rest)))
	b.lengths = binary.AppendUvarint(b.lengths, value)
	b.keys = append(b.keys, rest...)
	b.values = append(b.values, r.Value...)
	b.sizes = append(b.sizes, len(r.Value))
	b.last = append(b.last[:shared], rest...)
	b.rows++
}

// append appends the block to dst, not yet compressed.
func (b *builder) append(dst []byte) []byte {
	dst = append(append(dst, b.lengths...), b.keys...)
	at := len(dst)
	dst = append(dst, b.values...) // for the room; every byte is overwritten
	lengths := make(map[int]*column)
	for _, l := range b.sizes {
		if lengths[l] == nil {
			lengths[l] = new(column)
		}
		lengths[l].rows++
	}
	columns(lengths)
	out, values := dst[at:], b.values
	for _, l := range b.sizes {
		c := lengths[l]
		p := c.start + c.taken
		for _, v := range values[:l] {
			out[p] = v
			p += c.rows
		}
		c.taken++
		values = values[l:]
	}
	return dst
}

// entry is a row of a block that is being read.
type entry struct {
	shared, rest int32
	size         int32 // of the value; -1 if it was deleted
	value        int32 // where its first byte is among the values
	step         int32 // how far apart its bytes are
}

// block is a block that is being read, row after row. It is used for one block
// after another.
type block struct {
	entries []entry
	keys    []byte
	values  []byte

	row   int // of the next one
	at    int // of the rest of its key
	key   []byte
	value []byte
}

// open takes an uncompressed block with so many rows, and checks all of it: its
// keys grow and are behind the key that b is at, its lengths are those of what
// is there. raw is used until the next open.
func (b *block) open(raw []byte, rows int) error {
	if rows <= 0 || rows > len(raw)/minRow {
		return fmt.Errorf("%d bytes cannot have %d rows", len(raw), rows)
	}
	b.entries = slices.Grow(b.entries[:0], rows)[:rows]
	lengths := make(map[int]*column)
	rest, keys, values, last := raw, 0, 0, 0
	for i := range b.entries {
		var n [3]int
		for j := range n {
			v, w := binary.Uvarint(rest)
			if w <= 0 || v > maxRaw {
				return fmt.Errorf("the lengths of row %d do not parse", i)
			}
			n[j], rest = int(v), rest[w:]
		}
		keys, values = keys+n[1], values+max(n[2]-1, 0)
		if n[0] > last {
			return fmt.Errorf("the key of row %d shares more than the one before has", i)
		}
		last = n[0] + n[1]
		b.entries[i] = entry{shared: int32(n[0]), rest: int32(n[1]), size: int32(n[2] - 1)}
		if n[2] > 0 {
			if lengths[n[2]-1] == nil {
				lengths[n[2]-1] = new(column)
			}
			lengths[n[2]-1].rows++
		}
	}
	if keys+values != len(rest) {
		return fmt.Errorf("keys and values should have %d bytes, and have %d", keys+values, len(rest))
	}
	b.keys, b.values = rest[:keys], rest[keys:]
	b.place(lengths)
	return b.check()
}

// place finds out where the values are.
func (b *block) place(lengths map[int]*column) {
	columns(lengths)
	for i := range b.entries {
		e := &b.entries[i]
		if e.size > 0 {
			c := lengths[int(e.size)]
			e.value, e.step = int32(c.start+c.taken), int32(c.rows)
			c.taken++
		}
	}
}

// check goes through the keys once.
func (b *block) check() error {
	b.row, b.at = 0, 0
	for i, e := range b.entries {
		before := b.key
		if i > 0 {
			before = b.key[e.shared:] // what both begin with need not be compared
		}
		rest := b.keys[b.at : b.at+int(e.rest)]
		if bytes.Compare(before, rest) >= 0 {
			return fmt.Errorf("the key of row %d is not behind the one before", i)
		}
		b.next()
	}
	b.row, b.at, b.key = 0, 0, b.key[:0]
	return nil
}

// next goes to the next row; false says that there is none.
func (b *block) next() bool {
	if b.row >= len(b.entries) {
		return false
	}
	e := b.entries[b.row]
	b.key = append(b.key[:e.shared], b.keys[b.at:b.at+int(e.rest)]...)
	b.at += int(e.rest)
	b.row++
	return true
}

// current is the row that next went to, valid until next or open is called.
func (b *block) current() Row {
	e := b.entries[b.row-1]
	if e.size < 0 {
		return Row{Key: b.key}
	}
	b.value = slices.Grow(b.value[:0], max(int(e.size), 1))[:e.size]
	p := int(e.value)
	for i := range b.value {
		b.value[i] = b.values[p]
		p += int(e.step)
	}
	return Row{Key: b.key, Value: b.value}
}

// deleted says whether the row that next went to is a deletion.
func (b *block) deleted() bool { return b.entries[b.row-1].size < 0 }
