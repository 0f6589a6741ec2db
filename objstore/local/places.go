package local

import (
	"encoding/binary"
	"fmt"
	"slices"

	"caret/objstore"
	"caret/objstore/local/pack"
)

// Kinds of rows that say where a blob is: a pack, the offset of its bytes and
// their length follow as varints.
const (
	soundRow   = 2
	damagedRow = 3 // a read found other bytes there
)

func indexKey(h objstore.Hash) []byte { return append([]byte{keyIndex}, h[:]...) }

func placeRow(kind byte, at pack.Place) []byte {
	row := binary.AppendUvarint([]byte{kind}, uint64(at.Pack))
	row = binary.AppendUvarint(row, uint64(at.Offset))
	return binary.AppendUvarint(row, uint64(at.Length))
}

// parsePlace reads such a row, and says whether the blob is sound as far as is
// known.
func parsePlace(row []byte) (at pack.Place, sound bool, err error) {
	bad := fmt.Errorf("%w: row of a blob", objstore.ErrCorrupt)
	if len(row) == 0 || row[0] != soundRow && row[0] != damagedRow {
		return at, false, bad
	}
	kind, row := row[0], row[1:]
	var v [3]uint64
	for i := range v {
		var n int
		if v[i], n = binary.Uvarint(row); n <= 0 {
			return at, false, bad
		}
		row = row[n:]
	}
	at = pack.Place{Pack: uint32(v[0]), Offset: int64(v[1]), Length: int(v[2])}
	if uint64(at.Pack) != v[0] || at.Offset < 0 || v[2] > objstore.MaxBlob {
		return at, false, bad
	}
	return at, kind == soundRow, nil
}

// lookup is where the index has a blob; objstore.ErrNotFound.
func (b *blobs) lookup(h objstore.Hash) (at pack.Place, sound bool, err error) {
	row, err := b.store.index.get(indexKey(h))
	if err != nil {
		return at, false, err
	}
	return parsePlace(row)
}

// waiting is what blobs that were put need in the log.
type waiting struct {
	small []*pending
	large []*pending
	marks []objstore.Row
}

func (w *waiting) empty() bool { return len(w.small)+len(w.large)+len(w.marks) == 0 }

// take returns the blobs whose bytes are there, and are not in the log.
func (b *blobs) take() *waiting {
	b.mu.Lock()
	w := new(waiting)
	stored, unmarked := b.stored, b.unmarked
	b.stored, b.unmarked = nil, nil
	b.mu.Unlock()
	for _, p := range stored {
		if p.data != nil {
			w.small = append(w.small, p)
		} else {
			w.large = append(w.large, p)
		}
	}
	for _, h := range unmarked {
		if at, sound, err := b.lookup(h); err == nil && sound {
			w.marks = append(w.marks, objstore.Row{Key: indexKey(h), Value: placeRow(damagedRow, at)})
		}
	}
	return w
}

// cut takes away what goes into one record.
func (w *waiting) cut() *waiting {
	small, marks := cutBlobs(w.small), min(len(w.marks), maxSideRows)
	large := min(len(w.large), maxSideRows-marks)
	part := &waiting{w.small[:small], w.large[:large], w.marks[:marks:marks]}
	w.small, w.large, w.marks = w.small[small:], w.large[large:], w.marks[marks:]
	return part
}

// back takes back what take returned and was not written.
func (b *blobs) back(w *waiting) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stored = slices.Concat(w.small, w.large, b.stored)
	for _, row := range w.marks {
		b.unmarked = append(b.unmarked, objstore.Hash(row.Key[1:]))
	}
}

// rows are those of large blobs and of damaged ones. Who was put again counts.
func (w *waiting) rows() []objstore.Row {
	rows := w.marks
	for _, p := range w.large {
		rows = append(rows, objstore.Row{Key: indexKey(p.hash), Value: placeRow(soundRow, p.at)})
	}
	return rows
}

// logged forgets what is in the log, but for where small blobs are.
func (b *blobs) logged(w *waiting) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, p := range w.small {
		b.inLog[p.hash] = inLog{p.log, len(p.data)}
		delete(b.pending, p.hash)
		b.waiting -= p.size()
	}
	for _, p := range w.large {
		b.hasRow(p.hash)
		delete(b.pending, p.hash)
		delete(b.damaged, p.hash)
		b.waiting -= p.size()
	}
	close(b.less)
	b.less = make(chan struct{})
}

// hasRow remembers that a row says where a blob is, if it is in the log too. The
// caller has mu, or is alone.
func (b *blobs) hasRow(h objstore.Hash) {
	if _, ok := b.inLog[h]; ok {
		delete(b.inLog, h)
		b.own[h] = true
	}
}

// bare are those of blobs that have no rows of their own.
func (b *blobs) bare(list []inBulk) []inBulk {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.own) == 0 {
		return list
	}
	return slices.DeleteFunc(slices.Clone(list), func(l inBulk) bool { return b.own[l.hash] })
}

// packed forgets small blobs that the index has.
func (b *blobs) packed(list []inBulk) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, l := range list {
		if at, ok := b.inLog[l.hash]; ok && at.Segment == l.from {
			delete(b.inLog, l.hash)
		}
		delete(b.own, l.hash)
	}
}

func bytesOf(small []*pending) (n int) {
	for _, p := range small {
		n += p.size()
	}
	return n
}

// cutBlobs is how many of the first blobs fit into a record.
func cutBlobs(small []*pending) int {
	n := 0
	for i, p := range small {
		if n += p.size(); n > maxSide && i > 0 {
			return i
		}
	}
	return len(small)
}

// packEnd is how far the packs reach, as the log says.
type packEnd struct {
	pack uint32
	end  int64
}

func (e packEnd) row() objstore.Row {
	v := binary.AppendUvarint(nil, uint64(e.pack))
	return objstore.Row{Key: []byte{keyPacks}, Value: binary.AppendUvarint(v, uint64(e.end))}
}

func parsePackEnd(v []byte) (e packEnd, err error) {
	pack, n := binary.Uvarint(v)
	if n > 0 {
		end, m := binary.Uvarint(v[n:])
		if e = (packEnd{uint32(pack), int64(end)}); m > 0 && uint64(e.pack) == pack && e.end >= 0 {
			return e, nil
		}
	}
	return packEnd{}, fmt.Errorf("%w: row of the packs", objstore.ErrCorrupt)
}

// packsRow says how far the packs reach now, if that is not known. Room that was
// given out before the end is either written or will never be.
func (s *Store) packsRow() []objstore.Row {
	var e packEnd
	if e.pack, e.end = s.packs.End(); e == s.packed {
		return nil
	}
	s.packed = e
	return []objstore.Row{e.row()}
}
