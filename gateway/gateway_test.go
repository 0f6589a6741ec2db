package gateway_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
	"github.com/minio/minio-go/v7"
	miniocreds "github.com/minio/minio-go/v7/pkg/credentials"

	"caret/commits/revision"
	"caret/gateway"
	"caret/gateway/sigv4"
	"caret/objstore"
	"caret/objstore/local"
	"caret/pfs"
)

const (
	accessKey = "CARETTEST"
	secretKey = "secret/of+the=tests"
)

// server is a gateway on a real store behind a real listener.
type server struct {
	*httptest.Server
	sys   *pfs.System
	fs    *pfs.FS // as root sees it
	store *local.Store
	stop  func()
}

// openRef is an open commit of a repo.
func openRef(repo string, id pfs.CommitID) pfs.Ref {
	return pfs.Ref{Repo: repo, Base: revision.Expr{Base: id.String()}}
}

// stored is how many bytes of content have been stored.
func (s server) stored() int64 { return s.store.Stats().Bytes }

func newServer(t testing.TB) server {
	t.Helper()
	return serve(t, t.TempDir(), local.Options{Reserve: -1})
}

// serve serves what is in a directory until the test ends, or its stop is called.
func serve(t testing.TB, dir string, opts local.Options) server {
	t.Helper()
	return serveWith(t, dir, opts, pfs.Options{})
}

func serveWith(t testing.TB, dir string, opts local.Options, system pfs.Options) server {
	t.Helper()
	store, err := local.Open(dir, opts)
	if err != nil {
		t.Fatal(err)
	}
	sys, err := pfs.Open(t.Context(), store, system)
	if err != nil {
		t.Fatal(err)
	}
	secrets := func(ctx context.Context, k string) (string, error) {
		if k == accessKey {
			return secretKey, nil
		}
		secret, err := sys.Secret(ctx, k)
		if errors.Is(err, pfs.ErrNoSuchKey) {
			err = sigv4.ErrUnknownKey
		}
		return secret, err
	}
	v := sigv4.New(sigv4.Options{Region: "us-east-1", Secrets: secrets})
	caller := func(k string) pfs.Caller {
		if k == accessKey {
			return pfs.Root
		}
		return pfs.Holder(k)
	}
	h := httptest.NewServer(gateway.New(sys, gateway.Options{Verifier: v, Secrets: secrets, Caller: caller, Region: "us-east-1", Domain: "s3.test"}))
	stop := sync.OnceFunc(func() {
		h.Close()
		sys.Close()
		store.Close()
	})
	t.Cleanup(stop)
	return server{h, sys, sys.As(pfs.Root), store, stop}
}

// client is aws-sdk-go-v2 with its default settings.
func (s server) client() *s3.Client {
	cfg, err := config.LoadDefaultConfig(context.Background(), config.WithRegion("us-east-1"),
		config.WithCredentialsProvider(credentials.NewStaticCredentialsProvider(accessKey, secretKey, "")))
	if err != nil {
		panic(err)
	}
	return s3.NewFromConfig(cfg, func(o *s3.Options) {
		o.BaseEndpoint, o.UsePathStyle = aws.String(s.URL), true
	})
}

func (s server) minio(t testing.TB) *minio.Client {
	t.Helper()
	c, err := minio.New(strings.TrimPrefix(s.URL, "http://"), &minio.Options{Creds: miniocreds.NewStaticV4(accessKey, secretKey, "")})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

const bucket = "master.sales"

func newBucket(t testing.TB) (server, *s3.Client) {
	t.Helper()
	s := newServer(t)
	c := s.client()
	if _, err := c.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String(bucket)}); err != nil {
		t.Fatal(err)
	}
	return s, c
}

func put(t testing.TB, c *s3.Client, bucket, key, data string) *s3.PutObjectOutput {
	t.Helper()
	out, err := c.PutObject(t.Context(), &s3.PutObjectInput{Bucket: &bucket, Key: &key, Body: strings.NewReader(data)})
	if err != nil {
		t.Fatalf("put %q: %v", key, err)
	}
	return out
}

// get reads an object; version "" is the bucket's own state.
func get(c *s3.Client, bucket, key, version string) (string, error) {
	in := &s3.GetObjectInput{Bucket: &bucket, Key: &key}
	if version != "" {
		in.VersionId = &version
	}
	out, err := c.GetObject(context.Background(), in)
	if err != nil {
		return "", err
	}
	defer out.Body.Close()
	b, err := io.ReadAll(out.Body)
	return string(b), err
}

func code(err error) string {
	var e smithy.APIError
	if errors.As(err, &e) {
		return e.ErrorCode()
	}
	if err != nil {
		return err.Error()
	}
	return ""
}

func tag(data string) string { return `"` + objstore.Sum([]byte(data)).String() + `-1"` }

// TestVersions: an S3 client reads any state by version id and by bucket.
func TestVersions(t *testing.T) {
	t.Parallel()
	s, c := newBucket(t)
	var ids []string
	for i := range 4 {
		out := put(t, c, bucket, "a.csv", fmt.Sprintf("state %d", i+1))
		ids = append(ids, *out.VersionId)
		if *out.ETag != tag(fmt.Sprintf("state %d", i+1)) {
			t.Errorf("ETag %s", *out.ETag)
		}
	}
	put(t, c, bucket, "b.csv", "other") // commit 5
	head, err := c.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: aws.String(bucket), Key: aws.String("a.csv")})
	if err != nil || *head.VersionId != ids[3] {
		t.Errorf("HEAD says version %v, %v; want that of the last change %s", head, err, ids[3])
	}
	for _, tt := range []struct{ bucket, version, want, code string }{
		{bucket, "", "state 4", ""},
		{bucket, "null", "state 4", ""},
		{bucket, "HEAD", "state 4", ""},
		{bucket, "HEAD^", "state 4", ""},
		{bucket, "HEAD^^", "state 3", ""},
		{bucket, "HEAD~3", "state 2", ""},
		{bucket, "HEAD^4", "state 1", ""},
		{bucket, ".1", "state 1", ""},
		{bucket, ids[1], "state 2", ""},
		{bucket, ids[1][:10] + "^", "state 1", ""},
		{bucket, "master~2", "state 3", ""},
		{ids[0] + ".master.sales", "", "state 1", ""},
		{ids[0] + ".sales", "", "state 1", ""},
		{"HEAD^2.master.sales", "", "state 3", ""},
		{"HEAD~2.master.sales", "", "state 3", ""},
		{"HEAD-2.master.sales", "", "state 3", ""},
		{ids[2] + "-1.master.sales", "", "state 2", ""},
		{"HEAD-2.master.sales", "HEAD^", "state 2", ""},
		{"sales", "", "state 4", ""},
		{"at-20990101T000000Z.master.sales", "", "state 4", ""},

		{bucket, "HEAD^5", "", "NoSuchVersion"},
		{bucket, "HEAD^4294967297", "", "NoSuchVersion"},
		{bucket, "HEAD^4294967296", "", "NoSuchVersion"},
		{bucket, ".0", "", "NoSuchVersion"},
		{bucket, ".6", "", "NoSuchVersion"},
		{bucket, "4f1d0123456740aa8bcd0123456789ab", "", "NoSuchVersion"},
		{bucket, "HEAD^^3x", "", "InvalidArgument"},
		{bucket, "HEAD^99999999999999999999", "", "InvalidArgument"},
		{bucket, "a b", "", "InvalidArgument"},
		{"HEAD-9.master.sales", "", "", "NoSuchBucket"},
		{"nosuch.sales", "", "", "NoSuchBucket"},
		{"master.nosuch", "", "", "NoSuchBucket"},
		{"4f1d0123456740aa8bcd0123456789ab.master.sales", "", "", "NoSuchBucket"},
	} {
		got, err := get(c, tt.bucket, "a.csv", tt.version)
		if got != tt.want || code(err) != tt.code {
			t.Errorf("%s version %q: %q, %s; want %q, %s", tt.bucket, tt.version, got, code(err), tt.want, tt.code)
		}
	}
	if _, err := get(c, bucket, "b.csv", "HEAD^"); code(err) != "NoSuchKey" {
		t.Errorf("a key before it was there: %v", err)
	}
	list, err := c.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: aws.String("HEAD-1.master.sales")})
	if err != nil || len(list.Contents) != 1 {
		t.Errorf("list of history: %v, %v", list, err)
	}
	_ = s
}

// TestHistoryIsReadOnly: no mutation of a historical bucket does anything.
func TestHistoryIsReadOnly(t *testing.T) {
	t.Parallel()
	s, c := newBucket(t)
	id := *put(t, c, bucket, "k", "1").VersionId
	put(t, c, bucket, "k", "2")
	for _, b := range []string{"HEAD-1.master.sales", id + ".master.sales", id + ".sales", "at-20990101T000000Z.master.sales"} {
		_, err := c.PutObject(t.Context(), &s3.PutObjectInput{Bucket: &b, Key: aws.String("k"), Body: strings.NewReader("3")})
		if code(err) != "MethodNotAllowed" || !strings.Contains(err.Error(), "master.sales") {
			t.Errorf("put to %s: %v", b, err)
		}
		_, err = c.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: &b, Key: aws.String("k")})
		if code(err) != "MethodNotAllowed" {
			t.Errorf("delete in %s: %v", b, err)
		}
		_, err = c.CreateMultipartUpload(t.Context(), &s3.CreateMultipartUploadInput{Bucket: &b, Key: aws.String("k")})
		if code(err) != "MethodNotAllowed" {
			t.Errorf("upload to %s: %v", b, err)
		}
		_, err = c.CopyObject(t.Context(), &s3.CopyObjectInput{Bucket: &b, Key: aws.String("c"), CopySource: aws.String(bucket + "/k")})
		if code(err) != "MethodNotAllowed" {
			t.Errorf("copy to %s: %v", b, err)
		}
		_, err = c.DeleteBucket(t.Context(), &s3.DeleteBucketInput{Bucket: &b})
		if code(err) != "MethodNotAllowed" {
			t.Errorf("delete %s: %v", b, err)
		}
		_, err = c.DeleteObjects(t.Context(), &s3.DeleteObjectsInput{Bucket: &b, Delete: &types.Delete{Objects: []types.ObjectIdentifier{{Key: aws.String("k")}}}})
		if code(err) != "MethodNotAllowed" {
			t.Errorf("delete many in %s: %v", b, err)
		}
	}
	if snap, err := s.fs.Open(t.Context(), pfs.Ref{Repo: "sales"}, pfs.ActList, ""); err != nil || snap.N != 2 {
		t.Errorf("%d commits, %v; want 2", snap.N, err)
	}
}

func TestBuckets(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	c := s.client()
	ctx := t.Context()
	create := func(name string) string {
		_, err := c.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &name})
		return code(err)
	}
	for name, want := range map[string]string{
		"master.sales": "", "dev.logs": "", "plain-bucket": "",
		"ab": "InvalidBucketName", "Upper": "InvalidBucketName", "under_score": "InvalidBucketName",
		strings.Repeat("a", 64): "InvalidBucketName", "dev." + strings.Repeat("a", 60): "InvalidBucketName",
		"HEAD.sales": "InvalidBucketName", "a.b.c": "InvalidBucketName", "192.168.1.1": "InvalidBucketName",
		"4f1d0123456740aa8bcd0123456789ab.sales": "InvalidBucketName", "a..b": "InvalidBucketName", "a.": "InvalidBucketName",
		"HEAD-1.master.sales": "InvalidBucketName",
	} {
		if got := create(name); got != want {
			t.Errorf("create %q: %q, want %q", name, got, want)
		}
	}
	for _, name := range []string{"master.sales", "plain-bucket"} {
		if got := create(name); got != "BucketAlreadyOwnedByYou" {
			t.Errorf("create %q again: %q", name, got)
		}
	}
	if got := create("dev.sales"); got != "" {
		t.Errorf("create a second branch: %q", got)
	}
	list, err := c.ListBuckets(ctx, &s3.ListBucketsInput{})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, b := range list.Buckets {
		names = append(names, *b.Name)
	}
	if got := strings.Join(names, " "); got != "dev.logs dev.sales master.sales plain-bucket" {
		t.Errorf("buckets: %s", got)
	}
	if _, err := c.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: aws.String("logs")}); err != nil {
		t.Errorf("a repo's bare name: %v", err)
	}
	if _, err := c.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: aws.String("nosuch")}); code(err) != "NotFound" {
		t.Errorf("head of nothing: %v", err)
	}
	put(t, c, "plain-bucket", "k", "x")
	put(t, c, "master.sales", "k", "x")
	del := func(name string) string {
		_, err := c.DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: &name})
		return code(err)
	}
	for _, tt := range [][2]string{
		{"plain-bucket", "BucketNotEmpty"}, {"master.sales", ""}, {"master.sales", "NoSuchBucket"}, {"dev.sales", ""}, {"sales", "NoSuchBucket"},
	} {
		if got := del(tt[0]); got != tt[1] {
			t.Errorf("delete %s: %q, want %q", tt[0], got, tt[1])
		}
	}
	v, err := c.GetBucketVersioning(ctx, &s3.GetBucketVersioningInput{Bucket: aws.String("dev.logs")})
	if err != nil || v.Status != types.BucketVersioningStatusEnabled {
		t.Errorf("versioning: %v, %v", v, err)
	}
	for status, want := range map[types.BucketVersioningStatus]string{
		"Enabled": "", "Suspended": "InvalidBucketState", "Off": "IllegalVersioningConfigurationException",
	} {
		_, err := c.PutBucketVersioning(ctx, &s3.PutBucketVersioningInput{
			Bucket: aws.String("dev.logs"), VersioningConfiguration: &types.VersioningConfiguration{Status: status},
		})
		if code(err) != want {
			t.Errorf("versioning %s: %v, want %q", status, err, want)
		}
	}
	loc, err := c.GetBucketLocation(ctx, &s3.GetBucketLocationInput{Bucket: aws.String("dev.logs")})
	if err != nil || loc.LocationConstraint != "" {
		t.Errorf("location: %v, %v", loc, err)
	}
}

func TestObject(t *testing.T) {
	t.Parallel()
	_, c := newBucket(t)
	ctx := t.Context()
	for _, key := range []string{"a//b", "../x", "a/./b", "ключ", "sp ace+plus%2F", "new\nline", "a", "a/", "a/b", strings.Repeat("k", 1024), "q?x&y=z#f", "semi;colon", "*'()!"} {
		put(t, c, bucket, key, "data of "+key)
		if got, err := get(c, bucket, key, ""); got != "data of "+key {
			t.Errorf("%q: %q, %v", key, got, err)
		}
	}
	_, err := c.PutObject(ctx, &s3.PutObjectInput{
		Bucket: aws.String(bucket), Key: aws.String("meta"), Body: strings.NewReader("x"), ContentType: aws.String("text/x"),
		ContentEncoding: aws.String("gzip"), CacheControl: aws.String("no-store"), ContentDisposition: aws.String("inline"),
		ContentLanguage: aws.String("de"), Metadata: map[string]string{"Some-Key": "some value"},
	})
	if err != nil {
		t.Fatal(err)
	}
	h, err := c.HeadObject(ctx, &s3.HeadObjectInput{Bucket: aws.String(bucket), Key: aws.String("meta"), ChecksumMode: types.ChecksumModeEnabled})
	if err != nil {
		t.Fatal(err)
	}
	if *h.ContentType != "text/x" || *h.ContentEncoding != "gzip" || *h.CacheControl != "no-store" || *h.ContentDisposition != "inline" ||
		*h.ContentLanguage != "de" || h.Metadata["some-key"] != "some value" || *h.ContentLength != 1 || aws.ToString(h.ChecksumCRC32) == "" {
		t.Errorf("HEAD: %+v", h)
	}
	out, err := c.GetObject(ctx, &s3.GetObjectInput{
		Bucket: aws.String(bucket), Key: aws.String("meta"), ResponseContentType: aws.String("a/b"), ResponseCacheControl: aws.String("public"),
	})
	if err != nil || *out.ContentType != "a/b" || *out.CacheControl != "public" {
		t.Errorf("overrides: %+v, %v", out, err)
	}
	out.Body.Close()
	if _, err := get(c, bucket, "nosuch", ""); code(err) != "NoSuchKey" {
		t.Errorf("missing key: %v", err)
	}
}

func TestRanges(t *testing.T) {
	t.Parallel()
	_, c := newBucket(t)
	put(t, c, bucket, "k", "0123456789")
	for spec, want := range map[string]string{
		"bytes=0-0": "0", "bytes=2-4": "234", "bytes=5-": "56789", "bytes=-3": "789", "bytes=-30": "0123456789", "bytes=8-100": "89",
		"bytes=0-1,3-4": "0123456789", "bytes=x": "0123456789", "lines=1-2": "0123456789", "bytes=4-2": "0123456789",
		"bytes=10-": "InvalidRange", "bytes=99-100": "InvalidRange", "bytes=-0": "InvalidRange", "bytes=99999999999999999999-": "InvalidRange",
	} {
		out, err := c.GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String(bucket), Key: aws.String("k"), Range: aws.String(spec)})
		if err != nil {
			if code(err) != want {
				t.Errorf("%s: %v, want %s", spec, err, want)
			}
			continue
		}
		b, err := io.ReadAll(out.Body)
		if string(b) != want || err != nil {
			t.Errorf("%s: %q, %v; want %q", spec, b, err, want)
		}
	}
	h, err := c.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: aws.String(bucket), Key: aws.String("k"), Range: aws.String("bytes=2-4")})
	if err != nil || *h.ContentLength != 3 || aws.ToString(h.ContentRange) != "bytes 2-4/10" {
		t.Errorf("HEAD of a range: %+v, %v", h, err)
	}
}

func TestConditions(t *testing.T) {
	t.Parallel()
	_, c := newBucket(t)
	ctx := t.Context()
	first := put(t, c, bucket, "k", "one")
	putIf := func(key string, match, none *string) string {
		_, err := c.PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String(bucket), Key: &key, Body: strings.NewReader("two"), IfMatch: match, IfNoneMatch: none})
		return code(err)
	}
	star, other := aws.String("*"), aws.String(tag("other"))
	for _, tt := range []struct {
		key         string
		match, none *string
		want        string
	}{
		{"k", nil, star, "PreconditionFailed"},
		{"k", other, nil, "PreconditionFailed"},
		{"k", aws.String(`"d41d8cd98f00b204e9800998ecf8427e"`), nil, "PreconditionFailed"},
		{"missing", star, nil, "NoSuchKey"},
		{"missing", other, nil, "NoSuchKey"},
		{"new", nil, star, ""},
		{"k", first.ETag, nil, ""},
		{"k", first.ETag, nil, "PreconditionFailed"},
	} {
		if got := putIf(tt.key, tt.match, tt.none); got != tt.want {
			t.Errorf("put %s if-match %v if-none-match %v: %q, want %q", tt.key, aws.ToString(tt.match), aws.ToString(tt.none), got, tt.want)
		}
	}
	getIf := func(in s3.GetObjectInput) string {
		in.Bucket, in.Key = aws.String(bucket), aws.String("k")
		out, err := c.GetObject(ctx, &in)
		if err == nil {
			out.Body.Close()
		}
		return code(err)
	}
	now := aws.String(tag("two"))
	if got := getIf(s3.GetObjectInput{IfNoneMatch: now}); !strings.Contains(got, "304") && got != "NotModified" {
		t.Errorf("if-none-match that fits: %q", got)
	}
	if got := getIf(s3.GetObjectInput{IfMatch: other}); got != "PreconditionFailed" {
		t.Errorf("if-match that does not fit: %q", got)
	}
	if got := getIf(s3.GetObjectInput{IfMatch: now}); got != "" {
		t.Errorf("if-match that fits: %q", got)
	}
}

func TestCopyAndDelete(t *testing.T) {
	t.Parallel()
	_, c := newBucket(t)
	ctx := t.Context()
	put(t, c, bucket, "a b", "one")
	put(t, c, bucket, "a b", "two")
	if _, err := c.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: aws.String("other.repo")}); err != nil {
		t.Fatal(err)
	}
	cp := func(source, bucket, key string) string {
		_, err := c.CopyObject(ctx, &s3.CopyObjectInput{Bucket: &bucket, Key: &key, CopySource: &source})
		return code(err)
	}
	for _, tt := range [][4]string{
		{bucket + "/a%20b", bucket, "c", ""}, {"/" + bucket + "/a%20b?versionId=HEAD%5E%5E", "other.repo", "old", ""},
		{bucket + "/nosuch", bucket, "d", "NoSuchKey"}, {"nosuch.sales/a", bucket, "d", "NoSuchBucket"},
		{bucket + "/a%20b?versionId=HEAD%5E99", bucket, "d", "NoSuchVersion"}, {bucket + "/a%20b", bucket, "a b", "InvalidRequest"},
		{"nonsense", bucket, "d", "InvalidArgument"}, {bucket + "/a?x=y", bucket, "d", "InvalidArgument"},
	} {
		if got := cp(tt[0], tt[1], tt[2]); got != tt[3] {
			t.Errorf("copy %s to %s/%s: %q, want %q", tt[0], tt[1], tt[2], got, tt[3])
		}
	}
	if got, err := get(c, "other.repo", "old", ""); got != "one" {
		t.Errorf("copy of HEAD^^: %q, %v", got, err)
	}
	del, err := c.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: aws.String(bucket), Key: aws.String("a b")})
	if err != nil || !aws.ToBool(del.DeleteMarker) || aws.ToString(del.VersionId) == "" {
		t.Errorf("delete: %+v, %v", del, err)
	}
	if _, err := c.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: aws.String(bucket), Key: aws.String("a b")}); err != nil {
		t.Errorf("delete again: %v", err)
	}
	if got, err := get(c, bucket, "a b", "HEAD^"); got != "two" {
		t.Errorf("deleted object at HEAD^: %q, %v", got, err)
	}
	put(t, c, bucket, "x", "")
	put(t, c, bucket, "y", "")
	many, err := c.DeleteObjects(ctx, &s3.DeleteObjectsInput{Bucket: aws.String(bucket), Delete: &types.Delete{
		Objects: []types.ObjectIdentifier{{Key: aws.String("x")}, {Key: aws.String("y")}, {Key: aws.String("nosuch")}},
	}})
	if err != nil || len(many.Deleted) != 3 || len(many.Errors) != 0 {
		t.Errorf("delete many: %+v, %v", many, err)
	}
	if got, err := get(c, bucket, "x", "HEAD^"); err != nil {
		t.Errorf("both went in one commit: %q, %v", got, err)
	}
}

func TestList(t *testing.T) {
	t.Parallel()
	_, c := newBucket(t)
	ctx := t.Context()
	for _, k := range []string{"a", "b/1", "b/2", "c d", "e+f", "g\x01h", "z"} {
		put(t, c, bucket, k, k)
	}
	var got []string
	for p := s3.NewListObjectsV2Paginator(c, &s3.ListObjectsV2Input{Bucket: aws.String(bucket), Delimiter: aws.String("/"), MaxKeys: aws.Int32(2), EncodingType: types.EncodingTypeUrl}); p.HasMorePages(); {
		page, err := p.NextPage(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if int(*page.KeyCount) != len(page.Contents)+len(page.CommonPrefixes) {
			t.Errorf("KeyCount %d", *page.KeyCount)
		}
		for _, o := range page.Contents {
			got = append(got, *o.Key)
		}
		for _, p := range page.CommonPrefixes {
			got = append(got, *p.Prefix)
		}
	}
	if s := strings.Join(got, " "); s != "a b/ c%20d e%2Bf g%01h z" {
		t.Errorf("v2: %s", s)
	}
	v1, err := c.ListObjects(ctx, &s3.ListObjectsInput{Bucket: aws.String(bucket), Delimiter: aws.String("/"), MaxKeys: aws.Int32(2), EncodingType: types.EncodingTypeUrl})
	if err != nil || *v1.NextMarker != "b/" || !*v1.IsTruncated {
		t.Errorf("v1: %+v, %v", v1, err)
	}
	v1, err = c.ListObjects(ctx, &s3.ListObjectsInput{Bucket: aws.String(bucket), Delimiter: aws.String("/"), Marker: v1.NextMarker, EncodingType: types.EncodingTypeUrl})
	if err != nil || len(v1.Contents) != 4 || len(v1.CommonPrefixes) != 0 {
		t.Errorf("v1 continued: %+v, %v", v1, err)
	}
	zero, err := c.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: aws.String(bucket), MaxKeys: aws.Int32(0)})
	if err != nil || *zero.KeyCount != 0 || *zero.IsTruncated {
		t.Errorf("max-keys 0: %+v, %v", zero, err)
	}
}

// TestListIsOfOneState: the pages of a listing are of the commit that it began
// at, whatever is written between them.
func TestListIsOfOneState(t *testing.T) {
	t.Parallel()
	_, c := newBucket(t)
	ctx := t.Context()
	for _, k := range []string{"a", "b", "c", "d"} {
		put(t, c, bucket, k, "old")
	}
	var got []string
	for p := s3.NewListObjectsV2Paginator(c, &s3.ListObjectsV2Input{Bucket: aws.String(bucket), MaxKeys: aws.Int32(1)}); p.HasMorePages(); {
		page, err := p.NextPage(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range page.Contents {
			got = append(got, fmt.Sprint(*o.Key, *o.Size))
		}
		put(t, c, bucket, "d", "newer than all")
		put(t, c, bucket, "bb", "new")
		if _, err := c.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: aws.String(bucket), Key: aws.String("c")}); err != nil {
			t.Fatal(err)
		}
	}
	if s := strings.Join(got, " "); s != "a3 b3 c3 d3" {
		t.Errorf("listed %s", s)
	}
	for _, token := range []string{"x", "!", "AAAA"} {
		_, err := c.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: aws.String(bucket), ContinuationToken: aws.String(token)})
		if code(err) != "InvalidArgument" {
			t.Errorf("token %q: %v", token, err)
		}
	}
}

func TestMultipart(t *testing.T) {
	t.Parallel()
	s, c := newBucket(t)
	ctx := t.Context()
	data := make([]byte, 11<<20+5)
	rand.Read(data)
	key := aws.String("big")
	up, err := c.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: aws.String(bucket), Key: key, Metadata: map[string]string{"k": "v"}})
	if err != nil {
		t.Fatal(err)
	}
	var parts []types.CompletedPart
	for i := int32(2); i >= 0; i-- { // any order
		from, to := int(i)*5<<20, min(int(i+1)*5<<20, len(data))
		out, err := c.UploadPart(ctx, &s3.UploadPartInput{Bucket: aws.String(bucket), Key: key, UploadId: up.UploadId, PartNumber: aws.Int32(i + 1), Body: bytes.NewReader(data[from:to])})
		if err != nil {
			t.Fatal(err)
		}
		parts = append([]types.CompletedPart{{PartNumber: aws.Int32(i + 1), ETag: out.ETag}}, parts...)
	}
	list, err := c.ListParts(ctx, &s3.ListPartsInput{Bucket: aws.String(bucket), Key: key, UploadId: up.UploadId, MaxParts: aws.Int32(2)})
	if err != nil || len(list.Parts) != 2 || !*list.IsTruncated {
		t.Errorf("parts: %+v, %v", list, err)
	}
	ups, err := c.ListMultipartUploads(ctx, &s3.ListMultipartUploadsInput{Bucket: aws.String(bucket)})
	if err != nil || len(ups.Uploads) != 1 || *ups.Uploads[0].Key != "big" {
		t.Errorf("uploads: %+v, %v", ups, err)
	}
	if snap, err := s.fs.Open(ctx, pfs.Ref{Repo: "sales"}, pfs.ActList, ""); err != nil || snap.N != 0 {
		t.Errorf("an upload under way made %d commits, %v", snap.N, err)
	}
	complete := func(parts []types.CompletedPart) (*s3.CompleteMultipartUploadOutput, error) {
		return c.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{
			Bucket: aws.String(bucket), Key: key, UploadId: up.UploadId, MultipartUpload: &types.CompletedMultipartUpload{Parts: parts},
		})
	}
	for want, bad := range map[string][]types.CompletedPart{
		"InvalidPartOrder": {parts[1], parts[0]},
		"InvalidPart":      {{PartNumber: aws.Int32(9), ETag: aws.String("x")}},
		"EntityTooSmall":   nil,
	} {
		if bad == nil {
			continue
		}
		if _, err := complete(bad); code(err) != want {
			t.Errorf("complete: %v, want %s", err, want)
		}
	}
	wrong := append([]types.CompletedPart{{PartNumber: aws.Int32(1), ETag: aws.String(tag("other"))}}, parts[1:]...)
	if _, err := complete(wrong); code(err) != "InvalidPart" {
		t.Errorf("complete with another part's ETag: %v", err)
	}
	done, err := complete(parts)
	if err != nil || *done.ETag != tag(string(data)) {
		t.Fatalf("complete: %+v, %v", done, err)
	}
	again, err := complete(parts)
	if err != nil || *again.VersionId != *done.VersionId {
		t.Errorf("complete again: %+v, %v", again, err)
	}
	if got, err := get(c, bucket, "big", ""); got != string(data) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	h, err := c.HeadObject(ctx, &s3.HeadObjectInput{Bucket: aws.String(bucket), Key: key, PartNumber: aws.Int32(3)})
	if err != nil || *h.PartsCount != 3 || *h.ContentLength != 1<<20+5 || *h.ETag != *done.ETag || h.Metadata["k"] != "v" {
		t.Errorf("part 3: %+v, %v", h, err)
	}
	if one := put(t, c, bucket, "whole", string(data)); *one.ETag != *done.ETag {
		t.Errorf("in one piece the ETag is %s, in parts %s", *one.ETag, *done.ETag)
	}
	ab, err := c.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: aws.String(bucket), Key: key})
	if err != nil {
		t.Fatal(err)
	}
	abort := func() error {
		_, err := c.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: aws.String(bucket), Key: key, UploadId: ab.UploadId})
		return err
	}
	if err := abort(); err != nil {
		t.Error(err)
	}
	if err := abort(); code(err) != "NoSuchUpload" {
		t.Errorf("abort again: %v", err)
	}
}

// TestMinio: minio-go with its default settings, which sign chunks.
func TestMinio(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	c := s.minio(t)
	ctx := t.Context()
	if err := c.MakeBucket(ctx, bucket, minio.MakeBucketOptions{}); err != nil {
		t.Fatal(err)
	}
	data := make([]byte, 20<<20)
	rand.Read(data)
	first, err := c.PutObject(ctx, bucket, "dir/k", strings.NewReader("small"), 5, minio.PutObjectOptions{UserMetadata: map[string]string{"a": "b"}})
	if err != nil {
		t.Fatal(err)
	}
	info, err := c.PutObject(ctx, bucket, "dir/k", bytes.NewReader(data), int64(len(data)), minio.PutObjectOptions{})
	if err != nil || info.ETag != strings.Trim(tag(string(data)), `"`) {
		t.Fatalf("%+v, %v", info, err)
	}
	read := func(version string) string {
		o, err := c.GetObject(ctx, bucket, "dir/k", minio.GetObjectOptions{VersionID: version})
		if err != nil {
			t.Fatal(err)
		}
		defer o.Close()
		b, err := io.ReadAll(o)
		if err != nil {
			t.Error(err)
		}
		return string(b)
	}
	if read("") != string(data) || read("HEAD^") != "small" || read(first.VersionID) != "small" {
		t.Error("other content than was put")
	}
	var keys []string
	for o := range c.ListObjects(ctx, bucket, minio.ListObjectsOptions{Recursive: true}) {
		if o.Err != nil {
			t.Fatal(o.Err)
		}
		keys = append(keys, o.Key)
	}
	if len(keys) != 1 || keys[0] != "dir/k" {
		t.Errorf("list: %q", keys)
	}
	if err := c.RemoveObject(ctx, bucket, "dir/k", minio.RemoveObjectOptions{}); err != nil {
		t.Error(err)
	}
	u, err := c.PresignedGetObject(ctx, bucket, "dir/k", 60e9, map[string][]string{"versionId": {"HEAD^^"}})
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.Get(u.String())
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if b, err := io.ReadAll(resp.Body); string(b) != "small" {
		t.Errorf("presigned: %q, %v", b, err)
	}
}
