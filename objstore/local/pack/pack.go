package pack

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
	"caret/objstore/local/disk"
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

// Place is where the bytes of a blob are.
type Place struct {
	Pack   uint32
	Offset int64
	Length int
}

// Packs are the pack files. Records are appended to the newest one, and
// nothing is ever written over.
type Packs struct {
	dir   string
	size  int64
	fault func(string) error

	mu    sync.Mutex
	files map[uint32]*file
	last  uint32
	fresh bool // files were made whose names are not on disk for sure

	syncing sync.Mutex // held by Sync: what one has begun to sync, another must not take for synced
	broken  error      // of a Sync, after which nobody knows what is on disk
}

type file struct {
	id    uint32
	f     *os.File
	end   int64 // where the next record goes
	dirty bool  // written to since the last sync
	full  bool  // nothing more is written to it
}

// Open opens the packs in dir, which is made if it does not exist. size is that in
// bytes beyond which a pack is closed and the next begun; fault, called before each
// operation on the disk, makes it fail.
func Open(dir string, size int64, fault func(string) error) (*Packs, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	p := &Packs{dir: dir, size: size, fault: fault, files: make(map[uint32]*file)}
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
			return nil, errors.Join(err, p.Close())
		}
		p.last = max(p.last, uint32(id))
	}
	return p, nil
}

func (p *Packs) path(id uint32) string {
	return filepath.Join(p.dir, fmt.Sprintf("%08d.pack", id))
}

// open opens a pack file. What a crash left behind its last indexed record
// stays; the next record goes behind that.
func (p *Packs) open(id uint32, flag int) error {
	f, err := os.OpenFile(p.path(id), flag, 0o600)
	if err != nil {
		return err
	}
	end, err := f.Seek(0, 2)
	if err != nil {
		return errors.Join(err, f.Close())
	}
	p.files[id] = &file{id: id, f: f, end: end}
	return nil
}

// Close closes the files.
func (p *Packs) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var errs []error
	for _, k := range p.files {
		errs = append(errs, k.f.Close())
	}
	return errors.Join(errs...)
}

// reserve finds room for a record.
func (p *Packs) reserve(length int64) (*file, int64, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	k := p.files[p.last]
	if k == nil || k.full || k.end > 0 && k.end+length > p.size {
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

// Append writes a blob; it is durable after the next Sync. If it fails its room
// is given back, or, if others have theirs behind it, lost with a new pack begun.
func (p *Packs) Append(h objstore.Hash, data []byte) (Place, error) {
	return p.append(appendHeader(make([]byte, 0, recordHeader), h, len(data)), data)
}

// append writes a header and what follows it, and returns where that is.
func (p *Packs) append(header, data []byte) (Place, error) {
	k, off, err := p.reserve(int64(len(header)) + int64(len(data)))
	if err != nil {
		return Place{}, err
	}
	at := Place{Pack: k.id, Offset: off + int64(len(header)), Length: len(data)}
	if err = p.fault("pack.write"); err == nil {
		err = writeAll(k.f, off, header, data)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if err != nil {
		k.giveBack(off, at.Offset+int64(at.Length))
		return Place{}, fmt.Errorf("write pack %d: %w", k.id, err)
	}
	k.dirty = true
	return at, nil
}

// giveBack takes back room that was reserved and may be written to in part: a
// disk that is full for an hour must not leave a pack for each attempt.
func (k *file) giveBack(off, end int64) {
	if k.full = k.full || k.end != end || k.f.Truncate(off) != nil; !k.full {
		k.end = off
	}
}

// writeAll writes pieces behind each other in one call without joining them.
func writeAll(f *os.File, off int64, iov ...[]byte) error {
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

// Sync makes everything durable whose append has returned. Once it has failed it
// always does: the system tells of what it could not write but once.
func (p *Packs) Sync() error {
	p.syncing.Lock()
	defer p.syncing.Unlock()
	if p.broken == nil {
		p.broken = p.sync()
	}
	return p.broken
}

func (p *Packs) sync() error {
	p.mu.Lock()
	var dirty []*file
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
		return disk.SyncDir(p.dir)
	}
	return nil
}

// Has says whether there is a pack that is long enough to have a place in it.
func (p *Packs) Has(at Place) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	k := p.files[at.Pack]
	return k != nil && at.Offset >= 0 && at.Length >= 0 && int64(at.Length) <= k.end-at.Offset
}

// Read appends the bytes of a place to buf. Their hash is left to the caller.
func (p *Packs) Read(at Place, buf []byte) ([]byte, error) {
	p.mu.Lock()
	k := p.files[at.Pack]
	p.mu.Unlock()
	if k == nil {
		return nil, fmt.Errorf("%w: pack %d is missing", objstore.ErrCorrupt, at.Pack)
	}
	if !p.Has(at) {
		return nil, fmt.Errorf("%w: pack %d ends before %d bytes at %d", objstore.ErrCorrupt, at.Pack, at.Length, at.Offset)
	}
	if err := p.fault("pack.read"); err != nil {
		return nil, err
	}
	n := len(buf)
	buf = slices.Grow(buf, at.Length)[:n+at.Length]
	if _, err := k.f.ReadAt(buf[n:], at.Offset); err != nil {
		return nil, fmt.Errorf("%w: read pack %d at %d: %v", objstore.ErrCorrupt, at.Pack, at.Offset, err) //nolint:errorlint // io.EOF would be taken for the end of content
	}
	return buf, nil
}

// End is the number of the newest pack and where its next record goes; 0 if there
// is none.
func (p *Packs) End() (pack uint32, end int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if k := p.files[p.last]; k != nil {
		return k.id, k.end
	}
	return p.last, 0
}

// Continue says how far the packs once reached. If they do not any more, places
// in them have been given out that are not there: a new pack is begun, so that
// nothing else is found at these. It returns how many packs up to there are
// missing, and the path of the first of them.
func (p *Packs) Continue(pack uint32, end int64) (missing int, first string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if k := p.files[p.last]; p.last == pack && k != nil && k.end < end {
		k.full = true
	}
	p.last = max(p.last, pack)
	missing = int(pack)
	for id := range p.files {
		if 0 < id && id <= pack {
			missing--
		}
	}
	if missing > 0 {
		id := uint32(1)
		for p.files[id] != nil {
			id++
		}
		first = p.path(id)
	}
	return missing, first
}

// Len is how many packs there are.
func (p *Packs) Len() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.files)
}
