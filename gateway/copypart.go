package gateway

import (
	"encoding/xml"

	"caret/gateway/checksum"
	"caret/pfs"
)

// copyPart is UploadPartCopy. The source's bytes are read, to be hashed for
// where they will lie, but what is stored already is not stored again.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_UploadPartCopy.html
func (r *request) copyPart(to pfs.Ref, id string, number int) error {
	var s *pfs.Snapshot
	var info pfs.Info
	err := r.fs.View(r.Context(), func(v *pfs.View) (err error) {
		if _, err := v.Target(to, pfs.ActWrite, r.key); err != nil {
			return bucketError(err)
		}
		s, info, _, err = r.copySource(v)
		return err
	})
	if err == nil {
		err = r.copyConditions(&info)
	}
	if err != nil {
		return err
	}
	off, length, err := copyRange(r.Header.Get("X-Amz-Copy-Source-Range"), info.Size())
	if err != nil {
		return err
	}
	body, err := s.Read(r.Context(), info, off, length)
	if err != nil {
		return err
	}
	defer body.Close()
	u, w, err := r.fs.NewPart(r.Context(), to, r.key, id, number, length)
	if err != nil {
		return err
	}
	defer w.Abort()
	want := checksum.Wanted{Algorithm: checksum.Algorithm(u.Attrs.Checksum.Algorithm)}
	sums := checksum.NewReader(body, want, nil)
	defer sums.Close()
	in, md5 := r.g.withMD5(sums)
	if _, err := w.ReadFrom(in); err != nil {
		return err
	}
	part, err := w.Close()
	if err != nil {
		return err
	}
	// Reading it may have taken long.
	err = r.fs.View(r.Context(), func(v *pfs.View) error {
		_, _, _, err := r.copySource(v)
		return err
	})
	if err != nil {
		return err
	}
	sum := pfs.Checksum{}
	if want.Algorithm != "" {
		sum = pfs.Checksum{Algorithm: string(want.Algorithm), Type: checksum.FullObject, Value: sums.Value()}
	}
	sum.MD5 = md5()
	stored, err := r.fs.PutPart(r.Context(), to, r.key, u.ID, number, part, sum)
	if err != nil {
		return err
	}
	r.w.Header().Set("X-Amz-Copy-Source-Version-Id", info.Commit.String())
	doc := struct {
		XMLName      xml.Name
		LastModified string
		ETag         string
		checksums
	}{XMLName: document("CopyPartResult"), LastModified: formatTime(stored.Modified), ETag: r.g.etag(stored.Hash, stored.Checksum)}
	*doc.of(sum.Algorithm) = sum.Value
	return r.reply(doc)
}

// copyRange reads x-amz-copy-source-range: bytes=FIRST-LAST, both there and
// within the source.
func copyRange(spec string, size int64) (off, length int64, err error) {
	if spec == "" {
		return 0, size, nil
	}
	span, ok := parseRange(spec)
	off, length, within := span.Within(size)
	switch {
	case ok && (!within || span.First >= 0 && span.Last >= size): // a copy must not be shorter than asked
		return 0, 0, errInvalidRange.with("The range %q is not within the %d bytes of the source.", spec, size)
	case !ok || span.First < 0 || span.Last < 0:
		return 0, 0, errInvalidArgument.with("x-amz-copy-source-range must be bytes=FIRST-LAST, not %q.", spec)
	}
	return off, length, nil
}
