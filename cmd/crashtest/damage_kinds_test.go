package crashtest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// damage is what is done to one file of a store.
type damage struct {
	Base string // which one
	File string // in the store
	Kind string // one of damageKinds
	Off  int64
	Len  int64
	Bit  int
	From string // the file that takes the place of this one
	Also string `json:",omitempty"` // a folder that is removed besides
	// Only are the contents, by hash, that may be hurt, if the place has the
	// bytes of large files and nothing else.
	Only []string `json:",omitempty"`
}

// damageKinds are all kinds. Control does nothing, rollback puts the whole store
// back to an earlier moment: they are for testing the suite itself.
var damageKinds = []string{"flip", "zero byte", "zero block", "truncate", "extend garbage", "extend zeros", "extend tail", "delete", "older copy", "other file", deleteFolder}

const (
	control      = "control"
	rollback     = "rollback"
	deleteFolder = "delete folder" // that the file is in
)

// extent is a part of a file.
type extent struct{ from, to int64 }

// extents are the parts of a file that are not holes, and its size.
func extents(f *os.File) (list []extent, size int64, err error) {
	if size, err = f.Seek(0, io.SeekEnd); err != nil {
		return nil, 0, err
	}
	for off := int64(0); off < size; {
		from, err := unix.Seek(int(f.Fd()), off, unix.SEEK_DATA)
		if errors.Is(err, unix.ENXIO) {
			break
		}
		if err != nil {
			return nil, 0, err
		}
		to, err := unix.Seek(int(f.Fd()), from, unix.SEEK_HOLE)
		if err != nil {
			return nil, 0, err
		}
		list = append(list, extent{from, min(to, size)})
		off = to
	}
	return list, size, nil
}

const blockSize = 4096

// target is a file that can be damaged.
type target struct {
	name   string // in the store
	size   int64
	blocks []int64 // where there are blocks that are not zero
	end    int64   // behind the last byte that is not zero
	older  []string
	others []string
	// payload is which large contents a block of them lies at, by the place.
	payload map[int64][]string
}

var digits = regexp.MustCompile(`[0-9a-f]*[0-9][0-9a-f]*`)

// fileKind is the name of a file with its numbers left out.
func fileKind(name string) string { return digits.ReplaceAllString(name, "#") }

// fileNames are the files of a base.
func fileNames(dir string) (list []string, err error) {
	data := filepath.Join(dir, baseData)
	err = filepath.WalkDir(data, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(data, path)
		list = append(list, name)
		return err
	})
	return list, err
}

// targets are the files of a base as targets.
func targets(dir string) ([]*target, error) {
	names, err := fileNames(dir)
	if err != nil {
		return nil, err
	}
	var list []*target
	for _, name := range names {
		t := &target{name: name}
		if err := t.look(filepath.Join(dir, baseData, name)); err != nil {
			return nil, err
		}
		if t.older, err = olderCopies(dir, name); err != nil {
			return nil, err
		}
		for _, other := range names {
			if other != name && fileKind(other) == fileKind(name) {
				t.others = append(t.others, filepath.Join(dir, baseData, other))
			}
		}
		list = append(list, t)
	}
	return list, findPayload(dir, list)
}

// olderCopies are those of a file that are not what it is now.
func olderCopies(dir, name string) (list []string, err error) {
	all, err := filepath.Glob(filepath.Join(dir, baseOlder, "*", name))
	if err != nil {
		return nil, err
	}
	for _, path := range all {
		same, err := sameFile(path, filepath.Join(dir, baseData, name))
		if err != nil {
			return nil, err
		}
		if !same {
			list = append(list, path)
		}
	}
	return list, nil
}

func sameFile(a, b string) (bool, error) {
	x, err := os.Open(a)
	if err != nil {
		return false, err
	}
	defer x.Close()
	y, err := os.Open(b)
	if err != nil {
		return false, err
	}
	defer y.Close()
	bufs := [2][]byte{make([]byte, 1<<20), make([]byte, 1<<20)}
	for {
		n, errX := io.ReadFull(x, bufs[0])
		m, errY := io.ReadFull(y, bufs[1])
		switch {
		case !bytes.Equal(bufs[0][:n], bufs[1][:m]):
			return false, nil
		case errX != nil && errY != nil:
			return true, nil
		case errX != nil || errY != nil:
			return false, nil
		}
	}
}

// look finds where the file has something.
func (t *target) look(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	parts, size, err := extents(f)
	if err != nil {
		return err
	}
	t.size = size
	buf := make([]byte, blockSize)
	for _, p := range parts {
		for off := p.from / blockSize * blockSize; off < p.to; off += blockSize {
			n, err := f.ReadAt(buf, off)
			if err != nil && !errors.Is(err, io.EOF) {
				return err
			}
			if used := len(bytes.TrimRight(buf[:n], "\x00")); used > 0 {
				t.blocks = append(t.blocks, off)
				t.end = off + int64(used)
			}
		}
	}
	return nil
}

// findPayload finds the bytes of large contents in the files.
func findPayload(dir string, list []*target) error {
	names, err := filepath.Glob(filepath.Join(dir, baseLarge, "*"))
	if err != nil {
		return err
	}
	pieces := payloads{}
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		for p := range slices.Chunk(data, blockSize) {
			if len(p) == blockSize {
				k := payloadKey(p[:len(payloadKey{})])
				pieces[k] = append(pieces[k], payload{filepath.Base(name), p})
			}
		}
	}
	for _, t := range list {
		t.payload = map[int64][]string{}
		if int64(len(t.blocks))*blockSize < largeContent {
			continue
		}
		if err := t.find(filepath.Join(dir, baseData, t.name), pieces); err != nil {
			return err
		}
	}
	return nil
}

// payload is a block of a large content.
type payload struct {
	hash string
	data []byte
}

// payloadKey is its first bytes.
type payloadKey [16]byte

type payloads map[payloadKey][]payload

// find finds blocks of large contents in the file, wherever they begin.
func (t *target) find(path string, pieces payloads) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	buf := make([]byte, 2*blockSize)
	next := int64(0) // behind the last one
	for _, block := range t.blocks {
		n, err := f.ReadAt(buf, block)
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		for i := max(0, next-block); i < blockSize && i+blockSize <= int64(n); i++ {
			for _, p := range pieces[payloadKey(buf[i:])] {
				if bytes.Equal(p.data, buf[i:i+blockSize]) {
					t.payload[block+i] = append(t.payload[block+i], p.hash)
					next = block + i + blockSize
				}
			}
		}
	}
	return nil
}

// only are the contents that are hurt if nothing but [from, to) is damaged; nil
// if not all of that is the bytes of large contents.
func (t *target) only(from, to int64) []string {
	var hashes []string
	for off := from; off < to; {
		start, ok := t.payloadAt(off)
		if !ok {
			return nil
		}
		hashes = append(hashes, t.payload[start]...)
		off = start + blockSize
	}
	slices.Sort(hashes)
	return slices.Compact(hashes)
}

// payloadAt is the block of payload that a place is in.
func (t *target) payloadAt(off int64) (int64, bool) {
	for start := off; start > off-blockSize; start-- {
		if t.payload[start] != nil {
			return start, true
		}
	}
	return 0, false
}

// draw makes up damage of a kind at a random place; false if the kind is not
// possible, or would change nothing.
func (t *target) draw(rnd *rand.Rand, dir, kind string) (damage, bool) {
	d := damage{File: t.name, Kind: kind}
	switch kind {
	case "flip", "zero byte":
		if t.size == 0 {
			return d, false
		}
		d.Off, d.Len, d.Bit = min(t.place(rnd), t.size-1), 1, rnd.IntN(8)
	case "zero block":
		if len(t.blocks) == 0 {
			return d, false
		}
		d.Off = t.blocks[rnd.IntN(len(t.blocks))]
		d.Len = min(blockSize, t.size-d.Off)
	case "truncate":
		if t.size == 0 {
			return d, false
		}
		d.Off = min(t.place(rnd), t.size-1)
	case "extend garbage", "extend zeros", "extend tail":
		d.Len = []int64{1, 7, 44, 512, 4096, 100_000}[rnd.IntN(6)]
		if kind == "extend tail" {
			d.Len = min(d.Len, t.size)
		}
		d.Off = int64(rnd.Uint32())
		return d, d.Len > 0
	case deleteFolder:
		d.File = filepath.Dir(d.File)
		return d, d.File != "."
	case "older copy", "other file":
		from := t.older
		if kind == "other file" {
			from = t.others
		}
		if len(from) == 0 {
			return d, false
		}
		var err error
		d.From, err = filepath.Rel(dir, from[rnd.IntN(len(from))])
		return d, err == nil
	}
	if kind == "flip" || kind == "zero block" || kind == "zero byte" {
		d.Only = t.only(d.Off, d.Off+d.Len)
	}
	return d, true
}

// place is somewhere in the file, half of the time where files have headers,
// footers and blocks, and mostly where there is something.
func (t *target) place(rnd *rand.Rand) int64 {
	end := max(t.end, 1)
	switch rnd.IntN(8) {
	case 0:
		return rnd.Int64N(min(64, end))
	case 1:
		return max(0, end-1-rnd.Int64N(64))
	case 2:
		return max(0, t.size-1-rnd.Int64N(64))
	case 3:
		unit := []int64{512, 4096}[rnd.IntN(2)]
		return max(0, rnd.Int64N(end/unit+1)*unit+rnd.Int64N(3)-1)
	case 4:
		return rnd.Int64N(max(t.size, 1))
	}
	if len(t.blocks) == 0 {
		return rnd.Int64N(end)
	}
	return t.blocks[rnd.IntN(len(t.blocks))] + rnd.Int64N(blockSize)
}

// apply damages the store in data, a copy of that of the base in dir. It says
// whether that changed anything.
func (d *damage) apply(dir, data string) (bool, error) {
	path := filepath.Join(data, d.File)
	if d.Also != "" {
		if err := os.RemoveAll(filepath.Join(data, d.Also)); err != nil {
			return false, err
		}
	}
	switch d.Kind {
	case control:
		return true, nil
	case deleteFolder:
		return true, os.RemoveAll(path)
	case rollback:
		if err := os.RemoveAll(data); err != nil {
			return false, err
		}
		return true, copyTree(filepath.Join(dir, d.From), data)
	case "delete":
		return true, os.Remove(path)
	case "older copy", "other file":
		same, err := sameFile(filepath.Join(dir, d.From), path)
		if err != nil || same {
			return false, err
		}
		return true, copyFile(filepath.Join(dir, d.From), path)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return false, err
	}
	changed, err := d.edit(f)
	return changed, errors.Join(err, f.Close())
}

// edit damages an open file.
func (d *damage) edit(f *os.File) (bool, error) {
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return false, err
	}
	switch d.Kind {
	case "truncate":
		return d.Off < size, f.Truncate(d.Off)
	case "extend garbage", "extend zeros", "extend tail":
		more := make([]byte, d.Len)
		switch d.Kind {
		case "extend garbage":
			rnd := rand.New(rand.NewPCG(uint64(d.Off), 2))
			for i := range more {
				more[i] = byte(rnd.Uint32())
			}
		case "extend tail":
			if _, err := f.ReadAt(more, size-d.Len); err != nil {
				return false, err
			}
		}
		_, err := f.WriteAt(more, size)
		return true, err
	}
	was := make([]byte, d.Len)
	if _, err := f.ReadAt(was, d.Off); err != nil {
		return false, err
	}
	now := make([]byte, d.Len)
	if d.Kind == "flip" {
		now[0] = was[0] ^ 1<<d.Bit
	}
	_, err = f.WriteAt(now, d.Off)
	return !bytes.Equal(was, now), err
}

// String is the damage for people.
func (d *damage) String() string {
	s := fmt.Sprintf("%s of %s in %s", d.Kind, d.File, d.Base)
	if d.Also != "" {
		s += " without " + d.Also
	}
	if d.From != "" {
		return s + " by " + strings.TrimPrefix(d.From, baseData+"/")
	}
	if d.Kind == "delete" || d.Kind == deleteFolder {
		return s
	}
	return fmt.Sprintf("%s at %d, %d bytes, bit %d", s, d.Off, d.Len, d.Bit)
}
