package commits

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"caret/objstore"
)

// ReadHeads is ReadHead of many lineages.
func ReadHeads(tx objstore.Reader, lineages []LineageID) ([]Head, error) {
	keys := make([][]byte, len(lineages))
	for i, id := range lineages {
		keys[i] = lineageKey(keyHead, id)
	}
	values, err := tx.GetMany(keys)
	if err != nil {
		return nil, err
	}
	heads := make([]Head, len(lineages))
	for i, v := range values {
		if v == nil {
			return nil, fmt.Errorf("head of lineage %d: %w", lineages[i], objstore.ErrNotFound)
		}
		if heads[i], err = decodeHead(v); err != nil {
			return nil, err
		}
	}
	return heads, nil
}

// ReadMany is Read of many commits.
func ReadMany(tx objstore.Reader, at []Pos) ([]Commit, error) {
	list := make([]Commit, len(at))
	for i, p := range at {
		var err error
		if list[i], err = Read(tx, p); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// ChangedPaths are the paths under prefix, in order, that commits changed which
// lead to one of two states and not to the other, and those staged on them.
func ChangedPaths(tx objstore.Reader, old, now Side, prefix string) ([]string, error) {
	changed := make(map[string]struct{})
	for _, s := range [2][2]Side{{old, now}, {now, old}} {
		if err := changedOutside(tx, s[0].Pos, s[1].Pos, prefix, changed); err != nil {
			return nil, err
		}
		if !s[0].Open.IsZero() {
			if err := addPaths(tx, s[0].Open, prefix, changed); err != nil {
				return nil, err
			}
		}
	}
	return slices.Sorted(maps.Keys(changed)), nil
}

// Files are the files at paths, nil where there is none.
func (v *View) Files(paths []string) ([]*State, error) {
	list := make([]*State, len(paths))
	for i, p := range paths {
		var err error
		if list[i], err = v.File(p); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// StagedMany are the states staged in the open commit id at paths, nil where
// nothing is.
func StagedMany(tx objstore.Reader, id ID, paths []string) ([]*State, error) {
	list := make([]*State, len(paths))
	for i, p := range paths {
		s, err := ReadStaged(tx, id, p)
		if err == nil {
			list[i] = &s
		} else if !errors.Is(err, ErrNoPath) {
			return nil, err
		}
	}
	return list, nil
}

// Size is the file's length in bytes.
func (c *Change) Size() int64 { return c.Content.Root.Size }
