package commits

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"caret/objstore"
)

// The first byte of a key says what kind of row it is. FORMAT.md describes them all.
const (
	keyLineage = 'l' // lineage -> Lineage
	keyHead    = 'h' // lineage -> Head
	keyCommit  = 'c' // lineage, N -> record
	keyID      = 'i' // commit id -> Pos
	keyEntry   = 'e' // lineage, path -> newest state of the path
	keyVersion = 'v' // lineage, path, ^N -> state that a later commit replaced
	keyMerge   = 'm' // lineage, N -> the commits that a merge brought in
	keyChange  = 'd' // commit id, path -> state, or nothing once it is folded in
	keyMarking = 'f' // alone -> who adds the marks that newest states may lack
)

// LineageID numbers lineages from 1; 0 means none.
type LineageID uint64

// Pos is the position of a commit: it is the N-th on a lineage, counted from 1 and
// through fork points. N 0 is the empty state before the first commit.
type Pos struct {
	Lineage LineageID
	N       uint64
}

func lineageKey(kind byte, lineage LineageID) []byte {
	return binary.BigEndian.AppendUint64(append(make([]byte, 0, 64), kind), uint64(lineage))
}

// lineageKeyLen is how much of a key is its kind and a lineage.
const lineageKeyLen = 1 + 8

// keyLineageID is the lineage of a key that lineageKey begins.
func keyLineageID(key []byte) (LineageID, error) {
	if len(key) < lineageKeyLen {
		return 0, fmt.Errorf("%w: key %x is too short", objstore.ErrCorrupt, key)
	}
	return LineageID(binary.BigEndian.Uint64(key[1:])), nil
}

func commitKey(p Pos) []byte {
	return binary.BigEndian.AppendUint64(lineageKey(keyCommit, p.Lineage), p.N)
}

func mergeKey(p Pos) []byte {
	return binary.BigEndian.AppendUint64(lineageKey(keyMerge, p.Lineage), p.N)
}

// keyN is the N of a commit key or a merge key.
func keyN(key []byte) uint64 { return binary.BigEndian.Uint64(key[len(key)-8:]) }

func idKey(id ID) []byte { return append([]byte{keyID}, id[:]...) }

func entryKey(lineage LineageID, path string) []byte {
	return append(lineageKey(keyEntry, lineage), path...)
}

func changeKey(id ID, path string) []byte {
	return append(append([]byte{keyChange}, id[:]...), path...)
}

// changesAfter is the range of the change keys of commit id for paths that sort after
// the given one; if that is empty, for all paths.
func changesAfter(id ID, after string) objstore.Range {
	r := objstore.Prefix(changeKey(id, ""))
	if after != "" {
		r.Start = append(changeKey(id, after), 0)
	}
	return r
}

// changeKeyPath is the path of a change key.
func changeKeyPath(key []byte) string { return string(key[1+len(ID{}):]) }

// versionPrefix is what the keys of all replaced states of path begin with. Zero bytes
// in the path are escaped, and two of them end it, so that the keys sort by path, and
// those of one path from the greatest N to the least.
func versionPrefix(lineage LineageID, path string) []byte {
	return append(appendEscaped(lineageKey(keyVersion, lineage), path), 0, 0)
}

func appendEscaped(key []byte, path string) []byte {
	for i := range len(path) {
		key = append(key, path[i])
		if path[i] == 0 {
			key = append(key, 0xff)
		}
	}
	return key
}

func versionKey(lineage LineageID, path string, n uint64) []byte {
	return binary.BigEndian.AppendUint64(versionPrefix(lineage, path), ^n)
}

// replacedStates is the range of the replaced states of path, from that of n back to
// the first. Commits count from 1, so no key has N 0.
func replacedStates(lineage LineageID, path string, n uint64) objstore.Range {
	return objstore.Range{Start: versionKey(lineage, path, n), End: versionKey(lineage, path, 0)}
}

// parseVersionKey splits a key that versionKey made.
func parseVersionKey(k []byte) (path []byte, n uint64, err error) {
	const tail = 10
	if len(k) < lineageKeyLen+tail {
		return nil, 0, fmt.Errorf("%w: version key %x is too short", objstore.ErrCorrupt, k)
	}
	esc := k[lineageKeyLen : len(k)-tail]
	if bytes.IndexByte(esc, 0) >= 0 {
		esc = bytes.ReplaceAll(esc, []byte{0, 0xff}, []byte{0})
	}
	return esc, ^binary.BigEndian.Uint64(k[len(k)-8:]), nil
}
