package objstore

import (
	"encoding/hex"

	"github.com/zeebo/blake3"
)

// Hash is a BLAKE3-256 hash. The zero value means none.
//
// https://github.com/BLAKE3-team/BLAKE3-specs
type Hash [32]byte

// Sum is the hash of data.
func Sum(data []byte) Hash { return blake3.Sum256(data) }

// String is the hash in lower-case hex.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// IsZero says whether h is the zero value.
func (h Hash) IsZero() bool { return h == Hash{} }
