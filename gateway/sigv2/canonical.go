package sigv2

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// head is the text that is signed, up to the resource.
func (c *claim) head(r *http.Request, query url.Values) string {
	md5, contentType := r.Header.Get("Content-MD5"), r.Header.Get("Content-Type")
	if c.presigned {
		// boto3 moves the headers that it signed into the query.
		if md5 == "" {
			md5 = query.Get("content-md5")
		}
		if contentType == "" {
			contentType = query.Get("content-type")
		}
	}
	var b strings.Builder
	b.Grow(512)
	for _, line := range []string{r.Method, md5, contentType, c.date} {
		b.WriteString(line)
		b.WriteByte('\n')
	}
	c.writeHeaders(&b, r.Header, query)
	return b.String()
}

// amzPrefix begins the names of the headers that are signed.
const amzPrefix = "x-amz-"

// writeHeaders writes CanonicalizedAmzHeaders: a line for each x-amz- header,
// by name, with its values joined by commas. Parameters of that prefix count
// as headers, as boto3 and the Java SDK presign them; a header of the same
// name replaces them, since it is what will be acted on.
func (c *claim) writeHeaders(b *strings.Builder, header http.Header, query url.Values) {
	all := map[string][]string{}
	for name, values := range query {
		if strings.HasPrefix(name, amzPrefix) {
			all[name] = values
		}
	}
	for name, values := range header {
		if name = strings.ToLower(name); strings.HasPrefix(name, amzPrefix) {
			all[name] = values
		}
	}
	if c.presigned {
		delete(all, "x-amz-date") // the expiry takes its place
	}
	names := make([]string, 0, len(all))
	for name := range all {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		b.WriteString(name)
		b.WriteByte(':')
		for i, v := range all[name] {
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteString(strings.TrimSpace(v)) // net/http has unfolded it
		}
		b.WriteByte('\n')
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
