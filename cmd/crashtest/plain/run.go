package plain

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
)

// A runFile is a run.
type runFile struct {
	name     string
	from, to uint64
	b        []byte
}

var runName = regexp.MustCompile(`^run-([0-9a-f]{16})-([0-9a-f]{16})\.rows$`)

// runs reads the rows of all runs and where bulks are, and returns the LSN up to
// which they have all rows.
func (d *disk) runs() (last uint64, err error) {
	files, err := os.ReadDir(filepath.Join(d.dir, "log"))
	if err != nil {
		return 0, err
	}
	var list []runFile
	for _, f := range files {
		if m := runName.FindStringSubmatch(f.Name()); m != nil {
			from, _ := strconv.ParseUint(m[1], 16, 64)
			to, _ := strconv.ParseUint(m[2], 16, 64)
			list = append(list, runFile{name: f.Name(), from: from, to: to})
		}
	}
	// The wider of those that begin at one place comes first.
	slices.SortFunc(list, func(a, b runFile) int {
		return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(b.to, a.to))
	})
	for _, r := range list {
		switch {
		case r.to <= last:
			d.Seen.Superseded++
			continue
		case r.from != last:
			return 0, fmt.Errorf("no run from %d, but %s", last, r.name)
		}
		if r.b, err = os.ReadFile(filepath.Join(d.dir, "log", r.name)); err != nil {
			return 0, err
		}
		if err := d.run(&r); err != nil {
			return 0, fmt.Errorf("%s: %w", r.name, err)
		}
		last = r.to
		d.Seen.Runs++
	}
	return last, nil
}

// run applies the rows of a run.
func (d *disk) run(r *runFile) error {
	if len(r.b) < 36+40 {
		return fmt.Errorf("%d bytes", len(r.b))
	}
	c := cursor{rest: r.b[:36]}
	magic, identity := c.take(8), c.take(24)
	id := cursor{rest: identity}
	store, from, to := id.take(8), id.u64(), id.u64()
	if string(magic) != "CTRUN1\n\x00" || c.u32() != checksum(r.b[:32]) || from != r.from || to != r.to || from >= to {
		return fmt.Errorf("header % x", r.b[:36])
	}
	if err := d.setID(store); err != nil {
		return err
	}
	c = cursor{rest: r.b[len(r.b)-40:]}
	blocks, rows, bulks, length, sum, magic := c.u64(), c.u64(), c.u32(), c.u64(), c.u32(), c.take(8)
	behind := len(r.b) - 40 - int(bulks)*28
	if behind < 36 || length != uint64(len(r.b)) || string(magic) != "CTRUNEND" || sum != checksum(identity, r.b[behind:len(r.b)-12]) {
		return fmt.Errorf("footer % x", r.b[len(r.b)-40:])
	}
	for c := (cursor{rest: r.b[behind : len(r.b)-40]}); len(c.rest) > 0; {
		at := extract{d.pack(uint64(c.u32())), c.u64(), c.u64()}
		c.u64() // up to which LSN
		if err := d.bulk(at); err != nil {
			return err
		}
	}
	c = cursor{rest: r.b[36:behind]}
	prev := ""
	for number := range blocks {
		n, err := d.block(&c, identity, number, &prev)
		if err != nil {
			return fmt.Errorf("block %d: %w", number, err)
		}
		rows -= n
	}
	if rows != 0 || !c.done() {
		return fmt.Errorf("blocks and footer do not agree")
	}
	return nil
}

// block applies the rows of the next block of a run, whose keys are above prev, and
// returns how many they are.
func (d *disk) block(c *cursor, identity []byte, number uint64, prev *string) (uint64, error) {
	whole := c.rest
	head := cursor{rest: c.take(16)}
	compressed, raw, rows := head.u32(), uint64(head.u32()), uint64(head.u32())
	frame := c.take(uint64(compressed))
	if c.short || raw > 16<<20 || rows == 0 || rows > raw/3 ||
		head.u32() != checksum(identity, binary.LittleEndian.AppendUint64(nil, number), whole[:12], frame) {
		return 0, fmt.Errorf("header % x", whole[:min(16, len(whole))])
	}
	b, err := d.zstd.DecodeAll(frame, nil)
	if err != nil || uint64(len(b)) != raw {
		return 0, errors.Join(err, fmt.Errorf("%d bytes are %d", raw, len(b)))
	}
	in := cursor{rest: b}
	lengths := make([][3]uint64, rows)
	sizes := map[uint64]uint64{} // how many values there are of each length
	for i := range lengths {
		l := [3]uint64{in.varint(), in.varint(), in.varint()}
		lengths[i] = l
		if l[2] > 1 {
			sizes[l[2]-1]++
		}
	}
	keys := make([]string, rows)
	last := ""
	for i, l := range lengths {
		if l[0] > uint64(len(last)) {
			return 0, fmt.Errorf("row %d shares %d bytes of %q", i, l[0], last)
		}
		last = last[:l[0]] + string(in.take(l[1]))
		if last <= *prev {
			return 0, fmt.Errorf("%q after %q", last, *prev)
		}
		keys[i], *prev = last, last
	}
	columns := map[uint64]cursor{} // those of the values of each length
	for _, size := range slices.Sorted(maps.Keys(sizes)) {
		columns[size] = cursor{rest: in.take(size * sizes[size])}
	}
	if !in.done() {
		return 0, fmt.Errorf("does not end where it should")
	}
	for i, l := range lengths {
		if l[2] == 0 {
			delete(d.rows, keys[i])
			continue
		}
		size := l[2] - 1
		value := make([]byte, size)
		column := columns[size]
		for j := range value {
			value[j] = column.rest[uint64(j)*sizes[size]]
		}
		column.take(1)
		columns[size] = column
		d.rows[keys[i]] = value
	}
	return rows, nil
}
