package commits

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/zeebo/blake3"

	"caret/objstore"
)

// Change is the new state of a path. Whoever makes the commit sets N, and Commit as
// well unless the state is an older version that is left again.
type Change struct {
	Path string
	State
}

// Size is the file's length in bytes.
func (c *Change) Size() int64 { return c.Content.Root.Size }

// editsVersions reports whether the versions of the path are no longer just its rows
// once commit id has made the change.
func (c *Change) editsVersions(id ID) bool { return len(c.Removed) > 0 || c.Commit != id }

// Meta is what is said of a commit besides its changes.
type Meta struct {
	ID      ID
	Time    time.Time // that of the parent counts if it is later
	Author  string
	Message string
	Merged  []ID // parents besides the first
	// Brought is what these bring in, if it was read before for a commit of the lineage;
	// nil is that it is read when the commit is made.
	Brought *Brought
}

// Append makes the changes the next commit of a lineage. Their paths must be distinct, and
// they must fit a transaction: larger commits are staged, and made a layer. Deleting a
// path that has no file adds a deletion to its history. All that is to be read takes one
// call of the store, unless the commit is a merge.
func Append(tx objstore.Writer, lineage LineageID, changes []Change, meta Meta) (Commit, error) {
	slices.SortFunc(changes, func(a, b Change) int { return strings.Compare(a.Path, b.Path) })
	l, head, newest, err := readTip(tx, lineage, entryKeys(lineage, changes)...)
	if err != nil {
		return Commit{}, err
	}
	c := newCommit(&l, &head, meta)
	sum := changesHash{h: blake3.New()}
	size := 0
	for i := range changes {
		ch := &changes[i]
		ch.N = c.Pos.N
		if ch.Commit.IsZero() {
			ch.Commit = c.ID
		}
		row := encodeRow(&ch.State)
		if err := insertState(tx, &l, ch.Path, newest[i], row, ch.editsVersions(c.ID)); err != nil {
			return Commit{}, fmt.Errorf("path %q: %w", ch.Path, err)
		}
		sum.add(ch.Path, row[len(binary.AppendUvarint(nil, ch.N)):])
		size += len(ch.Path)
	}
	c.ChangesHash, c.Files = sum.sum(), len(changes)
	if size <= maxInlinePaths {
		for i := range changes {
			c.paths = append(c.paths, changes[i].Path)
		}
	} else {
		for i := range changes {
			if err := tx.Set(changeKey(c.ID, changes[i].Path), nil); err != nil {
				return Commit{}, err
			}
		}
	}
	return c, publish(tx, &c, meta.Brought)
}

// entryKeys are the keys of the newest states of the paths of changes.
func entryKeys(lineage LineageID, changes []Change) [][]byte {
	keys := make([][]byte, len(changes))
	for i := range changes {
		keys[i] = entryKey(lineage, changes[i].Path)
	}
	return keys
}

// newCommit returns the commit that is to follow head, without its changes.
func newCommit(l *Lineage, head *Head, meta Meta) Commit {
	c := Commit{
		ID: meta.ID, Author: meta.Author, Message: meta.Message,
		Pos:        Pos{Lineage: l.ID, N: head.N + 1},
		Time:       meta.Time.UTC().Truncate(time.Millisecond),
		ParentHash: head.Hash,
	}
	if c.Time.Before(head.Time) {
		c.Time = head.Time
	}
	if head.N > 0 {
		c.Parents = []ID{head.ID}
	} else if len(meta.Merged) > 0 {
		c.Parents = make([]ID, 1)
	}
	c.Parents = append(c.Parents, meta.Merged...)
	return c
}

// publish makes a commit the head of its lineage.
func publish(tx objstore.Writer, c *Commit, brought *Brought) error {
	record := encodeRecord(c)
	c.Hash = objstore.Sum(record)
	head := Head{N: c.Pos.N, ID: c.ID, Time: c.Time, Hash: c.Hash}
	return errors.Join(
		setMerge(tx, c, brought),
		tx.Set(commitKey(c.Pos), record),
		tx.Set(idKey(c.ID), encodePos(c.Pos)),
		tx.Set(lineageKey(keyHead, c.Pos.Lineage), head.encode()),
	)
}

func encodeRow(s *State) []byte {
	return appendState(binary.AppendUvarint(make([]byte, 0, 160), s.N), s)
}

// insertState adds a state of path to l, given its row and that of the newest state
// there, nil if there is none. Its commit may be older than that of the newest, and
// adding a state again changes nothing. edited says that from this state on the path's
// versions are not just its rows.
//
// On a lineage that forked from none, a deletion at the head leaves no newest state,
// only a replaced one. On any other, a path without a newest state has none at all.
func insertState(tx objstore.Writer, l *Lineage, path string, newest, row []byte, edited bool) error {
	state, err := parseRow(row)
	if err != nil {
		return err
	}
	key := entryKey(l.ID, path)
	if newest != nil {
		was, err := parseRow(newest)
		if err != nil {
			return err
		}
		switch {
		case was.n == state.n:
			return nil
		case was.n > state.n:
			if edited {
				if err := tx.Set(key, markEdited(newest)); err != nil {
					return err
				}
			}
			return tx.Set(versionKey(l.ID, path, state.n), row)
		}
		if err := tx.Set(versionKey(l.ID, path, was.n), newest); err != nil {
			return err
		}
		edited = edited || was.flags()&flagEdited != 0
	}
	if edited {
		return tx.Set(key, markEdited(row))
	}
	if state.flags()&flagDeleted == 0 || l.Fork.N > 0 || len(l.Layers) > 0 {
		return tx.Set(key, row)
	}
	// There is nothing beneath that the deletion has to hide, so listings of the head
	// need not step over it.
	if newest != nil {
		if err := tx.Delete(key); err != nil {
			return err
		}
	}
	return tx.Set(versionKey(l.ID, path, state.n), row)
}

// changesHash hashes the changes of a commit, in the order of their paths.
type changesHash struct{ h *blake3.Hasher }

func (c changesHash) add(path string, state []byte) {
	var n [binary.MaxVarintLen64]byte
	for _, p := range [][]byte{[]byte(path), state} {
		c.h.Write(n[:binary.PutUvarint(n[:], uint64(len(p)))]) //nolint:errcheck // a hash takes everything
		c.h.Write(p)                                           //nolint:errcheck
	}
}

func (c changesHash) sum() (h objstore.Hash) {
	c.h.Sum(h[:0])
	return h
}
