package objstore

import (
	"bytes"
	"slices"
)

// Cursor walks rows in order, a page at a time: between two pages it holds
// nothing of the store. A Writer's own later writes may or may not show in it.
//
//	c := objstore.Scan(tx, r)
//	for c.Next() { use(c.Key(), c.Value()) }
//	err := c.Err()
type Cursor struct {
	tx    Reader
	all   Range
	in    Range  // what is still to be read, if last is nil
	last  []byte // else that is what is behind last
	page  []Row  // of which the first is the current row
	at    bool   // there is a current row
	size  int    // of the next page
	most  int    // that it may be
	used  int    // rows since the last Seek
	begun bool   // a page was read
	end   bool   // nothing is behind page
	err   error
}

// Pages grow, as who goes on reads much.
const (
	firstPage = 16
	pageGrows = 4
	maxPage   = 1024
	// maxWriterPage is that in a transaction that writes, which reads so much only: the
	// rows behind short ones may be long.
	maxWriterPage = 64
	// PageBytes is about how much a page is to hold: pages grow while their rows are
	// short, and have few rows where those are long.
	PageBytes = 1 << 20
)

// Scan returns a cursor over the rows of r, before its first row.
func Scan(tx Reader, r Range) *Cursor { return ScanHint(tx, r, 0) }

// ScanHint is Scan for a caller that will read some n rows: the first page has
// that many, wherever a Seek has put its beginning. 0 is unknown.
func ScanHint(tx Reader, r Range, n int) *Cursor {
	if n <= 0 {
		n = firstPage
	}
	most := maxPage
	if _, writes := tx.(Writer); writes {
		most = maxWriterPage
	}
	return &Cursor{tx: tx, in: r, all: r, size: min(n, most), most: most}
}

// Next moves to the next row of the range and says whether there is one.
func (c *Cursor) Next() bool {
	if c.at {
		c.page, c.at = c.page[1:], false
	}
	if len(c.page) == 0 && !c.read() {
		return false
	}
	c.at = true
	c.used++
	return true
}

// read reads the next page and says whether there are rows in it.
func (c *Cursor) read() bool {
	if c.end || c.err != nil {
		return false
	}
	if c.last != nil {
		c.in = c.all.Behind(c.last)
	}
	page, err := c.tx.Page(c.in, c.size)
	if err != nil {
		c.err = err
		return false
	}
	c.page, c.end, c.begun = page, len(page) < c.size, true
	c.size = min(c.size*pageGrows, c.most, rowsFor(page))
	if n := len(page); n > 0 {
		c.last = page[n-1].Key
	}
	return len(page) > 0
}

// rowsFor is how many rows like those of a page have PageBytes.
func rowsFor(page []Row) int {
	size := 1
	for _, r := range page {
		size += len(r.Key) + len(r.Value)
	}
	return max(PageBytes*len(page)/size, 1)
}

// from is the part of r from key, included, in the direction of the walk.
func (r Range) from(key []byte) Range {
	switch {
	case r.Reverse && (r.End == nil || bytes.Compare(key, r.End) < 0):
		r.End = append(slices.Clip(key), 0)
	case !r.Reverse && bytes.Compare(key, r.Start) > 0:
		r.Start = bytes.Clone(key)
	}
	return r
}

// Seek places the cursor so that the following Next moves to the first row at
// or after key in the direction of the walk, within the range.
func (c *Cursor) Seek(key []byte) {
	before := func(k []byte) bool { return bytes.Compare(k, key) < 0 }
	if c.all.Reverse {
		before = func(k []byte) bool { return bytes.Compare(k, key) > 0 }
	}
	if n := len(c.page); n > 0 && !before(c.page[n-1].Key) && (before(c.page[0].Key) || bytes.Equal(c.page[0].Key, key)) {
		i := slices.IndexFunc(c.page, func(r Row) bool { return !before(r.Key) })
		c.page, c.at = c.page[i:], false
		return
	}
	if c.begun { // else the first page is what the caller asked for
		c.size = firstPage
		if c.used > 0 {
			// Who used few rows after the last Seek goes from group to group.
			c.size = min(c.used, firstPage)
		}
	}
	c.page, c.at, c.end, c.used = nil, false, false, 0
	c.in, c.last = c.all.from(key), nil
}

// Key and Value are those of the current row.
func (c *Cursor) Key() []byte { return c.page[0].Key }

// Value is that of the current row.
func (c *Cursor) Value() []byte { return c.page[0].Value }

// Err is what ended the walk early, nil at its regular end.
func (c *Cursor) Err() error { return c.err }
