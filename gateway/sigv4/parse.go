package sigv4

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"caret/gateway/percent"
)

// parseHeader reads an Authorization header:
//
//	AWS4-HMAC-SHA256 Credential=KEY/DATE/REGION/s3/aws4_request,
//	SignedHeaders=host;x-amz-date, Signature=HEX
func parseHeader(auth string) (claim, error) {
	var c claim
	rest, ok := strings.CutPrefix(auth, algorithm)
	if !ok || rest == "" || rest[0] != ' ' && rest[0] != '\t' {
		return c, fmt.Errorf("%w: it must begin with %s", ErrMalformed, algorithm)
	}
	fields := map[string]string{}
	for f := range strings.SplitSeq(rest, ",") {
		name, value, ok := strings.Cut(strings.TrimSpace(f), "=")
		if !ok {
			return c, fmt.Errorf("%w: %q is not NAME=VALUE", ErrMalformed, f)
		}
		if _, twice := fields[name]; twice {
			return c, fmt.Errorf("%w: %s is given twice", ErrMalformed, name)
		}
		fields[name] = value
	}
	for _, name := range []string{"Credential", "SignedHeaders", "Signature"} {
		if fields[name] == "" {
			return c, fmt.Errorf("%w: %s is missing", ErrMalformed, name)
		}
	}
	err := c.parse(fields["Credential"], fields["SignedHeaders"], fields["Signature"], ErrMalformed)
	return c, err
}

// parseQuery reads the parameters of a presigned URL.
func parseQuery(q url.Values) (claim, error) {
	var c claim
	for _, name := range []string{"X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires", "X-Amz-SignedHeaders", "X-Amz-Signature"} {
		if q.Get(name) == "" {
			return c, fmt.Errorf("%w: %s is missing", ErrQueryMalformed, name)
		}
	}
	if a := q.Get("X-Amz-Algorithm"); a != algorithm {
		return c, fmt.Errorf("%w: X-Amz-Algorithm must be %s", ErrQueryMalformed, algorithm)
	}
	var err error
	if c.time, err = time.Parse(timeFmt, q.Get("X-Amz-Date")); err != nil {
		return c, fmt.Errorf("%w: X-Amz-Date %q is not like %s", ErrQueryMalformed, q.Get("X-Amz-Date"), timeFmt)
	}
	if c.expires, err = parseExpires(q.Get("X-Amz-Expires")); err != nil {
		return c, err
	}
	err = c.parse(q.Get("X-Amz-Credential"), q.Get("X-Amz-SignedHeaders"), q.Get("X-Amz-Signature"), ErrQueryMalformed)
	return c, err
}

func (c *claim) parse(credential, signed, signature string, malformed error) error {
	// An access key may hold slashes, so the scope is taken from the end.
	parts := strings.Split(credential, "/")
	n := len(parts)
	if n < 5 {
		return fmt.Errorf("%w: the credential must be KEY/DATE/REGION/s3/aws4_request", malformed)
	}
	c.accessKey = strings.Join(parts[:n-4], "/")
	c.date, c.region = parts[n-4], parts[n-3]
	switch {
	case c.accessKey == "":
		return fmt.Errorf("%w: the credential has no access key", malformed)
	case parts[n-2] != "s3":
		return fmt.Errorf("%w: the service %q is wrong; expecting \"s3\"", malformed, parts[n-2])
	case parts[n-1] != "aws4_request":
		return fmt.Errorf("%w: the credential must end with aws4_request", malformed)
	}
	if _, err := time.Parse("20060102", c.date); err != nil {
		return fmt.Errorf("%w: the credential's date %q is not like 20060102", malformed, c.date)
	}
	c.signed = strings.Split(strings.ToLower(signed), ";")
	if !slices.IsSorted(c.signed) || slices.Contains(c.signed, "") || strings.ContainsAny(signed, ": \t\r\n") {
		return fmt.Errorf("%w: SignedHeaders must be names in order", malformed)
	}
	if len(signature) != 64 {
		return fmt.Errorf("%w: the signature must have 64 hex digits", malformed)
	}
	c.signature = signature
	return nil
}

// canonicalRequest is the text whose hash is signed.
func canonicalRequest(r *http.Request, signed []string, payload, rawQuery string, presigned bool) string {
	var b strings.Builder
	b.Grow(512)
	b.WriteString(r.Method)
	b.WriteByte('\n')
	b.WriteString(canonicalPath(r.URL))
	b.WriteByte('\n')
	b.WriteString(canonicalQuery(rawQuery, presigned))
	b.WriteByte('\n')
	for _, name := range signed {
		b.WriteString(name)
		b.WriteByte(':')
		writeHeader(&b, r, name)
		b.WriteByte('\n')
	}
	b.WriteByte('\n')
	b.WriteString(strings.Join(signed, ";"))
	b.WriteByte('\n')
	b.WriteString(payload)
	return b.String()
}

// writeHeader writes the values of a header, each with inner runs of spaces
// folded, joined by commas.
func writeHeader(b *strings.Builder, r *http.Request, name string) {
	switch name {
	case "host":
		b.WriteString(r.Host)
		return
	case "content-length":
		if r.ContentLength >= 0 {
			b.WriteString(strconv.FormatInt(r.ContentLength, 10))
			return
		}
	case "transfer-encoding":
		b.WriteString(strings.Join(r.TransferEncoding, ","))
		return
	}
	for i, v := range r.Header[http.CanonicalHeaderKey(name)] {
		if i > 0 {
			b.WriteByte(',')
		}
		v = strings.Trim(v, " \t") // no other space: that is part of a value
		if strings.Contains(v, "  ") {
			v = strings.Join(strings.FieldsFunc(v, func(c rune) bool { return c == ' ' }), " ")
		}
		b.WriteString(v)
	}
}

// canonicalPath is the path, each byte but the unreserved ones and slashes
// encoded once. S3 does not normalize it.
func canonicalPath(u *url.URL) string {
	if u.Path == "" {
		return "/"
	}
	return percent.Encode(u.Path, "/")
}

// unambiguous refuses queries whose signature is that of others too: parameters are
// signed in order, not as they stand, and what cannot be decoded is signed like what it
// would be if it was encoded.
func unambiguous(raw string) error {
	query, err := url.ParseQuery(raw)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrAmbiguous, err)
	}
	for name, values := range query {
		if len(values) > 1 {
			return fmt.Errorf("%w: %s is given %d times", ErrAmbiguous, name, len(values))
		}
	}
	return nil
}

// canonicalQuery sorts the parameters by name and value, encoded; the
// signature of a presigned URL is not signed itself.
func canonicalQuery(raw string, presigned bool) string {
	if raw == "" {
		return ""
	}
	var pairs []string
	for p := range strings.SplitSeq(raw, "&") {
		if p == "" {
			continue
		}
		name, value, _ := strings.Cut(p, "=")
		name, value = unescape(name), unescape(value)
		if presigned && name == "X-Amz-Signature" {
			continue
		}
		pairs = append(pairs, percent.Encode(name, "")+"="+percent.Encode(value, ""))
	}
	slices.SortFunc(pairs, func(a, b string) int {
		// "=" sorts after some characters of names, so names come first.
		an, av, _ := strings.Cut(a, "=")
		bn, bv, _ := strings.Cut(b, "=")
		if an != bn {
			return strings.Compare(an, bn)
		}
		return strings.Compare(av, bv)
	})
	return strings.Join(pairs, "&")
}

func unescape(s string) string {
	u, err := url.QueryUnescape(s)
	if err != nil {
		return s
	}
	return u
}
