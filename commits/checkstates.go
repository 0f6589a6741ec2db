package commits

import (
	"encoding/binary"
	"fmt"

	"caret/objstore"
)

// StateCheck goes through all states of a lineage, or through those that are staged in
// an open commit: whether each can be read, and whether there is a commit with the id
// that it names. A row that moves while it is gone through is met at least once.
//
//	k := NewStateCheck(lineage)
//	for done := false; !done; use(k.States, k.Flaws) {
//		db.View(ctx, func(tx objstore.Reader) (err error) { done, err = k.Step(tx); return err })
//	}
type StateCheck struct {
	States []Change // found by the last Step, sound as rows
	Flaws  []Flaw   // found by the last Step

	lineage LineageID
	open    ID // of an open commit; zero if a lineage is gone through
	found   flaws
	stage   stateStage
	layer   Layer // that is gone through
	key     []byte
}

// stateStage is which rows a StateCheck goes through. Folding moves states from layers
// to newest ones, and commits move these to replaced ones: so in this order.
type stateStage int

const (
	layerStates stateStage = iota
	newestStates
	replacedOnes
	noStates
)

// NewStateCheck begins to go through a lineage.
func NewStateCheck(lineage LineageID) *StateCheck { return &StateCheck{lineage: lineage} }

// NewStagedCheck begins to go through what is staged in an open commit.
func NewStagedCheck(id ID) *StateCheck { return &StateCheck{open: id} }

// Step goes on in a transaction, and says whether that was the last.
func (k *StateCheck) Step(tx objstore.Reader) (done bool, err error) {
	k.States, k.found = nil, nil
	switch {
	case !k.open.IsZero():
		err = k.staged(tx, k.open, stagedN, noStates)
	case k.stage == layerStates:
		err = k.layers(tx)
	case k.stage == newestStates:
		err = k.rows(tx, keyEntry, replacedOnes)
	case k.stage == replacedOnes:
		err = k.rows(tx, keyVersion, noStates)
	}
	if err == nil {
		err = k.checkIDs(tx)
	}
	k.Flaws = k.found
	return k.stage == noStates, err
}

// layers goes on with the layer that it is at, or the next one.
func (k *StateCheck) layers(tx objstore.Reader) error {
	l, err := readSound(tx, k.lineage)
	if err != nil {
		return err
	}
	for _, y := range l.Layers {
		if y.N > k.layer.N {
			k.layer, k.key = y, nil
		} else if y.N < k.layer.N || k.key == nil {
			continue
		}
		return k.staged(tx, y.ID, y.N, layerStates)
	}
	k.stage, k.key = newestStates, nil
	return nil
}

// LineagesBehind returns up to limit lineages with greater numbers than after, in order.
// Of one whose row cannot be read the number alone is known; a ChainCheck says why.
func LineagesBehind(tx objstore.Reader, after LineageID, limit int) ([]Lineage, error) {
	in := objstore.Prefix([]byte{keyLineage})
	in.Start = lineageKey(keyLineage, after+1)
	rows, err := tx.Page(in, limit)
	if err != nil {
		return nil, err
	}
	var list []Lineage
	for _, row := range rows {
		var number [8]byte // of a key that is too short the rest is zero: it still is behind after
		copy(number[:], row.Key[1:])
		id := LineageID(binary.BigEndian.Uint64(number[:]))
		l, err := decodeLineage(id, row.Value)
		if err != nil {
			l = Lineage{ID: id}
		}
		list = append(list, l)
	}
	return list, nil
}

// Has says whether there is a record of the commit at p, and where: on the lineage
// that made it.
func Has(tx objstore.Reader, p Pos) (owner Pos, there bool, err error) {
	if owner, err = Owner(tx, p); err != nil || owner.N == 0 {
		return p, false, err
	}
	rows, err := tx.GetMany([][]byte{commitKey(owner)})
	return owner, err == nil && rows[0] != nil, err
}

// readSound reads a lineage; one that is missing or cannot be read has no layers, which
// a ChainCheck says.
func readSound(tx objstore.Reader, lineage LineageID) (Lineage, error) {
	rows, err := tx.GetMany([][]byte{lineageKey(keyLineage, lineage)})
	if err != nil || rows[0] == nil {
		return Lineage{}, err
	}
	l, broken := decodeLineage(lineage, rows[0])
	if broken != nil {
		return Lineage{}, nil
	}
	return l, nil
}

// page reads the next rows of a range, and says whether these are the last.
func (k *StateCheck) page(tx objstore.Reader, in objstore.Range) (rows []objstore.Row, last bool, err error) {
	if k.key != nil {
		in = in.Behind(k.key)
	}
	if rows, err = tx.Page(in, checkStep); err != nil {
		return nil, false, err
	}
	if last = len(rows) < checkStep; last {
		k.key = nil
	} else {
		k.key = rows[len(rows)-1].Key
	}
	return rows, last, nil
}

// staged goes on with the rows under a commit's id, and then to the stage then.
func (k *StateCheck) staged(tx objstore.Reader, id ID, n uint64, then stateStage) error {
	rows, last, err := k.page(tx, objstore.Prefix(changeKey(id, "")))
	if err != nil {
		return err
	}
	for _, row := range rows {
		if len(row.Value) > 0 { // else it was folded in
			k.add(changeKeyPath(row.Key), encodedState{n, row.Value})
		}
	}
	if last {
		k.stage = then
	}
	return nil
}

// rows goes on with the newest states, or the replaced ones, and then to the stage then.
func (k *StateCheck) rows(tx objstore.Reader, kind byte, then stateStage) error {
	rows, last, err := k.page(tx, objstore.Prefix(lineageKey(kind, k.lineage)))
	if err != nil {
		return err
	}
	for _, row := range rows {
		path, n := string(row.Key[len(lineageKey(kind, k.lineage)):]), uint64(0)
		if kind == keyVersion {
			raw, in, err := parseVersionKey(row.Key)
			if err != nil {
				k.found.add(BadRow, Pos{Lineage: k.lineage}, ID{}, path, "%v", err)
				continue
			}
			path, n = string(raw), in
		}
		e, err := parseRow(row.Value)
		if err != nil {
			k.found.add(BadRow, Pos{k.lineage, n}, ID{}, path, "%v", err)
			continue
		}
		k.add(path, e)
	}
	if last {
		k.stage = then
	}
	return nil
}

// add adds a state that can be read.
func (k *StateCheck) add(path string, e encodedState) {
	s, err := e.decode()
	if err == nil && s.Commit.IsZero() {
		err = fmt.Errorf("%w: it names no version", objstore.ErrCorrupt)
	}
	if err != nil {
		k.found.add(BadRow, Pos{k.lineage, s.N}, s.Commit, path, "%v", err)
		return
	}
	k.States = append(k.States, Change{Path: path, State: s})
}

// checkIDs says which of the states name a commit that is not there.
func (k *StateCheck) checkIDs(tx objstore.Reader) error {
	var keys [][]byte
	at := make(map[ID]int)
	for _, s := range k.States {
		if _, ok := at[s.Commit]; !ok && s.Commit != k.open {
			at[s.Commit] = len(keys)
			keys = append(keys, idKey(s.Commit))
		}
	}
	if len(keys) == 0 {
		return nil
	}
	rows, err := tx.GetMany(keys)
	if err != nil {
		return err
	}
	for _, s := range k.States {
		if i, ok := at[s.Commit]; ok && rows[i] == nil {
			k.found.add(MissingCommit, Pos{}, s.Commit, s.Path, "a state of it names a commit that is not there")
		}
	}
	return nil
}
