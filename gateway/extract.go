package gateway

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"path"
	"strings"

	"caret/pfs"
	"caret/pfs/archive"
)

// Headers of an upload of a tar that is to be unpacked.
// https://docs.aws.amazon.com/snowball/latest/developer-guide/batching-small-files.html
const (
	extractMeta = "snowball-auto-extract"
	prefixMeta  = "snowball-prefix"
	minioPrefix = "minio-snowball-prefix"
)

// extracts says whether what is uploaded with attrs is to be unpacked.
func extracts(attrs *pfs.Attrs) bool { return strings.EqualFold(attrs.Meta[extractMeta], "true") }

// extract stores the members of a tar, all of them in one commit or none.
func (r *request) extract(to pfs.Ref, attrs *pfs.Attrs, body io.Reader, opt pfs.WriteOptions) (pfs.CommitID, error) {
	if err := checkExtract(opt); err != nil {
		return pfs.CommitID{}, err
	}
	batch, err := r.fs.NewBatch(r.Context(), to, opt)
	if err != nil {
		return pfs.CommitID{}, err
	}
	defer func() {
		if err := batch.Close(); err != nil {
			r.g.log.Warn("drop what was staged of an archive", "err", err)
		}
	}()
	if err := r.addMembers(attrs, body, batch); err != nil {
		return pfs.CommitID{}, err
	}
	return batch.Finish(r.Context())
}

func checkExtract(opt pfs.WriteOptions) error {
	if opt.If != (pfs.Condition{}) {
		return errNotImplemented.with("Conditions on the members of an archive are not implemented.")
	}
	return nil
}

// addMembers adds the members of a tar that was uploaded with attrs to a batch.
func (r *request) addMembers(attrs *pfs.Attrs, body io.Reader, batch *pfs.Batch) error {
	prefix := attrs.Meta[prefixMeta]
	if prefix == "" {
		prefix = attrs.Meta[minioPrefix]
	}
	if prefix != "" && !strings.HasSuffix(prefix, "/") {
		prefix += "/"
	}
	members, err := archive.New(body, archive.Options{Prefix: prefix, Unterminated: true})
	if err != nil {
		return err
	}
	for {
		m, err := members.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = r.addMember(batch, m)
		}
		if err != nil {
			return err
		}
	}
}

func (r *request) addMember(batch *pfs.Batch, m *archive.Member) error {
	attrs := pfs.Attrs{ContentType: mime.TypeByExtension(path.Ext(m.Path))}
	if m.Header != nil {
		of := request{Request: &http.Request{Header: http.Header(m.Header)}, g: r.g}
		var err error
		if attrs, err = of.attrs(); err != nil {
			return err
		}
	}
	w := r.fs.NewFile(r.Context(), m.Size)
	defer w.Abort()
	in, md5 := r.g.withMD5(m)
	if _, err := w.ReadFrom(in); err != nil {
		return err
	}
	attrs.Checksum.MD5 = md5()
	part, err := w.Close()
	if err != nil {
		return err
	}
	return batch.Add(r.Context(), m.Path, part, attrs)
}

// putArchive is a PutObject whose members are stored.
func (r *request) putArchive(to pfs.Ref, attrs *pfs.Attrs, b *bodyReader, opt pfs.WriteOptions) error {
	id, err := r.extract(to, attrs, b, opt)
	if err != nil {
		return err
	}
	h := r.w.Header()
	h.Set("X-Amz-Version-Id", id.String())
	h.Set("X-Caret-Commit", id.String())
	showChecksum(h, b.sum())
	r.w.WriteHeader(http.StatusOK)
	return nil
}

// completeArchive is a CompleteMultipartUpload whose members are stored.
func (r *request) completeArchive(to pfs.Ref, u pfs.Upload, parts []completedPart) error {
	opt := r.writeOptions()
	if err := checkExtract(opt); err != nil {
		return err
	}
	id, err := r.fs.CompleteInto(r.Context(), to, r.key, u.ID, chosen(u, parts), opt, func(body io.Reader, batch *pfs.Batch) error {
		return r.addMembers(&u.Attrs, body, batch)
	})
	if err != nil {
		return err
	}
	done := pfs.Committed{Commit: id}
	r.w.Header().Set("X-Amz-Version-Id", id.String())
	r.w.Header().Set("X-Caret-Commit", id.String())
	return r.reply(completeResult(r, &done))
}
