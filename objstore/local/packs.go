package local

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"caret/objstore"
)

// A record in a pack: magic, payload length (4 bytes each, little-endian),
// BLAKE3 hash of the payload (32), CRC-32C of those 40 bytes (4), payload.
const (
	recordMagic  = 0x31525443 // "CTR1"
	recordHeader = 44
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func appendHeader(b []byte, h objstore.Hash, length int) []byte {
	b = binary.LittleEndian.AppendUint32(b, recordMagic)
	b = binary.LittleEndian.AppendUint32(b, uint32(length))
	b = append(b, h[:]...)
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

// place is where a record is.
type place struct {
	pack   uint32
	offset int64 // of its header
	length int   // of its payload
}

// packs are the pack files. Records are appended to the newest one, and
// nothing is ever written over.
type packs struct {
	dir   string
	size  int64
	fault func(string) error

	mu    sync.Mutex
	files map[uint32]*pack
	last  uint32
	fresh bool // files were made whose names are not on disk for sure
}

type pack struct {
	id    uint32
	f     *os.File
	end   int64 // where the next record goes
	dirty bool  // written to since the last sync
}

func openPacks(dir string, size int64, fault func(string) error) (*packs, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	p := &packs{dir: dir, size: size, fault: fault, files: make(map[uint32]*pack)}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), ".pack")
		if !ok {
			continue
		}
		id, err := strconv.ParseUint(name, 10, 32)
		if err != nil {
			return nil, fmt.Errorf("pack file %s: not a number", e.Name())
		}
		if err := p.open(uint32(id), os.O_RDWR); err != nil {
			return nil, errors.Join(err, p.close())
		}
		p.last = max(p.last, uint32(id))
	}
	return p, nil
}

func (p *packs) path(id uint32) string {
	return filepath.Join(p.dir, fmt.Sprintf("%08d.pack", id))
}

// open opens a pack file. What a crash left behind its last indexed record
// stays; the next record goes behind that.
func (p *packs) open(id uint32, flag int) error {
	f, err := os.OpenFile(p.path(id), flag, 0o600)
	if err != nil {
		return err
	}
	end, err := f.Seek(0, 2)
	if err != nil {
		return errors.Join(err, f.Close())
	}
	p.files[id] = &pack{id: id, f: f, end: end}
	return nil
}

func (p *packs) close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var errs []error
	for _, k := range p.files {
		errs = append(errs, k.f.Close())
	}
	return errors.Join(errs...)
}

// reserve finds room for a record.
func (p *packs) reserve(length int64) (*pack, int64, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	k := p.files[p.last]
	if k == nil || k.end > 0 && k.end+length > p.size {
		if err := p.fault("pack.create"); err != nil {
			return nil, 0, err
		}
		if err := p.open(p.last+1, os.O_RDWR|os.O_CREATE|os.O_EXCL); err != nil {
			return nil, 0, err
		}
		p.last++
		p.fresh = true
		k = p.files[p.last]
	}
	off := k.end
	k.end += length
	return k, off, nil
}

// append writes a record; it is durable after the next sync. If it fails its
// room is lost and a new pack is begun, as what is in it is not known.
func (p *packs) append(h objstore.Hash, data []byte) (place, error) {
	k, off, err := p.reserve(recordHeader + int64(len(data)))
	if err != nil {
		return place{}, noSpace(err)
	}
	if err = p.fault("pack.write"); err == nil {
		err = writeRecord(k.f, off, h, data)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if err != nil {
		k.end = max(k.end, p.size)
		return place{}, fmt.Errorf("write pack %d: %w", k.id, noSpace(err))
	}
	k.dirty = true
	return place{pack: k.id, offset: off, length: len(data)}, nil
}

// writeRecord writes header and payload in one call without joining them.
func writeRecord(f *os.File, off int64, h objstore.Hash, data []byte) error {
	iov := [][]byte{appendHeader(make([]byte, 0, recordHeader), h, len(data)), data}
	for {
		n, err := unix.Pwritev(int(f.Fd()), iov, off)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return os.NewSyscallError("pwritev", err)
		}
		off += int64(n)
		for len(iov) > 0 && n >= len(iov[0]) {
			n -= len(iov[0])
			iov = iov[1:]
		}
		if len(iov) == 0 {
			return nil
		}
		iov[0] = iov[0][n:]
	}
}

// sync makes every record durable whose append has returned.
func (p *packs) sync() error {
	p.mu.Lock()
	var dirty []*pack
	for _, k := range p.files {
		if k.dirty {
			k.dirty = false
			dirty = append(dirty, k)
		}
	}
	fresh := p.fresh
	p.fresh = false
	p.mu.Unlock()
	for _, k := range dirty {
		if err := p.fault("pack.sync"); err != nil {
			return err
		}
		if err := unix.Fdatasync(int(k.f.Fd())); err != nil {
			return os.NewSyscallError("fdatasync", err)
		}
	}
	if fresh {
		if err := p.fault("dir.sync"); err != nil {
			return err
		}
		return syncDir(p.dir)
	}
	return nil
}

// read appends the payload of the record at l to buf. Its hash is left to
// the caller.
func (p *packs) read(l place, buf []byte) ([]byte, error) {
	p.mu.Lock()
	k := p.files[l.pack]
	p.mu.Unlock()
	if k == nil {
		return nil, fmt.Errorf("%w: pack %d is missing", objstore.ErrCorrupt, l.pack)
	}
	if err := p.fault("pack.read"); err != nil {
		return nil, err
	}
	n := len(buf)
	buf = slices.Grow(buf, l.length)[:n+l.length]
	if _, err := k.f.ReadAt(buf[n:], l.offset+recordHeader); err != nil {
		return nil, fmt.Errorf("%w: read pack %d at %d: %w", objstore.ErrCorrupt, l.pack, l.offset, err)
	}
	return buf, nil
}

// syncDir makes the names in a directory durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
