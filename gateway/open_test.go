package gateway_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"caret/pfs"
)

// stageAll makes one write of every kind into the bucket of an open commit,
// whose parent has the objects old, gone, gone2 and tagged.
func stageAll(t *testing.T, c *s3.Client, open string) {
	t.Helper()
	ctx, b := t.Context(), aws.String(open)
	put(t, c, open, "put", "staged")
	put(t, c, open, "old", "newer")
	up, err := c.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: b, Key: aws.String("parts")})
	if err != nil {
		t.Fatal(err)
	}
	one, err := c.UploadPart(ctx, &s3.UploadPartInput{Bucket: b, Key: aws.String("parts"), UploadId: up.UploadId, PartNumber: aws.Int32(1), Body: bytes.NewReader(make([]byte, 5<<20))})
	if err != nil {
		t.Fatal(err)
	}
	two, err := c.UploadPartCopy(ctx, &s3.UploadPartCopyInput{Bucket: b, Key: aws.String("parts"), UploadId: up.UploadId, PartNumber: aws.Int32(2), CopySource: aws.String(bucket + "/old")})
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{
		Bucket: b, Key: aws.String("parts"), UploadId: up.UploadId, MultipartUpload: &types.CompletedMultipartUpload{Parts: []types.CompletedPart{
			{PartNumber: aws.Int32(1), ETag: one.ETag}, {PartNumber: aws.Int32(2), ETag: two.CopyPartResult.ETag},
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	for to, from := range map[string]string{"copied": bucket + "/old", "copied too": open + "/put"} {
		if _, err := c.CopyObject(ctx, &s3.CopyObjectInput{Bucket: b, Key: aws.String(to), CopySource: aws.String(from)}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: b, Key: aws.String("gone")}); err != nil {
		t.Fatal(err)
	}
	_, err = c.DeleteObjects(ctx, &s3.DeleteObjectsInput{Bucket: b, Delete: &types.Delete{Objects: []types.ObjectIdentifier{{Key: aws.String("gone2")}, {Key: aws.String("never")}}}})
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.PutObjectTagging(ctx, &s3.PutObjectTaggingInput{Bucket: b, Key: aws.String("tagged"), Tagging: &types.Tagging{TagSet: []types.Tag{{Key: aws.String("k"), Value: aws.String("v")}}}})
	if err != nil {
		t.Fatal(err)
	}
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	for _, name := range []string{"tar/1", "tar/2"} {
		if err := errors.Join(w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: 1}), second(w.Write([]byte("m")))); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	_, err = c.PutObject(ctx, &s3.PutObjectInput{Bucket: b, Key: aws.String("a.tar"), Body: bytes.NewReader(archive.Bytes()), Metadata: map[string]string{"snowball-auto-extract": "true"}})
	if err != nil {
		t.Fatal(err)
	}
}

func second[T any](_ T, err error) error { return err }

// keys lists a bucket.
func keys(t *testing.T, c *s3.Client, bucket string) string {
	t.Helper()
	out, err := c.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: &bucket})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, o := range out.Contents {
		names = append(names, *o.Key)
	}
	return strings.Join(names, ",")
}

// TestOpenCommitTakesEveryWrite: all kinds of writes are staged, seen there
// alone, and become one commit, or none.
func TestOpenCommitTakesEveryWrite(t *testing.T) {
	t.Parallel()
	s, c := newBucket(t)
	ctx := t.Context()
	for _, k := range []string{"old", "gone", "gone2", "tagged"} {
		put(t, c, bucket, k, "before")
	}
	version := put(t, c, bucket, "tagged", "before").VersionId
	before := keys(t, c, bucket)
	for _, finish := range []bool{false, true} {
		o, err := s.fs.StartCommit(ctx, pfs.Ref{Repo: "sales"}, pfs.WriteOptions{})
		if err != nil {
			t.Fatal(err)
		}
		open := o.ID.String() + ".master.sales"
		stageAll(t, c, open)
		after := "copied,copied too,old,parts,put,tagged,tar/1,tar/2"
		if got := keys(t, c, open); got != after {
			t.Errorf("staged %s", got)
		}
		if got := keys(t, c, bucket); got != before {
			t.Errorf("the branch has %s", got)
		}
		if !finish {
			if err := s.fs.AbortCommit(ctx, openRef("sales", o.ID)); err != nil {
				t.Fatal(err)
			}
			if got := keys(t, c, bucket); got != before {
				t.Errorf("aborted, and the branch has %s", got)
			}
			if _, err := get(c, open, "put", ""); code(err) != "NoSuchBucket" {
				t.Errorf("an aborted commit reads: %v", err)
			}
			continue
		}
		done, err := s.fs.FinishCommit(ctx, openRef("sales", o.ID), pfs.FinishOptions{})
		if err != nil || done.Files != 10 {
			t.Fatalf("%+v, %v", done, err)
		}
		for _, b := range []string{bucket, open} {
			if got := keys(t, c, b); got != after {
				t.Errorf("%s has %s", b, got)
			}
		}
		if got := keys(t, c, "HEAD-1.master.sales"); got != before {
			t.Errorf("its parent has %s", got)
		}
	}
	for key, want := range map[string]string{"old": "newer", "copied": "before", "copied too": "staged", "tar/2": "m", "tagged": "before"} {
		if got, err := get(c, bucket, key, ""); err != nil || got != want {
			t.Errorf("%s is %q, %v", key, got, err)
		}
	}
	if got, err := get(c, bucket, "parts", ""); err != nil || len(got) != 5<<20+len("before") || !strings.HasSuffix(got, "before") {
		t.Errorf("parts has %d bytes, %v", len(got), err)
	}
	tagged, err := c.GetObjectTagging(ctx, &s3.GetObjectTaggingInput{Bucket: aws.String(bucket), Key: aws.String("tagged")})
	if err != nil || len(tagged.TagSet) != 1 || *tagged.VersionId != *version {
		t.Errorf("tags %+v, %v: the version stays", tagged, err)
	}
	if _, err := c.PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String("HEAD-1.master.sales"), Key: aws.String("k")}); code(err) != "MethodNotAllowed" {
		t.Errorf("writing to history: %v", err)
	}
}

// TestOpenCommitsConflict: of two open commits that change the same object the
// second says so, and a strategy decides.
func TestOpenCommitsConflict(t *testing.T) {
	t.Parallel()
	s, c := newBucket(t)
	ctx := t.Context()
	put(t, c, bucket, "k", "base")
	var ids []pfs.CommitID
	for i := range 3 {
		o, err := s.fs.StartCommit(ctx, pfs.Ref{Repo: "sales"}, pfs.WriteOptions{})
		if err != nil {
			t.Fatal(err)
		}
		put(t, c, o.ID.String()+".master.sales", "k", fmt.Sprint("from ", i))
		put(t, c, o.ID.String()+".master.sales", fmt.Sprint("own", i), "x")
		ids = append(ids, o.ID)
	}
	for i, strategy := range []string{"", pfs.Ours, pfs.Theirs} {
		_, err := s.fs.FinishCommit(ctx, openRef("sales", ids[i]), pfs.FinishOptions{})
		var conflict *pfs.ConflictError
		if i > 0 && (!errors.As(err, &conflict) || conflict.Total != 1 || conflict.Conflicts[0].Path != "k" || conflict.Conflicts[0].Theirs.Commit != ids[i]) {
			t.Fatalf("finish %d: %v", i, err)
		}
		if i > 0 {
			_, err = s.fs.FinishCommit(ctx, openRef("sales", ids[i]), pfs.FinishOptions{Strategy: strategy})
		}
		if err != nil {
			t.Fatal(err)
		}
		want := []string{"from 0", "from 0", "from 2"}[i]
		if got, err := get(c, bucket, "k", ""); err != nil || got != want {
			t.Errorf("after %d k is %q, want %q, %v", i, got, want, err)
		}
	}
	// What both made the same is none.
	o, err := s.fs.StartCommit(ctx, pfs.Ref{Repo: "sales"}, pfs.WriteOptions{})
	if err != nil {
		t.Fatal(err)
	}
	put(t, c, o.ID.String()+".master.sales", "k", "agreed")
	put(t, c, bucket, "k", "not yet")
	put(t, c, bucket, "k", "agreed")
	if _, err := s.fs.FinishCommit(ctx, openRef("sales", o.ID), pfs.FinishOptions{}); err != nil {
		t.Errorf("finishing what the branch has too: %v", err)
	}
	if got := strings.Split(keys(t, c, bucket), ","); !slices.Equal(got, []string{"k", "own0", "own1", "own2"}) {
		t.Errorf("the branch has %s", got)
	}
}
