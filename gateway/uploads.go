package gateway

import (
	"encoding/xml"
	"net/http"
	"strconv"

	"caret/gateway/checksum"
	"caret/pfs"
)

// createUpload is CreateMultipartUpload.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateMultipartUpload.html
func (r *request) createUpload() error {
	to, attrs, opt, err := r.newObject()
	if err != nil {
		return err
	}
	if attrs.Checksum, err = r.uploadChecksum(); err != nil {
		return err
	}
	u, err := r.fs.CreateUpload(r.Context(), to, r.key, attrs, opt)
	if err != nil {
		return err
	}
	if sum := attrs.Checksum; sum.Algorithm != "" {
		r.w.Header().Set("X-Amz-Checksum-Algorithm", sum.Algorithm)
		r.w.Header().Set("X-Amz-Checksum-Type", sum.Type)
	}
	return r.reply(struct {
		XMLName  xml.Name
		Bucket   string
		Key      string
		UploadID string `xml:"UploadId"`
	}{document("InitiateMultipartUploadResult"), r.bucket, r.key, u.ID})
}

// uploadChecksum is the algorithm and type that the parts' checksums have.
func (r *request) uploadChecksum() (pfs.Checksum, error) {
	var sum pfs.Checksum
	name, typ := r.Header.Get("X-Amz-Checksum-Algorithm"), r.Header.Get("X-Amz-Checksum-Type")
	if name == "" {
		if typ != "" {
			return sum, errInvalidRequest.with("x-amz-checksum-type needs x-amz-checksum-algorithm.")
		}
		return sum, nil
	}
	a, err := checksum.Parse(name)
	if err != nil {
		return sum, err
	}
	isCRC := a != checksum.SHA1 && a != checksum.SHA256
	switch {
	case typ == "" && a == checksum.CRC64NVME:
		typ = checksum.FullObject
	case typ == "":
		typ = checksum.Composite
	case typ != checksum.FullObject && typ != checksum.Composite:
		return sum, errInvalidRequest.with("x-amz-checksum-type must be FULL_OBJECT or COMPOSITE, not %q.", typ)
	case typ == checksum.FullObject && !isCRC, typ == checksum.Composite && a == checksum.CRC64NVME:
		return sum, errInvalidRequest.with("A %s checksum cannot be %s.", a, typ)
	}
	return pfs.Checksum{Algorithm: string(a), Type: typ}, nil
}

// uploadPart is UploadPart.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_UploadPart.html
func (r *request) uploadPart() error {
	ref, err := r.ref()
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(r.query.Get("partNumber"))
	if err != nil || n < 1 || n > pfs.MaxParts {
		return errInvalidArgument.with("partNumber must be 1 to %d, not %q.", pfs.MaxParts, r.query.Get("partNumber"))
	}
	id := r.query.Get("uploadId")
	if r.Header.Get("X-Amz-Copy-Source") != "" {
		return r.copyPart(ref, id, n)
	}
	b, err := r.sized()
	if err != nil {
		return err
	}
	defer func() { b.Close() }()
	u, w, err := r.fs.NewPart(r.Context(), ref, r.key, id, n, b.body.Length())
	if err != nil {
		return err
	}
	defer w.Abort()
	want := u.Attrs.Checksum.Algorithm
	if got := string(b.want.Algorithm); want != "" && got == "" {
		// Computed here, so that the whole has one though the client sent none.
		b.Reader.Close()
		b.want.Algorithm = checksum.Algorithm(want)
		b.Reader = checksum.NewReader(b.body, b.want, b.body.Trailer)
	} else if want != "" && got != want {
		return errInvalidRequest.with("The upload has %s checksums, this part a %s.", want, got)
	}
	part, err := r.store(w, b)
	if err != nil {
		return err
	}
	info, err := r.fs.PutPart(r.Context(), ref, r.key, id, n, part, b.sum())
	if err != nil {
		return err
	}
	h := r.w.Header()
	h.Set("Etag", r.g.etag(info.Hash, info.Checksum))
	if info.Checksum.Algorithm != "" {
		h.Set(checksum.Algorithm(info.Checksum.Algorithm).Header(), info.Checksum.Value)
	}
	r.w.WriteHeader(http.StatusOK)
	return nil
}

// abortUpload is AbortMultipartUpload.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_AbortMultipartUpload.html
func (r *request) abortUpload() error {
	ref, err := r.ref()
	if err != nil {
		return err
	}
	if err := r.fs.AbortUpload(r.Context(), ref, r.key, r.query.Get("uploadId")); err != nil {
		return err
	}
	r.w.WriteHeader(http.StatusNoContent)
	return nil
}

// checksums are the five elements of which a document has one at most.
type checksums struct {
	CRC32     string `xml:"ChecksumCRC32,omitempty"`
	CRC32C    string `xml:"ChecksumCRC32C,omitempty"`
	CRC64NVME string `xml:"ChecksumCRC64NVME,omitempty"`
	SHA1      string `xml:"ChecksumSHA1,omitempty"`
	SHA256    string `xml:"ChecksumSHA256,omitempty"`
}

func (c *checksums) of(algorithm string) *string {
	switch checksum.Algorithm(algorithm) {
	case checksum.CRC32:
		return &c.CRC32
	case checksum.CRC32C:
		return &c.CRC32C
	case checksum.CRC64NVME:
		return &c.CRC64NVME
	case checksum.SHA1:
		return &c.SHA1
	case checksum.SHA256:
		return &c.SHA256
	}
	return new(string)
}

type partEntry struct {
	PartNumber   int
	LastModified string
	ETag         string
	Size         int64
	checksums
}

// listParts is ListParts.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListParts.html
func (r *request) listParts() error {
	ref, err := r.ref()
	if err != nil {
		return err
	}
	limit, err := r.limit("max-parts")
	if err != nil {
		return err
	}
	marker := 0
	if s := r.query.Get("part-number-marker"); s != "" {
		if marker, err = strconv.Atoi(s); err != nil || marker < 0 || marker > pfs.MaxParts {
			return errInvalidArgument.with("part-number-marker must be a part number, not %q.", s)
		}
	}
	page, err := r.fs.Parts(r.Context(), ref, r.key, r.query.Get("uploadId"), marker, limit)
	if err != nil {
		return err
	}
	u, own := page.Upload, ownerOf(page.Owner)
	doc := struct {
		XMLName              xml.Name
		Bucket               string
		Key                  string
		UploadID             string `xml:"UploadId"`
		PartNumberMarker     int
		NextPartNumberMarker int
		MaxParts             int
		IsTruncated          bool
		Parts                []partEntry `xml:"Part"`
		Initiator            owner
		Owner                owner
		StorageClass         string
		ChecksumAlgorithm    string `xml:",omitempty"`
		ChecksumType         string `xml:",omitempty"`
	}{
		XMLName: document("ListPartsResult"), Bucket: r.bucket, Key: r.key, UploadID: u.ID, PartNumberMarker: marker,
		MaxParts: limit, IsTruncated: page.More, Initiator: own, Owner: own, StorageClass: "STANDARD",
		ChecksumAlgorithm: u.Attrs.Checksum.Algorithm, ChecksumType: u.Attrs.Checksum.Type,
	}
	for _, p := range page.Parts {
		e := partEntry{PartNumber: p.Number, LastModified: formatTime(p.Modified), ETag: r.g.etag(p.Hash, p.Checksum), Size: p.Size}
		*e.of(p.Checksum.Algorithm) = p.Checksum.Value
		doc.Parts = append(doc.Parts, e)
		doc.NextPartNumberMarker = p.Number
	}
	return r.reply(doc)
}

type uploadEntry struct {
	Key               string
	UploadID          string `xml:"UploadId"`
	Initiator         owner
	Owner             owner
	StorageClass      string
	Initiated         string
	ChecksumAlgorithm string `xml:",omitempty"`
	ChecksumType      string `xml:",omitempty"`
}

type prefixEntry struct{ Prefix string }

// listUploads is ListMultipartUploads.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListMultipartUploads.html
func (r *request) listUploads() error {
	opt := pfs.UploadsOptions{
		Prefix: r.query.Get("prefix"), Delimiter: r.query.Get("delimiter"),
		AfterPath: r.query.Get("key-marker"), AfterID: r.query.Get("upload-id-marker"),
	}
	var err error
	if opt.Limit, err = r.limit("max-uploads"); err != nil {
		return err
	}
	encoded, err := r.encodingType()
	if err != nil {
		return err
	}
	enc := func(s string) string { return s }
	if encoded {
		enc = urlEncode
	}
	var page pfs.UploadsPage
	var own owner
	err = r.look(func(_ *pfs.View, s *pfs.Snapshot) (err error) {
		if own, err = r.owner(s); err == nil {
			page, err = s.Uploads(r.Context(), opt)
		}
		return err
	})
	if err != nil {
		return err
	}
	doc := struct {
		XMLName            xml.Name
		Bucket             string
		KeyMarker          string
		UploadIDMarker     string `xml:"UploadIdMarker"`
		NextKeyMarker      string `xml:",omitempty"`
		NextUploadIDMarker string `xml:"NextUploadIdMarker,omitempty"`
		Prefix             string
		Delimiter          string `xml:",omitempty"`
		MaxUploads         int
		EncodingType       string `xml:",omitempty"`
		IsTruncated        bool
		Uploads            []uploadEntry `xml:"Upload"`
		CommonPrefixes     []prefixEntry
	}{
		XMLName: document("ListMultipartUploadsResult"), Bucket: r.bucket, KeyMarker: enc(opt.AfterPath), UploadIDMarker: opt.AfterID,
		NextKeyMarker: enc(page.NextPath), NextUploadIDMarker: page.NextID, Prefix: enc(opt.Prefix), Delimiter: enc(opt.Delimiter),
		MaxUploads: opt.Limit, IsTruncated: page.Truncated,
	}
	if encoded {
		doc.EncodingType = "url"
	}
	for _, it := range page.Items {
		if it.Prefix != "" {
			doc.CommonPrefixes = append(doc.CommonPrefixes, prefixEntry{enc(it.Prefix)})
			continue
		}
		doc.Uploads = append(doc.Uploads, uploadEntry{
			Key: enc(it.Path), UploadID: it.ID, Initiator: own, Owner: own, StorageClass: "STANDARD",
			Initiated: formatTime(it.Started), ChecksumAlgorithm: it.Attrs.Checksum.Algorithm, ChecksumType: it.Attrs.Checksum.Type,
		})
	}
	return r.reply(doc)
}
