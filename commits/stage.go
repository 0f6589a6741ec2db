package commits

import (
	"fmt"
	"slices"

	"github.com/zeebo/blake3"

	"caret/objstore"
)

// Stage adds a change to the open commit id, in place of an earlier one of the same
// path. If its Commit is set, the change leaves that older version again.
func Stage(tx objstore.Writer, id ID, ch Change) error {
	ch.N = 0
	if ch.Commit.IsZero() {
		ch.Commit = id
	}
	return tx.Set(changeKey(id, ch.Path), appendState(nil, &ch.State))
}

// RowSize is how many bytes a change has as the row that it is staged in, with its key;
// in rows of a lineage it has a few more.
func (c *Change) RowSize() int { return len(changeKey(ID{}, c.Path)) + len(appendState(nil, &c.State)) }

// MemorySize is about how many bytes a change takes in memory.
func (c *Change) MemorySize() int { return c.RowSize() + 600 }

// Unstage removes a staged change, if there is one.
func Unstage(tx objstore.Writer, id ID, path string) error {
	return tx.Delete(changeKey(id, path))
}

// ReadStaged returns the state of path that is staged in the open commit id, or
// ErrNoPath.
func ReadStaged(tx objstore.Reader, id ID, path string) (State, error) {
	list, err := StagedMany(tx, id, []string{path})
	if err != nil {
		return State{}, err
	}
	if list[0] == nil {
		return State{}, fmt.Errorf("%w: %q", ErrNoPath, path)
	}
	return *list[0], nil
}

// StagedMany returns the states of paths that are staged in the open commit id, in
// their order, nil for those that have none. It takes one call of the store.
func StagedMany(tx objstore.Reader, id ID, paths []string) ([]*State, error) {
	keys := make([][]byte, len(paths))
	for i, p := range paths {
		keys[i] = changeKey(id, p)
	}
	rows, err := tx.GetMany(keys)
	if err != nil {
		return nil, err
	}
	list := make([]*State, len(paths))
	for i, b := range rows {
		if len(b) == 0 {
			continue
		}
		s, err := decodeState(b)
		if err != nil {
			return nil, err
		}
		list[i] = &s
	}
	return list, nil
}

// Staged calls fn for the changes staged in the open commit id whose paths sort after
// the given one, in order, until fn returns false.
func Staged(tx objstore.Reader, id ID, after string, fn func(Change) (bool, error)) error {
	return staged(tx, id, after, 0, fn)
}

func staged(tx objstore.Reader, id ID, after string, hint int, fn func(Change) (bool, error)) error {
	c := objstore.ScanHint(tx, changesAfter(id, after), hint)
	for c.Next() {
		if len(c.Value()) == 0 {
			continue
		}
		s, err := decodeState(c.Value())
		if err != nil {
			return err
		}
		more, err := fn(Change{Path: changeKeyPath(c.Key()), State: s})
		if err != nil || !more {
			return err
		}
	}
	return c.Err()
}

// StagedSum is what a layer needs to know of all that is staged in a commit.
type StagedSum struct {
	Files int           // how many paths are changed
	Bytes int           // of their rows
	Hash  objstore.Hash // of the changes
}

// SumStaged reads everything that is staged in the open commit id.
func SumStaged(tx objstore.Reader, id ID) (StagedSum, error) {
	h := changesHash{h: blake3.New()}
	var s StagedSum
	c := objstore.Scan(tx, objstore.Prefix(changeKey(id, "")))
	for c.Next() {
		h.add(changeKeyPath(c.Key()), c.Value())
		s.Files++
		s.Bytes += len(c.Key()) + len(c.Value())
	}
	s.Hash = h.sum()
	return s, c.Err()
}

// AppendLayer makes everything that is staged in meta.ID the next commit of a lineage.
// However much that is, a few rows are written. sum is what SumStaged has returned, and
// nothing may have been staged since.
func AppendLayer(tx objstore.Writer, lineage LineageID, sum StagedSum, meta Meta) (Commit, error) {
	l, head, _, err := readTip(tx, lineage)
	if err != nil {
		return Commit{}, err
	}
	c := newCommit(&l, &head, meta)
	c.Files, c.ChangesHash = sum.Files, sum.Hash
	l.Layers = append(l.Layers, Layer{N: c.Pos.N, ID: c.ID})
	if err := tx.Set(lineageKey(keyLineage, lineage), l.encode()); err != nil {
		return Commit{}, err
	}
	return c, publish(tx, &c, meta.Brought)
}

// CheckLayer finds out whether what the oldest layer of a lineage has is what the record
// of its commit says, before it is folded in: ErrCorrupt. Of one that folding has begun
// with only the number of paths is known.
func CheckLayer(tx objstore.Reader, lineage LineageID) error {
	l, err := ReadLineage(tx, lineage)
	if err != nil || len(l.Layers) == 0 {
		return err
	}
	layer := l.Layers[0]
	c, err := Read(tx, Pos{Lineage: lineage, N: layer.N})
	if err == nil && c.ID != layer.ID {
		err = fmt.Errorf("%w: layer %d of lineage %d is of commit %s, and that number has %s", objstore.ErrCorrupt, layer.N, lineage, layer.ID, c.ID)
	}
	if err != nil {
		return err
	}
	sum := changesSum{commit: &c, hash: changesHash{h: blake3.New()}}
	folded := false
	rows := objstore.Scan(tx, objstore.Prefix(changeKey(layer.ID, "")))
	for rows.Next() {
		sum.n++
		sum.hash.add(changeKeyPath(rows.Key()), rows.Value())
		folded = folded || len(rows.Value()) == 0
	}
	if err := rows.Err(); err != nil {
		return err
	}
	if folded {
		return c.checkCount(sum.n)
	}
	return sum.check()
}

// FoldMark is how far folding has come: of commit Layer, all changes up to and
// including that of the path After are in the lineage. The zero value is the beginning.
type FoldMark struct {
	Layer ID
	After string
	fits  int // how many states one step took, if they were long; else 0
}

// foldRead is how many rows Fold asks for before it looks whether that is much.
const foldRead = 64

// Fold moves up to limit states of a lineage's oldest layer into the lineage, fewer if
// the transaction fills up, and returns where to go on, and whether it is done: no
// layer is left. Readers see no difference.
//
// It goes on from the given mark. But if the oldest layer is not the mark's, as another
// process has folded that meanwhile, it begins at the start of the oldest.
func Fold(tx objstore.Writer, lineage LineageID, from FoldMark, limit int) (next FoldMark, done bool, err error) {
	l, err := ReadLineage(tx, lineage)
	if err != nil || len(l.Layers) == 0 {
		return FoldMark{}, true, err
	}
	layer := l.Layers[0]
	if from.Layer != layer.ID {
		from = FoldMark{Layer: layer.ID}
	}
	wanted := limit
	if from.fits > 0 {
		wanted = from.fits
	}
	var batch []Change
	size, more := 0, false
	err = staged(tx, layer.ID, from.After, wanted, func(ch Change) (bool, error) {
		batch, size = append(batch, ch), size+ch.RowSize()
		more = len(batch) == limit || size > objstore.PageBytes
		return !more, nil
	})
	if err != nil {
		return from, false, err
	}
	if from.fits = 0; size > objstore.PageBytes {
		from.fits = len(batch)
	}
	var newest [][]byte // of the first ones, where these are long
	for page := range slices.Chunk(batch, foldRead) {
		rows, err := tx.GetMany(entryKeys(lineage, page))
		if err != nil {
			return from, false, err
		}
		if newest = append(newest, rows...); tx.Full() {
			break
		}
	}
	more = more || len(newest) < len(batch)
	for i := range newest {
		if i > 0 && tx.Full() {
			return from, false, nil
		}
		ch := &batch[i]
		ch.N = layer.N
		if err := insertState(tx, &l, ch.Path, newest[i], encodeRow(&ch.State), ch.editsVersions(layer.ID)); err != nil {
			return from, false, err
		}
		if err := tx.Set(changeKey(layer.ID, ch.Path), nil); err != nil {
			return from, false, err
		}
		from.After = ch.Path
	}
	if more {
		return from, false, nil
	}
	l.Layers = l.Layers[1:]
	return FoldMark{}, len(l.Layers) == 0, tx.Set(lineageKey(keyLineage, lineage), l.encode())
}

// DropStaged removes what is staged in the open commit id for paths that sort after
// the given one, until the transaction is full. It returns the path to go on after, and
// whether it is done. Beginning again at "" does no harm, but is slow: stores keep
// removed rows for a while, and have to step over them.
func DropStaged(tx objstore.Writer, id ID, after string) (next string, done bool, err error) {
	c := objstore.Scan(tx, changesAfter(id, after))
	for c.Next() {
		if tx.Full() {
			return after, false, nil
		}
		if err := tx.Delete(c.Key()); err != nil {
			return after, false, err
		}
		after = changeKeyPath(c.Key())
	}
	return "", true, c.Err()
}
