package gateway_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"caret/pfs"
)

// listed is a page of versions as "key id latest" or "key id latest deleted".
func listed(out *s3.ListObjectVersionsOutput, names map[string]string) []string {
	var rows []string
	add := func(key, id *string, latest *bool, deleted string) {
		text := *key + " " + names[*id]
		if aws.ToBool(latest) {
			text += " latest"
		}
		rows = append(rows, text+deleted)
	}
	// The SDK keeps versions and markers apart; their order is tested in pfs.
	for _, v := range out.Versions {
		add(v.Key, v.VersionId, v.IsLatest, "")
	}
	for _, v := range out.DeleteMarkers {
		add(v.Key, v.VersionId, v.IsLatest, " deleted")
	}
	slices.Sort(rows)
	return rows
}

// TestListVersions does what users of a versioned bucket do: list, delete,
// undelete, remove versions, read old ones.
func TestListVersions(t *testing.T) {
	t.Parallel()
	_, c := newBucket(t)
	ctx, b := t.Context(), aws.String(bucket)
	names := map[string]string{}
	for _, w := range []struct{ name, key string }{{"a1", "a"}, {"b1", "b"}, {"a2", "a"}, {"a3", "a"}} {
		names[*put(t, c, bucket, w.key, w.name).VersionId] = w.name
	}
	id := func(name string) *string {
		for k, v := range names {
			if v == name {
				return aws.String(k)
			}
		}
		t.Fatalf("no version %s", name)
		return nil
	}
	check := func(want ...string) {
		t.Helper()
		for _, limit := range []int32{1, 2, 1000} {
			var all s3.ListObjectVersionsOutput
			in := &s3.ListObjectVersionsInput{Bucket: b, MaxKeys: &limit}
			for {
				out, err := c.ListObjectVersions(ctx, in)
				if err != nil {
					t.Fatal(err)
				}
				all.Versions, all.DeleteMarkers = append(all.Versions, out.Versions...), append(all.DeleteMarkers, out.DeleteMarkers...)
				if !*out.IsTruncated {
					break
				}
				in.KeyMarker, in.VersionIdMarker = out.NextKeyMarker, out.NextVersionIdMarker
			}
			if got := listed(&all, names); !slices.Equal(got, want) {
				t.Errorf("pages of %d: %q, want %q", limit, got, want)
			}
		}
	}
	remove := func(key, version string) *s3.DeleteObjectOutput {
		t.Helper()
		in := &s3.DeleteObjectInput{Bucket: b, Key: &key}
		if version != "" {
			in.VersionId = id(version)
		}
		out, err := c.DeleteObject(ctx, in)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	read := func(key, version string) string {
		t.Helper()
		v := ""
		if version != "" {
			v = *id(version)
		}
		data, err := get(c, bucket, key, v)
		if err != nil {
			return code(err)
		}
		return data
	}
	check("a a1", "a a2", "a a3 latest", "b b1 latest")

	// A deletion is a marker, and removing that undoes it.
	out := remove("a", "")
	if !*out.DeleteMarker {
		t.Error("the deletion made no marker")
	}
	names[*out.VersionId] = "gone"
	check("a a1", "a a2", "a a3", "a gone latest deleted", "b b1 latest")
	if got := read("a", ""); got != "NoSuchKey" {
		t.Errorf("a deleted key reads %s", got)
	}
	if got := read("a", "gone"); got != "MethodNotAllowed" {
		t.Errorf("a delete marker reads %s", got)
	}
	if out := remove("a", "gone"); !aws.ToBool(out.DeleteMarker) || *out.VersionId != *id("gone") {
		t.Errorf("undelete answered %+v", out)
	}
	check("a a1", "a a2", "a a3 latest", "b b1 latest")
	if got := read("a", ""); got != "a3" {
		t.Errorf("after the undelete a reads %s", got)
	}

	// Removing the current version brings the one before it back, as itself.
	remove("a", "a3")
	check("a a1", "a a2 latest", "b b1 latest")
	head, err := c.HeadObject(ctx, &s3.HeadObjectInput{Bucket: b, Key: aws.String("a")})
	if err != nil || *head.VersionId != *id("a2") {
		t.Errorf("the current version is %s, %v", aws.ToString(head.VersionId), err)
	}
	// An older one goes from the list; history still has both.
	remove("a", "a1")
	check("a a2 latest", "b b1 latest")
	if read("a", "a1") != "a1" || read("a", "a3") != "a3" || read("a", "") != "a2" {
		t.Error("a commit does not read as it did")
	}
	// Removing what is not listed does nothing.
	before := aws.ToString(remove("a", "a1").VersionId)
	check("a a2 latest", "b b1 latest")
	if before == "" {
		t.Error("removing it again names no version")
	}

	// Conditions on what is deleted hold.
	cond, err := c.DeleteObjects(ctx, &s3.DeleteObjectsInput{Bucket: b, Delete: &types.Delete{Objects: []types.ObjectIdentifier{
		{Key: aws.String("a"), ETag: aws.String(tag("other"))}, {Key: aws.String("a"), VersionId: id("a2"), ETag: aws.String(tag("other"))},
		{Key: aws.String("b"), Size: aws.Int64(1)},
	}}})
	if err != nil || len(cond.Deleted) != 0 || len(cond.Errors) != 3 || *cond.Errors[0].Code != "NotImplemented" || *cond.Errors[1].Code != "PreconditionFailed" || *cond.Errors[2].Code != "PreconditionFailed" {
		t.Errorf("conditions: %+v, %v", cond, err)
	}
	if _, err := c.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: b, Key: aws.String("a"), VersionId: id("a2"), IfMatch: aws.String(tag("other"))}); code(err) != "PreconditionFailed" {
		t.Errorf("a condition on a version: %v", err)
	}
	check("a a2 latest", "b b1 latest")

	// Several at once are one commit.
	res, err := c.DeleteObjects(ctx, &s3.DeleteObjectsInput{Bucket: b, Delete: &types.Delete{Objects: []types.ObjectIdentifier{
		{Key: aws.String("a"), VersionId: id("a2")}, {Key: aws.String("b")}, {Key: aws.String("b"), VersionId: aws.String("HEAD^999999")},
	}}})
	if err != nil || len(res.Deleted) != 3 || len(res.Errors) != 0 {
		t.Fatalf("%+v, %v", res, err)
	}
	for _, d := range res.Deleted {
		if aws.ToBool(d.DeleteMarker) {
			names[*d.DeleteMarkerVersionId] = "b gone"
		}
	}
	check("b b gone latest deleted", "b b1")
	if got := read("a", ""); got != "NoSuchKey" {
		t.Errorf("a without versions reads %s", got)
	}
	put(t, c, bucket, "a", "again")
}

// TestVersionsDelimiter: common prefixes, markers and encodings of a list of
// versions.
func TestVersionsDelimiter(t *testing.T) {
	t.Parallel()
	_, c := newBucket(t)
	for _, k := range []string{"a", "dir/1", "dir/2", "dir/1", "z +\u00e9"} {
		put(t, c, bucket, k, k)
	}
	out, err := c.ListObjectVersions(t.Context(), &s3.ListObjectVersionsInput{Bucket: aws.String(bucket), Delimiter: aws.String("/"), MaxKeys: aws.Int32(2), EncodingType: "url"})
	if err != nil {
		t.Fatal(err)
	}
	if len(out.Versions) != 1 || len(out.CommonPrefixes) != 1 || *out.CommonPrefixes[0].Prefix != "dir/" || *out.NextKeyMarker != "dir/" || !*out.IsTruncated {
		t.Errorf("%+v", out)
	}
	out, err = c.ListObjectVersions(t.Context(), &s3.ListObjectVersionsInput{Bucket: aws.String(bucket), Delimiter: aws.String("/"), KeyMarker: out.NextKeyMarker, EncodingType: "url"})
	if err != nil || len(out.Versions) != 1 || *out.Versions[0].Key != "z%20%2B%C3%A9" {
		t.Errorf("%+v, %v", out, err)
	}
}

func tags(pairs ...string) *types.Tagging {
	set := &types.Tagging{TagSet: []types.Tag{}}
	for i := 0; i < len(pairs); i += 2 {
		set.TagSet = append(set.TagSet, types.Tag{Key: &pairs[i], Value: &pairs[i+1]})
	}
	return set
}

// TestTagging: tags of objects are in commits of their own, and leave the
// version as it is; tags of buckets are not versioned.
func TestTagging(t *testing.T) {
	t.Parallel()
	_, c := newBucket(t)
	ctx, b, k := t.Context(), aws.String(bucket), aws.String("k")
	out, err := c.PutObject(ctx, &s3.PutObjectInput{Bucket: b, Key: k, Body: strings.NewReader("x"), Tagging: aws.String("a=1&b=%20")})
	if err != nil {
		t.Fatal(err)
	}
	show := func(version *string) string {
		t.Helper()
		got, err := c.GetObjectTagging(ctx, &s3.GetObjectTaggingInput{Bucket: b, Key: k, VersionId: version})
		if err != nil {
			return code(err)
		}
		s := ""
		for _, tag := range got.TagSet {
			s += *tag.Key + "=" + *tag.Value + ";"
		}
		return s
	}
	if got := show(nil); got != "a=1;b= ;" {
		t.Errorf("tags %q", got)
	}
	set, err := c.PutObjectTagging(ctx, &s3.PutObjectTaggingInput{Bucket: b, Key: k, Tagging: tags("c", "3")})
	if err != nil || *set.VersionId != *out.VersionId {
		t.Errorf("the version is %s, was %s, %v", aws.ToString(set.VersionId), *out.VersionId, err)
	}
	if show(nil) != "c=3;" || show(out.VersionId) != "c=3;" || show(aws.String("HEAD^")) != "a=1;b= ;" {
		t.Errorf("tags now %q, of the version %q, before %q", show(nil), show(out.VersionId), show(aws.String("HEAD^")))
	}
	head, err := c.HeadObject(ctx, &s3.HeadObjectInput{Bucket: b, Key: k})
	if err != nil || aws.ToInt32(head.TagCount) != 1 {
		t.Errorf("%d tags counted, %v", aws.ToInt32(head.TagCount), err)
	}
	for _, tt := range []struct {
		directive types.TaggingDirective
		tagging   *string
		want      string
	}{{"", nil, "c=3;"}, {types.TaggingDirectiveReplace, aws.String("d=4"), "d=4;"}} {
		in := &s3.CopyObjectInput{Bucket: b, Key: aws.String("copy"), CopySource: aws.String(bucket + "/k"), TaggingDirective: tt.directive, Tagging: tt.tagging}
		if _, err := c.CopyObject(ctx, in); err != nil {
			t.Fatal(err)
		}
		got, err := c.GetObjectTagging(ctx, &s3.GetObjectTaggingInput{Bucket: b, Key: aws.String("copy")})
		if err != nil || len(got.TagSet) != 1 || *got.TagSet[0].Key+"="+*got.TagSet[0].Value+";" != tt.want {
			t.Errorf("directive %q: %+v, %v", tt.directive, got, err)
		}
	}
	put(t, c, bucket, "k", "y")
	_, err = c.PutObjectTagging(ctx, &s3.PutObjectTaggingInput{Bucket: b, Key: k, VersionId: out.VersionId, Tagging: tags("e", "5")})
	if code(err) != "MethodNotAllowed" {
		t.Errorf("tags of history: %v", err)
	}
	if _, err := c.DeleteObjectTagging(ctx, &s3.DeleteObjectTaggingInput{Bucket: b, Key: k}); err != nil || show(nil) != "" {
		t.Errorf("after the deletion %q, %v", show(nil), err)
	}
	var many []string
	for i := range 11 {
		many = append(many, fmt.Sprint("k", i), "v")
	}
	if _, err := c.PutObjectTagging(ctx, &s3.PutObjectTaggingInput{Bucket: b, Key: k, Tagging: tags(many...)}); code(err) != "BadRequest" {
		t.Errorf("11 tags: %v", err)
	}
	if _, err := c.GetBucketTagging(ctx, &s3.GetBucketTaggingInput{Bucket: b}); code(err) != "NoSuchTagSet" {
		t.Errorf("no tags: %v", err)
	}
	if _, err := c.PutBucketTagging(ctx, &s3.PutBucketTaggingInput{Bucket: b, Tagging: tags(many...)}); err != nil {
		t.Fatal(err)
	}
	if got, err := c.GetBucketTagging(ctx, &s3.GetBucketTaggingInput{Bucket: b}); err != nil || len(got.TagSet) != 11 {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := c.DeleteBucketTagging(ctx, &s3.DeleteBucketTaggingInput{Bucket: b}); err != nil {
		t.Error(err)
	}
	if _, err := c.GetBucketTagging(ctx, &s3.GetBucketTaggingInput{Bucket: b}); code(err) != "NoSuchTagSet" {
		t.Errorf("after the deletion: %v", err)
	}
}

// TestCopyPart: parts from objects, from old versions, and from ranges.
func TestCopyPart(t *testing.T) {
	t.Parallel()
	s, c := newBucket(t)
	ctx, b, k := t.Context(), aws.String(bucket), aws.String("joined")
	old := strings.Repeat("old data ", 700_000)
	put(t, c, bucket, "src", old)
	put(t, c, bucket, "src", "new")
	up, err := c.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: b, Key: k, ChecksumAlgorithm: types.ChecksumAlgorithmCrc64nvme})
	if err != nil {
		t.Fatal(err)
	}
	copyPart := func(n int32, source, span string) (*s3.UploadPartCopyOutput, error) {
		in := &s3.UploadPartCopyInput{Bucket: b, Key: k, UploadId: up.UploadId, PartNumber: &n, CopySource: aws.String(bucket + "/" + source)}
		if span != "" {
			in.CopySourceRange = &span
		}
		return c.UploadPartCopy(ctx, in)
	}
	stored := s.stored()
	var parts []types.CompletedPart
	for i, p := range []struct{ source, span string }{{"src?versionId=HEAD%5E", ""}, {"src?versionId=HEAD%5E", "bytes=9-5999999"}, {"src", "bytes=1-2"}} {
		n := int32(i + 1)
		out, err := copyPart(n, p.source, p.span)
		if err != nil {
			t.Fatal(err)
		}
		parts = append(parts, types.CompletedPart{PartNumber: &n, ETag: out.CopyPartResult.ETag, ChecksumCRC64NVME: out.CopyPartResult.ChecksumCRC64NVME})
	}
	if _, err := c.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{Bucket: b, Key: k, UploadId: up.UploadId, MultipartUpload: &types.CompletedMultipartUpload{Parts: parts}}); err != nil {
		t.Fatal(err)
	}
	want := old + old[9:6_000_000] + "ew"
	got, err := get(c, bucket, "joined", "")
	if err != nil || got != want {
		t.Errorf("%d bytes, %v, want %d", len(got), err, len(want))
	}
	if more := s.stored() - stored; more > 4<<20 {
		t.Errorf("%d bytes were stored for copies", more)
	}
	attrs, err := c.GetObjectAttributes(ctx, &s3.GetObjectAttributesInput{Bucket: b, Key: k, ObjectAttributes: types.ObjectAttributes("").Values()})
	if err != nil {
		t.Fatal(err)
	}
	if *attrs.ObjectSize != int64(len(want)) || `"`+*attrs.ETag+`"` != tag(want) || *attrs.ObjectParts.TotalPartsCount != 3 || attrs.Checksum.ChecksumCRC64NVME == nil {
		t.Errorf("attributes %+v", attrs)
	}
	up, err = c.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: b, Key: k})
	if err != nil {
		t.Fatal(err)
	}
	for span, want := range map[string]string{"bytes=1-3": "InvalidRange", "bytes=-1": "InvalidArgument", "bytes=1-": "InvalidArgument", "x": "InvalidArgument", "bytes=5-6": "InvalidRange"} {
		if _, err := copyPart(1, "src", span); code(err) != want {
			t.Errorf("range %s: %v, want %s", span, err, want)
		}
	}
	if _, err := copyPart(1, "absent", ""); code(err) != "NoSuchKey" {
		t.Errorf("an absent source: %v", err)
	}
}

// TestArchive: a tar becomes one commit, or nothing.
func TestArchive(t *testing.T) {
	t.Parallel()
	s, c := newBucket(t)
	var plain bytes.Buffer
	w := tar.NewWriter(&plain)
	for i := range 1200 {
		data := fmt.Sprintf("member %d", i)
		if err := w.WriteHeader(&tar.Header{Name: fmt.Sprintf("./d/%04d.txt", i), Size: int64(len(data)), Mode: 0o600}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(data)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	if _, err := z.Write(plain.Bytes()); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	in := func(body []byte) *s3.PutObjectInput {
		return &s3.PutObjectInput{
			Bucket: aws.String(bucket), Key: aws.String("a.tar"), Body: bytes.NewReader(body),
			Metadata: map[string]string{"snowball-auto-extract": "true", "snowball-prefix": "in"},
		}
	}
	if _, err := c.PutObject(t.Context(), in(zipped.Bytes()[:zipped.Len()/2])); err == nil {
		t.Error("half an archive was taken")
	}
	s.checkEmpty(t)
	// Nor is any of it staged in an open commit, which goes on.
	o, err := s.fs.StartCommit(t.Context(), pfs.Ref{Repo: "sales"}, pfs.WriteOptions{})
	if err != nil {
		t.Fatal(err)
	}
	staged := o.ID.String() + ".master.sales"
	for _, tt := range []struct {
		body []byte
		want int32
	}{{zipped.Bytes()[:zipped.Len()*9/10], 0}, {zipped.Bytes(), 1000}} {
		part := in(tt.body)
		part.Bucket = &staged
		if _, err := c.PutObject(t.Context(), part); (err == nil) != (tt.want > 0) {
			t.Errorf("%d bytes of an archive in an open commit: %v", len(tt.body), err)
		}
		list, err := c.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: &staged})
		if err != nil || *list.KeyCount != tt.want {
			t.Errorf("%d files are staged, want %d, %v", *list.KeyCount, tt.want, err)
		}
	}
	if err := s.fs.AbortCommit(t.Context(), openRef("sales", o.ID)); err != nil {
		t.Fatal(err)
	}
	s.checkEmpty(t)
	out, err := c.PutObject(t.Context(), in(zipped.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	snap, err := s.fs.Open(t.Context(), pfs.Ref{Repo: "sales"}, pfs.ActList, "")
	if err != nil || snap.N != 1 || snap.ID.String() != *out.VersionId {
		t.Errorf("%d commits, %v", snap.N, err)
	}
	if got, err := get(c, bucket, "in/d/0777.txt", ""); err != nil || got != "member 777" {
		t.Errorf("a member reads %q, %v", got, err)
	}
	if _, err := get(c, bucket, "a.tar", ""); code(err) != "NoSuchKey" {
		t.Errorf("the archive itself: %v", err)
	}
	// The same in parts, completed twice.
	up, err := c.CreateMultipartUpload(t.Context(), &s3.CreateMultipartUploadInput{
		Bucket: aws.String(bucket), Key: aws.String("a.tar"), Metadata: map[string]string{"snowball-auto-extract": "true", "snowball-prefix": "parts/"},
	})
	if err != nil {
		t.Fatal(err)
	}
	part, err := c.UploadPart(t.Context(), &s3.UploadPartInput{Bucket: aws.String(bucket), Key: aws.String("a.tar"), UploadId: up.UploadId, PartNumber: aws.Int32(1), Body: bytes.NewReader(plain.Bytes())})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		done, err := c.CompleteMultipartUpload(t.Context(), &s3.CompleteMultipartUploadInput{
			Bucket: aws.String(bucket), Key: aws.String("a.tar"), UploadId: up.UploadId,
			MultipartUpload: &types.CompletedMultipartUpload{Parts: []types.CompletedPart{{PartNumber: aws.Int32(1), ETag: part.ETag}}},
		})
		if err != nil || done.VersionId == nil {
			t.Fatalf("%+v, %v", done, err)
		}
	}
	snap, err = s.fs.Open(t.Context(), pfs.Ref{Repo: "sales"}, pfs.ActList, "")
	if err != nil || snap.N != 2 {
		t.Errorf("%d commits, %v", snap.N, err)
	}
	if got, err := get(c, bucket, "parts/d/1199.txt", ""); err != nil || got != "member 1199" {
		t.Errorf("a member reads %q, %v", got, err)
	}
}

// TestCORS: what a bucket allows pages of other origins.
func TestCORS(t *testing.T) {
	t.Parallel()
	s, c := newBucket(t)
	b := aws.String(bucket)
	if _, err := c.GetBucketCors(t.Context(), &s3.GetBucketCorsInput{Bucket: b}); code(err) != "NoSuchCORSConfiguration" {
		t.Errorf("none: %v", err)
	}
	_, err := c.PutBucketCors(t.Context(), &s3.PutBucketCorsInput{Bucket: b, CORSConfiguration: &types.CORSConfiguration{CORSRules: []types.CORSRule{
		{AllowedOrigins: []string{"https://*.example.com"}, AllowedMethods: []string{"GET", "PUT"}, AllowedHeaders: []string{"*"}, MaxAgeSeconds: aws.Int32(60)},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := c.GetBucketCors(t.Context(), &s3.GetBucketCorsInput{Bucket: b}); err != nil || len(got.CORSRules) != 1 {
		t.Errorf("%+v, %v", got, err)
	}
	ask := func(method, origin, want string) (int, http.Header) {
		r, err := http.NewRequestWithContext(t.Context(), method, s.URL+"/master.sales/k", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Origin", origin)
		if want != "" {
			r.Header.Set("Access-Control-Request-Method", want)
		}
		status, _, h := s.send(t, r)
		return status, h
	}
	if status, h := ask("OPTIONS", "https://a.example.com", "PUT"); status != 200 || h.Get("Access-Control-Allow-Origin") != "https://a.example.com" || h.Get("Access-Control-Max-Age") != "60" {
		t.Errorf("preflight: %d %v", status, h)
	}
	if status, _ := ask("OPTIONS", "https://a.example.com", "DELETE"); status != 403 {
		t.Errorf("preflight of what is not allowed: %d", status)
	}
	if status, h := ask("GET", "https://a.example.com", ""); status != 403 || h.Get("Access-Control-Allow-Origin") == "" {
		t.Errorf("a refused request tells the page nothing: %d %v", status, h)
	}
	if _, h := ask("GET", "https://evil.org", ""); h.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("another origin: %v", h)
	}
	if _, err := c.DeleteBucketCors(t.Context(), &s3.DeleteBucketCorsInput{Bucket: b}); err != nil {
		t.Error(err)
	}
}
