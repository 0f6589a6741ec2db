package run

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"
)

// Sizes of the parts of a file; FORMAT.md says what is in them.
const (
	headerSize      = 36
	blockHeaderSize = 16
	bulkSize        = 28
	tailSize        = 40

	headMagic = "CTRUN1\n\x00"
	tailMagic = "CTRUNEND"

	// maxRaw is the most that a block has before compression: MaxBlockSize
	// less a byte, and a row more.
	maxRaw = 16 << 20
	// maxRow is the most that key and value of a row have together. What is
	// left to maxRaw is for three lengths.
	maxRow = maxRaw - MaxBlockSize - 64
	// minRow is the least that a row takes of a block: three lengths.
	minRow = 3
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// identity is what a run is told apart by. All its checksums begin with it, so
// that no part of another run is taken for one of this.
type identity struct {
	id       [8]byte
	from, to uint64
}

func (i identity) append(b []byte) []byte {
	b = append(b, i.id[:]...)
	b = binary.LittleEndian.AppendUint64(b, i.from)
	return binary.LittleEndian.AppendUint64(b, i.to)
}

func (i identity) appendHeader(b []byte) []byte {
	start := len(b)
	b = i.append(append(b, headMagic...))
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b[start:], castagnoli))
}

// parseHeader is the inverse of appendHeader, of headerSize bytes.
func parseHeader(b []byte) (i identity, err error) {
	if string(b[:8]) != headMagic {
		return i, fmt.Errorf("it does not begin as a run does")
	}
	if crc32.Checksum(b[:32], castagnoli) != binary.LittleEndian.Uint32(b[32:]) {
		return i, fmt.Errorf("the checksum of the header is wrong")
	}
	copy(i.id[:], b[8:])
	i.from, i.to = binary.LittleEndian.Uint64(b[16:]), binary.LittleEndian.Uint64(b[24:])
	if i.from >= i.to {
		return i, fmt.Errorf("it says that it is from %d to %d", i.from, i.to)
	}
	return i, nil
}

// blockHeader stands before the compressed bytes of a block.
type blockHeader struct {
	compressed, raw, rows int
	sum                   uint32
}

// putBlockHeader fills in the first blockHeaderSize bytes of b, which the
// compressed bytes of block number n follow.
func (i identity) putBlockHeader(b []byte, n uint64, raw, rows int) {
	binary.LittleEndian.PutUint32(b, uint32(len(b)-blockHeaderSize))
	binary.LittleEndian.PutUint32(b[4:], uint32(raw))
	binary.LittleEndian.PutUint32(b[8:], uint32(rows))
	binary.LittleEndian.PutUint32(b[12:], i.blockSum(b, n))
}

// blockSum is the checksum of block number n, whose header and compressed
// bytes are b.
func (i identity) blockSum(b []byte, n uint64) uint32 {
	place := binary.LittleEndian.AppendUint64(i.append(make([]byte, 0, 32)), n)
	sum := crc32.Checksum(place, castagnoli)
	sum = crc32.Update(sum, castagnoli, b[:12])
	return crc32.Update(sum, castagnoli, b[blockHeaderSize:])
}

// parseBlockHeader reads the lengths in the header of a block, behind which
// room bytes are left for blocks; less than none where the header itself does not
// fit. Nothing is allocated by a number that it has not checked.
func parseBlockHeader(b []byte, room int64) (h blockHeader, err error) {
	h = blockHeader{
		compressed: int(binary.LittleEndian.Uint32(b)),
		raw:        int(binary.LittleEndian.Uint32(b[4:])),
		rows:       int(binary.LittleEndian.Uint32(b[8:])),
		sum:        binary.LittleEndian.Uint32(b[12:]),
	}
	switch {
	case int64(h.compressed) > room:
		return h, fmt.Errorf("a block of %d bytes reaches into what comes behind", h.compressed)
	case h.compressed > 2*maxRaw:
		return h, fmt.Errorf("a block of %d bytes is larger than any", h.compressed)
	case h.raw > maxRaw:
		return h, fmt.Errorf("a block of %d bytes uncompressed is larger than any", h.raw)
	case h.rows == 0 || h.rows > h.raw/minRow:
		return h, fmt.Errorf("a block of %d bytes uncompressed cannot have %d rows", h.raw, h.rows)
	}
	return h, nil
}

// footer is the end of a file: places, and what the file should hold.
type footer struct {
	blocks, rows uint64
	bulks        []Bulk
}

// size is how many bytes the footer has.
func (f footer) size() int64 { return int64(len(f.bulks))*bulkSize + tailSize }

// appendFooter ends a file that has before bytes so far.
func (i identity) appendFooter(b []byte, f footer, before int64) []byte {
	start := len(b)
	for _, k := range f.bulks {
		b = binary.LittleEndian.AppendUint32(b, k.Pack)
		b = binary.LittleEndian.AppendUint64(b, uint64(k.Offset))
		b = binary.LittleEndian.AppendUint64(b, uint64(k.Length))
		b = binary.LittleEndian.AppendUint64(b, k.To)
	}
	b = binary.LittleEndian.AppendUint64(b, f.blocks)
	b = binary.LittleEndian.AppendUint64(b, f.rows)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(f.bulks)))
	b = binary.LittleEndian.AppendUint64(b, uint64(before+f.size()))
	b = binary.LittleEndian.AppendUint32(b, i.footerSum(b[start:]))
	return append(b, tailMagic...)
}

func (i identity) footerSum(b []byte) uint32 {
	return crc32.Update(crc32.Checksum(i.append(make([]byte, 0, 24)), castagnoli), castagnoli, b)
}

// parseTail reads the last tailSize bytes of a file of size bytes, and says how
// long the footer is that they end.
func parseTail(b []byte, size int64) (length int64, err error) {
	if string(b[32:]) != tailMagic {
		return 0, fmt.Errorf("it does not end as a run does")
	}
	if n := binary.LittleEndian.Uint64(b[20:]); n != uint64(size) {
		return 0, fmt.Errorf("it should have %d bytes and has %d", n, size)
	}
	length = int64(binary.LittleEndian.Uint32(b[16:]))*bulkSize + tailSize
	if length > size-headerSize {
		return 0, fmt.Errorf("its footer of %d bytes does not fit into it", length)
	}
	return length, nil
}

// parseFooter reads a footer whose length parseTail has told.
func (i identity) parseFooter(b []byte) (f footer, err error) {
	tail := b[len(b)-tailSize:]
	if i.footerSum(b[:len(b)-12]) != binary.LittleEndian.Uint32(tail[28:]) {
		return f, fmt.Errorf("the checksum of the footer is wrong")
	}
	f.blocks, f.rows = binary.LittleEndian.Uint64(tail), binary.LittleEndian.Uint64(tail[8:])
	for b := b[:len(b)-tailSize]; len(b) > 0; b = b[bulkSize:] {
		offset, length := binary.LittleEndian.Uint64(b[4:]), binary.LittleEndian.Uint64(b[12:])
		if offset > math.MaxInt64 || length > math.MaxInt64 {
			return f, fmt.Errorf("no bulk is at %d with %d bytes", offset, length)
		}
		f.bulks = append(f.bulks, Bulk{
			Pack: binary.LittleEndian.Uint32(b), Offset: int64(offset), Length: int64(length),
			To: binary.LittleEndian.Uint64(b[20:]),
		})
	}
	return f, nil
}
