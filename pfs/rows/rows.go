// Package rows is how pfs keeps what it knows: the kinds of rows, how their
// keys are made, and JSON in their values. FORMAT.md describes each of them.
//
// It knows nothing of what the rows mean, and imports of caret's packages objstore alone.
package rows

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"strings"

	"caret/objstore"
)

// The first byte of every key of pfs. Those of package commits are
// c, d, e, f, h, i, l, m and v.
const (
	Repo          = 'r' // repo name
	Branch        = 'b' // repo id, name
	Tag           = 't' // repo id, name
	DroppedBranch = 'x' // repo id, branch name, 0, time of deletion
	DroppedRepo   = 'X' // repo name, 0, time of deletion
	DroppedTag    = 'z' // repo id, tag name, 0, time of deletion
	Move          = 'R' // repo id, branch name, 0, number
	Open          = 'o' // repo id, commit id
	Upload        = 'u' // scope, escaped path, 0 0, upload id
	Part          = 'p' // upload id, part number
	Completed     = 'q' // upload id
	Leftover      = 'P' // upload id
	Settings      = 's' // home lineage of a branch
	CORS          = 'C' // home lineage of a branch
	FileACL       = 'A' // home lineage of a branch, escaped path, 0 0, commit id
	User          = 'U' // user name
	UserID        = 'I' // user id
	AccessKey     = 'K' // access key
	Folding       = 'g' // lineage
	Dropping      = 'a' // commit id
	Lease         = 'L' // process
	Marked        = 'F' // alone; see jobs.CheckMarks
	InList        = 'S' // user id ("" everybody's), 0, name; see access.EachListed
	Listing       = 'j' // alone; the rows InList are being made
	Listed        = 'J' // alone; they are whole
	Served        = 'T' // alone; when processes had the store open
	Audit         = 'w' // time
	AuditIndex    = 'W' // 'u' or 'r', name of a user or a repo, 0, time
	OldCounter    = 'n' // name; of format 1, sequences have taken its place
)

// Key is a kind followed by text.
func Key(kind byte, text string) []byte { return append([]byte{kind}, text...) }

// Numbered is a kind followed by a number.
func Numbered(kind byte, n uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{kind}, n)
}

// Number is the number that rest, part of a key, begins with; objstore.ErrCorrupt if it
// is too short for that.
func Number[T string | []byte](key []byte, rest T) (uint64, error) {
	if len(rest) < 8 {
		return 0, BadKey(key)
	}
	return binary.BigEndian.Uint64([]byte(rest[:8])), nil
}

// BadKey is an error about a key that none of its kind is like.
func BadKey(key []byte) error {
	return fmt.Errorf("%w: there is a row with the key %q", objstore.ErrCorrupt, key)
}

// InRepo is the key of something with a name in a repo.
func InRepo(kind byte, repo uint64, name string) []byte {
	return append(Numbered(kind, repo), name...)
}

// WithPath is scope followed by a path and two zero bytes. As a path may hold
// zero bytes itself they are escaped, so that keys sort by path and then by
// what is appended to them.
func WithPath(scope []byte, path string) []byte {
	k := append([]byte(nil), scope...)
	k = append(k, strings.ReplaceAll(path, "\x00", "\x00\xff")...)
	return append(k, 0, 0)
}

// Get reads the row at key into v; objstore.ErrNotFound. What maps and slices it
// holds must not be changed; see Cache.
func Get[T any](tx objstore.Reader, key []byte, v *T) error {
	b, err := tx.Get(key)
	if err != nil {
		return err
	}
	return decodeCached(tx, key, b, v)
}

// Decode reads a row's value into v; objstore.ErrCorrupt.
func Decode(key, value []byte, v any) error {
	if err := json.Unmarshal(value, v); err != nil {
		return fmt.Errorf("%w: row %q: %w", objstore.ErrCorrupt, key, err)
	}
	return nil
}

// Set writes v to the row at key.
func Set(tx objstore.Writer, key []byte, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return tx.Set(key, b)
}

// Each calls fn for the rows whose keys begin with prefix, with the rest of
// the key, from behind the row with the rest after, until fn returns false.
func Each(tx objstore.Reader, prefix []byte, after string, fn func(rest string, value []byte) (more bool, err error)) error {
	r := objstore.Prefix(prefix)
	if after != "" {
		r.Start = append(append(append([]byte(nil), prefix...), after...), 0)
	}
	c := objstore.Scan(tx, r)
	for c.Next() {
		if more, err := fn(string(c.Key()[len(prefix):]), c.Value()); err != nil || !more {
			return err
		}
	}
	return c.Err()
}

// Some is Each for at most limit rows; 0 is all.
func Some(tx objstore.Reader, prefix []byte, after string, limit int, fn func(rest string, value []byte) error) error {
	n := 0
	return Each(tx, prefix, after, func(rest string, value []byte) (bool, error) {
		n++
		return n != limit, fn(rest, value)
	})
}

// Last reads the last row whose key begins with prefix into v; a nil key says
// that there is none.
func Last(tx objstore.Reader, prefix []byte, v any) ([]byte, error) {
	in := objstore.Prefix(prefix)
	in.Reverse = true
	page, err := tx.Page(in, 1)
	if err != nil || len(page) == 0 {
		return nil, err
	}
	return page[0].Key, Decode(page[0].Key, page[0].Value, v)
}
