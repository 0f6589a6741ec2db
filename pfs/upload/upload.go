package upload

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"caret/commits"
	"caret/objstore"
	"caret/pfs/access"
	"caret/pfs/catalog"
	"caret/pfs/rows"
)

// ErrNoSuchUpload says that no upload has that id there, or that it is over.
var ErrNoSuchUpload = errors.New("no such upload")

// Upload collects parts that become one file when it is completed.
type Upload struct {
	ID      string    `json:"id"` // 32 hex digits
	Path    string    `json:"path"`
	Started time.Time `json:"started"`
	// Attrs are the file's to be; of Checksum, Algorithm and Type only.
	Attrs   commits.Attrs `json:"attrs"`
	Author  string        `json:"author,omitempty"`
	Message string        `json:"message,omitempty"`
	ACL     *access.ACL   `json:"acl,omitempty"`  // of the file to be
	User    string        `json:"user,omitempty"` // the ID of who began it
	// Owner is the process that is unpacking the archive that the parts are;
	// see package lease. Attempt tells its attempts apart.
	Owner   string `json:"owner,omitempty"`
	Attempt string `json:"attempt,omitempty"`
}

// Scope is where uploads go: a branch, or an open commit.
type Scope []byte

// IntoOpen is the scope of an open commit.
func IntoOpen(id commits.ID) Scope { return append([]byte{rows.Upload, 'o'}, id[:]...) }

// Into is the scope of what s is: a branch's head, or an open commit.
func Into(s *catalog.Snapshot) Scope {
	if s.Open {
		return IntoOpen(s.ID)
	}
	return append([]byte{rows.Upload, 'b'}, rows.Numbered(rows.Upload, uint64(s.Home))[1:]...)
}

func (s Scope) key(path, id string) []byte { return append(rows.WithPath(s, path), id...) }

// NewID draws 32 hex digits.
func NewID(random io.Reader) (string, error) {
	var raw [16]byte
	if _, err := io.ReadFull(random, raw[:]); err != nil {
		return "", fmt.Errorf("draw an upload id: %w", err)
	}
	return hex.EncodeToString(raw[:]), nil
}

// Set writes an upload.
func Set(tx objstore.Writer, scope Scope, u Upload) error {
	return rows.Set(tx, scope.key(u.Path, u.ID), u)
}

// Read finds an upload by where it goes. ErrNoSuchUpload.
func Read(tx objstore.Reader, scope Scope, path, id string) (Upload, error) {
	var u Upload
	if len(id) != 32 { // also keeps keys within bounds
		return u, fmt.Errorf("%w: %q for %q", ErrNoSuchUpload, shorten(id), path)
	}
	err := rows.Get(tx, scope.key(path, id), &u)
	if errors.Is(err, objstore.ErrNotFound) {
		err = fmt.Errorf("%w: %q for %q", ErrNoSuchUpload, id, path)
	}
	return u, err
}

func shorten(s string) string {
	if len(s) > 64 {
		return s[:64] + "..."
	}
	return s
}

// DropStep is how many parts are removed in one transaction.
const DropStep = 1000

// Drop removes an upload and its parts. If those are very many, some are left over, with a
// row that says so; see DropLeftover.
func Drop(tx objstore.Writer, scope Scope, path, id string) error {
	done, err := dropParts(tx, id)
	if err == nil && !done {
		err = tx.Set(leftoverKey(id), nil)
	}
	return errors.Join(err, tx.Delete(scope.key(path, id)))
}

func leftoverKey(upload string) []byte { return rows.Key(rows.Leftover, upload) }

// DropLeftover removes some of the parts that are left of an upload that is over, and
// with the last of them the row that says so.
func DropLeftover(tx objstore.Writer, upload string) (done bool, err error) {
	if done, err = dropParts(tx, upload); err == nil && done {
		err = tx.Delete(leftoverKey(upload))
	}
	return done, err
}

// dropParts removes parts of an upload, as many as one transaction may.
func dropParts(tx objstore.Writer, upload string) (done bool, err error) {
	page, err := tx.Page(objstore.Prefix(partsOf(upload)), DropStep)
	if err != nil {
		return false, err
	}
	for _, row := range page {
		if err := tx.Delete(row.Key); err != nil {
			return false, err
		}
	}
	return len(page) < DropStep, nil
}

// ListOptions say which part of the list of uploads is wanted.
type ListOptions struct {
	Prefix, Delimiter string
	// Only uploads behind this path, or of it with an id behind AfterID.
	AfterPath, AfterID string
	Limit              int
}

// Item is an upload or a common prefix of their paths.
type Item struct {
	Prefix string
	Upload
}

// Page is one page of uploads, by path and then by id.
type Page struct {
	Items     []Item
	Truncated bool
	NextPath  string // AfterPath and AfterID of the next page
	NextID    string
}

// commonPrefix is what path is rolled up into; "" if it is listed itself.
func (o *ListOptions) commonPrefix(path string) string {
	if o.Delimiter == "" || !strings.HasPrefix(path, o.Prefix) {
		return ""
	}
	i := strings.Index(path[len(o.Prefix):], o.Delimiter)
	if i < 0 {
		return ""
	}
	return path[:len(o.Prefix)+i+len(o.Delimiter)]
}

// List lists the uploads of a scope.
func List(tx objstore.Reader, scope Scope, opt ListOptions) (Page, error) {
	var p Page
	if opt.Limit <= 0 {
		return p, nil
	}
	r := objstore.Prefix(append(append([]byte(nil), scope...), opt.Prefix...))
	c := objstore.Scan(tx, r)
	if k := opt.start(scope); bytes.Compare(k, r.Start) > 0 {
		c.Seek(k)
	}
	for c.Next() {
		if len(p.Items) == opt.Limit {
			last := p.Items[len(p.Items)-1]
			p.Truncated, p.NextPath, p.NextID = true, last.Prefix+last.Path, last.ID
			break
		}
		var u Upload
		if err := rows.Decode(c.Key(), c.Value(), &u); err != nil {
			return p, err
		}
		if cp := opt.commonPrefix(u.Path); cp != "" {
			p.Items = append(p.Items, Item{Prefix: cp})
			c.Seek(objstore.PrefixEnd(append(append([]byte(nil), scope...), cp...)))
			continue
		}
		p.Items = append(p.Items, Item{Upload: u})
	}
	return p, c.Err()
}

// start is the first key behind what the options say was listed before.
func (o *ListOptions) start(scope Scope) []byte {
	switch cp := o.commonPrefix(o.AfterPath); {
	case o.AfterPath == "":
		return nil
	case cp != "":
		return objstore.PrefixEnd(append(append([]byte(nil), scope...), cp...))
	case o.AfterID != "":
		return append(scope.key(o.AfterPath, o.AfterID), 0)
	default:
		return objstore.PrefixEnd(rows.WithPath(scope, o.AfterPath))
	}
}
