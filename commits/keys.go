package commits

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"caret/objstore"
)

// The first byte of every key of this package; FORMAT.md lists them all.
const (
	keyLineage = 'l' // lineage -> Line
	keyHead    = 'h' // lineage -> head
	keyCommit  = 'c' // lineage N -> record
	keyID      = 'i' // commit id -> lineage N
	keyEntry   = 'e' // lineage path -> newest state of the path
	keyVersion = 'v' // lineage path ^N -> state that a later commit replaced
	keyMerge   = 'm' // lineage N -> where the commits are that a merge brought
	keyChange  = 'd' // commit id, path -> state, or nothing once it is folded in
)

// LineageID numbers lineages from 1; 0 means none.
type LineageID uint64

// Pos is a commit's place: the N-th commit on a lineage. N is counted along the
// branch from 1, through fork points; N 0 is the state before any commit.
type Pos struct {
	Lineage LineageID
	N       uint64
}

func lineageKey(kind byte, lineage LineageID) []byte {
	return binary.BigEndian.AppendUint64(append(make([]byte, 0, 64), kind), uint64(lineage))
}

func commitKey(p Pos) []byte {
	return binary.BigEndian.AppendUint64(lineageKey(keyCommit, p.Lineage), p.N)
}

func mergeKey(p Pos) []byte {
	return binary.BigEndian.AppendUint64(lineageKey(keyMerge, p.Lineage), p.N)
}

// lastN is the number that a commit key or a merge key ends with.
func lastN(key []byte) uint64 { return binary.BigEndian.Uint64(key[len(key)-8:]) }

func idKey(id ID) []byte { return append([]byte{keyID}, id[:]...) }

func entryKey(lineage LineageID, path string) []byte {
	return append(lineageKey(keyEntry, lineage), path...)
}

func changeKey(id ID, path string) []byte {
	return append(append([]byte{keyChange}, id[:]...), path...)
}

// changesAfter is the range of the change keys of commit id behind the path
// after, all of them if it is empty.
func changesAfter(id ID, after string) objstore.Range {
	r := objstore.Prefix(changeKey(id, ""))
	if after != "" {
		r.Start = append(changeKey(id, after), 0)
	}
	return r
}

// changedPath is the path of a change key.
func changedPath(key []byte) string { return string(key[1+len(ID{}):]) }

// versionPrefix begins the keys of all replaced states of path. A path may
// hold zero bytes, so they are escaped and the path is ended by two of them:
// keys sort by path, then from the newest N to the oldest.
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

// parseVersionKey takes apart what versionKey made.
func parseVersionKey(k []byte) (path []byte, n uint64, err error) {
	const head, tail = 9, 10
	if len(k) < head+tail {
		return nil, 0, fmt.Errorf("version key %x is too short", k)
	}
	esc := k[head : len(k)-tail]
	if bytes.IndexByte(esc, 0) >= 0 {
		esc = bytes.ReplaceAll(esc, []byte{0, 0xff}, []byte{0})
	}
	return esc, ^binary.BigEndian.Uint64(k[len(k)-8:]), nil
}
