package revision

import (
	"encoding/hex"
	"fmt"
	"io"
	"strings"
)

// ID names a commit. It is drawn before the content is known, so that an open
// commit can be written to under its own name, and has the form of a random UUID
// (version 4, RFC 9562) without dashes. The zero value means none.
type ID [16]byte

// NewID draws an ID from rand.
func NewID(rand io.Reader) (ID, error) {
	var id ID
	if _, err := io.ReadFull(rand, id[:]); err != nil {
		return ID{}, fmt.Errorf("draw a commit id: %w", err)
	}
	id[6] = id[6]&0x0f | 0x40
	id[8] = id[8]&0x3f | 0x80
	return id, nil
}

// ParseID reads the 32 lower-case hex digits that String prints.
func ParseID(s string) (ID, error) {
	var id ID
	if !IsID(s) {
		return ID{}, fmt.Errorf("%q is not a commit id", s)
	}
	_, err := hex.Decode(id[:], []byte(s))
	return id, err
}

// IsID reports whether s has the form of a commit id:
// ^[0-9a-f]{12}4[0-9a-f]{3}[89ab][0-9a-f]{15}$.
func IsID(s string) bool {
	if len(s) != 32 || s[12] != '4' || s[16] != '8' && s[16] != '9' && s[16] != 'a' && s[16] != 'b' {
		return false
	}
	return isHex(s)
}

// MinPrefix is how many digits an abbreviated commit id needs.
const MinPrefix = 8

// IsPrefix reports whether s may be an abbreviated commit id.
func IsPrefix(s string) bool {
	return len(s) >= MinPrefix && len(s) < 32 && isHex(s)
}

// IsCommit reports whether s may be a commit id, abbreviated or not.
func IsCommit(s string) bool { return IsID(s) || IsPrefix(s) }

func isHex(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// String returns the id as 32 lower-case hex digits.
func (id ID) String() string { return hex.EncodeToString(id[:]) }

// IsZero reports whether id is the zero value.
func (id ID) IsZero() bool { return id == ID{} }

// IDRange returns the lowest and the highest ID that begin with prefix, in hex. They
// need not have the form of commit ids.
func IDRange(prefix string) (lowest, highest ID, err error) {
	rest := 2*len(lowest) - len(prefix)
	if !isHex(prefix) || rest < 0 {
		return ID{}, ID{}, fmt.Errorf("%q does not begin a commit id", prefix)
	}
	_, err = hex.Decode(lowest[:], []byte(prefix+strings.Repeat("0", rest)))
	if err == nil {
		_, err = hex.Decode(highest[:], []byte(prefix+strings.Repeat("f", rest)))
	}
	return lowest, highest, err
}
