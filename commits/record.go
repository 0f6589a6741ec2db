package commits

import (
	"encoding/binary"
	"fmt"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"caret/objstore"
)

// Commit is the record of one commit.
type Commit struct {
	ID      ID
	Parents []ID // the first is the one before it on its lineage
	Pos     Pos
	// Time is when it became visible. It never goes back along a lineage, so a
	// lineage can be searched by time; milliseconds' precision.
	Time    time.Time
	Author  string
	Message string
	// Files is how many paths it changed.
	Files int
	// Hash is of the record as stored, ParentHash of its parent's,
	// ChangesHash of the changes by path: a chain that fsck can check.
	Hash, ParentHash, ChangesHash objstore.Hash

	// paths are the changed ones if they are few; all others are rows.
	paths []string
}

// FirstPath is the first of the paths that it changed, "" if they are too many
// for its record to hold.
func (c *Commit) FirstPath() string {
	if len(c.paths) == 0 {
		return ""
	}
	return c.paths[0]
}

// inlinePaths is how many bytes of changed paths a record holds itself.
const inlinePaths = 2048

const (
	recordID protowire.Number = iota + 1
	recordTime
	recordAuthor
	recordMessage
	recordParentHash
	recordChangesHash
	recordFiles
	recordPath
	recordMerged // further parents
)

func appendRecord(b []byte, c *Commit) []byte {
	b = appendString(b, recordID, c.ID[:])
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

// decodeRecord reads a record; the first parent is left to the caller.
func decodeRecord(pos Pos, b []byte) (Commit, error) {
	c := Commit{Pos: pos, Hash: objstore.Sum(b)}
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
			c.Files = int(v)
		case recordPath:
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

// Head is the newest commit of a lineage, as much of it as the next one needs.
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
