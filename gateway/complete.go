package gateway

import (
	"crypto/md5"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"caret/gateway/checksum"
	"caret/pfs"
)

// completedPart is a part in the body of a Complete.
type completedPart struct {
	PartNumber int
	ETag       string
	checksums
}

// completeUpload is CompleteMultipartUpload.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html
func (r *request) completeUpload() error {
	ref, err := r.ref()
	if err != nil {
		return err
	}
	var doc struct {
		XMLName xml.Name        `xml:"CompleteMultipartUpload"`
		Parts   []completedPart `xml:"Part"`
	}
	id := r.query.Get("uploadId")
	page, err := r.fs.Parts(r.Context(), ref, r.key, id, 0, pfs.MaxParts)
	begun := err == nil
	if err != nil && !errors.Is(err, pfs.ErrNoSuchUpload) {
		return err // one that is gone may have been completed already
	}
	// The checksum headers of a Complete are the object's, not the body's.
	want, err := wholeChecksum(r.Header)
	if err != nil {
		return err
	}
	if err := r.readXML(&doc); err != nil {
		return err
	}
	if len(doc.Parts) == 0 {
		return errMalformedXML.with("A CompleteMultipartUpload has at least one part.")
	}
	u, sum := page.Upload, pfs.Checksum{}
	if begun {
		if sum, err = joinedChecksum(u, page.Parts, doc.Parts); err != nil {
			return err
		}
		if err := r.checkWhole(want, sum, page.Parts, doc.Parts); err != nil {
			return err
		}
	}
	if extracts(&u.Attrs) {
		return r.completeArchive(ref, u, doc.Parts)
	}
	done, err := r.fs.CompleteUpload(r.Context(), ref, r.key, id, chosen(u, doc.Parts), sum, r.writeOptions())
	if err != nil {
		return err
	}
	r.wrote(&done)
	return r.reply(completeResult(r, &done))
}

// wholeChecksum takes the checksum of the whole out of the headers of a
// Complete.
func wholeChecksum(h http.Header) (pfs.Checksum, error) {
	sum := pfs.Checksum{Type: h.Get("X-Amz-Checksum-Type")}
	for _, a := range checksum.All() {
		v := h.Get(a.Header())
		if v == "" {
			continue
		}
		if sum.Value != "" {
			return sum, errInvalidRequest.with("A request has one checksum.")
		}
		sum.Algorithm, sum.Value = string(a), v
		h.Del(a.Header())
	}
	return sum, nil
}

// address is how the client reached the server.
func (r *request) address() string {
	if r.TLS != nil {
		return "https://" + r.Host
	}
	return "http://" + r.Host
}

func completeResult(r *request, done *pfs.Committed) any {
	result := struct {
		XMLName  xml.Name
		Location string
		Bucket   string
		Key      string
		ETag     string `xml:",omitempty"` // an archive has none
		checksums
		ChecksumType string `xml:",omitempty"`
	}{
		XMLName: document("CompleteMultipartUploadResult"), Location: r.address() + r.URL.EscapedPath(),
		Bucket: r.bucket, Key: r.key,
	}
	if !done.Info.Content.Hash.IsZero() {
		result.ETag = r.g.etagOf(&done.Info)
	}
	if sum := done.Info.Attrs.Checksum; sum.Algorithm != "" {
		*result.of(sum.Algorithm), result.ChecksumType = sum.Value, sum.Type
	}
	return result
}

// chosen are the parts of a Complete as pfs takes them. An ETag that is not
// of our form was made by a client that computes MD5s, and is not checked.
func chosen(u pfs.Upload, parts []completedPart) []pfs.CompletedPart {
	list := make([]pfs.CompletedPart, len(parts))
	for i := range parts {
		list[i] = pfs.CompletedPart{Number: parts[i].PartNumber, Checksum: *parts[i].of(u.Attrs.Checksum.Algorithm)}
		if h, ok := parseETag(parts[i].ETag); ok {
			hash := pfs.Hash(h)
			list[i].Hash = &hash
		} else {
			list[i].MD5 = strings.Trim(parts[i].ETag, `"`)
		}
	}
	return list
}

// joinedChecksum is the checksum of the whole from those of its parts; none
// if the upload was not begun with one.
func joinedChecksum(u pfs.Upload, stored []pfs.PartInfo, parts []completedPart) (pfs.Checksum, error) {
	sum := u.Attrs.Checksum
	byNumber := make(map[int]pfs.PartInfo, len(stored))
	for _, p := range stored {
		byNumber[p.Number] = p
	}
	sum.MD5 = joinedMD5(byNumber, parts)
	if sum.Algorithm == "" {
		return sum, nil
	}
	a := checksum.Algorithm(sum.Algorithm)
	var values []string
	var pieces []checksum.Piece
	for _, p := range parts {
		info, ok := byNumber[p.PartNumber]
		if !ok {
			return pfs.Checksum{}, nil // pfs will say so
		}
		values = append(values, info.Checksum.Value)
		pieces = append(pieces, checksum.Piece{Value: info.Checksum.Value, Size: info.Size})
	}
	var err error
	if sum.Type == checksum.FullObject {
		sum.Value, err = checksum.Combine(a, pieces)
	} else {
		sum.Value, err = checksum.CompositeOf(a, values)
	}
	return sum, err
}

// joinedMD5 is the MD5 of the parts' MD5s; "" if one has none.
func joinedMD5(stored map[int]pfs.PartInfo, parts []completedPart) string {
	h := md5.New()
	for _, p := range parts {
		sum, err := hex.DecodeString(stored[p.PartNumber].Checksum.MD5)
		if err != nil || len(sum) == 0 {
			return ""
		}
		h.Write(sum)
	}
	return fmt.Sprintf("%x-%d", h.Sum(nil), len(parts))
}

// withoutCount is a composite checksum as minio-go sends it, without how many parts it is
// of behind it; any other as it is.
func withoutCount(sum pfs.Checksum) string {
	if sum.Type != checksum.Composite {
		return sum.Value
	}
	value, _, _ := strings.Cut(sum.Value, "-")
	return value
}

// checkWhole compares what the client says of the whole with what it is.
func (r *request) checkWhole(want, sum pfs.Checksum, stored []pfs.PartInfo, parts []completedPart) error {
	switch {
	case want.Value == "":
	case want.Algorithm != sum.Algorithm:
		return errInvalidRequest.with("The upload was not begun with a %s checksum.", want.Algorithm)
	case want.Type != "" && want.Type != sum.Type:
		return errInvalidRequest.with("The upload has a %s checksum, not a %s one.", sum.Type, want.Type)
	case want.Value != sum.Value && want.Value != withoutCount(sum):
		return checksum.ErrMismatch
	}
	s := r.Header.Get("X-Amz-Mp-Object-Size")
	if s == "" {
		return nil
	}
	size, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return errInvalidArgument.with("x-amz-mp-object-size must be a number, not %q.", s)
	}
	named := make(map[int]bool, len(parts))
	for _, p := range parts {
		named[p.PartNumber] = true
	}
	for _, p := range stored {
		if named[p.Number] {
			size -= p.Size
		}
	}
	if size != 0 {
		return errInvalidRequest.with("The parts do not have the x-amz-mp-object-size of %s bytes.", s)
	}
	return nil
}
