package plain

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
)

// A File is what a path is as of a commit.
type File struct {
	Facts
	deleted bool
	n       uint64 // of the commit that left it so
	root    [32]byte
	level   byte
	message []byte // of which the flag edited is taken
}

// Facts are what can be said of a file from outside.
type Facts struct {
	Version    string // the id of the commit that made it
	Hash       [32]byte
	Size       uint64
	Modified   uint64
	Headers    [6]string // Content-Type, -Encoding, -Disposition, -Language, Cache-Control, Expires
	Meta, Tags []string  // key and value in turn
	Parts      []uint64
	Sums       []string
	Checksum   [3]string // algorithm, type, value
}

// bigEndian reads a number in a key or of a Head.
func bigEndian(b string) uint64 { return binary.BigEndian.Uint64([]byte(b)) }

// cutNumber takes the number off the front of a key.
func cutNumber(key string) (n uint64, rest string, err error) {
	if len(key) < 8 {
		return 0, "", errors.New("too short a key")
	}
	return bigEndian(key[:8]), key[8:], nil
}

// eachField calls fn with each field of a message: its number if it is one, else
// its bytes.
func eachField(b []byte, fn func(field protowire.Number, v uint64, b []byte) error) error {
	for len(b) > 0 {
		field, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			return protowire.ParseError(n)
		}
		b = b[n:]
		var v uint64
		var bytes []byte
		switch kind {
		case protowire.VarintType:
			v, n = protowire.ConsumeVarint(b)
		case protowire.BytesType:
			bytes, n = protowire.ConsumeBytes(b)
		default:
			return fmt.Errorf("field %d of type %d", field, kind)
		}
		if n < 0 {
			return protowire.ParseError(n)
		}
		if err := fn(field, v, bytes); err != nil {
			return fmt.Errorf("field %d: %w", field, err)
		}
		b = b[n:]
	}
	return nil
}

// fixed copies b, which must be as long as to.
func fixed(to, b []byte) error {
	if copy(to, b) != len(to) || len(b) != len(to) {
		return fmt.Errorf("%d bytes instead of %d", len(b), len(to))
	}
	return nil
}

// readState reads a State.
func readState(message []byte) (*File, error) {
	f := &File{}
	flags, rooted := uint64(0), false
	err := eachField(message, func(field protowire.Number, v uint64, b []byte) error {
		switch {
		case field == 1:
			flags = v
		case field == 2:
			f.Version = hex.EncodeToString(b)
		case field == 3:
			return fixed(f.Hash[:], b)
		case field == 4:
			f.Size = v
		case field == 5:
			rooted = true
			return fixed(f.root[:], b)
		case field == 6:
			f.level = byte(v)
		case field == 7:
			f.Modified = v
		case field >= 8 && field <= 13:
			f.Headers[field-8] = string(b)
		case field == 14 || field == 15:
			f.Meta = append(f.Meta, string(b))
		case field == 16:
			f.Parts = append(f.Parts, v)
		case field >= 17 && field <= 19:
			f.Checksum[field-17] = string(b)
		case field == 20 || field == 21:
			f.Tags = append(f.Tags, string(b))
		case field == 24:
			f.Sums = append(f.Sums, string(b))
		}
		return nil
	})
	if !rooted {
		f.root = f.Hash
	}
	f.deleted, f.message = flags&1 != 0, message
	if flags&4 != 0 {
		_, _, n := protowire.ConsumeField(message)
		f.message = nil
		if flags &^= 4; flags != 0 {
			f.message = protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), flags)
		}
		f.message = append(f.message, message[n:]...)
	}
	return f, err
}
