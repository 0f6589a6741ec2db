package gateway_test

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"caret/objstore/budget"
	"caret/objstore/local"
	"caret/pfs"
)

// TestSlowDown: a request for which there is no memory is told to come again, what
// needs none of it goes on, and all is well once it is there.
func TestSlowDown(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	memory := budget.New(budget.Least, 50*time.Millisecond)
	s := serveWith(t, t.TempDir(), local.Options{Reserve: -1}, pfs.Options{Budget: memory})
	c := s.client()
	b := aws.String(bucket)
	if _, err := c.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: b}); err != nil {
		t.Fatal(err)
	}
	large := bytes.Repeat([]byte("0123456789abcdef"), 300_000)
	deletions := &types.Delete{}
	for i := range 1000 {
		deletions.Objects = append(deletions.Objects, types.ObjectIdentifier{Key: aws.String(fmt.Sprintf("%0500d", i))})
	}
	type requests map[string]func(...func(*s3.Options)) error
	needy := requests{
		"put": func(o ...func(*s3.Options)) error {
			_, err := c.PutObject(ctx, &s3.PutObjectInput{Bucket: b, Key: aws.String("large"), Body: bytes.NewReader(large)}, o...)
			return err
		},
		"get": func(o ...func(*s3.Options)) error {
			out, err := c.GetObject(ctx, &s3.GetObjectInput{Bucket: b, Key: aws.String("large")}, o...)
			if err == nil {
				defer out.Body.Close()
				var got bytes.Buffer
				if _, err = got.ReadFrom(out.Body); err == nil && !bytes.Equal(got.Bytes(), large) {
					err = errors.New("other bytes")
				}
			}
			return err
		},
		"list": func(o ...func(*s3.Options)) error {
			_, err := c.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: b}, o...)
			return err
		},
		"delete": func(o ...func(*s3.Options)) error {
			_, err := c.DeleteObjects(ctx, &s3.DeleteObjectsInput{Bucket: b, Delete: deletions}, o...)
			return err
		},
	}
	modest := requests{
		"small put": func(o ...func(*s3.Options)) error {
			_, err := c.PutObject(ctx, &s3.PutObjectInput{Bucket: b, Key: aws.String("small"), Body: strings.NewReader("small")}, o...)
			return err
		},
		"small get": func(o ...func(*s3.Options)) error {
			out, err := c.GetObject(ctx, &s3.GetObjectInput{Bucket: b, Key: aws.String("small")}, o...)
			if err == nil {
				out.Body.Close()
			}
			return err
		},
		"head": func(o ...func(*s3.Options)) error {
			_, err := c.HeadObject(ctx, &s3.HeadObjectInput{Bucket: b, Key: aws.String("large")}, o...)
			return err
		},
	}
	fine := func(when string, list requests, names ...string) {
		t.Helper()
		for _, name := range names {
			if err := list[name](); err != nil {
				t.Errorf("%s, %s: %v", when, name, err)
			}
		}
	}
	fine("at first", needy, "put", "get", "list", "delete")
	fine("at first", modest, "small put")
	var others []*budget.Share
	for _, k := range []budget.Kind{budget.Work, budget.Window, budget.Writing, budget.Reading} {
		for range 2 { // each has half at most
			share, err := memory.Take(ctx, k, budget.Least)
			if err != nil {
				t.Fatal(err)
			}
			others = append(others, share)
		}
	}
	for name, do := range needy {
		err := do(func(o *s3.Options) { o.RetryMaxAttempts, o.ContinueHeaderThresholdBytes = 1, 1 })
		var code smithy.APIError
		var resp *smithyhttp.ResponseError
		if !errors.As(err, &code) || code.ErrorCode() != "SlowDown" || !errors.As(err, &resp) || resp.HTTPStatusCode() != http.StatusServiceUnavailable ||
			resp.Response.Header.Get("Retry-After") == "" {
			t.Errorf("without memory, %s: %v", name, err)
		}
	}
	fine("without memory", modest, "small put", "small get", "head")
	for _, share := range others {
		share.Release()
	}
	fine("in the end", needy, "put", "get", "list", "delete")
	s.Close() // waits for requests under way
	if used := memory.Stats().Used; used != 0 {
		t.Errorf("%d bytes are held in the end", used)
	}
}
