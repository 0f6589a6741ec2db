package journal

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"caret/objstore"
)

// ID is that of a store, drawn when it is made; all of its files have it.
type ID [8]byte

// Record is what is written at once: all of it can be read later, or nothing.
type Record struct {
	LSN   uint64
	Blobs []Blob
	Rows  []objstore.Row // a nil value deletes
}

// Blob is a small blob in a record.
type Blob struct {
	Hash objstore.Hash
	Data []byte
	At   Place // where Data is, once it is written
}

// The header of a record, all little-endian: magic, length of the body (4 bytes
// each), LSN, LSN up to which the log was synced (8 each), id of the store (8),
// checksum of the record before, of the body, of the header so far (4 each).
const (
	recordMagic = 0x314c5443 // "CTL1"
	headerSize  = 4 + 4 + 8 + 8 + 8 + 4 + 4 + 4
	// MaxRecord is the most that a record takes on disk, header and all.
	MaxRecord = 5 << 20
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

type header struct {
	length uint32
	lsn    uint64
	synced uint64
	id     ID
	before uint32 // checksum of the header of the record before
	body   uint32
	sum    uint32 // of the header
}

func (h *header) append(b []byte) []byte {
	at := len(b)
	b = binary.LittleEndian.AppendUint32(b, recordMagic)
	b = binary.LittleEndian.AppendUint32(b, h.length)
	b = binary.LittleEndian.AppendUint64(b, h.lsn)
	b = binary.LittleEndian.AppendUint64(b, h.synced)
	b = append(b, h.id[:]...)
	b = binary.LittleEndian.AppendUint32(b, h.before)
	b = binary.LittleEndian.AppendUint32(b, h.body)
	h.sum = crc32.Checksum(b[at:], castagnoli)
	return binary.LittleEndian.AppendUint32(b, h.sum)
}

// parseHeader reads a header that is whole, and says whether there is one.
func parseHeader(b []byte) (h header, ok bool) {
	if len(b) < headerSize || binary.LittleEndian.Uint32(b) != recordMagic {
		return h, false
	}
	h.sum = binary.LittleEndian.Uint32(b[headerSize-4:])
	if h.sum != crc32.Checksum(b[:headerSize-4], castagnoli) {
		return h, false
	}
	h.length = binary.LittleEndian.Uint32(b[4:])
	h.lsn = binary.LittleEndian.Uint64(b[8:])
	h.synced = binary.LittleEndian.Uint64(b[16:])
	h.id = ID(b[24:32])
	h.before = binary.LittleEndian.Uint32(b[32:])
	h.body = binary.LittleEndian.Uint32(b[36:])
	return h, h.length <= MaxRecord-headerSize
}

// parseRecord reads the record at the beginning of b, if there is a whole one.
func parseRecord(b []byte) (h header, body []byte, ok bool) {
	h, ok = parseHeader(b)
	if !ok || int(h.length) > len(b)-headerSize {
		return h, nil, false
	}
	body = b[headerSize : headerSize+int(h.length)]
	return h, body, checksum(body) == h.body
}

// appendBody appends the body of a record: the number of blobs, of each its
// hash, length and bytes; the number of rows, of each the length of its key,
// the key, 0 if it is deleted or else the length of its value and 1, the value.
// Numbers are varints. It sets the blobs' offsets within b.
func (r *Record) appendBody(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(len(r.Blobs)))
	for i := range r.Blobs {
		blob := &r.Blobs[i]
		b = append(b, blob.Hash[:]...)
		b = binary.AppendUvarint(b, uint64(len(blob.Data)))
		blob.At.Offset = int64(len(b))
		b = append(b, blob.Data...)
	}
	b = binary.AppendUvarint(b, uint64(len(r.Rows)))
	for _, row := range r.Rows {
		b = binary.AppendUvarint(b, uint64(len(row.Key)))
		b = append(b, row.Key...)
		if row.Value == nil {
			b = append(b, 0)
			continue
		}
		b = binary.AppendUvarint(b, uint64(len(row.Value))+1)
		b = append(b, row.Value...)
	}
	return b
}

// decodeBody reads a body, which it keeps parts of. Offsets of blobs are those
// within the body.
func decodeBody(body []byte) (r Record, err error) {
	d := decoder{body, 0, true}
	for range d.count(33) {
		blob := Blob{Hash: objstore.Hash(d.take(len(objstore.Hash{})))}
		blob.Data = d.take(d.count(1))
		blob.At.Offset = int64(d.at - len(blob.Data))
		r.Blobs = append(r.Blobs, blob)
	}
	for range d.count(2) {
		row := objstore.Row{Key: d.take(d.count(1))}
		if n := d.number(); n > 0 {
			row.Value = d.take(d.bounded(n-1, 1))
		}
		r.Rows = append(r.Rows, row)
	}
	if !d.ok || d.at != len(body) {
		return Record{}, fmt.Errorf("%w: body of a record", objstore.ErrCorrupt)
	}
	return r, nil
}

// decoder reads a body from its beginning; once something is not there, it is
// not ok, and all it returns is empty.
type decoder struct {
	b  []byte
	at int
	ok bool
}

func (d *decoder) number() uint64 {
	v, n := binary.Uvarint(d.b[d.at:])
	if d.ok = d.ok && n > 0; !d.ok {
		return 0
	}
	d.at += n
	return v
}

// count is a number of things that take at least size bytes each.
func (d *decoder) count(size int) int { return d.bounded(d.number(), size) }

func (d *decoder) bounded(n uint64, size int) int {
	if d.ok = d.ok && n <= uint64(len(d.b)-d.at)/uint64(size); !d.ok {
		return 0
	}
	return int(n)
}

// take is the next n bytes, not nil.
func (d *decoder) take(n int) []byte {
	if d.ok = d.ok && n <= len(d.b)-d.at; !d.ok {
		return make([]byte, n)
	}
	d.at += n
	return d.b[d.at-n : d.at : d.at]
}

func checksum(b []byte) uint32 { return crc32.Checksum(b, castagnoli) }
