package pfs

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"caret/commits"
	"caret/objstore"
	"caret/objstore/content"
)

// Upload collects parts that become one file when it is completed.
type Upload struct {
	ID      string    `json:"id"` // 32 hex digits
	Path    string    `json:"path"`
	Started time.Time `json:"started"`
	// Attrs are the file's to be; of Checksum, Algorithm and Type only.
	Attrs   commits.Attrs `json:"attrs"`
	Author  string        `json:"author,omitempty"`
	Message string        `json:"message,omitempty"`
	ACL     *ACL          `json:"acl,omitempty"`  // of the file to be
	User    string        `json:"user,omitempty"` // the ID of who began it
}

// uploadScope is where the uploads into a branch or open commit are kept.
func (s *Snapshot) uploadScope() []byte {
	if s.Open {
		return append([]byte{keyUpload, 'o'}, s.ID[:]...)
	}
	return append([]byte{keyUpload, 'b'}, foldingKey(s.home)[1:]...)
}

// pathKey orders by path, then by what follows: a path may hold zero bytes,
// so they are escaped and the path is ended by two.
func pathKey(scope []byte, path string) []byte {
	k := append([]byte(nil), scope...)
	k = append(k, strings.ReplaceAll(path, "\x00", "\x00\xff")...)
	return append(k, 0, 0)
}

func uploadKey(scope []byte, path, id string) []byte { return append(pathKey(scope, path), id...) }

// newUploadID draws 32 hex digits.
func (fs *FS) newUploadID() (string, error) {
	var raw [16]byte
	if _, err := io.ReadFull(fs.rand, raw[:]); err != nil {
		return "", fmt.Errorf("draw an upload id: %w", err)
	}
	return hex.EncodeToString(raw[:]), nil
}

// CreateUpload begins an upload to a branch or open commit. Its author and
// message become the commit's.
func (fs *FS) CreateUpload(ctx context.Context, to Ref, path string, attrs commits.Attrs, opt WriteOptions) (Upload, error) {
	if err := checkPath(path); err != nil {
		return Upload{}, err
	}
	id, err := fs.newUploadID()
	if err != nil {
		return Upload{}, err
	}
	u := Upload{ID: id, Path: path, Started: fs.timestamp(), Attrs: attrs, Author: opt.Author, Message: opt.Message, ACL: opt.ACL, User: opt.User}
	err = fs.rows.Update(ctx, "", func(tx objstore.Writer) error {
		s, err := fs.target(tx, to, opt)
		if err != nil {
			return err
		}
		return errors.Join(s.touch(tx), setJSON(tx, uploadKey(s.uploadScope(), path, id), u))
	})
	return u, err
}

// readUpload finds an upload by where it goes.
func (fs *FS) readUpload(tx objstore.Reader, to Ref, path, id string) (Upload, *Snapshot, error) {
	s, err := fs.target(tx, to, WriteOptions{})
	if err != nil {
		return Upload{}, nil, err
	}
	var u Upload
	err = getJSON(tx, uploadKey(s.uploadScope(), path, id), &u)
	if errors.Is(err, objstore.ErrNotFound) {
		return u, s, fmt.Errorf("%w: %q for %q", ErrNoSuchUpload, id, path)
	}
	return u, s, err
}

// Upload describes one upload; ErrNoSuchUpload.
func (fs *FS) Upload(ctx context.Context, to Ref, path, id string) (Upload, error) {
	if err := checkPath(path); err != nil {
		return Upload{}, err
	}
	var u Upload
	err := fs.rows.View(ctx, func(tx objstore.Reader) (err error) {
		u, _, err = fs.readUpload(tx, to, path, id)
		return err
	})
	return u, err
}

// AbortUpload drops an upload and its parts.
func (fs *FS) AbortUpload(ctx context.Context, to Ref, path, id string) error {
	if err := checkPath(path); err != nil {
		return err
	}
	return fs.rows.Update(ctx, "", func(tx objstore.Writer) error {
		_, s, err := fs.readUpload(tx, to, path, id)
		if err != nil {
			return err
		}
		return dropUpload(tx, s, path, id)
	})
}

func dropUpload(tx objstore.Writer, s *Snapshot, path, id string) error {
	var keys [][]byte
	err := scanNames(tx, partKey(id, 0)[:1+len(id)], "", 0, func(number string, _ []byte) error {
		keys = append(keys, append(partKey(id, 0)[:1+len(id)], number...))
		return nil
	})
	if err != nil {
		return err
	}
	for _, k := range keys {
		if err := tx.Delete(k); err != nil {
			return err
		}
	}
	return tx.Delete(uploadKey(s.uploadScope(), path, id))
}

// UploadsOptions say which part of the list of uploads is wanted.
type UploadsOptions struct {
	Prefix, Delimiter string
	// Only uploads behind this path, or of it with an id behind AfterID.
	AfterPath, AfterID string
	Limit              int
}

// UploadItem is an upload or a common prefix of their paths.
type UploadItem struct {
	Prefix string
	Upload
}

// UploadsPage is one page of uploads, by path and then by id.
type UploadsPage struct {
	Items     []UploadItem
	Truncated bool
	NextPath  string // AfterPath and AfterID of the next page
	NextID    string
}

// Uploads lists the uploads into a branch or open commit.
func (fs *FS) Uploads(ctx context.Context, to Ref, opt UploadsOptions) (UploadsPage, error) {
	var page UploadsPage
	err := fs.rows.View(ctx, func(tx objstore.Reader) error {
		page = UploadsPage{}
		s, err := fs.resolve(tx, to)
		if err != nil || s.home == 0 || opt.Limit <= 0 {
			return err
		}
		scope := s.uploadScope()
		r := objstore.Prefix(append(append([]byte(nil), scope...), opt.Prefix...))
		c := objstore.Scan(tx, r)
		if k := opt.start(scope); bytes.Compare(k, r.Start) > 0 {
			c.Seek(k)
		}
		return page.fill(c, scope, opt)
	})
	return page, err
}

// start is the first key behind what the options say was listed before.
func (o *UploadsOptions) start(scope []byte) []byte {
	list := ListOptions{Prefix: o.Prefix, Delimiter: o.Delimiter}
	switch cp := commonPrefix(o.AfterPath, list); {
	case o.AfterPath == "":
		return nil
	case cp != "":
		return objstore.PrefixEnd(append(append([]byte(nil), scope...), cp...))
	case o.AfterID != "":
		return append(uploadKey(scope, o.AfterPath, o.AfterID), 0)
	default:
		return objstore.PrefixEnd(pathKey(scope, o.AfterPath))
	}
}

func (p *UploadsPage) fill(c *objstore.Cursor, scope []byte, opt UploadsOptions) error {
	list := ListOptions{Prefix: opt.Prefix, Delimiter: opt.Delimiter}
	for c.Next() {
		if len(p.Items) == opt.Limit {
			last := p.Items[len(p.Items)-1]
			p.Truncated, p.NextPath, p.NextID = true, last.Prefix+last.Path, last.ID
			break
		}
		var u Upload
		if err := decodeJSON(c.Key(), c.Value(), &u); err != nil {
			return err
		}
		if cp := commonPrefix(u.Path, list); cp != "" {
			p.Items = append(p.Items, UploadItem{Prefix: cp})
			c.Seek(objstore.PrefixEnd(append(append([]byte(nil), scope...), cp...)))
			continue
		}
		p.Items = append(p.Items, UploadItem{Upload: u})
	}
	return c.Err()
}

// PartInfo describes a part.
type PartInfo struct {
	Number   int
	Size     int64
	Hash     objstore.Hash
	Modified time.Time
	Checksum commits.Checksum
}

type partRow struct {
	Part     content.Part     `json:"part"`
	Modified time.Time        `json:"modified"`
	Checksum commits.Checksum `json:"checksum"`
}

func (p *partRow) info(number int) PartInfo {
	return PartInfo{
		Number: number, Size: p.Part.Root.Size, Hash: p.Part.Hash,
		Modified: p.Modified, Checksum: p.Checksum,
	}
}

func partKey(upload string, number int) []byte {
	return append(append([]byte{keyPart}, upload...), byte(number>>8), byte(number))
}

func partNumber(raw string) int { return int(raw[0])<<8 | int(raw[1]) }

func checkPartNumber(number int) error {
	if number < 1 || number > MaxParts {
		return fmt.Errorf("%w: part number %d; it is 1 to %d", ErrInvalidArgument, number, MaxParts)
	}
	return nil
}

// NewPart returns a writer for part number of an upload; what its Close
// returns is then given to PutPart. sizeHint is its length in bytes, -1 if
// it is not known.
func (fs *FS) NewPart(ctx context.Context, to Ref, path, upload string, number int, sizeHint int64) (*content.Writer, error) {
	if err := errors.Join(checkPath(path), checkPartNumber(number)); err != nil {
		return nil, err
	}
	// Nearly all clients send parts of one size but for the last. If this is
	// where it will lie, completing needs not read it again to hash the whole.
	size := max(sizeHint, 0)
	err := fs.rows.View(ctx, func(tx objstore.Reader) error {
		if _, _, err := fs.readUpload(tx, to, path, upload); err != nil {
			return err
		}
		return scanNames(tx, partKey(upload, 0)[:1+len(upload)], "", 1, func(_ string, value []byte) error {
			var p partRow
			err := decodeJSON(partKey(upload, 0), value, &p)
			size = max(size, p.Part.Root.Size)
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	opt := content.Options{SizeHint: sizeHint}
	return content.NewPartWriter(ctx, fs.blobs, opt, int64(number-1)*size), nil
}

// PutPart adds a part to an upload, or replaces it. It is durable when
// PutPart returns.
func (fs *FS) PutPart(ctx context.Context, to Ref, path, upload string, number int, p content.Part, sum commits.Checksum) (PartInfo, error) {
	if err := errors.Join(checkPath(path), checkPartNumber(number)); err != nil {
		return PartInfo{}, err
	}
	row := partRow{Part: p, Modified: fs.timestamp(), Checksum: sum}
	err := fs.rows.Update(ctx, "", func(tx objstore.Writer) error {
		_, s, err := fs.readUpload(tx, to, path, upload)
		if err != nil {
			return err
		}
		return errors.Join(s.touch(tx), setJSON(tx, partKey(upload, number), row))
	})
	return row.info(number), err
}

// Parts lists up to limit parts with numbers above after, and says whether
// there are more.
func (fs *FS) Parts(ctx context.Context, to Ref, path, upload string, after, limit int) (Upload, []PartInfo, bool, error) {
	var u Upload
	var list []PartInfo
	more := false
	err := fs.rows.View(ctx, func(tx objstore.Reader) (err error) {
		list, more = nil, false
		if u, _, err = fs.readUpload(tx, to, path, upload); err != nil {
			return err
		}
		c := objstore.Scan(tx, objstore.Range{Start: partKey(upload, after+1), End: objstore.PrefixEnd(partKey(upload, 0)[:1+len(upload)])})
		for limit > 0 && c.Next() {
			if len(list) == limit {
				more = true
				break
			}
			var p partRow
			if err := decodeJSON(c.Key(), c.Value(), &p); err != nil {
				return err
			}
			list = append(list, p.info(partNumber(string(c.Key()[1+len(upload):]))))
		}
		return c.Err()
	})
	return u, list, more, err
}
