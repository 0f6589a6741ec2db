package upload

import (
	"errors"
	"fmt"
	"time"

	"caret/commits"
	"caret/objstore"
	"caret/objstore/content"
	"caret/pfs/catalog"
	"caret/pfs/rows"
)

// Limits of parts.
const (
	MaxParts = 10000   // highest part number
	MinPart  = 5 << 20 // bytes in a part that is not the last
	maxPart  = 1 << 48 // bytes in what can be the row of a part
)

// Errors about parts, wrapped with which one.
var (
	// ErrInvalidPart: a part that was not uploaded, or whose hash differs.
	ErrInvalidPart = errors.New("invalid part")
	// ErrPartOrder: part numbers that do not ascend.
	ErrPartOrder = errors.New("parts not in ascending order")
	// ErrPartTooSmall: a part below MinPart that is not the last.
	ErrPartTooSmall = errors.New("part too small")
)

// PartInfo describes a part.
type PartInfo struct {
	Number   int
	Size     int64
	Hash     objstore.Hash
	Modified time.Time
	Checksum commits.Checksum
}

// Part is a part as it is kept.
type Part struct {
	Part     content.Part     `json:"part"`
	Modified time.Time        `json:"modified"`
	Checksum commits.Checksum `json:"checksum"`
}

// decodePart reads the row of a part. Its size is one that many of can be added up.
func decodePart(key, value []byte, p *Part) error {
	err := rows.Decode(key, value, p)
	if size := p.Part.Root.Size; err == nil && (size < 0 || size > maxPart || p.Part.Offset < 0) {
		err = fmt.Errorf("%w: row %q: a part of %d bytes at %d", objstore.ErrCorrupt, key, size, p.Part.Offset)
	}
	return err
}

// Info describes the part that has a number.
func (p *Part) Info(number int) PartInfo {
	return PartInfo{
		Number: number, Size: p.Part.Root.Size, Hash: p.Part.Hash,
		Modified: p.Modified, Checksum: p.Checksum,
	}
}

func partsOf(upload string) []byte { return rows.Key(rows.Part, upload) }

func partKey(upload string, number int) []byte {
	return append(partsOf(upload), byte(number>>8), byte(number))
}

// CheckNumber refuses what cannot be the number of a part.
func CheckNumber(number int) error {
	if number < 1 || number > MaxParts {
		return fmt.Errorf("%w: part number %d; it is 1 to %d", catalog.ErrInvalidArgument, number, MaxParts)
	}
	return nil
}

// FirstSize is the size of the first part that was uploaded, 0 if none was.
func FirstSize(tx objstore.Reader, upload string) (int64, error) {
	page, err := tx.Page(objstore.Prefix(partsOf(upload)), 1)
	if err != nil || len(page) == 0 {
		return 0, err
	}
	var p Part
	err = decodePart(page[0].Key, page[0].Value, &p)
	return p.Part.Root.Size, err
}

// SetPart adds a part to an upload, or replaces it.
func SetPart(tx objstore.Writer, upload string, number int, p Part) error {
	return rows.Set(tx, partKey(upload, number), p)
}

// Parts lists up to limit parts with numbers above after, and says whether
// there are more.
func Parts(tx objstore.Reader, upload string, after, limit int) (list []PartInfo, more bool, err error) {
	if limit <= 0 {
		return nil, false, nil
	}
	c := objstore.Scan(tx, objstore.Range{Start: partKey(upload, after+1), End: objstore.PrefixEnd(partsOf(upload))})
	for c.Next() {
		if len(list) == limit {
			return list, true, nil
		}
		var p Part
		if err := decodePart(c.Key(), c.Value(), &p); err != nil {
			return nil, false, err
		}
		number := c.Key()[1+len(upload):]
		if len(number) != 2 {
			return nil, false, rows.BadKey(c.Key())
		}
		list = append(list, p.Info(int(number[0])<<8|int(number[1])))
	}
	return list, false, c.Err()
}

// CompletedPart names a part of the file to be.
type CompletedPart struct {
	Number   int
	Hash     *objstore.Hash // must be the part's; nil is not checked
	MD5      string         // must be the part's, if that has one; "" is not checked
	Checksum string         // must be the part's, in base64; "" is not checked
}

// Choose reads the parts that are asked for and checks them. ErrInvalidPart,
// ErrPartOrder, ErrPartTooSmall.
func Choose(tx objstore.Reader, upload string, asked []CompletedPart) ([]Part, error) {
	if len(asked) == 0 {
		return nil, fmt.Errorf("%w: no parts are listed", catalog.ErrInvalidArgument)
	}
	keys := make([][]byte, len(asked))
	for i, p := range asked {
		if i > 0 && p.Number <= asked[i-1].Number {
			return nil, fmt.Errorf("%w: %d follows %d", ErrPartOrder, p.Number, asked[i-1].Number)
		}
		if p.Number < 1 || p.Number > MaxParts {
			return nil, fmt.Errorf("%w: number %d", ErrInvalidPart, p.Number)
		}
		keys[i] = partKey(upload, p.Number)
	}
	values, err := tx.GetMany(keys)
	if err != nil {
		return nil, err
	}
	parts := make([]Part, len(asked))
	for i := range asked {
		if err := asked[i].check(keys[i], values[i], &parts[i]); err != nil {
			return nil, err
		}
	}
	for i := range parts[:len(parts)-1] {
		if size := parts[i].Part.Root.Size; size < MinPart {
			return nil, fmt.Errorf("%w: part %d has %d bytes, all but the last need %d", ErrPartTooSmall, asked[i].Number, size, MinPart)
		}
	}
	return parts, nil
}

func (p *CompletedPart) check(key, value []byte, part *Part) error {
	if value == nil {
		return fmt.Errorf("%w: part %d was not uploaded", ErrInvalidPart, p.Number)
	}
	err := decodePart(key, value, part)
	switch {
	case err != nil:
		return err
	case p.Hash != nil && *p.Hash != part.Part.Hash,
		p.MD5 != "" && part.Checksum.MD5 != "" && p.MD5 != part.Checksum.MD5:
		return fmt.Errorf("%w: part %d has another ETag", ErrInvalidPart, p.Number)
	case p.Checksum != "" && p.Checksum != part.Checksum.Value:
		return fmt.Errorf("%w: part %d has another checksum", ErrInvalidPart, p.Number)
	}
	return nil
}

// Join makes the content of parts one after another.
func Join(parts []Part) []content.Part {
	joined := make([]content.Part, len(parts))
	for i := range parts {
		joined[i] = parts[i].Part
	}
	return joined
}
