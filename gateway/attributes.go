package gateway

import (
	"encoding/xml"
	"strings"

	"caret/pfs"
)

type objectPart struct {
	PartNumber int
	Size       int64
	checksums
}

type objectParts struct {
	TotalPartsCount      int `xml:"PartsCount"`
	PartNumberMarker     int
	NextPartNumberMarker int
	MaxParts             int
	IsTruncated          bool
	Parts                []objectPart `xml:"Part"`
}

type objectChecksum struct {
	checksums
	ChecksumType string `xml:",omitempty"`
}

func checksumOf(info *pfs.Info) objectChecksum {
	sum := info.Attrs.Checksum
	c := objectChecksum{ChecksumType: sum.Type}
	*c.of(sum.Algorithm) = sum.Value
	return c
}

// getAttributes is GetObjectAttributes.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectAttributes.html
func (r *request) getAttributes() error {
	_, info, err := r.stat()
	if err != nil {
		return err
	}
	doc := struct {
		XMLName      xml.Name
		ETag         string          `xml:",omitempty"`
		Checksum     *objectChecksum `xml:",omitempty"`
		ObjectParts  *objectParts    `xml:",omitempty"`
		StorageClass string          `xml:",omitempty"`
		ObjectSize   *int64          `xml:",omitempty"`
	}{XMLName: document("GetObjectAttributesResponse")}
	asked := strings.Join(r.Header.Values("X-Amz-Object-Attributes"), ",")
	if asked == "" {
		return errInvalidArgument.with("x-amz-object-attributes names no attribute.")
	}
	for name := range strings.SplitSeq(asked, ",") {
		switch strings.TrimSpace(name) {
		case "ETag":
			doc.ETag = strings.Trim(r.g.etagOf(&info), `"`)
		case "Checksum":
			if sum := info.Attrs.Checksum; sum.Algorithm != "" {
				is := checksumOf(&info)
				// Here alone AWS leaves out how many parts a composite is of.
				*is.of(sum.Algorithm), _, _ = strings.Cut(sum.Value, "-")
				doc.Checksum = &is
			}
		case "ObjectParts":
			if doc.ObjectParts, err = r.objectParts(&info); err != nil {
				return err
			}
		case "StorageClass":
			doc.StorageClass = "STANDARD"
		case "ObjectSize":
			size := info.Size()
			doc.ObjectSize = &size
		default:
			return errInvalidArgument.with("%q is no attribute of an object.", strings.TrimSpace(name))
		}
	}
	h := r.w.Header()
	h.Set("Last-Modified", lastModified(info.Modified))
	h.Set("X-Amz-Version-Id", info.Commit.String())
	return r.reply(doc)
}

// objectParts lists the parts of an object that was uploaded in parts.
func (r *request) objectParts(info *pfs.Info) (*objectParts, error) {
	if len(info.Parts) == 0 {
		return nil, nil
	}
	limit, err := number(r.Header.Get("X-Amz-Max-Parts"), "x-amz-max-parts", maxKeys)
	if err != nil {
		return nil, err
	}
	marker, err := number(r.Header.Get("X-Amz-Part-Number-Marker"), "x-amz-part-number-marker", 0)
	if err != nil {
		return nil, err
	}
	p := &objectParts{TotalPartsCount: len(info.Parts), PartNumberMarker: marker, MaxParts: limit}
	for i := marker; i < len(info.Parts) && len(p.Parts) < limit; i++ {
		part := objectPart{PartNumber: i + 1, Size: info.Parts[i]}
		if i < len(info.PartSums) {
			*part.of(info.Attrs.Checksum.Algorithm) = info.PartSums[i]
		}
		p.Parts = append(p.Parts, part)
		p.NextPartNumberMarker = i + 1
	}
	p.IsTruncated = marker+len(p.Parts) < len(info.Parts)
	return p, nil
}
