package run

import (
	"bytes"
	"encoding/binary"
	"testing"
)

// built is an uncompressed block of rows.
func built(rows ...Row) []byte {
	var b builder
	for _, r := range rows {
		b.add(r)
	}
	return b.append(nil)
}

// FuzzBlock: an uncompressed block of any bytes is refused, or has so many rows
// in ascending order, which make a block again that has the same rows.
func FuzzBlock(f *testing.F) {
	f.Add(built(Row{Key: []byte("a"), Value: []byte{}}), 1)
	f.Add(built(Row{Key: []byte("a")}, Row{Key: []byte("ab"), Value: []byte("one")}, Row{Key: []byte("b"), Value: []byte("two")}), 3)
	f.Add([]byte{0, 1, 0xff, 0xff, 0xff, 0xff, 0x0f, 'a'}, 1)
	f.Add([]byte{1, 1, 0, 'a'}, 1)
	f.Add([]byte{0, 1, 0, 0, 1, 0, 'b', 'a'}, 2)
	f.Add([]byte{0, 1, 2, 'a', 'b', 'c'}, 1)
	f.Add([]byte{}, 1<<31-1)
	f.Fuzz(func(t *testing.T, raw []byte, rows int) {
		var b block
		if b.open(raw, rows) != nil {
			return
		}
		var again builder
		var last []byte
		n := 0
		for ; b.next(); n++ {
			r := b.current()
			if bytes.Compare(r.Key, last) <= 0 {
				t.Fatalf("key %x behind %x", r.Key, last)
			}
			if b.deleted() != (r.Value == nil) {
				t.Fatalf("%x: deleted %v, value %x", r.Key, b.deleted(), r.Value)
			}
			last = append(last[:0], r.Key...)
			again.add(r)
		}
		if n != rows {
			t.Fatalf("%d rows of %d", n, rows)
		}
		var c block
		if err := c.open(again.append(nil), rows); err != nil {
			t.Fatal(err)
		}
		if err := b.rewind(raw, rows); err != nil {
			t.Fatal(err)
		}
		for b.next() && c.next() {
			x, y := b.current(), c.current()
			if !bytes.Equal(x.Key, y.Key) || !bytes.Equal(x.Value, y.Value) {
				t.Fatalf("%x=%x became %x=%x", x.Key, x.Value, y.Key, y.Value)
			}
		}
	})
}

// rewind opens the block again from its first row.
func (b *block) rewind(raw []byte, rows int) error {
	b.key = b.key[:0]
	return b.open(raw, rows)
}

// FuzzFooter: a header and a footer of any bytes, with the right checksums, are
// refused, or are those that are written for what they say.
func FuzzFooter(f *testing.F) {
	is := identity{id: [8]byte{1}, from: 2, to: 3}
	f.Add(uint64(2), uint64(3), is.appendFooter(nil, footer{blocks: 1, rows: 2, bulks: []Bulk{{Pack: 1, Offset: 2, Length: 3, To: 4}}}, headerSize+100), int64(100))
	f.Add(uint64(0), uint64(1), is.appendFooter(nil, footer{}, headerSize), int64(0))
	f.Add(uint64(5), uint64(5), make([]byte, tailSize), int64(0))
	f.Fuzz(func(t *testing.T, from, to uint64, foot []byte, blocks int64) {
		is.from, is.to = from, to
		got, err := parseHeader(is.appendHeader(nil))
		if (err == nil) != (from < to) || err == nil && got != is {
			t.Fatalf("header of %v: %v, %v", is, got, err)
		}
		if len(foot) < tailSize || blocks < 0 || blocks > 1<<40 {
			return
		}
		size := headerSize + blocks + int64(len(foot))
		length, err := parseTail(foot[len(foot)-tailSize:], size)
		if err != nil {
			return
		}
		if length > int64(len(foot)) {
			return // the rest would be read from the file, which has it
		}
		foot = foot[int64(len(foot))-length:]
		binary.LittleEndian.PutUint32(foot[length-12:], is.footerSum(foot[:length-12]))
		ft, err := is.parseFooter(foot)
		if err != nil {
			return
		}
		if again := is.appendFooter(nil, ft, size-length); !bytes.Equal(again, foot) {
			t.Fatalf("%x became %x", foot, again)
		}
	})
}

// FuzzBlockHeader: lengths that are taken can be allocated.
func FuzzBlockHeader(f *testing.F) {
	f.Add(make([]byte, blockHeaderSize), int64(100))
	f.Add([]byte{10, 0, 0, 0, 30, 0, 0, 0, 10, 0, 0, 0, 1, 2, 3, 4}, int64(10))
	f.Fuzz(func(t *testing.T, b []byte, room int64) {
		if len(b) < blockHeaderSize {
			return
		}
		h, err := parseBlockHeader(b, room)
		if err == nil && (int64(h.compressed) > room || h.raw > maxRaw || h.rows < 1 || h.rows*minRow > h.raw) {
			t.Fatalf("%+v of %x", h, b)
		}
	})
}
