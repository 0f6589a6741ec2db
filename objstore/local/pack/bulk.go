package pack

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"iter"

	"caret/objstore"
)

// A bulk in a pack: magic, number of blobs, length of the table (4 bytes each,
// little-endian), CRC-32C of those 12 bytes and the table (4); the table, which
// is the length of each blob as a varint; their bytes. Their hashes are not
// written: whoever lost them computes them.
const (
	bulkMagic  = 0x31425443 // "CTB1"
	bulkHeader = 16
	// MaxBulk is how many bytes of blobs a bulk has at most.
	MaxBulk = 64 << 20
)

// AppendBulk writes many blobs, together at most MaxBulk, and returns where the
// bulk is, and each of them. It is durable after the next Sync.
func (p *Packs) AppendBulk(blobs [][]byte) (bulk Place, at []Place, err error) {
	var table, data []byte
	for _, b := range blobs {
		table = binary.AppendUvarint(table, uint64(len(b)))
		data = append(data, b...)
	}
	head := binary.LittleEndian.AppendUint32(nil, bulkMagic)
	head = binary.LittleEndian.AppendUint32(head, uint32(len(blobs)))
	head = binary.LittleEndian.AppendUint32(head, uint32(len(table)))
	sum := crc32.Update(crc32.Checksum(head, castagnoli), castagnoli, table)
	head = append(binary.LittleEndian.AppendUint32(head, sum), table...)
	all, err := p.append(head, data)
	if err != nil {
		return Place{}, nil, err
	}
	offset := all.Offset
	for _, b := range blobs {
		at = append(at, Place{Pack: all.Pack, Offset: offset, Length: len(b)})
		offset += int64(len(b))
	}
	return Place{Pack: all.Pack, Offset: all.Offset - int64(len(head)), Length: len(head) + all.Length}, at, nil
}

// ReadBulk reads a bulk and returns where each of its blobs is, with its bytes.
// objstore.ErrCorrupt if its table is damaged; whether bytes are is not looked at.
func (p *Packs) ReadBulk(bulk Place) (iter.Seq2[Place, []byte], error) {
	b, err := p.Read(bulk, nil)
	if err != nil {
		return nil, err
	}
	lengths, data, ok := parseBulk(b)
	if !ok {
		return nil, fmt.Errorf("%w: bulk of blobs in pack %d at %d", objstore.ErrCorrupt, bulk.Pack, bulk.Offset)
	}
	return func(yield func(Place, []byte) bool) {
		at := bulk.Offset + int64(len(b)-len(data))
		for _, n := range lengths {
			if !yield(Place{Pack: bulk.Pack, Offset: at, Length: n}, data[:n:n]) {
				return
			}
			data, at = data[n:], at+int64(n)
		}
	}, nil
}

func parseBulk(b []byte) (lengths []int, data []byte, ok bool) {
	if len(b) < bulkHeader || binary.LittleEndian.Uint32(b) != bulkMagic {
		return nil, nil, false
	}
	count, size := int(binary.LittleEndian.Uint32(b[4:])), int(binary.LittleEndian.Uint32(b[8:]))
	if size > len(b)-bulkHeader || count > size {
		return nil, nil, false
	}
	table, data := b[bulkHeader:bulkHeader+size], b[bulkHeader+size:]
	if binary.LittleEndian.Uint32(b[12:]) != crc32.Update(crc32.Checksum(b[:12], castagnoli), castagnoli, table) {
		return nil, nil, false
	}
	left := uint64(len(data))
	for range count {
		n, k := binary.Uvarint(table)
		if k <= 0 || n > left {
			return nil, nil, false
		}
		lengths, table, left = append(lengths, int(n)), table[k:], left-n
	}
	return lengths, data, len(table) == 0 && left == 0
}
