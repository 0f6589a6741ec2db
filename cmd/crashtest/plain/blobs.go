package plain

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/zeebo/blake3"
)

// An extract is a part of a file.
type extract struct {
	name           string
	offset, length uint64
}

// pack is the name of a pack.
func (d *disk) pack(number uint64) string {
	return filepath.Join(d.dir, "packs", fmt.Sprintf("%08d.pack", number))
}

// read reads an extract.
func (e extract) read() ([]byte, error) {
	f, err := os.Open(e.name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || uint64(info.Size()) < e.length {
		return nil, errors.Join(err, fmt.Errorf("%s has less than %d bytes", e.name, e.length))
	}
	b := make([]byte, e.length)
	if _, err := f.ReadAt(b, int64(e.offset)); err != nil {
		return nil, fmt.Errorf("%d bytes at %d of %s: %w", e.length, e.offset, e.name, err)
	}
	return b, nil
}

// bulk finds the blobs of a bulk.
func (d *disk) bulk(at extract) error {
	b, err := at.read()
	if err != nil {
		return err
	}
	c := cursor{rest: b}
	magic, count, size, sum := c.take(4), c.u32(), c.u32(), c.u32()
	table := cursor{rest: c.take(uint64(size))}
	if c.short || string(magic) != "CTB1" || checksum(b[:12], table.rest) != sum {
		return fmt.Errorf("no bulk at %+v", at)
	}
	for range count {
		from, length := at.length-uint64(len(c.rest)), table.varint()
		if blob := c.take(length); !c.short {
			d.small[blake3.Sum256(blob)] = extract{at.name, at.offset + from, length}
		}
	}
	if !c.done() || !table.done() {
		return fmt.Errorf("the bulk at %+v does not end where it should", at)
	}
	d.Seen.Bulks++
	return nil
}

// blob reads a blob.
func (d *disk) blob(hash [32]byte) ([]byte, error) {
	where, large := d.rows["x"+string(hash[:])]
	at, small := d.small[hash]
	if large {
		c := cursor{rest: where}
		kind, pack := c.varint(), c.varint()
		at = extract{d.pack(pack), c.varint(), c.varint()}
		if kind != 2 || !c.done() || at.offset < 44 {
			return nil, fmt.Errorf("blob %x is at % x", hash, where)
		}
		header, err := extract{at.name, at.offset - 44, 44}.read()
		if err != nil {
			return nil, err
		}
		c = cursor{rest: header}
		if magic, length, sum := c.take(4), c.u32(), c.take(32); string(magic) != "CTR1" || uint64(length) != at.length ||
			[32]byte(sum) != hash || c.u32() != checksum(header[:40]) {
			return nil, fmt.Errorf("no record of blob %x before %+v: % x", hash, at, header)
		}
	} else if !small {
		return nil, fmt.Errorf("blob %x is nowhere", hash)
	}
	b, err := at.read()
	if err != nil {
		return nil, err
	}
	if blake3.Sum256(b) != hash {
		return nil, fmt.Errorf("%+v is not blob %x", at, hash)
	}
	return b, nil
}
