// Package sigv4 verifies AWS Signature Version 4 as S3 uses it: in the
// Authorization header, in the query of a presigned URL, and over the chunks
// and trailers of a body.
//
// https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-authenticating-requests.html
//
// It knows no operation of S3, keeps no state but derived keys, and may be
// used concurrently.
package sigv4

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// What can be wrong with a signature; each is one error of S3.
var (
	ErrUnknownKey        = errors.New("the access key is unknown")
	ErrMismatch          = errors.New("the signature does not match what was signed; check the secret key and the signing method")
	ErrMalformed         = errors.New("the Authorization header is malformed")
	ErrQueryMalformed    = errors.New("the X-Amz-* query parameters are malformed")
	ErrTimeSkewed        = errors.New("the request's time differs too much from the server's")
	ErrExpired           = errors.New("the request has expired")
	ErrMissingDate       = errors.New("the request has no valid x-amz-date or Date")
	ErrUnsigned          = errors.New("a header that must be signed is not")
	ErrUnsupported       = errors.New("the signing method is not supported; use AWS Signature Version 4")
	ErrMissingPayload    = errors.New("the x-amz-content-sha256 header is missing")
	ErrInvalidPayload    = errors.New("x-amz-content-sha256 must be UNSIGNED-PAYLOAD, a STREAMING- value, or a SHA-256 in hex")
	ErrPayloadMismatch   = errors.New("the body does not have the SHA-256 that x-amz-content-sha256 says")
	ErrIncomplete        = errors.New("the body is shorter than the headers say")
	ErrMalformedChunk    = errors.New("the aws-chunked framing of the body is malformed")
	ErrMissingLength     = errors.New("x-amz-decoded-content-length is missing or not a number")
	ErrMalformedTrailer  = errors.New("the trailer of the body is malformed or not what x-amz-trailer announced")
	ErrTwoAuthorizations = errors.New("the request is signed both in its header and in its query")
	ErrAmbiguous         = errors.New("the query can be read in more than one way")
)

// Secrets finds the secret of an access key; ErrUnknownKey if there is none.
type Secrets func(ctx context.Context, accessKey string) (string, error)

// Options configure a Verifier.
type Options struct {
	Secrets Secrets
	Region  string           // the server's; us-east-1 is accepted besides
	Now     func() time.Time // the clock; time.Now if nil
}

// Verifier verifies requests.
type Verifier struct {
	opts Options
	keys keyCache
}

// New returns a verifier.
func New(opts Options) *Verifier {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	return &Verifier{opts: opts, keys: keyCache{m: make(map[keyID][]byte)}}
}

// Identity is who signed a request and how its body is framed.
type Identity struct {
	AccessKey string
	Anonymous bool // nobody signed it
	Presigned bool
	payload   string // x-amz-content-sha256
	key       []byte // signs chunks
	scope     string
	time      time.Time
	signature string // the seed of chunk signatures
}

const (
	algorithm = "AWS4-HMAC-SHA256"
	timeFmt   = "20060102T150405Z"
	maxSkew   = 15 * time.Minute
	maxExpiry = 7 * 24 * time.Hour
)

// Values of x-amz-content-sha256 that are not a hash.
const (
	unsignedPayload   = "UNSIGNED-PAYLOAD"
	streamSigned      = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
	streamSignedTrail = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
	streamTrail       = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
)

// claim is what a request says of its signature.
type claim struct {
	accessKey, date, region string
	signed                  []string // header names, lower case
	signature               string
	time                    time.Time
	expires                 time.Duration // of a presigned URL
}

func (c *claim) scope() string { return c.date + "/" + c.region + "/s3/aws4_request" }

// Verify checks the signature of r. It does not read the body; Body does and
// checks it. The values of r's headers are joined, as by JoinValues.
func (v *Verifier) Verify(r *http.Request) (Identity, error) {
	JoinValues(r.Header)
	auth := r.Header.Get("Authorization")
	query := r.URL.Query()
	presigned := query.Has("X-Amz-Algorithm") || query.Has("X-Amz-Signature")
	switch {
	case auth != "" && presigned:
		return Identity{}, ErrTwoAuthorizations
	case presigned:
		return v.verifyQuery(r)
	case strings.HasPrefix(auth, algorithm):
		return v.verifyHeader(r, auth)
	case auth != "" || query.Has("AWSAccessKeyId") || query.Has("Signature"):
		return Identity{}, ErrUnsupported
	}
	return Signed(r, "")
}

// JoinValues makes one value of those of each header that came more than once, with
// commas between them. So they are signed: whoever passes a request on could take one
// value apart at a comma, and what is done must be what was signed.
func JoinValues(h http.Header) {
	for name, values := range h {
		if len(values) > 1 {
			h[name] = []string{strings.Join(values, ",")}
		}
	}
}

// Signed is the identity of a request that was signed in another way than
// this package knows, or, if accessKey is "", by nobody.
func Signed(r *http.Request, accessKey string) (Identity, error) {
	id := Identity{AccessKey: accessKey, Anonymous: accessKey == "", payload: r.Header.Get("X-Amz-Content-Sha256")}
	if id.payload == streamSigned || id.payload == streamSignedTrail {
		return Identity{}, fmt.Errorf("%w: %s needs a signature", ErrInvalidPayload, id.payload)
	}
	return id, checkPayload(id.payload)
}

func (v *Verifier) verifyHeader(r *http.Request, auth string) (Identity, error) {
	c, err := parseHeader(auth)
	if err != nil {
		return Identity{}, err
	}
	if c.time, err = requestTime(r); err != nil {
		return Identity{}, err
	}
	if err := v.checkScope(&c, ErrMalformed); err != nil {
		return Identity{}, err
	}
	if skew := v.opts.Now().Sub(c.time); skew > maxSkew || skew < -maxSkew {
		return Identity{}, ErrTimeSkewed
	}
	payload := r.Header.Get("X-Amz-Content-Sha256")
	if payload == "" {
		return Identity{}, ErrMissingPayload
	}
	if err := errors.Join(checkPayload(payload), checkSigned(r, c.signed, false)); err != nil {
		return Identity{}, err
	}
	return v.check(r, &c, payload, r.URL.RawQuery, false)
}

func (v *Verifier) verifyQuery(r *http.Request) (Identity, error) {
	c, err := parseQuery(r.URL.Query())
	if err != nil {
		return Identity{}, err
	}
	if err := v.checkScope(&c, ErrQueryMalformed); err != nil {
		return Identity{}, err
	}
	now := v.opts.Now()
	if c.time.Sub(now) > maxSkew {
		return Identity{}, fmt.Errorf("%w: it is not valid yet", ErrExpired)
	}
	if now.Sub(c.time) > c.expires {
		return Identity{}, ErrExpired
	}
	if err := checkSigned(r, c.signed, true); err != nil {
		return Identity{}, err
	}
	payload := r.URL.Query().Get("X-Amz-Content-Sha256")
	if payload == "" {
		payload = unsignedPayload
		if h := r.Header.Get("X-Amz-Content-Sha256"); h != "" {
			payload = h
		}
	}
	if err := checkPayload(payload); err != nil {
		return Identity{}, err
	}
	return v.check(r, &c, payload, r.URL.RawQuery, true)
}

// checkScope checks date and region of the credential.
func (v *Verifier) checkScope(c *claim, malformed error) error {
	if c.date != c.time.Format("20060102") {
		return fmt.Errorf("%w: the credential's date %s is not that of the request", malformed, c.date)
	}
	if c.region != v.opts.Region && c.region != "us-east-1" {
		return fmt.Errorf("%w: the region %q is wrong; expecting %q", malformed, c.region, v.opts.Region)
	}
	return nil
}

// check computes the signature and compares.
func (v *Verifier) check(r *http.Request, c *claim, payload, rawQuery string, presigned bool) (Identity, error) {
	if err := unambiguous(rawQuery); err != nil {
		return Identity{}, err
	}
	secret, err := v.opts.Secrets(r.Context(), c.accessKey)
	if err != nil {
		return Identity{}, err
	}
	key := v.keys.get(secret, c)
	canonical := canonicalRequest(r, c.signed, payload, rawQuery, presigned)
	hash := sha256.Sum256([]byte(canonical))
	toSign := algorithm + "\n" + c.time.Format(timeFmt) + "\n" + c.scope() + "\n" + hex.EncodeToString(hash[:])
	if !equal(c.signature, sign(key, toSign)) {
		return Identity{}, ErrMismatch
	}
	return Identity{
		AccessKey: c.accessKey, Presigned: presigned, payload: payload,
		key: key, scope: c.scope(), time: c.time, signature: c.signature,
	}, nil
}

// equal compares a signature in hex in constant time.
func equal(given string, want []byte) bool {
	b, err := hex.DecodeString(given)
	return err == nil && hmac.Equal(b, want)
}

func sign(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

func checkPayload(p string) error {
	switch p {
	case "", unsignedPayload, streamSigned, streamSignedTrail, streamTrail:
		return nil
	}
	if b, err := hex.DecodeString(p); err != nil || len(b) != sha256.Size {
		return fmt.Errorf("%w, not %q", ErrInvalidPayload, p)
	}
	return nil
}

// checkSigned refuses requests whose host or x-amz- or x-caret- headers were left out
// of the signature: whoever has a presigned URL could add such headers, and make
// of it another operation. x-amz-content-sha256 of a presigned URL is checked
// against the body, signed or not.
func checkSigned(r *http.Request, signed []string, presigned bool) error {
	if !slices.Contains(signed, "host") {
		return fmt.Errorf("%w: host", ErrUnsigned)
	}
	for _, name := range slices.Sorted(maps.Keys(r.Header)) {
		name = strings.ToLower(name)
		if !strings.HasPrefix(name, "x-amz-") && !strings.HasPrefix(name, "x-caret-") || presigned && name == "x-amz-content-sha256" {
			continue
		}
		if !slices.Contains(signed, name) {
			return fmt.Errorf("%w: %s", ErrUnsigned, name)
		}
	}
	return nil
}

// requestTime is when a request says it was signed.
func requestTime(r *http.Request) (time.Time, error) {
	if s := r.Header.Get("X-Amz-Date"); s != "" {
		t, err := time.Parse(timeFmt, s)
		if err != nil {
			return t, fmt.Errorf("%w: %q", ErrMissingDate, s)
		}
		return t, nil
	}
	t, err := http.ParseTime(r.Header.Get("Date"))
	if err != nil {
		return t, ErrMissingDate
	}
	return t.UTC(), nil
}

// keyCache remembers derived keys, which take four HMACs to make.
type keyCache struct {
	mu sync.Mutex
	m  map[keyID][]byte
}

type keyID struct{ secret, date, region string }

const maxKeys = 256

func (k *keyCache) get(secret string, c *claim) []byte {
	id := keyID{secret, c.date, c.region}
	k.mu.Lock()
	defer k.mu.Unlock()
	if key := k.m[id]; key != nil {
		return key
	}
	key := sign(sign(sign(sign([]byte("AWS4"+secret), c.date), c.region), "s3"), "aws4_request")
	if len(k.m) >= maxKeys {
		clear(k.m)
	}
	k.m[id] = key
	return key
}

// parseExpires reads X-Amz-Expires.
func parseExpires(s string) (time.Duration, error) {
	n, err := strconv.Atoi(s)
	d := time.Duration(n) * time.Second
	if err != nil || n < 1 || n > int(maxExpiry/time.Second) {
		return 0, fmt.Errorf("%w: X-Amz-Expires must be 1 to %d seconds", ErrQueryMalformed, int(maxExpiry/time.Second))
	}
	return d, nil
}
