package sigv2

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"caret/gateway/sigv4"
)

// Options configure a Verifier.
type Options struct {
	Secrets sigv4.Secrets
	Now     func() time.Time // the clock; time.Now if nil
	// Bucket is the bucket that the Host header of a request names, "" if it
	// names none; nil if none ever does.
	Bucket func(*http.Request) string
}

// Verifier verifies requests.
type Verifier struct {
	opts Options
}

// New returns a verifier.
func New(opts Options) *Verifier {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Bucket == nil {
		opts.Bucket = func(*http.Request) string { return "" }
	}
	return &Verifier{opts: opts}
}

const (
	scheme  = "AWS " // version 4 has AWS4-HMAC-SHA256
	maxSkew = 15 * time.Minute
)

// Matches reports whether r carries a signature of version 2, good or bad.
func (v *Verifier) Matches(r *http.Request) bool {
	return strings.HasPrefix(r.Header.Get("Authorization"), scheme) || presigned(r.URL.Query())
}

func presigned(query url.Values) bool {
	return query.Has("AWSAccessKeyId") || query.Has("Signature")
}

// Verify checks the signature of r, whose URL must be as it was received, and
// returns the access key that made it. The x-amz- headers, Content-Type and
// Content-MD5 that a presigned URL carries as parameters it adds to r.Header,
// as S3 does; else who holds the URL could leave away what its maker set.
func (v *Verifier) Verify(r *http.Request) (accessKey string, err error) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		// What cannot be read could not have been signed.
		return "", fmt.Errorf("%w: %w", sigv4.ErrQueryMalformed, err)
	}
	auth := r.Header.Get("Authorization")
	v2 := presigned(query)
	v4 := query.Has("X-Amz-Algorithm") || query.Has("X-Amz-Signature")
	switch {
	case auth != "" && (v2 || v4), v2 && v4:
		return "", sigv4.ErrTwoAuthorizations
	case v2:
		return v.verifyQuery(r, query)
	}
	return v.verifyHeader(r, auth, query)
}

// verifyHeader checks "Authorization: AWS KEY:SIGNATURE".
func (v *Verifier) verifyHeader(r *http.Request, auth string, query url.Values) (string, error) {
	rest, ok := strings.CutPrefix(auth, scheme)
	rest = strings.TrimSpace(rest)
	// An access key may hold colons, base64 does not.
	colon := strings.LastIndexByte(rest, ':')
	if !ok || colon < 1 || colon == len(rest)-1 {
		return "", fmt.Errorf("%w: it must be AWS KEY:SIGNATURE", sigv4.ErrMalformed)
	}
	line, at, err := date(r.Header)
	if err != nil {
		return "", err
	}
	if skew := v.opts.Now().Sub(at); skew > maxSkew || skew < -maxSkew {
		return "", sigv4.ErrTimeSkewed
	}
	return v.check(claim{rest[:colon], rest[colon+1:], line, false}, r, query)
}

// verifyQuery checks AWSAccessKeyId, Expires and Signature in the query.
func (v *Verifier) verifyQuery(r *http.Request, query url.Values) (string, error) {
	for _, name := range []string{"AWSAccessKeyId", "Expires", "Signature"} {
		if len(query[name]) != 1 || query[name][0] == "" {
			return "", fmt.Errorf("%w: %s must be given once", sigv4.ErrQueryMalformed, name)
		}
	}
	expires := query.Get("Expires")
	at, err := strconv.ParseInt(expires, 10, 64)
	if err != nil {
		return "", fmt.Errorf("%w: Expires %q is not in seconds since 1970", sigv4.ErrQueryMalformed, expires)
	}
	if v.opts.Now().Unix() > at {
		return "", sigv4.ErrExpired
	}
	c := claim{query.Get("AWSAccessKeyId"), query.Get("Signature"), expires, true}
	return v.check(c, r, query)
}

// claim is what a request says of its signature.
type claim struct {
	accessKey, signature string
	date                 string // the line of the date: when the request was made, or when it expires
	presigned            bool
}

// check computes the signature and compares in constant time.
func (v *Verifier) check(c claim, r *http.Request, query url.Values) (accessKey string, err error) {
	if err := unambiguous(query); err != nil {
		return "", err
	}
	for name := range r.Header {
		if strings.HasPrefix(strings.ToLower(name), "x-caret-") {
			return "", fmt.Errorf("%w: %s, which version 2 can't sign; use Signature Version 4", sigv4.ErrUnsigned, strings.ToLower(name))
		}
	}
	header := r.Header
	if c.presigned {
		if header, err = withParameters(r.Header, query); err != nil {
			return "", err
		}
	}
	secret, err := v.opts.Secrets(r.Context(), c.accessKey)
	if err != nil {
		return "", err
	}
	head := c.head(r.Method, header)
	for _, resource := range resources(r.URL, query, v.opts.Bucket(r)) {
		h := hmac.New(sha1.New, []byte(secret))
		h.Write([]byte(head + resource))
		want := base64.StdEncoding.EncodeToString(h.Sum(nil))
		if hmac.Equal([]byte(c.signature), []byte(want)) {
			r.Header = header
			return c.accessKey, nil
		}
	}
	return "", sigv4.ErrMismatch
}

// dateFormats are those of RFC 2616, with the zone as AWS's examples have it,
// and that of version 4, which some clients send in x-amz-date.
var dateFormats = []string{http.TimeFormat, time.RFC1123Z, time.RFC850, time.ANSIC, "20060102T150405Z"}

// date is what stands in the line of the date, and when a request says it was
// signed. x-amz-date replaces Date and is signed as a header, so the line is
// empty then. The Delete example of AWS's page puts it in the line, against
// the rule on that page; S3 and the clients follow the rule.
func date(h http.Header) (line string, at time.Time, err error) {
	value := h.Get("Date")
	line = value
	if given := h.Values("X-Amz-Date"); len(given) > 0 {
		value, line = given[0], ""
	}
	for _, format := range dateFormats {
		if at, err = time.Parse(format, value); err == nil {
			return line, at, nil
		}
	}
	return "", at, fmt.Errorf("%w: %q", sigv4.ErrMissingDate, value)
}
