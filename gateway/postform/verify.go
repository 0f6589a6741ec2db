package postform

import (
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"caret/gateway/sigv4"
)

const (
	algorithm = "AWS4-HMAC-SHA256"
	timeFmt   = "20060102T150405Z"
	maxSkew   = 15 * time.Minute
	maxAge    = 7 * 24 * time.Hour // of a key of version 4
)

// Verify checks the signature of the policy of f, of version 4 or 2, and
// returns the access key that made it; "" if f has no policy and so is
// anonymous. It does not read the policy. The region of a signature of
// version 4 may be any: the policy names the bucket.
func Verify(ctx context.Context, f *Form, secrets sigv4.Secrets, now time.Time) (accessKey string, err error) {
	if f.Fields["policy"] == "" {
		return "", nil
	}
	v2 := f.hasAny("awsaccesskeyid", "signature")
	v4 := f.hasAny("x-amz-algorithm", "x-amz-credential", "x-amz-signature")
	switch {
	case v2 && v4:
		return "", fmt.Errorf("%w: the form is signed with version 2 and 4", ErrInvalidField)
	case v2:
		return verify2(ctx, f, secrets)
	}
	return verify4(ctx, f, secrets, now)
}

func (f *Form) hasAny(names ...string) bool {
	for _, name := range names {
		if _, ok := f.Fields[name]; ok {
			return true
		}
	}
	return false
}

// require fails if a field is missing.
func (f *Form) require(names ...string) error {
	for _, name := range names {
		if f.Fields.Get(name) == "" {
			return fmt.Errorf("%w: %s", ErrMissingField, name)
		}
	}
	return nil
}

// https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-authentication-HTTPPOST.html
func verify4(ctx context.Context, f *Form, secrets sigv4.Secrets, now time.Time) (string, error) {
	if err := f.require("x-amz-algorithm", "x-amz-credential", "x-amz-date", "x-amz-signature"); err != nil {
		return "", err
	}
	if a := f.Fields["x-amz-algorithm"]; a != algorithm {
		return "", fmt.Errorf("%w: x-amz-algorithm is %q", sigv4.ErrUnsupported, a)
	}
	at, err := time.Parse(timeFmt, f.Fields["x-amz-date"])
	if err != nil {
		return "", fmt.Errorf("%w: x-amz-date %q is not like %s", ErrInvalidField, f.Fields["x-amz-date"], timeFmt)
	}
	c, err := parseCredential(f.Fields["x-amz-credential"])
	if err != nil {
		return "", err
	}
	if c.date != at.Format("20060102") {
		return "", fmt.Errorf("%w: the date %s of x-amz-credential is not that of x-amz-date", ErrInvalidField, c.date)
	}
	switch age := now.Sub(at); {
	case age < -maxSkew:
		return "", fmt.Errorf("%w: it is not valid yet", sigv4.ErrExpired)
	case age > maxAge:
		return "", fmt.Errorf("%w: a signature is valid for 7 days", sigv4.ErrExpired)
	}
	secret, err := secrets(ctx, c.accessKey)
	if err != nil {
		return "", err
	}
	key := []byte("AWS4" + secret)
	for _, part := range []string{c.date, c.region, "s3", "aws4_request", f.Fields["policy"]} {
		h := hmac.New(sha256.New, key)
		h.Write([]byte(part))
		key = h.Sum(nil)
	}
	given, err := hex.DecodeString(f.Fields["x-amz-signature"])
	if err != nil || !hmac.Equal(given, key) {
		return "", sigv4.ErrMismatch
	}
	return c.accessKey, nil
}

// credential is KEY/DATE/REGION/s3/aws4_request.
type credential struct{ accessKey, date, region string }

func parseCredential(s string) (credential, error) {
	parts := strings.Split(s, "/")
	n := len(parts)
	if n < 5 || parts[n-2] != "s3" || parts[n-1] != "aws4_request" {
		return credential{}, fmt.Errorf("%w: x-amz-credential must be KEY/DATE/REGION/s3/aws4_request", ErrInvalidField)
	}
	// An access key may hold slashes.
	c := credential{strings.Join(parts[:n-4], "/"), parts[n-4], parts[n-3]}
	if c.accessKey == "" {
		return c, fmt.Errorf("%w: x-amz-credential has no access key", ErrInvalidField)
	}
	return c, nil
}

// https://docs.aws.amazon.com/AmazonS3/latest/API/HTTPPOSTForms.html
func verify2(ctx context.Context, f *Form, secrets sigv4.Secrets) (string, error) {
	if err := f.require("AWSAccessKeyId", "signature"); err != nil {
		return "", err
	}
	accessKey := f.Fields.Get("AWSAccessKeyId")
	secret, err := secrets(ctx, accessKey)
	if err != nil {
		return "", err
	}
	h := hmac.New(sha1.New, []byte(secret))
	h.Write([]byte(f.Fields["policy"]))
	want := base64.StdEncoding.EncodeToString(h.Sum(nil))
	if !hmac.Equal([]byte(f.Fields["signature"]), []byte(want)) {
		return "", sigv4.ErrMismatch
	}
	return accessKey, nil
}
