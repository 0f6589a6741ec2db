package txn

import (
	"fmt"

	"caret/objstore"
)

// Limits of a transaction and of a group of them.
const (
	// MaxBytes is the most that a Batch holds of keys, values and RowOverhead.
	MaxBytes = 3 << 20
	// MaxRows is the most rows in a Batch.
	MaxRows = 30000
	// RowOverhead is what a row counts beyond its key and value.
	RowOverhead = 32
	// stepBytes and stepRows are how much one step of a long job writes, which takes some
	// ms while others wait for it.
	stepBytes = MaxBytes / 2
	stepRows  = 1000
)

// writer writes in one transaction of a group: at once into what the group
// writes, from where it can be taken back.
type writer struct {
	reader
	bytes int
	undo  []write
}

// write is how to take one back.
type write struct {
	old      objstore.Row // or only its key
	replaced bool
}

// Set implements objstore.Writer.
func (w *writer) Set(key, value []byte) error {
	return w.put(key, append(make([]byte, 0, len(value)), value...))
}

// Delete implements objstore.Writer.
func (w *writer) Delete(key []byte) error { return w.put(key, nil) }

// Full implements objstore.Writer.
func (w *writer) Full() bool {
	return w.bytes > stepBytes || len(w.undo) > stepRows || w.read.bytes > MaxReadBytes/2 || w.read.rows > MaxReadRows/2
}

// filled says whether all that a transaction may is written.
func (w *writer) filled() bool { return w.bytes > MaxBytes || len(w.undo) > MaxRows }

func (w *writer) put(key, value []byte) error {
	w.alive()
	if len(key) == 0 || len(key) > objstore.MaxKey {
		return fmt.Errorf("row key of %d bytes; it may have 1 to %d", len(key), objstore.MaxKey)
	}
	if len(value) > objstore.MaxValue {
		return fmt.Errorf("%w: value of %d bytes; it may have %d", objstore.ErrTooLarge, len(value), objstore.MaxValue)
	}
	if w.filled() {
		return w.tooLarge()
	}
	row := objstore.Row{Key: append(make([]byte, 0, len(key)), key...), Value: value}
	old, replaced := w.over.Set(row)
	if !replaced {
		old.Key = row.Key
	}
	w.undo = append(w.undo, write{old, replaced})
	w.bytes += len(key) + len(value) + RowOverhead
	return nil
}

func (w *writer) tooLarge() error {
	return fmt.Errorf("%w: %d rows, %d bytes", objstore.ErrTooLarge, len(w.undo), w.bytes)
}

// rollback takes back what was written, the last first.
func (w *writer) rollback() {
	for i := len(w.undo) - 1; i >= 0; i-- {
		if u := w.undo[i]; u.replaced {
			w.over.Set(u.old)
		} else {
			w.over.Delete(u.old.Key)
		}
	}
	w.undo = nil
}
