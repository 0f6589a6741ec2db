package gateway_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha1"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/minio/minio-go/v7"
	miniocreds "github.com/minio/minio-go/v7/pkg/credentials"

	"caret/gateway"
	"caret/gateway/sigv4"
	"caret/objstore/memory"
	"caret/pfs"
)

// post sends a form with a file.
func (s server) post(t *testing.T, path string, fields map[string]string, file string) (int, string, http.Header) {
	t.Helper()
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	for k, v := range fields {
		if err := w.WriteField(k, v); err != nil {
			t.Fatal(err)
		}
	}
	f, err := w.CreateFormFile("file", "my file.txt")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(f, file); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(t.Context(), "POST", s.URL+path, &body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", w.FormDataContentType())
	return s.send(t, r)
}

// TestForm: what a policy allows is stored, with the form's fields as its
// headers; nothing else is.
func TestForm(t *testing.T) {
	t.Parallel()
	s, c := newBucket(t)
	signed, err := s3.NewPresignClient(c).PresignPostObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String(bucket), Key: aws.String("up/file")}, func(o *s3.PresignPostOptions) {
		o.Conditions = []any{
			[]any{"content-length-range", 1, 100}, []any{"starts-with", "$x-amz-meta-note", ""}, []any{"starts-with", "$x-amz-meta-note b", ""}, map[string]string{"success_action_status": "201"},
			[]any{"starts-with", "$acl", "public"},
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	with := func(more ...string) map[string]string {
		fields := map[string]string{"x-amz-meta-note": "hello", "success_action_status": "201", "acl": "public-read"}
		for k, v := range signed.Values {
			fields[k] = v
		}
		for i := 0; i < len(more); i += 2 {
			fields[more[i]] = more[i+1]
		}
		return fields
	}
	for name, tt := range map[string]struct {
		fields map[string]string
		file   string
		status int
		code   string
	}{
		"too large":       {with(), strings.Repeat("x", 101), 400, "EntityTooLarge"},
		"too small":       {with(), "", 400, "EntityTooSmall"},
		"other status":    {with("success_action_status", "200"), "x", 403, "AccessDenied"},
		"extra field":     {with("cache-control", "no-store"), "x", 403, "AccessDenied"},
		"other key":       {with("key", "elsewhere"), "x", 403, "AccessDenied"},
		"wrong signature": {with("X-Amz-Signature", strings.Repeat("0", 64)), "x", 403, "SignatureDoesNotMatch"},
		"anonymous":       {map[string]string{"key": "k"}, "x", 403, "AccessDenied"},
		"not a header":    {with("x-amz-meta-note", "a\x00b"), "x", 400, "InvalidArgument"},
		"not a name":      {with("x-amz-meta-note b", "a"), "x", 400, "InvalidArgument"},
		"two lines":       {with("x-amz-meta-note", "a\r\nX: b"), "x", 400, "InvalidArgument"},
		"no key":          {map[string]string{}, "x", 400, "InvalidArgument"},
	} {
		status, body, _ := s.post(t, "/master.sales", tt.fields, tt.file)
		if got := errorCode(t, body); status != tt.status || got != tt.code {
			t.Errorf("%s: %d %s, want %d %s", name, status, got, tt.status, tt.code)
		}
	}
	policy := base64.StdEncoding.EncodeToString([]byte(`{"expiration": "2999-01-01T00:00:00Z", "conditions": [["starts-with", "$key", ""]]}`))
	mac := hmac.New(sha1.New, []byte(secretKey))
	mac.Write([]byte(policy))
	fields := map[string]string{"key": "k", "AWSAccessKeyId": accessKey, "policy": policy, "signature": base64.StdEncoding.EncodeToString(mac.Sum(nil))}
	if status, body, _ := s.post(t, "/master.sales", fields, "x"); errorCode(t, body) != "AccessDenied" {
		t.Errorf("a policy for any bucket: %d %s", status, body)
	}
	s.checkEmpty(t)
	status, body, h := s.post(t, "/master.sales", with(), "content")
	if status != 201 || !strings.Contains(body, "<Key>up/file</Key>") || h.Get("Etag") != tag("content") {
		t.Fatalf("%d %s %v", status, body, h)
	}
	out, err := c.GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String(bucket), Key: aws.String("up/file")})
	if err != nil || out.Metadata["note"] != "hello" {
		t.Errorf("%+v, %v", out, err)
	}
	if status, _ := s.try(t, pfs.Key{}, "GET", "/master.sales/up/file"); status != 200 {
		t.Errorf("the acl field: %d", status)
	}
}

// TestV2: a client that signs by version 2, and its presigned addresses.
func TestV2(t *testing.T) {
	t.Parallel()
	s, _ := newBucket(t)
	c, err := minio.New(strings.TrimPrefix(s.URL, "http://"), &minio.Options{Creds: miniocreds.NewStaticV2(accessKey, secretKey, ""), Region: "us-east-1"})
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	if _, err := c.PutObject(ctx, bucket, "a b+\u00e9", strings.NewReader("v2"), 2, minio.PutObjectOptions{}); err != nil {
		t.Fatal(err)
	}
	u, err := c.PresignedGetObject(ctx, bucket, "a b+\u00e9", time.Minute, nil)
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(ctx, "GET", u.String(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if status, body, _ := s.send(t, r); status != 200 || body != "v2" {
		t.Errorf("presigned: %d %s", status, body)
	}
	r.URL.Path += "x"
	r.URL.RawPath = ""
	if status, body, _ := s.send(t, r); status != 403 || errorCode(t, body) != "SignatureDoesNotMatch" {
		t.Errorf("presigned for something else: %d %s", status, body)
	}
	bad, err := minio.New(strings.TrimPrefix(s.URL, "http://"), &minio.Options{Creds: miniocreds.NewStaticV2(accessKey, "wrong", ""), Region: "us-east-1"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := bad.PutObject(ctx, bucket, "k", strings.NewReader("x"), 1, minio.PutObjectOptions{}); minio.ToErrorResponse(err).Code != "SignatureDoesNotMatch" {
		t.Errorf("a wrong secret: %v", err)
	}
}

// TestVirtualHost: buckets as host names, dots and all.
func TestVirtualHost(t *testing.T) {
	t.Parallel()
	s, c := newBucket(t)
	put(t, c, bucket, "k/x", "one")
	put(t, c, bucket, "k/x", "two")
	dial := http.DefaultTransport.(*http.Transport).Clone()
	addr := strings.TrimPrefix(s.URL, "http://")
	dial.Proxy = nil
	dial.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, addr)
	}
	vc := s3.New(s3.Options{
		BaseEndpoint: aws.String("http://s3.test:80"), Region: "us-east-1", HTTPClient: &http.Client{Transport: dial},
		Credentials: credentials.NewStaticCredentialsProvider(accessKey, secretKey, ""),
	})
	for b, want := range map[string]string{bucket: "two", "HEAD-1.master.sales": "one"} {
		if got, err := get(vc, b, "k/x", ""); err != nil || got != want {
			t.Errorf("%s reads %q, %v", b, got, err)
		}
	}
	if out, err := vc.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: aws.String(bucket)}); err != nil || len(out.Contents) != 1 {
		t.Errorf("%+v, %v", out, err)
	}
	if out, err := vc.ListBuckets(t.Context(), &s3.ListBucketsInput{}); err != nil || len(out.Buckets) != 1 {
		t.Errorf("%+v, %v", out, err)
	}
	r := httptest.NewRequest(http.MethodGet, "/k", nil)
	// A host of other letters, which only the first line of a request can have.
	r.Host = strings.Repeat("\u023a", 30) + ".s3.test"
	w := httptest.NewRecorder()
	if s.Config.Handler.ServeHTTP(w, r); w.Code != http.StatusForbidden && w.Code != http.StatusBadRequest {
		t.Errorf("a host that is longer in lower case: %d", w.Code)
	}
}

// TestHostBucket: a bucket has dots itself, and a name may end in one.
func TestHostBucket(t *testing.T) {
	t.Parallel()
	g := gateway.New(nil, gateway.Options{Domain: "s3.test"})
	r := httptest.NewRequest(http.MethodGet, "/k", nil)
	for host, want := range map[string]string{
		"master.sales.s3.test": "master.sales", "master.sales.s3.test.": "master.sales", "MASTER.sales.S3.Test:80": "MASTER.sales",
		"s3.test": "", ".s3.test": "", "sales.other": "", "[::1]:80": "", "": "",
	} {
		r.Host = host
		if got := g.HostBucket(r); got != want {
			t.Errorf("%s is the host of %q, want %q", host, got, want)
		}
	}
}

// TestMD5: a server that is asked to shows the ETags of AWS.
func TestMD5(t *testing.T) {
	t.Parallel()
	sys, err := pfs.Open(t.Context(), memory.New(), pfs.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer sys.Close()
	secrets := func(context.Context, string) (string, error) { return secretKey, nil }
	h := httptest.NewServer(gateway.New(sys, gateway.Options{
		Verifier: sigv4.New(sigv4.Options{Region: "us-east-1", Secrets: secrets}), Secrets: secrets, Region: "us-east-1", MD5: true,
		Caller: func(string) pfs.Caller { return pfs.Root },
	}))
	defer h.Close()
	c := server{Server: h, sys: sys, fs: sys.As(pfs.Root)}.client()
	ctx, b := t.Context(), aws.String(bucket)
	if _, err := c.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: b}); err != nil {
		t.Fatal(err)
	}
	sum := md5.Sum([]byte("data"))
	want := `"` + hex.EncodeToString(sum[:]) + `"`
	if got := *put(t, c, bucket, "k", "data").ETag; got != want {
		t.Errorf("put: %s, want %s", got, want)
	}
	list, err := c.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: b})
	if err != nil || *list.Contents[0].ETag != want {
		t.Errorf("listed %+v, %v", list, err)
	}
	if _, err := c.GetObject(ctx, &s3.GetObjectInput{Bucket: b, Key: aws.String("k"), IfMatch: &want}); err != nil {
		t.Errorf("If-Match: %v", err)
	}
	if _, err := c.PutObject(ctx, &s3.PutObjectInput{Bucket: b, Key: aws.String("k"), IfMatch: aws.String(`"00"`), Body: strings.NewReader("x")}); code(err) != "PreconditionFailed" {
		t.Errorf("If-Match of another: %v", err)
	}
	cp, err := c.CopyObject(ctx, &s3.CopyObjectInput{Bucket: b, Key: aws.String("copy"), CopySource: aws.String(bucket + "/k"), MetadataDirective: types.MetadataDirectiveReplace})
	if err != nil || *cp.CopyObjectResult.ETag != want {
		t.Errorf("copy: %+v, %v", cp, err)
	}
	up, err := c.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: b, Key: aws.String("parts")})
	if err != nil {
		t.Fatal(err)
	}
	all := md5.New()
	var parts []types.CompletedPart
	for i, data := range []string{strings.Repeat("x", 5<<20), "tail"} {
		n := int32(i + 1)
		out, err := c.UploadPart(ctx, &s3.UploadPartInput{Bucket: b, Key: aws.String("parts"), UploadId: up.UploadId, PartNumber: &n, Body: strings.NewReader(data)})
		if err != nil {
			t.Fatal(err)
		}
		sum := md5.Sum([]byte(data))
		if *out.ETag != `"`+hex.EncodeToString(sum[:])+`"` {
			t.Errorf("part %d: %s", n, *out.ETag)
		}
		all.Write(sum[:])
		parts = append(parts, types.CompletedPart{PartNumber: &n, ETag: out.ETag})
	}
	complete := func(parts []types.CompletedPart) (string, error) {
		done, err := c.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{Bucket: b, Key: aws.String("parts"), UploadId: up.UploadId, MultipartUpload: &types.CompletedMultipartUpload{Parts: parts}})
		if err != nil {
			return "", err
		}
		return *done.ETag, nil
	}
	swapped := []types.CompletedPart{{PartNumber: parts[0].PartNumber, ETag: parts[1].ETag}, parts[1]}
	if _, err := complete(swapped); code(err) != "InvalidPart" {
		t.Errorf("another part's ETag: %v", err)
	}
	got, err := complete(parts)
	if want := fmt.Sprintf(`"%x-2"`, all.Sum(nil)); err != nil || got != want {
		t.Errorf("complete: %s, %v, want %s", got, err, want)
	}
}
