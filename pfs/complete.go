package pfs

import (
	"context"
	"errors"
	"fmt"
	"io"

	"caret/commits"
	"caret/objstore"
	"caret/objstore/content"
)

// CompletedPart names a part of the file to be.
type CompletedPart struct {
	Number   int
	Hash     *objstore.Hash // must be the part's; nil is not checked
	MD5      string         // must be the part's, if that has one; "" is not checked
	Checksum string         // must be the part's, in base64; "" is not checked
}

// doneRow remembers a completed upload, so that completing it again succeeds.
type doneRow struct {
	Commit commits.ID        `json:"commit"`
	Open   bool              `json:"open,omitempty"` // staged in that open commit
	Path   string            `json:"path"`
	Line   commits.LineageID `json:"line"`
}

func doneKey(upload string) []byte { return append([]byte{keyDone}, upload...) }

// CompleteUpload joins parts, in the order given, to a file, in a commit of
// its own. sum is the file's checksum, zero if it has none. Doing it again
// after it succeeded succeeds with the same result. ErrInvalidPart,
// ErrPartOrder, ErrPartTooSmall, ErrNoSuchUpload.
func (fs *FS) CompleteUpload(ctx context.Context, to Ref, path, upload string, parts []CompletedPart, sum commits.Checksum, opt WriteOptions) (Committed, error) {
	if err := checkPath(path); err != nil {
		return Committed{}, err
	}
	u, rows, err := fs.chooseParts(ctx, to, path, upload, parts)
	if errors.Is(err, ErrNoSuchUpload) {
		return fs.completed(ctx, to, path, upload, err)
	}
	if err != nil {
		return Committed{}, err
	}
	joined := make([]content.Part, len(rows))
	entry := commits.Entry{Attrs: u.Attrs, Parts: make([]int64, len(rows))}
	for i := range rows {
		joined[i] = rows[i].Part
		entry.Parts[i] = rows[i].Part.Root.Size
		if v := rows[i].Checksum.Value; v != "" && sum.Algorithm != "" {
			entry.PartSums = append(entry.PartSums, v)
		}
	}
	if len(entry.PartSums) < len(rows) {
		entry.PartSums = nil
	}
	entry.Attrs.Checksum = sum
	if entry.Content, err = content.Concat(ctx, fs.blobs, joined); err != nil {
		return Committed{}, err
	}
	if opt.Author == "" {
		opt.Author = u.Author
	}
	if opt.ACL == nil {
		opt.ACL = u.ACL
	}
	if opt.Message == "" {
		opt.Message = u.Message
	}
	done, err := fs.put(ctx, to, path, entry, opt, func(tx objstore.Writer, c Committed) error {
		_, s, err := fs.readUpload(tx, to, path, upload)
		if err != nil {
			return err
		}
		row := doneRow{Commit: c.Commit, Open: s.Open, Path: path, Line: s.home}
		return errors.Join(dropUpload(tx, s, path, upload), setJSON(tx, doneKey(upload), row))
	})
	if errors.Is(err, ErrNoSuchUpload) { // somebody else completed it meanwhile
		return fs.completed(ctx, to, path, upload, err)
	}
	return done, err
}

// CompleteInto hands the content that the parts of an upload make to use,
// which writes what it finds there and returns the commit. The upload is then
// done; if use fails it stays. Otherwise it is like CompleteUpload.
func (fs *FS) CompleteInto(ctx context.Context, to Ref, path, upload string, parts []CompletedPart, use func(io.Reader) (CommitID, error)) (CommitID, error) {
	if _, busy := fs.completing.LoadOrStore(upload, true); busy {
		return CommitID{}, fmt.Errorf("%w: upload %s is being completed", ErrConflict, upload)
	}
	defer fs.completing.Delete(upload)
	_, rows, err := fs.chooseParts(ctx, to, path, upload, parts)
	if errors.Is(err, ErrNoSuchUpload) {
		done, err := fs.completed(ctx, to, path, upload, err)
		return done.Commit, err
	}
	if err != nil {
		return CommitID{}, err
	}
	joined := make([]content.Part, len(rows))
	for i := range rows {
		joined[i] = rows[i].Part
	}
	whole, err := content.Concat(ctx, fs.blobs, joined)
	if err != nil {
		return CommitID{}, err
	}
	r, err := content.NewReader(ctx, fs.blobs, whole.Root, 0, -1)
	if err != nil {
		return CommitID{}, err
	}
	defer r.Close()
	id, err := use(r)
	if err != nil {
		return CommitID{}, err
	}
	return id, fs.rows.Update(ctx, "", func(tx objstore.Writer) error {
		_, s, err := fs.readUpload(tx, to, path, upload)
		if err != nil {
			return err
		}
		row := doneRow{Commit: id, Open: s.Open, Path: path, Line: s.home}
		return errors.Join(dropUpload(tx, s, path, upload), setJSON(tx, doneKey(upload), row))
	})
}

// chooseParts reads the parts that are asked for and checks them.
func (fs *FS) chooseParts(ctx context.Context, to Ref, path, upload string, parts []CompletedPart) (Upload, []partRow, error) {
	var u Upload
	rows := make([]partRow, len(parts))
	err := fs.rows.View(ctx, func(tx objstore.Reader) (err error) {
		if u, _, err = fs.readUpload(tx, to, path, upload); err != nil {
			return err
		}
		if len(parts) == 0 {
			return fmt.Errorf("%w: no parts are listed", ErrInvalidArgument)
		}
		for i, p := range parts {
			if i > 0 && p.Number <= parts[i-1].Number {
				return fmt.Errorf("%w: %d follows %d", ErrPartOrder, p.Number, parts[i-1].Number)
			}
		}
		for i, p := range parts {
			if err := p.read(tx, upload, &rows[i]); err != nil {
				return err
			}
		}
		for i, p := range parts[:len(parts)-1] {
			if size := rows[i].Part.Root.Size; size < MinPart {
				return fmt.Errorf("%w: part %d has %d bytes, all but the last need %d", ErrPartTooSmall, p.Number, size, MinPart)
			}
		}
		return nil
	})
	return u, rows, err
}

func (p *CompletedPart) read(tx objstore.Reader, upload string, row *partRow) error {
	if p.Number < 1 || p.Number > MaxParts {
		return fmt.Errorf("%w: number %d", ErrInvalidPart, p.Number)
	}
	err := getJSON(tx, partKey(upload, p.Number), row)
	switch {
	case errors.Is(err, objstore.ErrNotFound):
		return fmt.Errorf("%w: part %d was not uploaded", ErrInvalidPart, p.Number)
	case err != nil:
		return err
	case p.Hash != nil && *p.Hash != row.Part.Hash:
		return fmt.Errorf("%w: part %d has another ETag", ErrInvalidPart, p.Number)
	case p.MD5 != "" && row.Checksum.MD5 != "" && p.MD5 != row.Checksum.MD5:
		return fmt.Errorf("%w: part %d has another ETag", ErrInvalidPart, p.Number)
	case p.Checksum != "" && p.Checksum != row.Checksum.Value:
		return fmt.Errorf("%w: part %d has another checksum", ErrInvalidPart, p.Number)
	}
	return nil
}

// completed is the outcome of an upload that was completed before; missing
// if it was not.
func (fs *FS) completed(ctx context.Context, to Ref, path, upload string, missing error) (Committed, error) {
	var done Committed
	err := fs.rows.View(ctx, func(tx objstore.Reader) error {
		var row doneRow
		err := getJSON(tx, doneKey(upload), &row)
		if errors.Is(err, objstore.ErrNotFound) {
			return missing
		}
		if err != nil {
			return err
		}
		s, err := fs.resolve(tx, to)
		if err != nil {
			return err
		}
		if row.Line != s.home || row.Path != path {
			return missing
		}
		if err := s.toCommit(tx, row.Commit); err != nil {
			return err
		}
		done.Commit, done.Existed = row.Commit, false
		if done.Info, err = s.stat(tx, path); errors.Is(err, ErrNoSuchPath) {
			err = nil // an archive, of which only the members are there
		}
		return err
	})
	return done, err
}
