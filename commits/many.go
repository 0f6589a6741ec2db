package commits

import (
	"fmt"

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

// Size is the file's length in bytes.
func (c *Change) Size() int64 { return c.Content.Root.Size }
