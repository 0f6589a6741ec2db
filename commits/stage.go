package commits

import (
	"fmt"
	"math"

	"github.com/zeebo/blake3"

	"caret/objstore"
)

// Stage writes a change of the open commit id. A later change of the same
// path replaces it. A change whose Commit is set leaves an older version again.
func Stage(tx objstore.Writer, id ID, ch Change) error {
	ch.N = 0
	if ch.Commit.IsZero() {
		ch.Commit = id
	}
	return tx.Set(changeKey(id, ch.Path), appendState(nil, &ch.State))
}

// Unstage removes a staged change, if there is one.
func Unstage(tx objstore.Writer, id ID, path string) error {
	return tx.Delete(changeKey(id, path))
}

// ReadStaged is what the open commit id says of path; ErrNoPath if nothing.
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

// StagedMany is what the open commit id says of paths, in their order, nil where
// it says nothing. It takes one call of the store.
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

// Staged calls fn for the staged changes of id behind the path after, in
// order, until fn returns false.
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
		more, err := fn(Change{Path: changedPath(c.Key()), State: s})
		if err != nil || !more {
			return err
		}
	}
	return c.Err()
}

// StagedSum hashes and counts everything staged in id as a layer needs it.
type StagedSum struct {
	Files int
	Hash  objstore.Hash
}

// SumStaged reads all of it.
func SumStaged(tx objstore.Reader, id ID) (StagedSum, error) {
	h := changesHash{h: blake3.New()}
	var s StagedSum
	c := objstore.ScanHint(tx, objstore.Prefix(changeKey(id, "")), math.MaxInt)
	for c.Next() {
		h.add(changedPath(c.Key()), c.Value())
		s.Files++
	}
	s.Hash = h.sum()
	return s, c.Err()
}

// AppendLayer makes everything staged in meta.ID the next commit of lineage, by
// rows of constant number; sum is of SumStaged, and nothing may have been
// staged since.
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
	return c, publish(tx, &c)
}

// FoldMark says how far folding has come: what the commit Layer changed is in
// the lineage up to and including the path After. The zero value is the
// beginning.
type FoldMark struct {
	Layer ID
	After string
}

// Fold moves up to limit states of the lineage's oldest layer into the lineage,
// fewer if the transaction is full, and returns where the next call goes on; done
// says that no layer is left. No reader sees a difference.
//
// It begins behind from, or, if the oldest layer is not from's, at the beginning
// of that layer: somebody else may have folded the other one meanwhile.
func Fold(tx objstore.Writer, lineage LineageID, from FoldMark, limit int) (next FoldMark, done bool, err error) {
	l, err := ReadLineage(tx, lineage)
	if err != nil || len(l.Layers) == 0 {
		return FoldMark{}, true, err
	}
	layer := l.Layers[0]
	if from.Layer != layer.ID {
		from = FoldMark{Layer: layer.ID}
	}
	var batch []Change
	err = staged(tx, layer.ID, from.After, limit, func(ch Change) (bool, error) {
		batch = append(batch, ch)
		return len(batch) < limit, nil
	})
	if err != nil {
		return from, false, err
	}
	newest, err := tx.GetMany(entryKeys(lineage, batch))
	if err != nil {
		return from, false, err
	}
	for i := range batch {
		if tx.Full() {
			return from, false, nil
		}
		ch := &batch[i]
		ch.N = layer.N
		if err := insert(tx, &l, ch.Path, newest[i], encodeRow(&ch.State), ch.edits(layer.ID)); err != nil {
			return from, false, err
		}
		if err := tx.Set(changeKey(layer.ID, ch.Path), nil); err != nil {
			return from, false, err
		}
		from.After = ch.Path
	}
	if len(batch) == limit {
		return from, false, nil
	}
	l.Layers = l.Layers[1:]
	return FoldMark{}, len(l.Layers) == 0, tx.Set(lineageKey(keyLineage, lineage), l.encode())
}

// DropStaged removes the rows of the open commit id behind the path after until
// the transaction is full, and returns the path to go on after; done says that
// none are left. To begin again at "" does no harm, but steps over all that was
// removed before, which stores keep for a while.
func DropStaged(tx objstore.Writer, id ID, after string) (next string, done bool, err error) {
	c := objstore.Scan(tx, changesAfter(id, after))
	for c.Next() {
		if tx.Full() {
			return after, false, nil
		}
		if err := tx.Delete(c.Key()); err != nil {
			return after, false, err
		}
		after = changedPath(c.Key())
	}
	return "", true, c.Err()
}
