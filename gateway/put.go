package gateway

import (
	"crypto/md5"
	"encoding/hex"
	"io"
	"net/http"
	"slices"

	"caret/gateway/checksum"
	"caret/gateway/sigv4"
	"caret/pfs"
)

// bodyReader is a request's content: it fails before its end if anything that
// was said of it is not true.
type bodyReader struct {
	*checksum.Reader
	body *sigv4.Body
	want checksum.Wanted
	md5  string // of what was read, if the server shows MD5s
}

// Close ends the checks of a body that was not read to its end.
func (b *bodyReader) Close() {
	b.Reader.Close()
	b.body.Close() //nolint:errcheck // only gives a buffer back
}

// sum is the checksum that was verified, or asked for.
func (b *bodyReader) sum() pfs.Checksum {
	if b.want.Algorithm == "" {
		return pfs.Checksum{MD5: b.md5}
	}
	return pfs.Checksum{Algorithm: string(b.want.Algorithm), Type: checksum.FullObject, Value: b.Value(), MD5: b.md5}
}

// body opens the request's content.
func (r *request) body() (*bodyReader, error) {
	want, err := checksum.FromRequest(r.Header)
	if err != nil {
		return nil, err
	}
	b, err := r.g.opts.Verifier.Body(r.Request, r.signed)
	if err != nil {
		return nil, err
	}
	return &bodyReader{Reader: checksum.NewReader(b, want, b.Trailer), body: b, want: want}, nil
}

// store stores the request's content through w.
func (r *request) store(w *pfs.FileWriter, b *bodyReader) (pfs.FilePart, error) {
	defer w.Abort()
	in, md5 := r.g.withMD5(b)
	if _, err := w.ReadFrom(in); err != nil {
		return pfs.FilePart{}, err
	}
	b.md5 = md5()
	return w.Close()
}

// withMD5 is a reader of r and, if the server shows MD5s, that of what has
// been read; "" otherwise.
func (g *Gateway) withMD5(r io.Reader) (io.Reader, func() string) {
	if !g.opts.MD5 {
		return r, func() string { return "" }
	}
	h := md5.New()
	return io.TeeReader(r, h), func() string { return hex.EncodeToString(h.Sum(nil)) }
}

// sized opens the content of an upload, whose length must be known.
func (r *request) sized() (*bodyReader, error) {
	b, err := r.body()
	if err != nil {
		return nil, err
	}
	if b.body.Length() < 0 {
		b.Close()
		return nil, errMissingLength
	}
	return b, nil
}

// putObject is PutObject and CopyObject.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html
func (r *request) putObject() error {
	if r.Header.Get("X-Amz-Copy-Source") != "" {
		return r.copyObject()
	}
	if r.query.Has("partNumber") {
		return errInvalidArgument.with("A part needs an uploadId.")
	}
	to, attrs, opt, err := r.newObject()
	if err != nil {
		return err
	}
	b, err := r.sized()
	if err != nil {
		return err
	}
	defer b.Close()
	if extracts(&attrs) {
		return r.putArchive(to, &attrs, b, opt)
	}
	part, err := r.store(r.fs.NewFile(r.Context(), b.body.Length()), b)
	if err != nil {
		return err
	}
	attrs.Checksum = b.sum()
	done, err := r.fs.Put(r.Context(), to, r.key, part.Content, attrs, opt)
	if err != nil {
		return err
	}
	r.wrote(&done)
	showChecksum(r.w.Header(), attrs.Checksum)
	r.w.WriteHeader(http.StatusOK)
	return nil
}

// newObject reads what a request says of an object that is to be written,
// besides its bytes: where to, what it is like, and how to commit it.
func (r *request) newObject() (to pfs.Ref, attrs pfs.Attrs, opt pfs.WriteOptions, err error) {
	var access *pfs.ACL
	if to, access, err = r.writable(); err != nil {
		return to, attrs, opt, err
	}
	if attrs, err = r.attrs(); err != nil {
		return to, attrs, opt, err
	}
	if err = r.refuseUnsupported(); err != nil {
		return to, attrs, opt, err
	}
	opt = r.writeOptions()
	opt.ACL = access
	return to, attrs, opt, nil
}

// wrote tells of the commit that a write made.
func (r *request) wrote(done *pfs.Committed) {
	h := r.w.Header()
	h.Set("Etag", r.g.etagOf(&done.Info))
	h.Set("X-Amz-Version-Id", done.Commit.String())
	h.Set("X-Caret-Commit", done.Commit.String())
}

// writable is the ref to write to, and the ACL that the headers ask for, nil if
// none do. That it can be written to is found out before the body is read, and
// decided when the commit is made.
func (r *request) writable() (ref pfs.Ref, access *pfs.ACL, err error) {
	ref, err = r.target(func(v *pfs.View, s *pfs.Snapshot) (err error) {
		if r.query.Has("versionId") {
			return errNoVersion
		}
		access, err = r.askedACL(v, s)
		return err
	})
	return ref, access, err
}

// askedACL is the ACL of an object that the headers ask for, nil if none do.
func (r *request) askedACL(v *pfs.View, s *pfs.Snapshot) (*pfs.ACL, error) {
	if !hasACLHeader(r.Header) {
		return nil, nil
	}
	set, err := s.Settings(r.Context())
	if err != nil {
		return nil, err
	}
	return r.headerACL(v, true, set.ACL.Owner)
}

// refuseUnsupported refuses headers that ask for what is not done, rather
// than to seem to do it.
func (r *request) refuseUnsupported() error {
	for _, name := range []string{
		"X-Amz-Server-Side-Encryption-Customer-Algorithm", "X-Amz-Object-Lock-Mode", "X-Amz-Object-Lock-Legal-Hold",
		"X-Amz-Object-Lock-Retain-Until-Date", "X-Amz-Server-Side-Encryption", "X-Amz-Write-Offset-Bytes", "X-Amz-Website-Redirect-Location",
	} {
		if r.Header.Get(name) != "" {
			return errNotImplemented.with("The header %s is not implemented.", name)
		}
	}
	if class := r.Header.Get("X-Amz-Storage-Class"); class != "" && !slices.Contains(storageClasses, class) {
		return &apiError{400, "InvalidStorageClass", "The storage class is not one of S3."}
	}
	return nil
}

// storageClasses are S3's; there is one way to store here.
var storageClasses = []string{
	"STANDARD", "REDUCED_REDUNDANCY", "STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "GLACIER", "GLACIER_IR", "DEEP_ARCHIVE",
	"EXPRESS_ONEZONE", "OUTPOSTS", "SNOW",
}

var _ io.Reader = (*bodyReader)(nil)
