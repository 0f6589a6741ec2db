package objstore

import (
	"encoding/hex"
	"fmt"

	"github.com/zeebo/blake3"
)

// Hash is a BLAKE3-256 hash. The zero value means none.
//
// https://github.com/BLAKE3-team/BLAKE3-specs
type Hash [32]byte

// Sum is the hash of data.
func Sum(data []byte) Hash { return blake3.Sum256(data) }

// ParseHash reads the 64 lower-case hex digits that String prints.
func ParseHash(s string) (Hash, error) {
	var h Hash
	if len(s) != 2*len(h) {
		return Hash{}, fmt.Errorf("hash %q: want %d hex digits", s, 2*len(h))
	}
	if _, err := hex.Decode(h[:], []byte(s)); err != nil {
		return Hash{}, fmt.Errorf("hash %q: %w", s, err)
	}
	if h.String() != s {
		return Hash{}, fmt.Errorf("hash %q: hex digits must be lower case", s)
	}
	return h, nil
}

// String is the hash in lower-case hex.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// IsZero says whether h is the zero value.
func (h Hash) IsZero() bool { return h == Hash{} }
