package commits_test

import (
	"bytes"

	"caret/objstore"
)

// calls are those made of a Reader: the round trips, where the store is far away.
type calls struct {
	gets, many, pages int
	keys, rows        int    // asked for by many, and read by pages
	lowest            []byte // where a page began
}

func (c *calls) total() int { return c.gets + c.many + c.pages }

// countingReader counts calls.
type countingReader struct {
	objstore.Reader
	*calls
}

func (r countingReader) Get(key []byte) ([]byte, error) {
	r.gets++
	return r.Reader.Get(key)
}

func (r countingReader) GetMany(keys [][]byte) ([][]byte, error) {
	r.many++
	r.keys += len(keys)
	return r.Reader.GetMany(keys)
}

func (r countingReader) Page(in objstore.Range, limit int) ([]objstore.Row, error) {
	page, err := r.Reader.Page(in, limit)
	if r.lowest == nil || bytes.Compare(in.Start, r.lowest) < 0 {
		r.lowest = in.Start
	}
	r.pages++
	r.rows += len(page)
	return page, err
}

// smallWriter is full after a number of changes, and counts what is read.
type smallWriter struct {
	countingReader
	objstore.Writer
	left int
}

func newSmallWriter(tx objstore.Writer, left int) *smallWriter {
	return &smallWriter{countingReader: countingReader{Reader: tx, calls: &calls{}}, Writer: tx, left: left}
}

func (w *smallWriter) Get(key []byte) ([]byte, error) { return w.countingReader.Get(key) }

func (w *smallWriter) GetMany(keys [][]byte) ([][]byte, error) { return w.countingReader.GetMany(keys) }

func (w *smallWriter) Page(in objstore.Range, limit int) ([]objstore.Row, error) {
	return w.countingReader.Page(in, limit)
}

func (w *smallWriter) Set(key, value []byte) error {
	w.left--
	return w.Writer.Set(key, value)
}

func (w *smallWriter) Delete(key []byte) error {
	w.left--
	return w.Writer.Delete(key)
}

func (w *smallWriter) Full() bool { return w.left <= 0 }
