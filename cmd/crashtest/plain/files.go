package plain

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/zeebo/blake3"
	"google.golang.org/protobuf/encoding/protowire"
)

// A lineage is the commits of a branch, or of a stretch of its past.
type lineage struct {
	fork, head Place
	states     map[string][]*File          // of each path, in any order
	changed    map[uint64]map[string]*File // by each commit, to what
}

// line reads a lineage, and what stands in its layers.
func (s *Store) line(key string, value []byte) error {
	number, _, err := cutNumber(key)
	if err != nil {
		return err
	}
	l := &lineage{states: map[string][]*File{}, changed: map[uint64]map[string]*File{}}
	s.lines[number] = l
	layer := uint64(0)
	return eachField(value, func(field protowire.Number, v uint64, b []byte) error {
		switch field {
		case 2:
			l.fork.Line = v
		case 3:
			l.fork.N = v
		case 4:
			layer = v
		case 5:
			s.Seen.Layers++
			return s.staged(string(b), func(path string, value []byte) error { return l.add(path, layer, value) })
		}
		return nil
	})
}

// staged calls fn for the rows of an open commit, or a layer, that say something.
func (s *Store) staged(id string, fn func(path string, value []byte) error) error {
	for key, value := range s.kinds['d'] {
		if path, ok := strings.CutPrefix(key, id); ok && len(value) > 0 {
			if err := fn(path, value); err != nil {
				return err
			}
		}
	}
	return nil
}

// newest reads the newest state of a path.
func (s *Store) newest(key string, value []byte) error {
	line, path, err := cutNumber(key)
	n, size := binary.Uvarint(value)
	l := s.lines[line]
	if err != nil || size <= 0 || l == nil {
		return errors.Join(err, errors.New("no lineage, or no number"))
	}
	return l.add(path, n, value[size:])
}

// replaced reads a state that was replaced.
func (s *Store) replaced(key string, value []byte) error {
	if len(key) < 18 {
		return errors.New("too short a key")
	}
	escaped, n := key[8:len(key)-8], ^bigEndian(key[len(key)-8:])
	path, ok := strings.CutSuffix(escaped, "\x00\x00")
	if was, size := binary.Uvarint(value); !ok || size <= 0 || was != n {
		return fmt.Errorf("is of %d or of %d", n, was)
	}
	return s.newest(key[:8]+strings.ReplaceAll(path, "\x00\xff", "\x00"), value)
}

// add adds a state that commit n left.
func (l *lineage) add(path string, n uint64, message []byte) error {
	f, err := readState(message)
	if err != nil {
		return err
	}
	f.n = n
	if other := l.changed[n][path]; other != nil && !bytes.Equal(other.message, f.message) {
		return fmt.Errorf("two states of %q as of %d", path, n)
	}
	if l.changed[n] == nil {
		l.changed[n] = map[string]*File{}
	}
	l.changed[n][path] = f
	l.states[path] = append(l.states[path], f)
	return nil
}

// Files are all files as of a commit, by path.
func (s *Store) Files(at Place) map[string]*File {
	at = s.home(at)
	l := s.lines[at.Line]
	if l == nil || at.N == 0 {
		return map[string]*File{}
	}
	list := s.Files(l.fork)
	for path, states := range l.states {
		var newest *File
		for _, f := range states {
			if f.n <= at.N && (newest == nil || f.n > newest.n) {
				newest = f
			}
		}
		set(list, path, newest)
	}
	return list
}

// set makes the file at a path be f: none if that is deleted, and the one that is
// there if f is nil.
func set(list map[string]*File, path string, f *File) {
	switch {
	case f == nil:
	case f.deleted:
		delete(list, path)
	default:
		list[path] = f
	}
}

// OpenFiles are all files as an open commit would leave them.
func (s *Store) OpenFiles(id string, parent Place) (map[string]*File, error) {
	key, err := hex.DecodeString(id)
	if err != nil {
		return nil, err
	}
	list := s.Files(parent)
	return list, s.staged(string(key), func(path string, value []byte) error {
		f, err := readState(value)
		set(list, path, f)
		return err
	})
}

// Content reads a file, of which each blob and the whole must be what their hashes say.
func (s *Store) Content(f *File) ([]byte, error) {
	b, err := s.under(nil, f.root, f.level, f.Size)
	if err == nil && blake3.Sum256(b) != f.Hash {
		return nil, fmt.Errorf("the whole is not %x", f.Hash)
	}
	return b, err
}

// under appends the content of some size that is under a root.
func (s *Store) under(to []byte, root [32]byte, level byte, size uint64) ([]byte, error) {
	if size == 0 {
		return to, nil
	}
	b, err := s.blob(root)
	if err != nil {
		return nil, err
	}
	if level == 0 {
		if uint64(len(b)) != size {
			return nil, fmt.Errorf("chunk %x has %d bytes, not %d", root, len(b), size)
		}
		return append(to, b...), nil
	}
	c := cursor{rest: b}
	if version := c.take(1); !bytes.Equal(version, []byte{1}) {
		return nil, fmt.Errorf("list %x has version %x", root, version)
	}
	for len(c.rest) > 0 {
		lower, hash, part := c.fixed(1), c.take(32), c.varint()
		if c.short || lower >= uint64(level) || part == 0 || part > size {
			return nil, fmt.Errorf("list %x: a ref to %d bytes of level %d", root, part, lower)
		}
		if to, err = s.under(to, [32]byte(hash), byte(lower), part); err != nil {
			return nil, err
		}
		size -= part
	}
	if size > 0 || c.short {
		return nil, fmt.Errorf("list %x lacks %d bytes", root, size)
	}
	return to, nil
}
