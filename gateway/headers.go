package gateway

import (
	"net/http"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/http/httpguts"

	"caret/gateway/checksum"
	"caret/pfs"
)

// maxMeta is how many bytes of user metadata, names and values, an object
// may have.
const maxMeta = 8 << 10

const metaPrefix = "X-Amz-Meta-"

// attrs reads what the headers say of an object besides its bytes.
func (r *request) attrs() (pfs.Attrs, error) {
	h := r.Header
	a := pfs.Attrs{
		ContentType:        h.Get("Content-Type"),
		ContentEncoding:    withoutChunked(h.Values("Content-Encoding")),
		ContentDisposition: h.Get("Content-Disposition"),
		ContentLanguage:    h.Get("Content-Language"),
		CacheControl:       h.Get("Cache-Control"),
		Expires:            h.Get("Expires"),
	}
	for _, v := range []string{a.ContentType, a.ContentEncoding, a.ContentDisposition, a.ContentLanguage, a.CacheControl, a.Expires} {
		if !utf8.ValidString(v) {
			return a, errInvalidArgument.with("The header value %q is not UTF-8.", v)
		}
		if len(v) > maxMeta {
			return a, errInvalidArgument.with("A content header has more than %d bytes.", maxMeta)
		}
	}
	var err error
	if a.Tags, err = headerTags(h.Get("X-Amz-Tagging")); err != nil {
		return a, err
	}
	size := 0
	for name, values := range h {
		key, ok := strings.CutPrefix(name, metaPrefix)
		if !ok {
			continue
		}
		if a.Meta == nil {
			a.Meta = make(map[string]string)
		}
		value := strings.Join(values, ",")
		if key == "" {
			return a, errInvalidArgument.with("User metadata needs a name behind x-amz-meta-.")
		}
		if !utf8.ValidString(value) {
			return a, errInvalidArgument.with("The user metadata %q is not UTF-8.", key)
		}
		a.Meta[strings.ToLower(key)] = value
		size += len(key) + len(value)
	}
	if size > maxMeta {
		return a, errMetadataTooLarge
	}
	return a, nil
}

// withoutChunked takes the framing out of Content-Encoding: it is gone.
func withoutChunked(values []string) string {
	var keep []string
	for _, v := range values {
		for c := range strings.SplitSeq(v, ",") {
			if c = strings.TrimSpace(c); c != "" && !strings.EqualFold(c, "aws-chunked") {
				keep = append(keep, c)
			}
		}
	}
	return strings.Join(keep, ",")
}

// describeObject sets the headers that tell about an object.
func (r *request) describeObject(s *pfs.Snapshot, info *pfs.Info) {
	h := r.w.Header()
	set := func(name, value string) {
		if value != "" {
			h.Set(name, value)
		}
	}
	a := &info.Attrs
	h.Set("Etag", r.g.etagOf(info))
	h.Set("Last-Modified", lastModified(info.Modified))
	h.Set("Accept-Ranges", "bytes")
	h.Set("X-Amz-Version-Id", info.Commit.String())
	h.Set("X-Caret-Commit", s.ID.String())
	h.Set("Content-Type", "binary/octet-stream")
	set("Content-Type", a.ContentType)
	set("Content-Encoding", a.ContentEncoding)
	set("Content-Disposition", a.ContentDisposition)
	set("Content-Language", a.ContentLanguage)
	set("Cache-Control", a.CacheControl)
	set("Expires", a.Expires)
	for k, v := range a.Meta {
		// As AWS spells them: boto3 gives the names on in the case they come in.
		h["x-amz-meta-"+k] = []string{v}
	}
	if n := len(a.Tags); n > 0 {
		h.Set("X-Amz-Tagging-Count", strconv.Itoa(n))
	}
	for query, name := range overrides {
		set(name, r.query.Get(query))
	}
}

// overrides are the headers that the query of a GET may replace.
var overrides = map[string]string{
	"response-content-type":        "Content-Type",
	"response-content-language":    "Content-Language",
	"response-expires":             "Expires",
	"response-cache-control":       "Cache-Control",
	"response-content-disposition": "Content-Disposition",
	"response-content-encoding":    "Content-Encoding",
}

// checkOverrides refuses overrides that nobody signed, as anybody could make of a public
// object what it is not, and what no header can have.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html
func (r *request) checkOverrides() error {
	for name := range overrides {
		value := r.query.Get(name)
		switch {
		case r.who.IsAnonymous() && r.query.Has(name):
			return errInvalidRequest.with("Request specific response headers cannot be used for anonymous GET requests.")
		case !httpguts.ValidHeaderFieldValue(value):
			return errInvalidArgument.with("%s: %.100q cannot be the value of a header.", name, value)
		}
	}
	return nil
}

// showChecksum sets the headers of an object's checksum.
func showChecksum(h http.Header, sum pfs.Checksum) {
	if sum.Algorithm == "" {
		return
	}
	h.Set(checksum.Algorithm(sum.Algorithm).Header(), sum.Value)
	if sum.Type != "" {
		h.Set("X-Amz-Checksum-Type", sum.Type)
	}
}

// writeOptions reads what the headers say of the commit to be made.
func (r *request) writeOptions() pfs.WriteOptions {
	opt := pfs.WriteOptions{
		Message: r.Header.Get("X-Caret-Message"), IfHead: r.Header.Get("X-Caret-If-Head"),
	}
	if v := r.Header.Get("If-Match"); v != "" {
		opt.If.IfMatch = parseMatch(v)
	}
	if v := r.Header.Get("If-None-Match"); v != "" {
		opt.If.IfNoneMatch = parseMatch(v)
	}
	return opt
}

// parseMatch reads a list of ETags; one that is not ours matches nothing.
func parseMatch(v string) *pfs.Match {
	m := &pfs.Match{}
	for tag := range strings.SplitSeq(v, ",") {
		tag = strings.TrimPrefix(strings.TrimSpace(tag), "W/")
		if tag == "*" {
			m.Any = true
		}
		if h, ok := parseETag(tag); ok {
			m.Hashes = append(m.Hashes, h)
		} else {
			m.MD5s = append(m.MD5s, strings.Trim(tag, `"`))
		}
	}
	return m
}
