package commits

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"caret/objstore"
)

// Commit is the record of a commit.
type Commit struct {
	ID      ID
	Parents []ID // the first is the commit before it
	Pos     Pos  // on the lineage that made it
	// Time is when it became visible, with a precision of milliseconds. It never goes
	// back along a lineage, so that a lineage can be searched by time.
	Time    time.Time
	Author  string
	Message string
	Files   int // how many paths it changed
	// Hash is the hash of the record as it is stored, ParentHash that of its first
	// parent, and ChangesHash that of the changes: a chain that can be verified.
	Hash, ParentHash, ChangesHash objstore.Hash

	// paths are those it changed, in order, if the record holds them. Else they are
	// the paths of the rows under its id.
	paths []string
}

// FirstPath is the first of the paths that the commit changed, "" if they are too
// many for its record.
func (c *Commit) FirstPath() string {
	if len(c.paths) == 0 {
		return ""
	}
	return c.paths[0]
}

// ForgetPaths leaves FirstPath nothing to say. It is for a commit that is handed out, not
// for one whose changes are still to be read.
func (c *Commit) ForgetPaths() { c.paths = nil }

// hasRows reports whether the paths are those of rows under the commit's id, as its record
// does not hold them.
func (c *Commit) hasRows() bool { return len(c.paths) == 0 && c.Files > 0 }

// maxInlinePaths is how many bytes of changed paths a record holds.
const maxInlinePaths = 2048

const (
	recordID protowire.Number = iota + 1
	recordTime
	recordAuthor
	recordMessage
	recordParentHash
	recordChangesHash
	recordFiles
	recordPath
	recordMerged // a parent besides the first
)

// encodeRecord is what a record's hash is of.
func encodeRecord(c *Commit) []byte {
	b := appendString(nil, recordID, c.ID[:])
	b = appendUint(b, recordTime, uint64(c.Time.UnixMilli()))
	b = appendString(b, recordAuthor, c.Author)
	b = appendString(b, recordMessage, c.Message)
	b = appendHash(b, recordParentHash, c.ParentHash)
	b = appendHash(b, recordChangesHash, c.ChangesHash)
	if len(c.paths) != c.Files {
		b = appendUint(b, recordFiles, uint64(c.Files))
	}
	for _, p := range c.paths {
		b = appendString(b, recordPath, p)
	}
	if len(c.Parents) > 1 {
		for _, p := range c.Parents[1:] {
			b = appendString(b, recordMerged, p[:])
		}
	}
	return b
}

// decodeRecord decodes the record of the commit at pos. Its first parent, if it has
// one, is for the caller to set.
func decodeRecord(pos Pos, b []byte) (Commit, error) {
	c := Commit{Pos: pos, Hash: objstore.Sum(b), Time: time.UnixMilli(0).UTC()}
	var merged []ID
	err := fields(b, func(f protowire.Number, v uint64, data []byte) error {
		switch f {
		case recordID:
			return setID(&c.ID, data)
		case recordTime:
			c.Time = time.UnixMilli(int64(v)).UTC()
		case recordAuthor:
			c.Author = string(data)
		case recordMessage:
			c.Message = string(data)
		case recordParentHash:
			return setHash(&c.ParentHash, data)
		case recordChangesHash:
			return setHash(&c.ChangesHash, data)
		case recordFiles:
			if v > math.MaxInt {
				return errRange
			}
			c.Files = int(v)
		case recordPath:
			if len(data) == 0 {
				return errors.New("a path is empty")
			}
			c.paths = append(c.paths, string(data))
		case recordMerged:
			var id ID
			merged = append(merged, id)
			return setID(&merged[len(merged)-1], data)
		}
		return nil
	})
	if err != nil {
		return Commit{}, fmt.Errorf("%w: commit record %d of lineage %d: %w", objstore.ErrCorrupt, pos.N, pos.Lineage, err)
	}
	if len(c.paths) > 0 {
		c.Files = len(c.paths)
	}
	if len(merged) > 0 {
		c.Parents = append(make([]ID, 1), merged...)
	}
	return c, nil
}

// Head is the newest commit of a lineage, as far as the next one needs it.
type Head struct {
	N    uint64
	ID   ID
	Time time.Time
	Hash objstore.Hash
}

func (h *Head) encode() []byte {
	b := binary.BigEndian.AppendUint64(make([]byte, 0, 64), h.N)
	b = append(b, h.ID[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(h.Time.UnixMilli()))
	return append(b, h.Hash[:]...)
}

func decodeHead(b []byte) (Head, error) {
	var h Head
	if len(b) != 8+16+8+32 {
		return h, fmt.Errorf("%w: head row of %d bytes", objstore.ErrCorrupt, len(b))
	}
	h.N = binary.BigEndian.Uint64(b)
	copy(h.ID[:], b[8:])
	h.Time = time.UnixMilli(int64(binary.BigEndian.Uint64(b[24:]))).UTC()
	copy(h.Hash[:], b[32:])
	return h, nil
}
