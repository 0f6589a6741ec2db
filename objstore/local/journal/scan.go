package journal

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"caret/objstore"
)

const (
	suffix    = ".log"
	ackedName = "acked"
)

// Scan is what is in the directory of a log.
type Scan struct {
	dir      string
	segments []*scanned
	acked    uint64
	ids      map[ID]string // and a file that has it
	// Warnings are of damage that the log can do without.
	Warnings []error
}

// scanned is what is in a segment: records that follow each other from its
// beginning, and others behind those.
type scanned struct {
	path   string
	size   int64
	chain  []found
	strays []found
}

// found is a whole record.
type found struct {
	header
	at int
}

func (s *scanned) last() found { return s.chain[len(s.chain)-1] }

func (s *scanned) end() int64 {
	if len(s.chain) == 0 {
		return 0
	}
	return int64(s.last().at) + headerSize + int64(s.last().length)
}

// ReadDir reads all records of the log in dir. ids are those of the stores that it
// is known to be of otherwise. What is damaged is not an error here.
func ReadDir(dir string, ids ...ID) (*Scan, error) {
	s := &Scan{dir: dir, ids: make(map[ID]string)}
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var files [][]byte
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), suffix) {
			continue
		}
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, err
		}
		g := &scanned{path: filepath.Join(dir, e.Name()), size: int64(len(b)), chain: chain(b)}
		s.segments, files = append(s.segments, g), append(files, b)
		if len(g.chain) > 0 {
			s.ids[g.chain[0].id] = g.path
		}
	}
	if err := s.readAcked(); err != nil {
		return nil, err
	}
	known := append(slices.Collect(maps.Keys(s.ids)), ids...)
	for i, g := range s.segments {
		g.strays = strays(files[i], int(g.end()), known)
	}
	slices.SortFunc(s.segments, func(a, b *scanned) int { return cmp.Compare(a.first(), b.first()) })
	return s, nil
}

func (s *Scan) readAcked() error {
	id, lsn, ok, err := readAcked(s.dir)
	if err != nil && !errors.Is(err, objstore.ErrCorrupt) && !errors.Is(err, unix.EIO) {
		return err
	}
	if err != nil {
		s.Warnings = append(s.Warnings, err)
	}
	if ok {
		s.acked, s.ids[id] = lsn, filepath.Join(s.dir, ackedName)
	}
	return nil
}

func (s *scanned) first() uint64 {
	if len(s.chain) == 0 {
		return 0
	}
	return s.chain[0].lsn
}

// chain finds the records that follow each other from the beginning of a segment.
func chain(b []byte) (list []found) {
	for at := 0; ; {
		h, body, ok := parseRecord(b[at:])
		if n := len(list); ok && n > 0 {
			last := list[n-1]
			ok = h.id == last.id && h.lsn == last.lsn+1 && h.before == last.sum
		}
		if !ok {
			return list
		}
		list = append(list, found{h, at})
		at += headerSize + len(body)
	}
}

// strays finds records of known stores behind those. An id is known to its store
// alone: whoever stores bytes that look like records does not make this slow.
func strays(b []byte, at int, ids []ID) (list []found) {
	magic := binary.LittleEndian.AppendUint32(nil, recordMagic)
	for at < len(b) {
		n := bytes.Index(b[at:], magic)
		if n < 0 {
			break
		}
		at += n
		h, ok := parseHeader(b[at:])
		if ok = ok && slices.Contains(ids, h.id); ok {
			_, _, ok = parseRecord(b[at:])
		}
		if !ok {
			at++
			continue
		}
		list = append(list, found{h, at})
		at += headerSize + int(h.length)
	}
	return list
}

// IDs are those of the stores that files of the log belong to, each with one of
// its files: one, unless some were put there from elsewhere.
func (s *Scan) IDs() map[ID]string { return s.ids }

// Empty says that there is no log, or at most a segment that was made and never
// written to.
func (s *Scan) Empty() bool { return len(s.ids) == 0 && len(s.Warnings) == 0 }

// Follow finds the records that follow LSN after. last is that of the last, or
// after if there are none. err wraps objstore.ErrCorrupt if others were written
// that are not there; reached is then how far the log is known to have come.
func (s *Scan) Follow(id ID, after uint64) (last, reached uint64, err error) {
	end := s.follow(id, after)
	reached = max(end.last, s.acked)
	for _, g := range s.segments {
		for _, f := range slices.Concat(g.chain, g.strays) {
			if f.id == id && f.lsn > end.last {
				reached = max(reached, f.synced)
			}
		}
	}
	if reached == end.last {
		return end.last, reached, nil
	}
	where := fmt.Sprintf("no segment in %s has them", s.dir)
	if end.in != nil {
		where = fmt.Sprintf("%s is damaged at %d", end.in.path, end.in.end())
	}
	return end.last, reached, fmt.Errorf("%w: records %d to %d of the log were written and are not there: %s",
		objstore.ErrCorrupt, end.last+1, reached, where)
}

// Damaged are the segments in which the records end that follow LSN after though
// others were written, and those that have such.
func (s *Scan) Damaged(id ID, after uint64) (paths []string) {
	end := s.follow(id, after)
	_, reached, _ := s.Follow(id, after)
	for _, g := range s.segments {
		strays := slices.ContainsFunc(g.strays, func(f found) bool { return f.id == id && f.lsn > end.last })
		if reached > end.last && (g == end.in || strays) {
			paths = append(paths, g.path)
		}
	}
	return paths
}

// chainEnd is where the records end that follow some LSN.
type chainEnd struct {
	last uint64
	sum  uint32
	in   *scanned // nil if no segment has any
}

func (s *Scan) follow(id ID, after uint64) chainEnd {
	end := chainEnd{last: after}
	for _, g := range s.segments { // by first LSN
		if len(g.chain) == 0 || g.chain[0].id != id || g.first() > end.last+1 || g.last().lsn <= end.last {
			continue
		}
		if end.in != nil && g.chain[0].before != end.sum {
			continue // not of what was written behind the record before
		}
		end = chainEnd{g.last().lsn, g.last().sum, g}
	}
	return end
}

// Beyond reads the records above an LSN that are whole, though others before
// them are not.
func (s *Scan) Beyond(id ID, after uint64) ([]Record, error) {
	var list []Record
	for _, g := range s.segments {
		b, err := os.ReadFile(g.path)
		if err != nil {
			return nil, err
		}
		at := &Segment{path: g.path}
		for _, f := range slices.Concat(g.chain, g.strays) {
			if f.id != id || f.lsn <= after {
				continue
			}
			_, body, ok := parseRecord(b[f.at:])
			if !ok {
				return nil, fmt.Errorf("%w: %s at %d changed meanwhile", objstore.ErrCorrupt, g.path, f.at)
			}
			r, err := at.decode(f.header, body, f.at)
			if err != nil {
				return nil, err
			}
			list = append(list, r)
		}
	}
	slices.SortFunc(list, func(a, b Record) int { return cmp.Compare(a.LSN, b.LSN) })
	return list, nil
}
