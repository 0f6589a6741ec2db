package gateway_test

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
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
	// A body of which nothing is read may cost its client the answer on a connection.
	put := func() *httptest.ResponseRecorder {
		in, err := s3.NewPresignClient(c).PresignPutObject(ctx, &s3.PutObjectInput{Bucket: b, Key: aws.String("large")})
		if err != nil {
			t.Fatal(err)
		}
		w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodPut, in.URL, bytes.NewReader(large))
		s.Config.Handler.ServeHTTP(w, r)
		return w
	}
	if w := put(); w.Code != http.StatusOK {
		t.Fatal(w)
	}
	fine("at first", needy, "get", "list", "delete")
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
		err := do(func(o *s3.Options) { o.RetryMaxAttempts = 1 })
		var code smithy.APIError
		var resp *smithyhttp.ResponseError
		if !errors.As(err, &code) || code.ErrorCode() != "SlowDown" || !errors.As(err, &resp) || resp.HTTPStatusCode() != http.StatusServiceUnavailable ||
			resp.Response.Header.Get("Retry-After") == "" {
			t.Errorf("without memory, %s: %v", name, err)
		}
	}
	if w := put(); w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" || !strings.Contains(w.Body.String(), "<Code>SlowDown</Code>") {
		t.Errorf("without memory, put: %d %s", w.Code, w.Body)
	}
	fine("without memory", modest, "small put", "small get", "head")
	for _, share := range others {
		share.Release()
	}
	if w := put(); w.Code != http.StatusOK {
		t.Errorf("in the end, put: %d %s", w.Code, w.Body)
	}
	fine("in the end", needy, "get", "list", "delete")
	s.Close() // waits for requests under way
	if used := memory.Stats().Used; used != 0 {
		t.Errorf("%d bytes are held in the end", used)
	}
}
