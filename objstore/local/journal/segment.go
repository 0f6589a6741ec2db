package journal

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/sys/unix"

	"caret/objstore"
	"caret/objstore/local/disk"
)

// Place is where the bytes of a blob are in the log.
type Place struct {
	Segment *Segment
	Offset  int64
}

// Read appends length bytes to buf. They may be others by now, if the segment
// was used again; the caller knows their hash.
func (p Place) Read(buf []byte, length int) ([]byte, error) {
	p.Segment.mu.RLock()
	defer p.Segment.mu.RUnlock()
	if p.Segment.f == nil {
		return nil, objstore.ErrClosed
	}
	n := len(buf)
	buf = append(buf, make([]byte, length)...)
	if _, err := p.Segment.f.ReadAt(buf[n:], p.Offset); err != nil {
		return nil, fmt.Errorf("%w: read log: %v", objstore.ErrCorrupt, err) //nolint:errorlint // io.EOF would be taken for the end of content
	}
	return buf, nil
}

// Segment is one file of the log.
type Segment struct {
	path        string
	size        int64
	first, last uint64 // LSNs of its records; first is 0 if it has none
	end         int64  // of its records
	written     int64  // up to where the file has bytes that were written, not only allocated

	mu sync.RWMutex // held while f is used by who has only a Place, and to close it
	f  *os.File     // nil once it is closed
}

// First is the LSN of the first record.
func (s *Segment) First() uint64 { return s.first }

// Last is the LSN of the last record.
func (s *Segment) Last() uint64 { return s.last }

// Path is that of the file.
func (s *Segment) Path() string { return s.path }

// bytes reads the records of a segment.
func (s *Segment) bytes() ([]byte, error) {
	b := make([]byte, s.end)
	if _, err := s.f.ReadAt(b, 0); err != nil {
		return nil, fmt.Errorf("%w: read %s: %v", objstore.ErrCorrupt, s.path, err) //nolint:errorlint // io.EOF would be taken for the end of content
	}
	return b, nil
}

// Records reads the records of a segment that is not written to any more, those
// above after.
func (s *Segment) Records(after uint64) ([]Record, error) {
	b, err := s.bytes()
	if err != nil {
		return nil, err
	}
	var list []Record
	for at := 0; at < len(b); {
		h, body, ok := parseRecord(b[at:])
		if !ok {
			return nil, fmt.Errorf("%w: %s at %d: record %d", objstore.ErrCorrupt, s.path, at, s.first+uint64(len(list)))
		}
		if h.lsn > after {
			r, err := s.decode(h, body, at)
			if err != nil {
				return nil, err
			}
			list = append(list, r)
		}
		at += headerSize + len(body)
	}
	return list, nil
}

func (s *Segment) decode(h header, body []byte, at int) (Record, error) {
	r, err := decodeBody(body)
	if err != nil {
		return r, fmt.Errorf("%s at %d: %w", s.path, at, err)
	}
	r.LSN = h.lsn
	for i := range r.Blobs {
		r.Blobs[i].At = Place{s, int64(at+headerSize) + r.Blobs[i].At.Offset}
	}
	return r, nil
}

func (s *Segment) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.f
	s.f = nil
	if f == nil {
		return nil
	}
	return f.Close()
}

// create makes the file of a segment, all of it allocated.
func (j *Journal) create(number int) (_ *Segment, err error) {
	s := &Segment{path: j.path(number), size: j.opts.Size}
	if err := j.fault("log.create"); err != nil {
		return nil, err
	}
	if s.f, err = os.OpenFile(s.path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600); err != nil {
		return nil, err
	}
	if err = j.allocate(s); err == nil {
		err = j.fault("log.create.sync")
	}
	if err == nil {
		err = errors.Join(s.f.Sync(), disk.SyncDir(j.dir))
	}
	if err != nil {
		return nil, errors.Join(err, s.f.Close(), os.Remove(s.path))
	}
	return s, nil
}

func (j *Journal) path(number int) string {
	return filepath.Join(j.dir, fmt.Sprintf("%02d%s", number, suffix))
}

func (j *Journal) allocate(s *Segment) error {
	if err := j.fault("log.allocate"); err != nil {
		return err
	}
	err := unix.Fallocate(int(s.f.Fd()), 0, 0, s.size)
	if errors.Is(err, unix.EOPNOTSUPP) {
		return s.zero(s.size)
	}
	return os.NewSyscallError("fallocate", err)
}

// ahead is how many bytes are written before they are needed.
const ahead = 1 << 20

// zero writes zeros up to an offset where nothing was written. The first sync
// behind a write to allocated bytes has to say in the file system that they are
// written; those behind a write over others do not, and take half the time.
func (s *Segment) zero(to int64) error {
	from := max(s.written, s.end)
	if to <= from {
		return nil
	}
	_, err := s.f.WriteAt(make([]byte, to-from), from)
	if err == nil {
		s.written = to
	}
	return err
}
