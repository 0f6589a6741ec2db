package gateway_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/minio/minio-go/v7"
	miniocreds "github.com/minio/minio-go/v7/pkg/credentials"

	"caret/pfs"
)

// TestMinioTrailingHeaders: a stock client that signs trailers stores objects and parts,
// with their checksums.
func TestMinioTrailingHeaders(t *testing.T) {
	t.Parallel()
	s, _ := newBucket(t)
	c, err := minio.New(strings.TrimPrefix(s.URL, "http://"), &minio.Options{
		Creds: miniocreds.NewStaticV4(accessKey, secretKey, ""), TrailingHeaders: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	data := bytes.Repeat([]byte("0123456789abcdef"), 1<<16*11/2) // 5.5 MiB
	for name, size := range map[string]int{"small": 10, "a chunk": 64 << 10, "parts": len(data)} {
		for _, sum := range []minio.ChecksumType{minio.ChecksumCRC32C, minio.ChecksumSHA256} {
			opt := minio.PutObjectOptions{Checksum: sum, PartSize: 5 << 20}
			if _, err := c.PutObject(t.Context(), bucket, name, bytes.NewReader(data[:size]), int64(size), opt); err != nil {
				t.Errorf("%s with %s: %v", name, sum, err)
				continue
			}
			o, err := c.GetObject(t.Context(), bucket, name, minio.GetObjectOptions{Checksum: true})
			if err != nil {
				t.Fatal(err)
			}
			var got bytes.Buffer
			if _, err := got.ReadFrom(o); err != nil || !bytes.Equal(got.Bytes(), data[:size]) {
				t.Errorf("%s with %s: %d bytes, %v", name, sum, got.Len(), err)
			}
		}
	}
}

// TestAnonymousOverrides: only who signs may override the headers of an answer.
func TestAnonymousOverrides(t *testing.T) {
	t.Parallel()
	s, c := newBucket(t)
	_, err := c.PutObject(t.Context(), &s3.PutObjectInput{
		Bucket: aws.String(bucket), Key: aws.String("k"), Body: strings.NewReader("x"), ACL: types.ObjectCannedACLPublicRead, ContentType: aws.String("text/plain"),
	})
	if err != nil {
		t.Fatal(err)
	}
	if status, _ := s.try(t, pfs.Key{}, "GET", "/master.sales/k"); status != 200 {
		t.Fatalf("a public object answers %d", status)
	}
	for _, name := range []string{
		"response-content-type", "response-content-language", "response-expires", "response-cache-control",
		"response-content-disposition", "response-content-encoding",
	} {
		for _, path := range []string{"/master.sales/k?", "/master.sales/none?"} {
			status, text, h := s.ask(t, pfs.Key{}, "GET", path+name+"=text/html", "")
			if status != 400 || errorCode(t, text) != "InvalidRequest" || strings.Contains(h.Get("Content-Type"), "html") {
				t.Errorf("%s%s: %d %s %v", path, name, status, text, h)
			}
		}
		if status, _ := s.try(t, pfs.Key{AccessKey: accessKey, Secret: secretKey}, "GET", "/master.sales/k?"+name+"=text/html"); status != 200 {
			t.Errorf("%s, signed: %d", name, status)
		}
	}
}
