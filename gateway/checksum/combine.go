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
	var c crc
	switch a {
	case CRC32:
		c = crc{poly: 0xedb88320, width: 32}
	case CRC32C:
		c = crc{poly: 0x82f63b78, width: 32}
	case CRC64NVME:
		c = crc{poly: 0x9a6c9329ac4bc9b5, width: 64}
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

// crc is a reflected CRC. Appending a zero bit to what was summed is a linear
// map of the sum; appending n bytes is that map 8n times, made by squaring,
// as zlib's crc32_combine does: https://zlib.net/
type crc struct {
	poly  uint64
	width int
}

type matrix [64]uint64 // column i is the image of bit i

func (m *matrix) times(v uint64) uint64 {
	var sum uint64
	for i := 0; v != 0; i, v = i+1, v>>1 {
		if v&1 != 0 {
			sum ^= m[i]
		}
	}
	return sum
}

func (m *matrix) squared() *matrix {
	var s matrix
	for i := range m {
		s[i] = m.times(m[i])
	}
	return &s
}

// shift is the sum after n more zero bytes.
func (c crc) shift(sum uint64, n int64) uint64 {
	m := &matrix{}
	m[0] = c.poly
	for i := 1; i < c.width; i++ {
		m[i] = 1 << (i - 1)
	}
	m = m.squared().squared().squared() // a byte
	for ; n > 0; n >>= 1 {
		if n&1 != 0 {
			sum = m.times(sum)
		}
		m = m.squared()
	}
	return sum
}
