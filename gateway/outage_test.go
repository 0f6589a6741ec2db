package gateway_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"caret/objstore/local"
)

// TestFullDisk: a server that starts on a full disk answers all reads, and each write
// with an error of S3 that says why.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	ctx, dir := t.Context(), t.TempDir()
	s := serve(t, dir, local.Options{Reserve: -1})
	c := s.client()
	must := func(_ any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	b, key := aws.String(bucket), aws.String("key")
	must(c.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: b}))
	big := bytes.Repeat([]byte("0123456789abcdef"), 300_000)
	must(c.PutObject(ctx, &s3.PutObjectInput{Bucket: b, Key: key, Body: bytes.NewReader(big)}))
	up, err := c.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: b, Key: aws.String("up")})
	must(up, err)
	part, err := c.UploadPart(ctx, &s3.UploadPartInput{Bucket: b, Key: aws.String("up"), UploadId: up.UploadId, PartNumber: aws.Int32(1), Body: strings.NewReader("part")})
	must(part, err)
	s.stop()

	s = serve(t, dir, local.Options{Reserve: 1 << 60})
	c = s.client()
	get, err := c.GetObject(ctx, &s3.GetObjectInput{Bucket: b, Key: key})
	must(get, err)
	if got, err := io.ReadAll(get.Body); err != nil || !bytes.Equal(got, big) {
		t.Errorf("read %d bytes: %v", len(got), err)
	}
	must(c.HeadObject(ctx, &s3.HeadObjectInput{Bucket: b, Key: key}))
	must(c.ListBuckets(ctx, &s3.ListBucketsInput{}))
	must(c.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: b}))
	must(c.ListObjectVersions(ctx, &s3.ListObjectVersionsInput{Bucket: b}))
	must(c.ListMultipartUploads(ctx, &s3.ListMultipartUploadsInput{Bucket: b}))
	must(c.ListParts(ctx, &s3.ListPartsInput{Bucket: b, Key: aws.String("up"), UploadId: up.UploadId}))

	for what, do := range fullWrites(ctx, c, up.UploadId, part.ETag) {
		_, err := do(func(o *s3.Options) { o.RetryMaxAttempts = 1 })
		var code smithy.APIError
		var resp *smithyhttp.ResponseError
		if !errors.As(err, &code) || code.ErrorCode() != "InsufficientStorage" || !errors.As(err, &resp) || resp.HTTPStatusCode() != 507 ||
			!strings.Contains(code.ErrorMessage(), "not enough free disk space") {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// fullWrites are writes of each kind.
func fullWrites(ctx context.Context, c *s3.Client, upload, etag *string) map[string]func(func(*s3.Options)) (any, error) {
	b, key, up, source := aws.String(bucket), aws.String("key"), aws.String("up"), aws.String(bucket+"/key")
	put := func(n int) func(func(*s3.Options)) (any, error) {
		return func(o func(*s3.Options)) (any, error) {
			return c.PutObject(ctx, &s3.PutObjectInput{Bucket: b, Key: key, Body: bytes.NewReader(make([]byte, n))}, o)
		}
	}
	return map[string]func(func(*s3.Options)) (any, error){
		"put": put(1), "empty put": put(0), "larger put": put(400_000),
		"copy": func(o func(*s3.Options)) (any, error) {
			return c.CopyObject(ctx, &s3.CopyObjectInput{Bucket: b, Key: aws.String("copy"), CopySource: source}, o)
		},
		"delete": func(o func(*s3.Options)) (any, error) {
			return c.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: b, Key: key}, o)
		},
		"delete many": func(o func(*s3.Options)) (any, error) {
			return c.DeleteObjects(ctx, &s3.DeleteObjectsInput{Bucket: b, Delete: &types.Delete{Objects: []types.ObjectIdentifier{{Key: key}}}}, o)
		},
		"tags": func(o func(*s3.Options)) (any, error) {
			return c.PutObjectTagging(ctx, &s3.PutObjectTaggingInput{Bucket: b, Key: key, Tagging: &types.Tagging{TagSet: []types.Tag{}}}, o)
		},
		"acl": func(o func(*s3.Options)) (any, error) {
			return c.PutObjectAcl(ctx, &s3.PutObjectAclInput{Bucket: b, Key: key, ACL: types.ObjectCannedACLPublicRead}, o)
		},
		"bucket acl": func(o func(*s3.Options)) (any, error) {
			return c.PutBucketAcl(ctx, &s3.PutBucketAclInput{Bucket: b, ACL: types.BucketCannedACLPublicRead}, o)
		},
		"make bucket": func(o func(*s3.Options)) (any, error) {
			return c.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: aws.String("master.other")}, o)
		},
		"remove bucket": func(o func(*s3.Options)) (any, error) {
			return c.DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: b}, o)
		},
		"begin upload": func(o func(*s3.Options)) (any, error) {
			return c.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: b, Key: key}, o)
		},
		"part": func(o func(*s3.Options)) (any, error) {
			return c.UploadPart(ctx, &s3.UploadPartInput{Bucket: b, Key: up, UploadId: upload, PartNumber: aws.Int32(2), Body: strings.NewReader("two")}, o)
		},
		"copied part": func(o func(*s3.Options)) (any, error) {
			return c.UploadPartCopy(ctx, &s3.UploadPartCopyInput{Bucket: b, Key: up, UploadId: upload, PartNumber: aws.Int32(2), CopySource: source}, o)
		},
		"complete": func(o func(*s3.Options)) (any, error) {
			return c.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{Bucket: b, Key: up, UploadId: upload,
				MultipartUpload: &types.CompletedMultipartUpload{Parts: []types.CompletedPart{{PartNumber: aws.Int32(1), ETag: etag}}}}, o)
		},
		"abort": func(o func(*s3.Options)) (any, error) {
			return c.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: b, Key: up, UploadId: upload}, o)
		},
	}
}
