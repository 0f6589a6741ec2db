package commits

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"caret/objstore"
)

// Rows are in the wire format of protocol buffers, so that a later caret can add
// fields: https://protobuf.dev/programming-guides/encoding/. In front of a state that
// is a row of a lineage stands its N, as a varint.

// The fields of a state.
const (
	stateFlags protowire.Number = iota + 1
	stateCommit
	stateHash
	stateSize
	stateRoot
	stateLevel
	stateModified
	stateContentType
	stateContentEncoding
	stateContentDisposition
	stateContentLanguage
	stateCacheControl
	stateExpires
	stateMetaKey
	stateMetaValue
	statePart
	stateSumAlgorithm
	stateSumType
	stateSumValue
	stateTagKey
	stateTagValue
	stateRemoved
	stateMD5
	statePartSum
	stateWriter
	stateWriterHome
)

// The flags of a state, which are its first field if any is set.
const (
	flagDeleted = 1 << iota
	flagUnlisted
	// flagEdited is set in the row of a path's newest state on a lineage if the
	// versions of the path are not just its rows there. Hashes leave it out.
	flagEdited
)

func appendUint(b []byte, f protowire.Number, v uint64) []byte {
	if v == 0 {
		return b
	}
	return protowire.AppendVarint(protowire.AppendTag(b, f, protowire.VarintType), v)
}

func appendString[T string | []byte](b []byte, f protowire.Number, v T) []byte {
	if len(v) == 0 {
		return b
	}
	b = protowire.AppendTag(b, f, protowire.BytesType)
	return append(protowire.AppendVarint(b, uint64(len(v))), v...)
}

func appendHash(b []byte, f protowire.Number, h objstore.Hash) []byte {
	if h.IsZero() {
		return b
	}
	return appendString(b, f, h[:])
}

// appendState appends the encoding of s, without its N. Equal states have equal
// encodings, as they are what the hash of a commit's changes is made of.
func appendState(b []byte, s *State) []byte {
	var flags uint64
	if s.Deleted {
		flags |= flagDeleted
	}
	if s.Unlisted {
		flags |= flagUnlisted
	}
	b = appendUint(b, stateFlags, flags)
	b = appendString(b, stateCommit, s.Commit[:])
	for _, id := range s.Removed {
		b = appendString(b, stateRemoved, id[:])
	}
	b = appendUint(b, stateModified, uint64(s.Modified.UnixMilli()))
	if s.Deleted {
		return b
	}
	b = appendHash(b, stateHash, s.Content.Hash)
	b = appendUint(b, stateSize, uint64(s.Content.Root.Size))
	if s.Content.Root.Hash != s.Content.Hash {
		b = appendHash(b, stateRoot, s.Content.Root.Hash)
	}
	b = appendUint(b, stateLevel, uint64(s.Content.Root.Level))
	a := &s.Attrs
	b = appendString(b, stateContentType, a.ContentType)
	b = appendString(b, stateContentEncoding, a.ContentEncoding)
	b = appendString(b, stateContentDisposition, a.ContentDisposition)
	b = appendString(b, stateContentLanguage, a.ContentLanguage)
	b = appendString(b, stateCacheControl, a.CacheControl)
	b = appendString(b, stateExpires, a.Expires)
	b = appendMap(b, stateMetaKey, a.Meta)
	for _, n := range s.Parts {
		b = protowire.AppendVarint(protowire.AppendTag(b, statePart, protowire.VarintType), uint64(n))
	}
	b = appendString(b, stateSumAlgorithm, a.Checksum.Algorithm)
	b = appendString(b, stateSumType, a.Checksum.Type)
	b = appendString(b, stateSumValue, a.Checksum.Value)
	b = appendMap(b, stateTagKey, a.Tags)
	b = appendString(b, stateMD5, a.Checksum.MD5)
	for _, v := range s.PartSums {
		b = protowire.AppendString(protowire.AppendTag(b, statePartSum, protowire.BytesType), v)
	}
	b = appendString(b, stateWriter, s.Writer.User)
	return appendUint(b, stateWriterHome, uint64(s.Writer.Home))
}

// appendMap appends each key as field f and its value as the field after that.
func appendMap(b []byte, f protowire.Number, m map[string]string) []byte {
	if len(m) == 0 {
		return b
	}
	for _, k := range slices.Sorted(maps.Keys(m)) {
		b = appendString(b, f, k)
		b = protowire.AppendString(protowire.AppendTag(b, f+1, protowire.BytesType), m[k])
	}
	return b
}

func setValue(m *map[string]string, key string, value []byte) {
	if *m == nil {
		*m = make(map[string]string)
	}
	(*m)[key] = string(value)
}

// flagsOf reads the flags of an encoded state, and nothing else.
func flagsOf(state []byte) byte {
	if len(state) > 1 && state[0] == byte(stateFlags<<3) {
		return state[1]
	}
	return 0
}

// markEdited returns a state row with flagEdited set.
func markEdited(row []byte) []byte {
	e, err := parseRow(row)
	if err != nil {
		return row // made here, so it has one
	}
	state := e.state
	head := row[: len(row)-len(state) : len(row)-len(state)]
	if flags := flagsOf(state); flags != 0 {
		return append(append(head, state[0], flags|flagEdited), state[2:]...)
	}
	return append(append(head, byte(stateFlags<<3), flagEdited), state...)
}

// withoutMark returns an encoded state with flagEdited not set, as hashes have it.
func withoutMark(state []byte) []byte {
	flags := flagsOf(state)
	if flags&flagEdited == 0 {
		return state
	}
	if flags &^= flagEdited; flags == 0 {
		return state[2:]
	}
	return append([]byte{state[0], flags}, state[2:]...)
}

// errRange: a number that is none of what it says.
var errRange = errors.New("number out of range")

// setInt64 sets a number that is not negative.
func setInt64(to *int64, v uint64) error {
	if v > math.MaxInt64 {
		return errRange
	}
	*to = int64(v)
	return nil
}

// fields calls fn for each field of an encoded message, with v set for a varint and
// data for a byte string.
func fields(b []byte, fn func(f protowire.Number, v uint64, data []byte) error) error {
	for len(b) > 0 {
		f, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return protowire.ParseError(n)
		}
		b = b[n:]
		var v uint64
		var data []byte
		switch typ {
		case protowire.VarintType:
			v, n = protowire.ConsumeVarint(b)
		case protowire.BytesType:
			data, n = protowire.ConsumeBytes(b)
		default:
			n = protowire.ConsumeFieldValue(f, typ, b)
		}
		if n < 0 {
			return protowire.ParseError(n)
		}
		b = b[n:]
		if err := fn(f, v, data); err != nil {
			return err
		}
	}
	return nil
}

func setHash(h *objstore.Hash, data []byte) error {
	if len(data) != len(h) {
		return fmt.Errorf("hash of %d bytes", len(data))
	}
	copy(h[:], data)
	return nil
}

func setID(id *ID, data []byte) error {
	if len(data) != len(id) {
		return fmt.Errorf("commit id of %d bytes", len(data))
	}
	copy(id[:], data)
	return nil
}

// decodeState decodes what appendState encoded.
func decodeState(b []byte) (State, error) {
	s := State{Entry: Entry{Modified: time.UnixMilli(0).UTC()}}
	var key string
	root := false
	err := fields(b, func(f protowire.Number, v uint64, data []byte) error {
		switch f {
		case stateFlags:
			s.Deleted, s.Unlisted = v&flagDeleted != 0, v&flagUnlisted != 0
		case stateRemoved:
			var id ID
			s.Removed = append(s.Removed, id)
			return setID(&s.Removed[len(s.Removed)-1], data)
		case stateCommit:
			return setID(&s.Commit, data)
		case stateHash:
			return setHash(&s.Content.Hash, data)
		case stateSize:
			return setInt64(&s.Content.Root.Size, v)
		case stateRoot:
			root = true
			return setHash(&s.Content.Root.Hash, data)
		case stateLevel:
			if v > math.MaxUint8 {
				return errRange
			}
			s.Content.Root.Level = uint8(v)
		case stateModified:
			s.Modified = time.UnixMilli(int64(v)).UTC()
		case stateMetaKey, stateTagKey:
			key = string(data)
		case stateMetaValue:
			setValue(&s.Attrs.Meta, key, data)
			key = ""
		case stateTagValue:
			setValue(&s.Attrs.Tags, key, data)
			key = ""
		case statePartSum:
			s.PartSums = append(s.PartSums, string(data))
		case stateWriter:
			s.Writer.User = string(data)
		case stateWriterHome:
			s.Writer.Home = LineageID(v)
		case statePart:
			s.Parts = append(s.Parts, 0)
			return setInt64(&s.Parts[len(s.Parts)-1], v)
		default:
			if p := s.Attrs.text(f); p != nil {
				*p = string(data)
			}
		}
		return nil
	})
	if err != nil {
		return State{}, fmt.Errorf("%w: state row: %w", objstore.ErrCorrupt, err)
	}
	if !root && s.Content.Root.Size > 0 {
		s.Content.Root.Hash = s.Content.Hash
	}
	return s, nil
}

// text returns where the text of field f is kept, nil if it is not such a field.
func (a *Attrs) text(f protowire.Number) *string {
	switch f {
	case stateContentType:
		return &a.ContentType
	case stateContentEncoding:
		return &a.ContentEncoding
	case stateContentDisposition:
		return &a.ContentDisposition
	case stateContentLanguage:
		return &a.ContentLanguage
	case stateCacheControl:
		return &a.CacheControl
	case stateExpires:
		return &a.Expires
	case stateSumAlgorithm:
		return &a.Checksum.Algorithm
	case stateSumType:
		return &a.Checksum.Type
	case stateSumValue:
		return &a.Checksum.Value
	case stateMD5:
		return &a.Checksum.MD5
	}
	return nil
}

// encodedState is a state that has not been decoded.
type encodedState struct {
	n     uint64 // the number of the commit that left it; stagedN if it is staged
	state []byte
}

// stagedN makes staged states newer than those of any commit.
const stagedN = math.MaxUint64

// parseRow splits the row of a state on a lineage.
func parseRow(row []byte) (encodedState, error) {
	n, k := binary.Uvarint(row)
	if k <= 0 {
		return encodedState{}, fmt.Errorf("%w: state row has no number", objstore.ErrCorrupt)
	}
	return encodedState{n, row[k:]}, nil
}

func (e encodedState) flags() byte { return flagsOf(e.state) }

func (e encodedState) decode() (State, error) {
	s, err := decodeState(e.state)
	if e.n != stagedN {
		s.N = e.n
	}
	return s, err
}
