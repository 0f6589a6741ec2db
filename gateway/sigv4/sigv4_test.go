package sigv4_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/smithy-go/encoding/httpbinding"
	"pgregory.net/rapid"

	"caret/gateway/sigv4"
)

const (
	accessKey = "AKIAIOSFODNN7EXAMPLE"
	secretKey = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
)

var now = time.Date(2013, 5, 24, 0, 0, 0, 0, time.UTC)

func verifier(at time.Time, region string) *sigv4.Verifier {
	return sigv4.New(sigv4.Options{
		Region: region, Now: func() time.Time { return at },
		Secrets: func(_ context.Context, key string) (string, error) {
			if key != accessKey {
				return "", sigv4.ErrUnknownKey
			}
			return secretKey, nil
		},
	})
}

var creds = aws.Credentials{AccessKeyID: accessKey, SecretAccessKey: secretKey}

func signer() *v4.Signer {
	return v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true })
}

// received is the request as a server would see it.
func received(t testing.TB, r *http.Request) *http.Request {
	t.Helper()
	in := httptest.NewRequest(r.Method, r.URL.RequestURI(), r.Body)
	in.Host = r.URL.Host
	in.Header = r.Header.Clone()
	in.ContentLength = r.ContentLength
	return in
}

func signed(t testing.TB, method, target, body, payload string) *http.Request {
	t.Helper()
	r, err := http.NewRequest(method, target, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Amz-Content-Sha256", payload)
	if err := signer().SignHTTP(t.Context(), creds, r, payload, "s3", "us-east-1", now); err != nil {
		t.Fatal(err)
	}
	return received(t, r)
}

func sum(s string) string {
	h := sha256.Sum256([]byte(s))
	return hex.EncodeToString(h[:])
}

func TestHeader(t *testing.T) {
	t.Parallel()
	v := verifier(now, "us-east-1")
	for _, target := range []string{
		"http://h/", "http://h/b?list-type=2&prefix=a%2Fb%20c&delimiter=%2F", "http://h/b/a//b/../c", "http://h/b/a%2Bb%20c%25",
		"http://h/b/k?versionId=HEAD%5E", "http://h/b?uploads", "http://h/b/%C3%A9%0A?tagging=&x=1&w=0", "http://h:9000/b/k~-_.%21%2A%27%28%29",
	} {
		r := signed(t, "PUT", target, "hello", sum("hello"))
		id, err := v.Verify(r)
		if err != nil || id.AccessKey != accessKey {
			t.Errorf("%s: %+v, %v", target, id, err)
			continue
		}
		b, err := v.Body(r, id)
		if err != nil {
			t.Fatal(err)
		}
		if data, err := io.ReadAll(b); string(data) != "hello" || err != nil {
			t.Errorf("%s: body %q, %v", target, data, err)
		}
	}
}

func TestHeaderProperty(t *testing.T) {
	t.Parallel()
	v := verifier(now, "us-east-1")
	rapid.Check(t, func(rt *rapid.T) {
		key := rapid.StringN(1, 20, 60).Draw(rt, "key")
		q := url.Values{}
		for range rapid.IntRange(0, 3).Draw(rt, "parameters") {
			q.Set(rapid.StringN(1, 5, 20).Draw(rt, "name"), rapid.StringN(0, 5, 20).Draw(rt, "value"))
		}
		u := url.URL{Scheme: "http", Host: "h", Path: "/b/" + key, RawQuery: strings.ReplaceAll(q.Encode(), "+", "%20")}
		u.RawPath = "/b/" + strings.ReplaceAll(url.PathEscape(key), "+", "%2B")
		r, err := http.NewRequest("GET", u.String(), nil)
		if err != nil {
			rt.Skip(err)
		}
		r.Header.Set("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD")
		r.Header.Set("X-Amz-Meta-A", rapid.StringMatching(`[a-z]( {0,3}[a-z]){0,5}`).Draw(rt, "meta"))
		// What AWS's own clients put on the wire: every byte that is not
		// unreserved is encoded.
		r.URL.RawPath = httpbinding.EscapePath("/b/"+key, false)
		r.URL.Opaque = "//h" + r.URL.RawPath
		if err := signer().SignHTTP(context.Background(), creds, r, "UNSIGNED-PAYLOAD", "s3", "us-east-1", now); err != nil {
			rt.Fatal(err)
		}
		in := &http.Request{Method: "GET", Host: "h", Header: r.Header, URL: &url.URL{Path: "/b/" + key, RawPath: r.URL.RawPath, RawQuery: r.URL.RawQuery}}
		if _, err := v.Verify(in); err != nil {
			rt.Fatalf("%s: %v", r.URL, err)
		}
	})
}

// TestTamper: nothing that is signed can be changed.
func TestTamper(t *testing.T) {
	t.Parallel()
	v := verifier(now, "us-east-1")
	for name, change := range map[string]func(*http.Request){
		"method":  func(r *http.Request) { r.Method = "DELETE" },
		"path":    func(r *http.Request) { r.URL.Path = "/b/other" },
		"query":   func(r *http.Request) { r.URL.RawQuery = "a=2" },
		"host":    func(r *http.Request) { r.Host = "other" },
		"payload": func(r *http.Request) { r.Header.Set("X-Amz-Content-Sha256", sum("other")) },
		"date":    func(r *http.Request) { r.Header.Set("X-Amz-Date", "20130524T000100Z") },
		"length":  func(r *http.Request) { r.ContentLength = 4 },
		"signature": func(r *http.Request) {
			r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), "Signature=", "Signature=0", 1)[:len(r.Header.Get("Authorization"))])
		},
	} {
		r := signed(t, "PUT", "http://h/b/k?a=1", "hello", sum("hello"))
		change(r)
		if _, err := v.Verify(r); !errors.Is(err, sigv4.ErrMismatch) {
			t.Errorf("changed %s: %v", name, err)
		}
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	auth := func(f func(string) string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set("Authorization", f(r.Header.Get("Authorization"))) }
	}
	replace := func(from, to string) func(*http.Request) {
		return auth(func(s string) string { return strings.Replace(s, from, to, 1) })
	}
	for name, tt := range map[string]struct {
		change func(*http.Request)
		want   error
	}{
		"unknown key":        {replace(accessKey, "AKIANOBODY"), sigv4.ErrUnknownKey},
		"no credential":      {replace("Credential=", "C="), sigv4.ErrMalformed},
		"no signature":       {replace("Signature=", "S="), sigv4.ErrMalformed},
		"short credential":   {replace("/s3/aws4_request", ""), sigv4.ErrMalformed},
		"other service":      {replace("/s3/", "/ec2/"), sigv4.ErrMalformed},
		"other region":       {replace("/us-east-1/", "/eu-west-9/"), sigv4.ErrMalformed},
		"other date":         {replace("/20130524/", "/20130523/"), sigv4.ErrMalformed},
		"unsorted headers":   {replace("SignedHeaders=", "SignedHeaders=z;"), sigv4.ErrMalformed},
		"host unsigned":      {replace("host;", ""), sigv4.ErrUnsigned},
		"V2":                 {auth(func(string) string { return "AWS key:sig" }), sigv4.ErrUnsupported},
		"Basic":              {auth(func(string) string { return "Basic x" }), sigv4.ErrUnsupported},
		"no date":            {func(r *http.Request) { r.Header.Del("X-Amz-Date") }, sigv4.ErrMissingDate},
		"bad date":           {func(r *http.Request) { r.Header.Set("X-Amz-Date", "today") }, sigv4.ErrMissingDate},
		"no payload":         {func(r *http.Request) { r.Header.Del("X-Amz-Content-Sha256") }, sigv4.ErrMissingPayload},
		"bad payload":        {func(r *http.Request) { r.Header.Set("X-Amz-Content-Sha256", "abc") }, sigv4.ErrInvalidPayload},
		"unsigned x-amz":     {func(r *http.Request) { r.Header.Set("X-Amz-Acl", "public-read") }, sigv4.ErrUnsigned},
		"signed twice":       {func(r *http.Request) { r.URL.RawQuery = "X-Amz-Algorithm=AWS4-HMAC-SHA256" }, sigv4.ErrTwoAuthorizations},
		"the same twice":     {replace("Signature=", "Signature=0, Signature="), sigv4.ErrMalformed},
		"no space":           {replace("AWS4-HMAC-SHA256 ", "AWS4-HMAC-SHA256"), sigv4.ErrMalformed},
		"signature too long": {auth(func(s string) string { return s + "00" }), sigv4.ErrMalformed},
	} {
		r := signed(t, "GET", "http://h/b/k", "", sum(""))
		tt.change(r)
		if _, err := verifier(now, "us-east-1").Verify(r); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", name, err, tt.want)
		}
	}
	for _, skew := range []time.Duration{16 * time.Minute, -16 * time.Minute} {
		if _, err := verifier(now.Add(skew), "us-east-1").Verify(signed(t, "GET", "http://h/b/k", "", sum(""))); !errors.Is(err, sigv4.ErrTimeSkewed) {
			t.Errorf("skew of %s: %v", skew, err)
		}
	}
	if _, err := verifier(now, "eu-west-1").Verify(signed(t, "GET", "http://h/b/k", "", sum(""))); err != nil {
		t.Errorf("us-east-1 at a server of eu-west-1: %v", err)
	}
}

func presigned(t testing.TB, expires string) *http.Request {
	t.Helper()
	r, err := http.NewRequest("GET", "http://h/b/a%20b?X-Amz-Expires="+expires, nil)
	if err != nil {
		t.Fatal(err)
	}
	u, _, err := signer().PresignHTTP(t.Context(), creds, r, "UNSIGNED-PAYLOAD", "s3", "us-east-1", now)
	if err != nil {
		t.Fatal(err)
	}
	in := httptest.NewRequest("GET", u, nil)
	in.Host = "h"
	return in
}

func TestPresigned(t *testing.T) {
	t.Parallel()
	r := presigned(t, "60")
	r.Header.Set("X-Extra", "unsigned headers are fine")
	id, err := verifier(now.Add(59*time.Second), "us-east-1").Verify(r)
	if err != nil || !id.Presigned {
		t.Errorf("%+v, %v", id, err)
	}
	added := presigned(t, "60")
	added.Header.Set("X-Amz-Copy-Source", "/elsewhere/k")
	if _, err := verifier(now, "us-east-1").Verify(added); !errors.Is(err, sigv4.ErrUnsigned) {
		t.Errorf("a header that makes it another operation: %v", err)
	}
	for name, tt := range map[string]struct {
		at   time.Duration
		r    *http.Request
		want error
	}{
		"expired":     {61 * time.Second, presigned(t, "60"), sigv4.ErrExpired},
		"future":      {-16 * time.Minute, presigned(t, "60"), sigv4.ErrExpired},
		"eight days":  {0, presigned(t, "691200"), sigv4.ErrQueryMalformed},
		"no time":     {0, presigned(t, "0"), sigv4.ErrQueryMalformed},
		"not numeric": {0, presigned(t, "x"), sigv4.ErrQueryMalformed},
	} {
		if _, err := verifier(now.Add(tt.at), "us-east-1").Verify(tt.r); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", name, err, tt.want)
		}
	}
	r = presigned(t, "60")
	r.URL.RawQuery = strings.Replace(r.URL.RawQuery, "X-Amz-Expires=60", "X-Amz-Expires=61", 1)
	if _, err := verifier(now, "us-east-1").Verify(r); !errors.Is(err, sigv4.ErrMismatch) {
		t.Errorf("changed expiry: %v", err)
	}
}

// TestStreamingVector is the example of
// https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html
func TestStreamingVector(t *testing.T) {
	t.Parallel()
	chunk := func(n int, sig string) string {
		return fmt.Sprintf("%x;chunk-signature=%s\r\n%s\r\n", n, sig, strings.Repeat("a", n))
	}
	body := chunk(65536, "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648") +
		chunk(1024, "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497") +
		chunk(0, "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9")
	open := func(body string) (*sigv4.Body, error) {
		r := httptest.NewRequest("PUT", "/examplebucket/chunkObject.txt", iotest.HalfReader(strings.NewReader(body)))
		r.Host = "s3.amazonaws.com"
		r.ContentLength = 66824
		for k, v := range map[string]string{
			"Content-Encoding": "aws-chunked", "Content-Length": "66824", "X-Amz-Date": "20130524T000000Z",
			"X-Amz-Content-Sha256": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "X-Amz-Decoded-Content-Length": "66560",
			"X-Amz-Storage-Class": "REDUCED_REDUNDANCY",
			"Authorization": "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request," +
				"SignedHeaders=content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class," +
				"Signature=4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
		} {
			r.Header.Set(k, v)
		}
		v := verifier(now, "us-east-1")
		id, err := v.Verify(r)
		if err != nil {
			t.Fatal(err)
		}
		return v.Body(r, id)
	}
	read := func(body string) (string, error) {
		b, err := open(body)
		if err != nil {
			return "", err
		}
		defer b.Close()
		data, err := io.ReadAll(b)
		return string(data), err
	}
	if got, err := read(body); err != nil || got != strings.Repeat("a", 66560) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	for name, tt := range map[string]struct {
		body string
		want error
	}{
		"other byte":       {strings.Replace(body, "aaa", "aba", 1), sigv4.ErrMismatch},
		"other signature":  {strings.Replace(body, "b6c6", "b6c7", 1), sigv4.ErrMismatch},
		"no signature":     {strings.Replace(body, ";chunk-signature=0055", ";x=0055", 1), sigv4.ErrMalformedChunk},
		"cut":              {body[:70000-4000], sigv4.ErrIncomplete},
		"no last chunk":    {body[:strings.LastIndex(body, "0;")], sigv4.ErrIncomplete},
		"chunk too long":   {strings.Replace(body, "400;", "3ff;", 1), sigv4.ErrMalformedChunk},
		"bad size":         {strings.Replace(body, "400;", "x;", 1), sigv4.ErrMalformedChunk},
		"huge size":        {strings.Replace(body, "400;", "7fffffffffffffff;", 1), sigv4.ErrMalformedChunk},
		"more than said":   {strings.Replace(body, "400;", "40000;", 1), sigv4.ErrIncomplete},
		"garbage behind":   {body + "garbage", sigv4.ErrMalformedChunk},
		"endless line":     {strings.Repeat("0", 1<<20), sigv4.ErrMalformedChunk},
		"chunks exchanged": {chunk(1024, "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497") + body, sigv4.ErrMismatch},
	} {
		if got, err := read(tt.body); !errors.Is(err, tt.want) {
			t.Errorf("%s: %d bytes, %v; want %v", name, len(got), err, tt.want)
		}
	}
}

// TestTrailerVector is the example of
// https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming-trailers.html
// and what its text has besides: an empty line before the signature.
func TestTrailerVector(t *testing.T) {
	t.Parallel()
	const sum, signature = "x-amz-checksum-crc32c:sOO8/Q==\n", "x-amz-trailer-signature:d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n"
	for name, tt := range map[string]struct {
		trailer string
		want    error
	}{
		"the example":          {sum + signature + "\r\n", nil},
		"an empty line":        {sum + "\r\n" + signature + "\r\n", nil},
		"no end":               {sum + "\r\n" + signature, nil},
		"two empty lines":      {sum + "\r\n\r\n" + signature + "\r\n", sigv4.ErrMismatch},
		"no signature":         {sum + "\r\n\r\n", sigv4.ErrMismatch},
		"a line behind":        {sum + "\r\n" + "x-amz-checksum-crc32c:AAAA\n" + signature + "\r\n", sigv4.ErrMalformedTrailer},
		"a line behind it all": {sum + signature + "x-amz-checksum-crc32c:AAAA\r\n\r\n", sigv4.ErrMalformedTrailer},
		"signed twice":         {sum + signature + signature + "\r\n", sigv4.ErrMalformedTrailer},
		"nothing before":       {"\r\n" + sum + signature + "\r\n", sigv4.ErrMalformedTrailer},
		"another sum":          {"x-amz-checksum-crc32c:AAAA\n\r\n" + signature + "\r\n", sigv4.ErrMismatch},
	} {
		got, n, err := trailerVector(t, tt.trailer)
		if !errors.Is(err, tt.want) || tt.want == nil && (err != nil || n != 66560 || got != "sOO8/Q==") {
			t.Errorf("%s: trailer %q, %d bytes, %v, want %v", name, got, n, err, tt.want)
		}
	}
}

func trailerVector(t *testing.T, trailer string) (sum string, n int, err error) {
	t.Helper()
	chunk := func(n int, sig string) string {
		return fmt.Sprintf("%x;chunk-signature=%s\r\n%s\r\n", n, sig, strings.Repeat("a", n))
	}
	body := chunk(65536, "b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2") +
		chunk(1024, "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7") +
		"0;chunk-signature=2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992\r\n" +
		trailer
	r := httptest.NewRequest("PUT", "/examplebucket/chunkObject.txt", strings.NewReader(body))
	r.Host = "s3.amazonaws.com"
	r.ContentLength = 66824
	for k, v := range map[string]string{
		"Content-Encoding": "aws-chunked", "X-Amz-Date": "20130524T000000Z", "X-Amz-Trailer": "x-amz-checksum-crc32c",
		"X-Amz-Content-Sha256": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", "X-Amz-Decoded-Content-Length": "66560",
		"X-Amz-Storage-Class": "REDUCED_REDUNDANCY",
		"Authorization": "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request," +
			"SignedHeaders=content-encoding;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class;x-amz-trailer," +
			"Signature=106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e",
	} {
		r.Header.Set(k, v)
	}
	v := verifier(now, "us-east-1")
	id, err := v.Verify(r)
	if err != nil {
		t.Fatal(err)
	}
	b, err := v.Body(r, id)
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(b)
	return b.Trailer().Get("x-amz-checksum-crc32c"), len(data), err
}

// TestUnsignedHeaders: headers that say what a request does must be signed, in a header
// and on a presigned URL.
func TestUnsignedHeaders(t *testing.T) {
	t.Parallel()
	v := verifier(now, "us-east-1")
	for _, name := range []string{"X-Amz-Acl", "X-Caret-Message", "X-Caret-If-Head"} {
		r := signed(t, "PUT", "http://h/b/k", "", sum(""))
		r.Header.Set(name, "x")
		if _, err := v.Verify(r); !errors.Is(err, sigv4.ErrUnsigned) {
			t.Errorf("%s, not signed: %v", name, err)
		}
		out, err := http.NewRequest("PUT", "http://h/b/k?X-Amz-Expires=60", nil)
		if err != nil {
			t.Fatal(err)
		}
		target, _, err := signer().PresignHTTP(t.Context(), creds, out, "UNSIGNED-PAYLOAD", "s3", "us-east-1", now)
		if err != nil {
			t.Fatal(err)
		}
		in := httptest.NewRequest("PUT", target, nil)
		if _, err := v.Verify(in); err != nil {
			t.Fatalf("a presigned URL: %v", err)
		}
		in.Header.Set(name, "x")
		if _, err := v.Verify(in); !errors.Is(err, sigv4.ErrUnsigned) {
			t.Errorf("%s, added to a presigned URL: %v", name, err)
		}
		out.Header.Set(name, "x")
		if err := signer().SignHTTP(t.Context(), creds, out, sum(""), "s3", "us-east-1", now); err != nil {
			t.Fatal(err)
		}
		out.Header.Set("X-Amz-Content-Sha256", sum(""))
		if err := signer().SignHTTP(t.Context(), creds, out, sum(""), "s3", "us-east-1", now); err != nil {
			t.Fatal(err)
		}
		if _, err := v.Verify(received(t, out)); name != "X-Amz-Acl" && err != nil {
			t.Errorf("%s, signed: %v", name, err)
		}
	}
}

func unsignedTrailer(t testing.TB, body string, length int) (*sigv4.Body, error) {
	t.Helper()
	r, err := http.NewRequest("PUT", "http://h/b/k", nil)
	if err != nil {
		t.Fatal(err)
	}
	const payload = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
	r.Header.Set("X-Amz-Content-Sha256", payload)
	r.Header.Set("X-Amz-Trailer", "x-amz-checksum-crc32")
	r.Header.Set("X-Amz-Decoded-Content-Length", fmt.Sprint(length))
	if err := signer().SignHTTP(context.Background(), creds, r, payload, "s3", "us-east-1", now); err != nil {
		t.Fatal(err)
	}
	in := received(t, r)
	in.Body = io.NopCloser(strings.NewReader(body))
	v := verifier(now, "us-east-1")
	id, err := v.Verify(in)
	if err != nil {
		t.Fatal(err)
	}
	return v.Body(in, id)
}

func TestUnsignedTrailer(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		body string
		want error
	}{
		"good":        {"5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n", nil},
		"two chunks":  {"2\r\nhe\r\n3\r\nllo\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n", nil},
		"missing":     {"5\r\nhello\r\n0\r\n\r\n", sigv4.ErrMalformedTrailer},
		"other":       {"5\r\nhello\r\n0\r\nx-amz-checksum-sha1:x\r\n\r\n", sigv4.ErrMalformedTrailer},
		"twice":       {"5\r\nhello\r\n0\r\nx-amz-checksum-crc32:a\r\nx-amz-checksum-crc32:b\r\n\r\n", sigv4.ErrMalformedTrailer},
		"no colon":    {"5\r\nhello\r\n0\r\nx-amz-checksum-crc32\r\n\r\n", sigv4.ErrMalformedTrailer},
		"short":       {"4\r\nhell\r\n0\r\nx-amz-checksum-crc32:a\r\n\r\n", sigv4.ErrIncomplete},
		"not chunked": {"hello", sigv4.ErrIncomplete},
	} {
		b, err := unsignedTrailer(t, tt.body, 5)
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(b)
		if !errors.Is(err, tt.want) || tt.want == nil && string(data) != "hello" {
			t.Errorf("%s: %q, %v; want %v", name, data, err, tt.want)
		}
		b.Close()
	}
}

func TestPlainBodies(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		body, payload string
		length        int64
		want          error
	}{
		"hash":       {"hello", sum("hello"), 5, nil},
		"other hash": {"hellO", sum("hello"), 5, sigv4.ErrPayloadMismatch},
		"unsigned":   {"hello", "UNSIGNED-PAYLOAD", 5, nil},
		"short":      {"hell", "UNSIGNED-PAYLOAD", 5, sigv4.ErrIncomplete},
		"empty":      {"", sum(""), 0, nil},
	} {
		r := signed(t, "PUT", "http://h/b/k", strings.Repeat("x", int(tt.length)), tt.payload)
		v := verifier(now, "us-east-1")
		id, err := v.Verify(r)
		if err != nil {
			t.Fatal(name, err)
		}
		r.Body = io.NopCloser(strings.NewReader(tt.body))
		b, err := v.Body(r, id)
		if err != nil {
			t.Fatal(err)
		}
		if data, err := io.ReadAll(b); !errors.Is(err, tt.want) || tt.want == nil && string(data) != tt.body {
			t.Errorf("%s: %q, %v; want %v", name, data, err, tt.want)
		}
	}
}

func FuzzChunked(f *testing.F) {
	f.Add("5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n", 5)
	f.Add("5;a=b\r\nhello\r\n0\r\n\r\n", 5)
	f.Fuzz(func(t *testing.T, body string, length int) {
		if length < 0 {
			return
		}
		read := func(wrap func(io.Reader) io.Reader) ([]byte, error) {
			b, err := unsignedTrailer(t, body, length)
			if err != nil {
				return nil, err
			}
			defer b.Close()
			return io.ReadAll(wrap(b))
		}
		all, err := read(func(r io.Reader) io.Reader { return r })
		one, err1 := read(iotest.OneByteReader)
		if err == nil && (err1 != nil || !bytes.Equal(all, one) || len(all) != length) {
			t.Fatalf("%q, %v; byte by byte %q, %v", all, err, one, err1)
		}
	})
}

func FuzzAuthorization(f *testing.F) {
	f.Add("AWS4-HMAC-SHA256 Credential=a/20130524/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=00", "X-Amz-Algorithm=AWS4-HMAC-SHA256")
	f.Fuzz(func(t *testing.T, auth, query string) {
		r := &http.Request{Method: "GET", URL: &url.URL{Path: "/", RawQuery: query}, Header: http.Header{"Authorization": {auth}, "X-Amz-Date": {"20130524T000000Z"}, "X-Amz-Content-Sha256": {"UNSIGNED-PAYLOAD"}}}
		id, err := verifier(now, "us-east-1").Verify(r)
		if err == nil && !id.Anonymous {
			t.Fatalf("somebody forged a signature: %q %q", auth, query)
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	r := signed(b, "PUT", "http://h/b/some/key", "hello", "UNSIGNED-PAYLOAD")
	v := verifier(now, "us-east-1")
	for b.Loop() {
		if _, err := v.Verify(r); err != nil {
			b.Fatal(err)
		}
	}
}

// TestOneMeaning: what a request is taken for is what was signed, and nothing else that has
// the same signature.
func TestOneMeaning(t *testing.T) {
	t.Parallel()
	v := verifier(now, "us-east-1")
	for sent, received := range map[string]string{"a=1&a=2": "a=2&a=1", "a=%25zz": "a=%zz", "a=1%3Bb": "a=1;b"} {
		r := signed(t, "GET", "http://h/b/k?"+sent, "", sum(""))
		r.URL.RawQuery = received
		if _, err := v.Verify(r); !errors.Is(err, sigv4.ErrAmbiguous) {
			t.Errorf("%s that was signed as %s: %v", received, sent, err)
		}
	}
	sign := func(value string) *http.Request {
		r, err := http.NewRequestWithContext(t.Context(), "PUT", "http://h/b/k", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-Amz-Content-Sha256", sum(""))
		r.Header.Set("X-Amz-Copy-Source", value)
		if err := signer().SignHTTP(t.Context(), creds, r, sum(""), "s3", "us-east-1", now); err != nil {
			t.Fatal(err)
		}
		return received(t, r)
	}
	r := sign("/b/k,x")
	r.Header["X-Amz-Copy-Source"] = []string{"/b/k", "x"}
	if _, err := v.Verify(r); err != nil || r.Header.Get("X-Amz-Copy-Source") != "/b/k,x" {
		t.Errorf("taken apart it is %q, %v", r.Header.Get("X-Amz-Copy-Source"), err)
	}
	r = sign("/b/k")
	r.Header.Set("X-Amz-Copy-Source", "/b/k\u00a0")
	if _, err := v.Verify(r); !errors.Is(err, sigv4.ErrMismatch) {
		t.Errorf("with a space that was not signed: %v", err)
	}
}
