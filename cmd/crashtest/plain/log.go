package plain

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/zeebo/blake3"
)

// A logRecord is a record of the log.
type logRecord struct {
	segment       string
	bodyAt        uint64
	lsn, synced   uint64
	before, check uint32 // the checksum of the header of the record before, and of its own
	body          []byte
}

// acked is how far the log is known to be on disk.
func (d *disk) acked() (uint64, error) {
	b, err := os.ReadFile(filepath.Join(d.dir, "log", "acked"))
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(b) == 0 { // it was never written
		return 0, nil
	}
	c := cursor{rest: b}
	magic, id, lsn, sum := c.take(4), c.take(8), c.u64(), c.u32()
	if err != nil || !c.done() || string(magic) != "CAK1" || sum != checksum(b[:20]) {
		return 0, errors.Join(err, fmt.Errorf("acked is % x", b))
	}
	return lsn, d.setID(id)
}

// record reads the record at the beginning of b.
func (d *disk) record(b []byte) (r logRecord, ok bool) {
	c := cursor{rest: b}
	magic, length := c.take(4), c.u32()
	r.lsn, r.synced = c.u64(), c.u64()
	id := c.take(8)
	var body uint32
	r.before, body, r.check = c.u32(), c.u32(), c.u32()
	r.body = c.take(uint64(length))
	ok = !c.short && string(magic) == "CTL1" && checksum(b[:40]) == r.check && checksum(r.body) == body &&
		(d.id == nil || bytes.Equal(id, d.id))
	if ok {
		d.id = id
	}
	return r, ok
}

// log reads the records behind last, up to which runs have all rows.
func (d *disk) log(last, acked uint64) error {
	names, err := filepath.Glob(filepath.Join(d.dir, "log", "*.log"))
	if err != nil {
		return err
	}
	found := map[uint64][]logRecord{}
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		acked = max(acked, d.segment(name, b, found))
		d.Seen.Segments++
	}
	var prev *logRecord
	if list := found[last]; len(list) == 1 {
		prev = &list[0]
	}
	for {
		next, err := follows(found[last+1], last+1, prev)
		if err != nil {
			return err
		}
		if next == nil {
			break
		}
		if err := d.apply(next); err != nil {
			return err
		}
		prev, last = next, last+1
		d.Seen.Records++
	}
	if acked > last {
		return fmt.Errorf("records up to %d were on disk, of which those from %d on are lost", acked, last+1)
	}
	return nil
}

// segment adds the records of a segment to found, and returns up to which LSN
// any whole record in it says that the log is on disk.
func (d *disk) segment(name string, b []byte, found map[uint64][]logRecord) (synced uint64) {
	var prev logRecord
	at := 0
	for {
		r, ok := d.record(b[at:])
		if !ok || at > 0 && (r.lsn != prev.lsn+1 || r.before != prev.check) {
			break
		}
		r.segment, r.bodyAt = name, uint64(at)+44
		found[r.lsn] = append(found[r.lsn], r)
		at += 44 + len(r.body)
		synced, prev = max(synced, r.synced), r
	}
	for i := bytes.Index(b[at:], []byte("CTL1")); i >= 0; i = bytes.Index(b[at:], []byte("CTL1")) {
		if r, ok := d.record(b[at+i:]); ok {
			synced = max(synced, r.synced)
		}
		at += i + 4
	}
	return synced
}

// follows is the record of list, all with that LSN, that follows prev, if there
// is one.
func follows(list []logRecord, lsn uint64, prev *logRecord) (next *logRecord, err error) {
	for i, r := range list {
		if prev != nil && r.before != prev.check || lsn == 1 && r.before != 0 {
			continue
		}
		if next != nil {
			return nil, fmt.Errorf("two records %d", lsn)
		}
		next = &list[i]
	}
	return next, nil
}

// apply does what a record says.
func (d *disk) apply(r *logRecord) error {
	c := cursor{rest: r.body}
	for n := c.varint(); n > 0 && !c.short; n-- {
		hash, length := c.take(32), c.varint()
		at := r.bodyAt + uint64(len(r.body)-len(c.rest))
		if b := c.take(length); !c.short {
			if blake3.Sum256(b) != [32]byte(hash) {
				return fmt.Errorf("record %d: a blob is not %x", r.lsn, hash)
			}
			d.small[[32]byte(hash)] = extract{r.segment, at, length}
		}
	}
	for n := c.varint(); n > 0 && !c.short; n-- {
		key := string(c.take(c.varint()))
		if length := c.varint(); length == 0 {
			delete(d.rows, key)
		} else {
			d.rows[key] = c.take(length - 1)
		}
	}
	if !c.done() {
		return fmt.Errorf("record %d: does not end where it should", r.lsn)
	}
	return nil
}
