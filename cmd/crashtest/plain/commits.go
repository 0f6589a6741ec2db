package plain

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/zeebo/blake3"
	"google.golang.org/protobuf/encoding/protowire"
)

// A Commit is the record of a commit.
type Commit struct {
	ID, Author, Message string
	Time                uint64
	Parents             []string
	Files               int
	Hash                [32]byte
	At                  Place
}

// head reads where a lineage ends, and compares it to the record that is there.
func (s *Store) head(key string, value []byte) error {
	line, _, err := cutNumber(key)
	l := s.lines[line]
	if err != nil || l == nil || len(value) != 64 {
		return fmt.Errorf("% x", value)
	}
	if l.head = s.home(Place{line, bigEndian(string(value[:8]))}); l.head.N == 0 {
		return nil
	}
	c, err := s.commit(l.head)
	if err != nil {
		return err
	}
	if c.ID != hex.EncodeToString(value[8:24]) || c.Time != bigEndian(string(value[24:32])) || c.Hash != [32]byte(value[32:]) {
		return fmt.Errorf("% x is not %+v", value, c)
	}
	return nil
}

// home is a place by the lineage that made its commit: what is at or below the fork
// point of a lineage is on the one that it left.
func (s *Store) home(at Place) Place {
	for l := s.lines[at.Line]; l != nil && at.N <= l.fork.N; l = s.lines[at.Line] {
		at.Line = l.fork.Line
	}
	return at
}

// parent is the commit before at, or one with the number 0 if that is the first.
func (s *Store) parent(at Place) Place { return s.home(Place{at.Line, at.N - 1}) }

// commit reads the record of a commit and compares it to what it says of others: its
// changes, the commit before it, and the row of its id.
func (s *Store) commit(at Place) (*Commit, error) {
	if c := s.commits[at]; c != nil {
		return c, nil
	}
	record, ok := s.kinds['c'][string(binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, at.Line), at.N))]
	if !ok {
		return nil, errors.New("no such row")
	}
	c := &Commit{Hash: blake3.Sum256(record), At: at}
	var id, before, changes [32]byte
	var listed, merged []string
	err := eachField(record, func(field protowire.Number, v uint64, b []byte) error {
		switch field {
		case 1:
			c.ID = hex.EncodeToString(b)
			return fixed(id[:16], b)
		case 2:
			c.Time = v
		case 3:
			c.Author = string(b)
		case 4:
			c.Message = string(b)
		case 5:
			return fixed(before[:], b)
		case 6:
			return fixed(changes[:], b)
		case 7:
			c.Files = int(v)
		case 8:
			listed = append(listed, string(b))
		case 9:
			merged = append(merged, hex.EncodeToString(b))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if where := s.kinds['i'][string(id[:16])]; !bytes.Equal(where, binary.AppendUvarint(binary.AppendUvarint(nil, at.Line), at.N)) {
		return nil, fmt.Errorf("%s is at % x", c.ID, where)
	}
	l := s.lines[at.Line]
	if l == nil {
		return nil, fmt.Errorf("no lineage %d", at.Line)
	}
	paths, sum := l.changes(at.N)
	if c.Files == 0 && !slices.Equal(paths, listed) || c.Files > 0 && c.Files != len(paths) || sum != changes {
		return nil, fmt.Errorf("%s changed %d paths that are not those of its record", c.ID, len(paths))
	}
	c.Files = len(paths)
	if at := s.parent(at); at.N > 0 {
		parent, err := s.commit(at)
		if err != nil {
			return nil, fmt.Errorf("commit %+v: %w", at, err)
		}
		c.Parents = []string{parent.ID}
		if before != parent.Hash {
			return nil, fmt.Errorf("%s has another parent than %s", c.ID, parent.ID)
		}
	} else if before != [32]byte{} {
		return nil, fmt.Errorf("%s has lost its parent", c.ID)
	}
	c.Parents = append(c.Parents, merged...)
	s.commits[at] = c
	return c, nil
}

// changes are the paths that commit n changed, and their hash.
func (l *lineage) changes(n uint64) (paths []string, sum [32]byte) {
	paths = slices.Sorted(maps.Keys(l.changed[n]))
	var b []byte
	for _, path := range paths {
		b = protowire.AppendString(b, path)
		b = protowire.AppendBytes(b, l.changed[n][path].message)
	}
	return paths, blake3.Sum256(b)
}

// Log is the commits that lead to at by first parents, newest first.
func (s *Store) Log(at Place) (list []*Commit, err error) {
	for at = s.home(at); at.N > 0; at = s.parent(at) {
		c, err := s.commit(at)
		if err != nil {
			return nil, fmt.Errorf("commit %+v: %w", at, err)
		}
		list = append(list, c)
	}
	return list, nil
}
