package journal

import (
	"cmp"
	"errors"
	"fmt"
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

// Options of a log; the zero value is fine.
type Options struct {
	// Size is that of a segment in bytes. 0 is DefaultSize; at least MinSize.
	Size int64
	// Fault, if set, is called before each operation on the disk with its name,
	// and makes it fail with the error it returns. For tests.
	Fault func(point string) error
}

const (
	// DefaultSize of a segment: what is written to it is some seconds of work.
	DefaultSize = 32 << 20
	// MinSize is that of the smallest segment.
	MinSize = MaxRecord + 1<<20
	// maxSegments there are at most; then writing waits until one is free.
	maxSegments = 4
)

// Journal is a log that can be written to.
type Journal struct {
	dir  string
	id   ID
	opts Options

	mu      sync.Mutex
	changed *sync.Cond // what follows has changed
	active  *Segment   // nil if a fresh one is needed
	sealed  []*Segment // full, oldest first
	free    []*Segment // of no use any more, or new
	taken   map[int]bool
	making  bool
	refused error // why the last segment could not be made; told once
	never   error // why there will be no room any more
	closed  bool

	broken error  // of a write or sync, after which nobody knows what is on disk
	last   uint64 // LSN of the last record
	synced uint64 // LSN of the last one that is on disk
	sum    uint32 // of the last record's header
	acked  *acked
	buf    []byte
}

// Open opens the log for writing behind the record with LSN last, which Follow
// found; all records up to kept are needed no more.
func (s *Scan) Open(id ID, kept, last uint64, opts Options) (_ *Journal, err error) {
	opts.Size = max(cmp.Or(opts.Size, DefaultSize), MinSize)
	j := &Journal{dir: s.dir, id: id, opts: opts, last: last, synced: last, taken: make(map[int]bool)}
	j.changed = sync.NewCond(&j.mu)
	defer func() {
		if err != nil {
			j.closeFiles() //nolint:errcheck // the first error tells more
		}
	}()
	for _, g := range s.segments {
		if err := j.adopt(g, id, kept); err != nil {
			return nil, err
		}
	}
	if n := len(j.sealed); n > 0 && j.sealed[n-1].last == last && j.sealed[n-1].end+MaxRecord <= j.sealed[n-1].size {
		j.active, j.sealed = j.sealed[n-1], j.sealed[:n-1]
	}
	if j.active == nil && len(j.free) == 0 {
		j.refused = j.add() // told by Room; until then it can be read
	}
	if j.acked, err = openAcked(s.dir, id, last); err != nil {
		return nil, err
	}
	return j, nil
}

// adopt takes over a segment: to be read, if it has records that are needed, or
// to be used again.
func (j *Journal) adopt(g *scanned, id ID, kept uint64) error {
	f, err := os.OpenFile(g.path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	s := &Segment{path: g.path, size: g.size, f: f}
	needed := len(g.chain) > 0 && g.chain[0].id == id && g.last().lsn > kept && g.last().lsn <= j.last
	// A process that was killed before it synced what it wrote leaves it to be read
	// here, and acked is about to say that it is on disk.
	if err := j.settle(g, f, needed); err != nil {
		return errors.Join(err, f.Close())
	}
	if n, err := strconv.Atoi(strings.TrimSuffix(filepath.Base(g.path), suffix)); err == nil {
		j.taken[n] = true
	}
	if needed {
		s.first, s.last, s.end = g.first(), g.last().lsn, g.end()
		if s.last == j.last {
			j.sum = g.last().sum
		}
		j.sealed = append(j.sealed, s)
		return nil
	}
	if g.size < MinSize { // what a crash left of one that was being made
		delete(j.taken, j.number(s))
		return errors.Join(f.Close(), os.Remove(g.path))
	}
	j.free = append(j.free, s)
	return nil
}

// settle makes durable what is in a segment, if it is needed. Records behind the
// last are made none: nobody was told of them, and if what comes now is just as
// what was before them, they would seem to follow it.
func (j *Journal) settle(g *scanned, f *os.File, needed bool) error {
	for _, stray := range g.strays {
		if stray.lsn <= j.last {
			continue
		}
		if _, err := f.WriteAt(make([]byte, headerSize), int64(stray.at)); err != nil {
			return err
		}
		needed = true
	}
	if !needed {
		return nil
	}
	if err := j.fault("log.open.sync"); err != nil {
		return err
	}
	return os.NewSyscallError("fdatasync", unix.Fdatasync(int(f.Fd())))
}

func (j *Journal) number(s *Segment) int {
	n, _ := strconv.Atoi(strings.TrimSuffix(filepath.Base(s.path), suffix))
	return n
}

// Last is the LSN of the last record that was appended.
func (j *Journal) Last() uint64 { return j.last }

// Room waits until a record of any size can be appended without asking the disk
// for more. objstore.ErrNoSpace, or what else keeps a segment from being made.
func (j *Journal) Room() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	for !j.roomy(j.active) && len(j.free) == 0 {
		if j.closed {
			return objstore.ErrClosed
		}
		if j.never != nil {
			return j.never
		}
		if j.refused != nil {
			err := j.refused
			j.refused = nil // so that the next who asks tries again
			return err
		}
		j.grow()
		j.changed.Wait()
	}
	// One more, before it is needed.
	if len(j.free) == 0 && (j.active == nil || j.active.end > j.active.size/2) {
		j.refused = nil
		j.grow()
	}
	return nil
}

// Roomy says whether there is room now, so that Append does not wait. For who
// appends.
func (j *Journal) Roomy() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.roomy(j.active) || len(j.free) > 0
}

func (j *Journal) roomy(s *Segment) bool { return s != nil && s.end+MaxRecord <= s.size }

// grow has one more segment made, unless there are enough.
func (j *Journal) grow() {
	if j.making || j.closed || len(j.taken) >= maxSegments {
		return
	}
	j.making = true
	go func() {
		err := j.add()
		j.mu.Lock()
		defer j.mu.Unlock()
		j.making, j.refused = false, err
		j.changed.Broadcast()
	}()
}

// add makes a segment.
func (j *Journal) add() error {
	j.mu.Lock()
	number := 1
	for j.taken[number] {
		number++
	}
	j.taken[number] = true
	j.mu.Unlock()
	s, err := j.create(number)
	j.mu.Lock()
	defer j.mu.Unlock()
	if err != nil {
		delete(j.taken, number)
		return fmt.Errorf("allocate a segment of the log: %w", err)
	}
	j.free = append(j.free, s)
	return nil
}

// Append writes a record and sets its LSN and where its blobs are. It is
// durable after the next Sync. An error leaves open whether it is there, and
// nothing more is written then.
func (j *Journal) Append(r *Record) error {
	if j.broken != nil {
		return j.broken
	}
	j.buf = append(j.buf[:0], make([]byte, headerSize)...)
	j.buf = r.appendBody(j.buf)
	if len(j.buf) > MaxRecord {
		return fmt.Errorf("%w: record of %d bytes", objstore.ErrTooLarge, len(j.buf))
	}
	s, err := j.segmentFor(int64(len(j.buf)))
	if err != nil {
		return err
	}
	body := j.buf[headerSize:]
	h := header{length: uint32(len(body)), lsn: j.last + 1, synced: j.synced, id: j.id, before: j.sum, body: checksum(body)}
	h.append(j.buf[:0])
	if err = j.fault("log.write"); err == nil {
		err = s.write(j.buf)
	}
	if err != nil {
		j.broken = err
		return err
	}
	r.LSN = h.lsn
	for i := range r.Blobs {
		r.Blobs[i].At = Place{s, s.end + r.Blobs[i].At.Offset}
	}
	j.last, j.sum = h.lsn, h.sum
	if s.first == 0 {
		s.first = h.lsn
	}
	s.last = h.lsn
	j.mu.Lock()
	defer j.mu.Unlock()
	s.end += int64(len(j.buf))
	return nil
}

// write writes behind the records of a segment, and ahead of the next.
func (s *Segment) write(b []byte) error {
	if _, err := s.f.WriteAt(b, s.end); err != nil {
		return err
	}
	end := s.end + int64(len(b))
	if end <= s.written {
		return nil
	}
	s.written = end
	return s.zero(min(end+ahead, s.size))
}

// segmentFor is the segment that the next bytes go to.
func (j *Journal) segmentFor(length int64) (*Segment, error) {
	j.mu.Lock()
	s := j.active
	j.mu.Unlock()
	if s != nil && s.end+length <= s.size {
		return s, nil
	}
	if s != nil {
		if err := j.Seal(); err != nil {
			return nil, err
		}
	}
	if err := j.Room(); err != nil {
		return nil, err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.active, j.free = j.free[0], j.free[1:]
	j.active.first, j.active.last, j.active.end = 0, 0, 0
	return j.active, nil
}

// Seal ends the segment that is written to, if it has records.
func (j *Journal) Seal() error {
	if j.active == nil || j.active.first == 0 {
		return nil
	}
	if err := j.Sync(); err != nil {
		return err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.sealed = append(j.sealed, j.active)
	j.active = nil
	j.changed.Broadcast()
	return nil
}

// Sync makes all records durable that were appended. Once it has failed it always
// does: the system tells of what it could not write but once.
func (j *Journal) Sync() error {
	if j.broken == nil && j.synced < j.last {
		j.broken = j.sync()
	}
	return j.broken
}

func (j *Journal) sync() error {
	if err := j.fault("log.sync"); err != nil {
		return err
	}
	if err := unix.Fdatasync(int(j.active.f.Fd())); err != nil {
		return os.NewSyscallError("fdatasync", err)
	}
	if err := j.fault("log.acked"); err != nil {
		return err
	}
	j.synced = j.last
	return j.acked.set(j.id, j.synced)
}

// Sealed waits for the oldest segment that is not written to any more; it stays
// what it is until Free. nil once the log is closed.
func (j *Journal) Sealed() *Segment {
	j.mu.Lock()
	defer j.mu.Unlock()
	for len(j.sealed) == 0 && !j.closed {
		j.changed.Wait()
	}
	if len(j.sealed) == 0 {
		return nil
	}
	return j.sealed[0]
}

// Segments are the segments with records that are needed, oldest first, when
// nothing is written.
func (j *Journal) Segments() []*Segment {
	j.mu.Lock()
	defer j.mu.Unlock()
	list := slices.Clone(j.sealed)
	if j.active != nil && j.active.first > 0 {
		list = append(list, j.active)
	}
	return list
}

// Free gives a segment back that Sealed returned: its records are needed no
// more.
func (j *Journal) Free(s *Segment) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.sealed = slices.DeleteFunc(j.sealed, func(g *Segment) bool { return g == s })
	j.free = append(j.free, s)
	j.changed.Broadcast()
}

// Stop wakes who waits, as nothing more will be written. Sealed goes on until
// there are none.
func (j *Journal) Stop() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.closed = true
	j.changed.Broadcast()
}

// Close closes the files. If all is stored elsewhere by now, those of segments
// are removed.
func (j *Journal) Close() error {
	j.Stop()
	j.mu.Lock()
	for j.making {
		j.changed.Wait()
	}
	unused := len(j.sealed) == 0 && (j.active == nil || j.active.first == 0)
	free := j.free
	if j.active != nil {
		free = append(free, j.active)
	}
	j.mu.Unlock()
	var errs []error
	if unused {
		for _, s := range free {
			errs = append(errs, os.Remove(s.path))
		}
		errs = append(errs, j.acked.f.Sync(), disk.SyncDir(j.dir))
	}
	return errors.Join(append(errs, j.closeFiles())...)
}

func (j *Journal) closeFiles() error {
	var errs []error
	for _, s := range slices.Concat(j.sealed, j.free, []*Segment{j.active}) {
		if s != nil {
			errs = append(errs, s.close())
		}
	}
	if j.acked != nil {
		errs = append(errs, j.acked.f.Close())
	}
	return errors.Join(errs...)
}

func (j *Journal) fault(point string) error {
	if j.opts.Fault == nil {
		return nil
	}
	return j.opts.Fault(point)
}

// Refuse tells who waits for room, and whoever does later, that there will be none
// any more.
func (j *Journal) Refuse(err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.never = err
	j.changed.Broadcast()
}

// Stuck tells who waits for room why there is none, and will be none for now.
func (j *Journal) Stuck(err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.refused = err
	j.changed.Broadcast()
}
