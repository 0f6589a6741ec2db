package gateway_test

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"caret/pfs"
)

// TestRefsAreNamed: what is refused because of what a name stands for says what that is,
// and what could be done: a tag, a protected branch, a name with dots.
func TestRefsAreNamed(t *testing.T) {
	t.Parallel()
	s, c := newBucket(t)
	ctx := t.Context()
	put(t, c, bucket, "k", "1")
	repo := strings.TrimPrefix(bucket, "master.")
	root := s.fs
	if _, err := root.CreateTag(ctx, repo, "v1", pfs.Ref{Repo: repo}, ""); err != nil {
		t.Fatal(err)
	}
	if _, err := root.CreateBranch(ctx, repo, "kept", pfs.BranchOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := root.ProtectBranch(ctx, repo, "kept", true); err != nil {
		t.Fatal(err)
	}
	write := func(bucket string) error {
		_, err := c.PutObject(ctx, &s3.PutObjectInput{Bucket: &bucket, Key: aws.String("k"), Body: strings.NewReader("2")})
		return err
	}
	create := func(bucket string) error {
		_, err := c.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &bucket})
		return err
	}
	remove := func(bucket string) error {
		_, err := c.DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: &bucket})
		return err
	}
	for _, x := range []struct {
		err        error
		code, text string
	}{
		{write("v1." + repo), "MethodNotAllowed", "v1 is a tag of repo " + repo + ": a tag can't be written to; write to " + bucket},
		{remove("v1." + repo), "MethodNotAllowed", "v1 is a tag"},
		{create("v1." + repo), "BucketAlreadyOwnedByYou", "it is a tag"},
		{write("v1.v1." + repo), "NoSuchBucket", "v1 in repo " + repo + " is a tag"},
		{write("kept." + repo), "AccessDenied", "branch kept of repo " + repo + " is protected: it takes merges only, and those of its owner"},
		{remove("kept." + repo), "AccessDenied", "has to unprotect it first"},
		{create("v1.0." + repo), "InvalidBucketName", "v1-0." + repo + " is one"},
		{create("my.new.files.repo"), "InvalidBucketName", "my-new-files.repo is one"},
	} {
		if code(x.err) != x.code || !strings.Contains(x.err.Error(), x.text) {
			t.Errorf("%v, want %s with %q", x.err, x.code, x.text)
		}
	}
}
