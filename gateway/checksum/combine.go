package checksum

import (
	"encoding/base64"
	"fmt"
)

// Piece is the checksum of a part, in base64, and the part's length in bytes.
type Piece struct {
	Value string
	Size  int64
}

// Combine is the checksum of the whole from those of its parts in order. Only
// CRCs can be combined.
func Combine(a Algorithm, parts []Piece) (string, error) {
	var c *crc
	switch a {
	case CRC32:
		c = newCRC(0xedb88320, 32)
	case CRC32C:
		c = newCRC(0x82f63b78, 32)
	case CRC64NVME:
		c = newCRC(0x9a6c9329ac4bc9b5, 64)
	default:
		return "", fmt.Errorf("%w: a %s of the whole cannot be made from its parts", ErrInvalid, a)
	}
	var sum uint64
	for _, p := range parts {
		b, err := base64.StdEncoding.DecodeString(p.Value)
		if err != nil || len(b) != c.width/8 {
			return "", fmt.Errorf("%w: a part has no %s", ErrInvalid, a)
		}
		var v uint64
		for _, x := range b {
			v = v<<8 | uint64(x)
		}
		sum = c.shift(sum, p.Size) ^ v
	}
	out := make([]byte, c.width/8)
	for i := range out {
		out[len(out)-1-i] = byte(sum >> (8 * i))
	}
	return base64.StdEncoding.EncodeToString(out), nil
}

// crc is a reflected CRC: bit width-1-i of a sum is the coefficient of x^i.
// Appending n zero bytes to what was summed multiplies the sum by x^8n modulo
// the polynomial, as zlib's crc32_combine does: https://zlib.net/
type crc struct {
	poly  uint64
	width int
	zeros [63]uint64 // x^(8*2^k): the factor of 2^k zero bytes
}

func newCRC(poly uint64, width int) *crc {
	c := &crc{poly: poly, width: width}
	c.zeros[0] = 1 << (width - 1 - 8)
	for k := 1; k < len(c.zeros); k++ {
		c.zeros[k] = c.times(c.zeros[k-1], c.zeros[k-1])
	}
	return c
}

// times is the product of a and b modulo the polynomial.
func (c *crc) times(a, b uint64) uint64 {
	var product uint64
	for i := c.width - 1; i >= 0; i-- {
		product ^= b & -(a >> i & 1)
		b = b>>1 ^ c.poly&-(b&1)
	}
	return product
}

// shift is the sum after n more zero bytes.
func (c *crc) shift(sum uint64, n int64) uint64 {
	for k := 0; n > 0; k, n = k+1, n>>1 {
		if n&1 != 0 {
			sum = c.times(sum, c.zeros[k])
		}
	}
	return sum
}
