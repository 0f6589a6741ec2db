package run

import (
	"bytes"
	"context"
	"errors"
	"fmt"
)

// ScanOptions configure a scan.
type ScanOptions struct {
	// SkipDeleted leaves out keys that were deleted.
	SkipDeleted bool
	// Fault is that of Options.
	Fault func(point string) error
}

// Scanner goes through the rows of runs that follow each other as if they were
// one: of each key the row of the newest run that has one. It is used by one
// goroutine.
type Scanner struct {
	opts    ScanOptions
	all     []*source
	heap    []*source // those that have a row, the least first
	started bool
	err     error
}

// source is one of the runs.
type source struct {
	age  int // the newest has the highest
	r    *Reader
	rows *Rows
	key  []byte // of the row it is at
}

// Scan begins to go through the rows of runs, which are of one log and follow
// each other, the oldest first. The caller calls Close. A file that is not the
// run that its Info says is objstore.ErrCorrupt.
func Scan(ctx context.Context, runs []Info, opts ScanOptions) (*Scanner, error) {
	s := &Scanner{opts: opts}
	for i, info := range runs {
		err := s.add(ctx, info)
		if err == nil && i > 0 && (info.From != runs[i-1].To || info.ID != runs[i-1].ID) {
			err = fmt.Errorf("run %s does not follow %s", info.Path, runs[i-1].Path)
		}
		if err != nil {
			return nil, errors.Join(err, s.Close())
		}
	}
	return s, nil
}

func (s *Scanner) add(ctx context.Context, info Info) error {
	r, err := open(info.Path, s.opts.Fault)
	if err != nil {
		return err
	}
	s.all = append(s.all, &source{age: len(s.all), r: r, rows: r.Rows(ctx)})
	if r.info.ID != info.ID || r.info.From != info.From || r.info.To != info.To {
		return damage(info.Path, 0, "it is not the run that it was")
	}
	return nil
}

// Next goes to the next key, the first at first. False says that there is none,
// or that Err is not nil.
func (s *Scanner) Next() bool {
	for s.err == nil && s.advance() {
		if !s.opts.SkipDeleted || !s.heap[0].rows.block.deleted() {
			return true
		}
	}
	return false
}

// advance goes to the next key, deleted or not.
func (s *Scanner) advance() bool {
	if !s.started {
		s.started = true
		for _, c := range s.all {
			if !s.move(c) {
				continue
			}
			s.heap = append(s.heap, c)
			s.up(len(s.heap) - 1)
		}
		return s.err == nil && len(s.heap) > 0
	}
	if len(s.heap) == 0 {
		return false
	}
	// Older runs may have the key too; its row here has overwritten theirs.
	s.older()
	s.top()
	return s.err == nil && len(s.heap) > 0
}

// older moves all runs behind the key of the first but the first itself.
func (s *Scanner) older() {
	newest := s.heap[0]
	for s.err == nil {
		c := s.second()
		if c < 0 || !bytes.Equal(s.heap[c].key, newest.key) {
			return
		}
		s.down(c, s.move(s.heap[c]))
	}
}

// second is the index of the least but the first; -1 if there is none.
func (s *Scanner) second() int {
	switch {
	case len(s.heap) < 2:
		return -1
	case len(s.heap) > 2 && s.less(2, 1):
		return 2
	}
	return 1
}

// top moves the first on.
func (s *Scanner) top() { s.down(0, s.move(s.heap[0])) }

// move goes to the next row of c; false says that it has none, or failed.
func (s *Scanner) move(c *source) bool {
	if !c.rows.Next() {
		s.err = errors.Join(s.err, c.rows.Err())
		return false
	}
	c.key = c.rows.block.key
	return true
}

func (s *Scanner) less(i, j int) bool {
	a, b := s.heap[i], s.heap[j]
	if c := bytes.Compare(a.key, b.key); c != 0 {
		return c < 0
	}
	return a.age > b.age
}

func (s *Scanner) up(i int) {
	for i > 0 && s.less(i, (i-1)/2) {
		s.heap[i], s.heap[(i-1)/2] = s.heap[(i-1)/2], s.heap[i]
		i = (i - 1) / 2
	}
}

// down puts the run at i where it belongs, after it was moved on; one that is
// at its end goes.
func (s *Scanner) down(i int, there bool) {
	if !there {
		last := len(s.heap) - 1
		s.heap[i] = s.heap[last]
		s.heap = s.heap[:last]
	}
	for {
		c := 2*i + 1
		if c >= len(s.heap) {
			return
		}
		if c+1 < len(s.heap) && s.less(c+1, c) {
			c++
		}
		if !s.less(c, i) {
			return
		}
		s.heap[i], s.heap[c] = s.heap[c], s.heap[i]
		i = c
	}
}

// Row is the row that Next went to. It may be used until Next or Close is called.
func (s *Scanner) Row() Row { return s.heap[0].rows.Row() }

// Err says why Next returned false; nil says that it has returned every row.
func (s *Scanner) Err() error { return s.err }

// Close closes the files. It may be called more than once.
func (s *Scanner) Close() error {
	var errs []error
	for _, c := range s.all {
		c.rows.Close()
		errs = append(errs, c.r.Close())
	}
	s.all, s.heap, s.started = nil, nil, true
	return errors.Join(errs...)
}
