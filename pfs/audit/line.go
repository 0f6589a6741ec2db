package audit

import (
	"encoding/binary"
	"time"
	"unicode/utf8"

	"caret/objstore"
	"caret/pfs/rows"
)

// Line is one change.
type Line struct {
	// Time is in the key: it is that of the server, to the nanosecond, and no
	// two lines have the same.
	Time time.Time `json:"-"`

	User    string `json:"user,omitempty"`    // the name of who made it; "" is nobody who signed, or the server itself
	UserID  string `json:"user_id,omitempty"` // names are given to others, ids are not
	Key     string `json:"key,omitempty"`     // access key that it was signed with
	Address string `json:"address,omitempty"` // that the request came from
	Request string `json:"request,omitempty"` // id of the request

	Action string `json:"action"`
	Repo   string `json:"repo,omitempty"`
	RepoID uint64 `json:"repo_id,omitempty"` // names are given to others, ids are not
	Ref    string `json:"ref,omitempty"`     // branch, tag or open commit
	Path   string `json:"path,omitempty"`    // of the file, or of the first one
	More   int    `json:"more,omitempty"`    // how many files besides
	Name   string `json:"name,omitempty"`    // of the user, or the key
	Before string `json:"before,omitempty"`  // what is no more, in short
	After  string `json:"after,omitempty"`   // what is now, in short
}

// MaxShort is how many bytes of Before and After are kept.
const MaxShort = 2 << 10

// short cuts what is too long to be kept.
func short(s string) string {
	if len(s) <= MaxShort {
		return s
	}
	n := MaxShort
	for !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "..."
}

func lineKey(at uint64) []byte { return rows.Numbered(rows.Audit, at) }

// Kinds of index rows.
const (
	byUser = 'u'
	byRepo = 'r'
)

// indexPrefix is what keys of index rows begin with. Names have no zero bytes.
func indexPrefix(kind byte, name string) []byte {
	return append(append([]byte{rows.AuditIndex, kind}, name...), 0)
}

// indexKeys are those of the rows that find a line.
func (l *Line) indexKeys(at uint64) (keys [][]byte) {
	if l.User != "" {
		keys = append(keys, binary.BigEndian.AppendUint64(indexPrefix(byUser, l.User), at))
	}
	if l.Repo != "" {
		keys = append(keys, binary.BigEndian.AppendUint64(indexPrefix(byRepo, l.Repo), at))
	}
	return keys
}

// window is how far a line looks for others that have its time, in
// nanoseconds: transactions that write lines within one run into conflicts.
const window = 1000

// Write adds a line about what the transaction changes. now is the time, in
// whose place the next one is taken that no line has.
func Write(tx objstore.Writer, now time.Time, l Line) error {
	at, err := free(tx, uint64(max(now.UnixNano(), 0)))
	if err != nil {
		return err
	}
	l.Before, l.After = short(l.Before), short(l.After)
	if err := rows.Set(tx, lineKey(at), l); err != nil {
		return err
	}
	for _, key := range l.indexKeys(at) {
		if err := tx.Set(key, nil); err != nil {
			return err
		}
	}
	return nil
}

// free is the first time from at on, in nanoseconds, behind all lines of that window.
func free(tx objstore.Reader, at uint64) (uint64, error) {
	for {
		in := objstore.Range{Start: lineKey(at), End: lineKey(at + window), Reverse: true}
		page, err := tx.Page(in, 1)
		if err != nil || len(page) == 0 {
			return at, err
		}
		last, err := rows.Number(page[0].Key, page[0].Key[1:])
		if err != nil {
			return 0, err
		}
		at = last + 1
	}
}
