package plain

import (
	"encoding/binary"
	"hash/crc32"
)

// checksum is CRC-32C.
func checksum(parts ...[]byte) (sum uint32) {
	for _, p := range parts {
		sum = crc32.Update(sum, crc32.MakeTable(crc32.Castagnoli), p)
	}
	return sum
}

// A cursor takes things from the front of bytes. From the first that is not there
// on it is short, and all are zero.
type cursor struct {
	rest  []byte
	short bool
}

func (c *cursor) take(n uint64) []byte {
	if c.short = c.short || n > uint64(len(c.rest)); c.short {
		return nil
	}
	taken := c.rest[:n:n]
	c.rest = c.rest[n:]
	return taken
}

func (c *cursor) fixed(n uint64) uint64 {
	var b [8]byte
	copy(b[:], c.take(n))
	return binary.LittleEndian.Uint64(b[:])
}

func (c *cursor) u32() uint32 { return uint32(c.fixed(4)) }
func (c *cursor) u64() uint64 { return c.fixed(8) }

func (c *cursor) varint() uint64 {
	v, n := binary.Uvarint(c.rest)
	if n <= 0 {
		c.short = true
		return 0
	}
	c.take(uint64(n))
	return v
}

// done says whether everything was there, and nothing more.
func (c *cursor) done() bool { return !c.short && len(c.rest) == 0 }
