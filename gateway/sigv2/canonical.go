package sigv2

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/net/http/httpguts"

	"caret/gateway/sigv4"
)

// withParameters is header and what the query of a presigned URL says besides:
// parameters named x-amz-, content-type and content-md5 count as headers, as
// boto3 and the Java SDK presign them. A header that is there is left alone:
// if it differs from what was signed, the signature does not match.
func withParameters(header http.Header, query url.Values) (http.Header, error) {
	out := header.Clone()
	if out == nil {
		out = http.Header{}
	}
	for name, values := range query {
		if !strings.HasPrefix(name, amzPrefix) && name != "content-type" && name != "content-md5" {
			continue
		}
		// A line break or colon would make one header look like two, or two
		// like one, in the text that is signed.
		if !httpguts.ValidHeaderFieldName(name) || !httpguts.ValidHeaderFieldValue(strings.Join(values, "")) {
			return nil, fmt.Errorf("%w: %q cannot be a header", sigv4.ErrQueryMalformed, name)
		}
		if name == strings.ToLower(name) && header.Values(name) == nil {
			out[http.CanonicalHeaderKey(name)] = []string{strings.Join(values, ",")} // as it is signed
		}
	}
	return out, nil
}

// amzPrefix begins the names of the headers that are signed.
const amzPrefix = "x-amz-"

// head is the text that is signed, up to the resource.
func (c *claim) head(method string, header http.Header) string {
	var b strings.Builder
	b.Grow(512)
	for _, line := range []string{method, header.Get("Content-MD5"), header.Get("Content-Type"), c.date} {
		b.WriteString(line)
		b.WriteByte('\n')
	}
	c.writeHeaders(&b, header)
	return b.String()
}

// writeHeaders writes CanonicalizedAmzHeaders: a line for each x-amz- header,
// by name, with its values joined by commas.
func (c *claim) writeHeaders(b *strings.Builder, header http.Header) {
	lines := make([]string, 0, len(header))
	for name, values := range header {
		name = strings.ToLower(name)
		if !strings.HasPrefix(name, amzPrefix) || c.presigned && name == "x-amz-date" {
			continue // the expiry takes the place of a date
		}
		// net/http has unfolded and trimmed them. What a parameter has around it is part of it.
		lines = append(lines, name+":"+strings.Join(values, ",")+"\n")
	}
	// By name: a colon sorts after some characters of names.
	slices.SortFunc(lines, func(a, b string) int {
		an, _, _ := strings.Cut(a, ":")
		bn, _, _ := strings.Cut(b, ":")
		return strings.Compare(an, bn)
	})
	for _, line := range lines {
		b.WriteString(line)
	}
}

// subResources are the parameters that are signed, in order. AWS's page lists
// those of its time; the later ones are what its SDKs and minio-go sign.
var subResources = []string{
	"accelerate", "acl", "analytics", "cors", "delete", "encryption", "inventory", "legal-hold", "lifecycle",
	"location", "logging", "metrics", "notification", "object-lock", "partNumber", "policy", "replication",
	"requestPayment", "response-cache-control", "response-content-disposition", "response-content-encoding",
	"response-content-language", "response-content-type", "response-expires", "restore", "retention", "select",
	"select-type", "tagging", "torrent", "uploadId", "uploads", "versionId", "versioning", "versions", "website",
}

// unambiguous refuses parameters whose text, once signed, could be read as others: the
// text joins decoded values by "&". It can be read in one way if none of the pieces of
// a value, behind its first, begins as a signed parameter does.
func unambiguous(query url.Values) error {
	for _, name := range subResources {
		for _, value := range query[name] {
			pieces := strings.Split(value, "&")
			for _, piece := range pieces[1:] {
				other, _, _ := strings.Cut(piece, "=")
				if slices.Contains(subResources, other) {
					return fmt.Errorf("%w: in the value of %s stands &%s, which would be signed as a parameter; use Signature Version 4",
						sigv4.ErrQueryMalformed, name, other)
				}
			}
		}
	}
	return nil
}

// resources is what CanonicalizedResource may be: the bucket if the host
// names it, the path as it was sent, and the parameters among subResources
// with their decoded values. A path that is a bucket alone means the same
// with a slash behind it; boto3 sends it without and signs it with one.
func resources(u *url.URL, query url.Values, bucket string) []string {
	path := u.EscapedPath()
	if path == "" {
		path = "/"
	}
	var b strings.Builder
	separator := byte('?')
	for _, name := range subResources {
		for _, value := range query[name] {
			b.WriteByte(separator)
			separator = '&'
			b.WriteString(name)
			if value != "" {
				b.WriteByte('=')
				b.WriteString(value)
			}
		}
	}
	switch {
	case bucket != "":
		return []string{"/" + bucket + path + b.String()}
	case len(path) > 1 && strings.LastIndexByte(path, '/') == 0:
		return []string{path + b.String(), path + "/" + b.String()}
	}
	return []string{path + b.String()}
}
