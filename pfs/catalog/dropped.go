package catalog

import (
	"encoding/binary"
	"encoding/json"
	"time"

	"caret/objstore"
	"caret/pfs/rows"
)

// What was deleted is kept under a prefix, its name, 0 and the time of deletion in
// nanoseconds since 1970.

// nextDropped is the key for what is deleted now, behind those under prefix that
// were deleted before, whatever the clock says.
func nextDropped(tx objstore.Reader, prefix []byte, now time.Time) ([]byte, error) {
	at := uint64(now.UnixNano())
	var last json.RawMessage
	key, err := rows.Last(tx, prefix, &last)
	if err == nil && key != nil {
		var n uint64
		n, err = rows.Number(key, key[len(prefix):])
		at = max(at, n+1)
	}
	return binary.BigEndian.AppendUint64(prefix, at), err
}

// splitDropped is the name, and the time, in the key of something that was deleted.
func splitDropped(key []byte, prefix int) (name string, at uint64, err error) {
	rest := key[prefix:]
	if len(rest) < 9 {
		return "", 0, rows.BadKey(key)
	}
	return string(rest[:len(rest)-9]), binary.BigEndian.Uint64(rest[len(rest)-8:]), nil
}

func droppedAt(at uint64) time.Time { return time.Unix(0, int64(at)).UTC() }

// eachDropped calls fn for up to limit (0: all) names behind after that were deleted,
// with the row of what had the name last, and returns when these were deleted.
func eachDropped(tx objstore.Reader, prefix []byte, after string, limit int, fn func(name string, value []byte) error) ([]time.Time, error) {
	in := objstore.Prefix(prefix)
	if after != "" {
		in.Start = objstore.PrefixEnd(append(append([]byte(nil), prefix...), after+"\x00"...))
	}
	var times []time.Time
	var last struct {
		some  bool
		name  string
		at    uint64
		value []byte
	}
	flush := func() error {
		if !last.some {
			return nil
		}
		times = append(times, droppedAt(last.at))
		return fn(last.name, last.value)
	}
	c := objstore.Scan(tx, in)
	for c.Next() {
		name, at, err := splitDropped(c.Key(), len(prefix))
		if err != nil {
			return nil, err
		}
		if last.some && name != last.name {
			if err := flush(); err != nil {
				return nil, err
			}
			if last.some = false; limit > 0 && len(times) == limit {
				return times, nil
			}
		}
		last.some, last.name, last.at, last.value = true, name, at, c.Value()
	}
	if err := c.Err(); err != nil {
		return nil, err
	}
	return times, flush()
}
