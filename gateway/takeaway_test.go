package gateway_test

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"caret/pfs"
)

// TestTakeAwayWhereProtected: a protected branch lets access be taken away, from the
// branch and from each version, and gives nobody more.
func TestTakeAwayWhereProtected(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	c := s.client()
	b, k := aws.String("master.sales"), aws.String("k")
	if _, err := c.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: b, ACL: types.BucketCannedACLPublicReadWrite}); err != nil {
		t.Fatal(err)
	}
	var versions []string
	for range 2 {
		out, err := c.PutObject(t.Context(), &s3.PutObjectInput{Bucket: b, Key: k, Body: strings.NewReader("x"), ACL: types.ObjectCannedACLPublicRead})
		if err != nil {
			t.Fatal(err)
		}
		versions = append(versions, *out.VersionId)
	}
	protect := func(on bool) {
		t.Helper()
		if _, err := s.fs.ProtectBranch(t.Context(), "sales", "master", on); err != nil {
			t.Fatal(err)
		}
	}
	protect(true)
	bucketACL := func(canned types.BucketCannedACL) string {
		_, err := c.PutBucketAcl(t.Context(), &s3.PutBucketAclInput{Bucket: b, ACL: canned})
		return code(err)
	}
	fileACL := func(version string, canned types.ObjectCannedACL) string {
		in := &s3.PutObjectAclInput{Bucket: b, Key: k, ACL: canned}
		if version != "" {
			in.VersionId = &version
		}
		_, err := c.PutObjectAcl(t.Context(), in)
		return code(err)
	}
	for _, step := range []struct {
		what, got, want string
	}{
		{"the bucket, to fewer", bucketACL(types.BucketCannedACLPublicRead), ""},
		{"the bucket, to more", bucketACL(types.BucketCannedACLPublicReadWrite), "AccessDenied"},
		{"the bucket, to fewer", bucketACL(types.BucketCannedACLAuthenticatedRead), ""},
		{"the bucket, to nobody", bucketACL(types.BucketCannedACLPrivate), ""},
		{"the bucket, to more", bucketACL(types.BucketCannedACLAuthenticatedRead), "AccessDenied"},
		{"the file, to fewer", fileACL("", types.ObjectCannedACLAuthenticatedRead), ""},
		{"the file, to more", fileACL("", types.ObjectCannedACLPublicRead), "AccessDenied"},
		{"the file, to nobody", fileACL("", types.ObjectCannedACLPrivate), ""},
		{"an old version, to more", fileACL(versions[0], types.ObjectCannedACLPublicReadWrite), "AccessDenied"},
		{"an old version, to nobody", fileACL(versions[0], types.ObjectCannedACLPrivate), ""},
		{"an old version, to more", fileACL(versions[0], types.ObjectCannedACLPublicRead), "AccessDenied"},
	} {
		if step.got != step.want {
			t.Errorf("%s: %q, want %q", step.what, step.got, step.want)
		}
	}
	for _, path := range []string{"/master.sales", "/master.sales/k", "/master.sales/k?versionId=" + versions[0]} {
		if status, _ := s.try(t, pfs.Key{}, "GET", path); status != 403 {
			t.Errorf("%s, taken away, answers %d", path, status)
		}
	}
	if _, err := c.PutBucketTagging(t.Context(), &s3.PutBucketTaggingInput{Bucket: b, Tagging: &types.Tagging{TagSet: []types.Tag{{Key: k, Value: k}}}}); code(err) != "AccessDenied" {
		t.Errorf("tags of a protected branch: %v", err)
	}
	protect(false)
	if got := bucketACL(types.BucketCannedACLPublicReadWrite); got != "" {
		t.Errorf("once it is not protected: %s", got)
	}
}

// halfHeld is a body of which the rest is sent when it is released.
func halfHeld(body []byte, first int) (*heldBody, io.Reader) {
	h := &heldBody{Reader: bytes.NewReader(body[first:]), asked: make(chan struct{}), release: make(chan struct{})}
	return h, io.MultiReader(bytes.NewReader(body[:first]), h)
}

// clientAs is client with another key.
func (s server) clientAs(k pfs.Key) *s3.Client {
	o := s.client().Options()
	o.Credentials = credentials.NewStaticCredentialsProvider(k.AccessKey, k.Secret, "")
	return s3.New(o)
}

// underWay is a request whose body is under way when its caller is denied everything.
type underWay struct {
	method, path string
	header       map[string]string
	body         []byte
	unsigned     bool // by a header: it is a form
}

// TestTakenAwayUnderWay: whoever has begun an upload, of whatever kind, is refused at its
// end if the grant or the key was taken away meanwhile, and nothing is written.
func TestTakenAwayUnderWay(t *testing.T) {
	t.Parallel()
	for how, takeAway := range map[string]func(s server, id string) error{
		"grant": func(s server, _ string) error {
			return s.fs.ChangeSettings(context.Background(), pfs.Ref{Repo: "sales"}, pfs.ActOwn, func(set *pfs.Settings) error {
				set.ACL.Grants = set.ACL.Grants[:1]
				return nil
			})
		},
		"key": func(s server, id string) error {
			_, err := s.fs.DeleteKey(context.Background(), id, false)
			return err
		},
	} {
		for _, what := range []string{"put", "put into an open commit", "part", "complete", "archive", "archive in parts", "form", "delete", "tags", "part copy", "put acl"} {
			t.Run(what+" without "+how, func(t *testing.T) {
				t.Parallel()
				s, c := newBucket(t)
				u, key := s.user(t, "ann")
				put(t, c, bucket, "there", "x")
				root := pfs.RootUser
				err := s.fs.ChangeSettings(t.Context(), pfs.Ref{Repo: "sales"}, pfs.ActOwn, func(set *pfs.Settings) error {
					set.ACL.Grants = []pfs.Grant{{User: root, Permission: pfs.PermFullControl}, {User: u.ID, Permission: pfs.PermFullControl}}
					return nil
				})
				if err != nil {
					t.Fatal(err)
				}
				put(t, s.clientAs(key), bucket, "hers", "x")
				op := s.underWay(t, key, what)
				before := headOf(t, s)
				status, text := s.holdHalf(t, key, op, func() {
					if err := takeAway(s, key.AccessKey); err != nil {
						t.Error(err)
					}
				})
				if what == "put acl" && how == "grant" {
					if status != 200 { // the version is hers, whatever becomes of the branch
						t.Errorf("the ACL of her own version: %d %s", status, text)
					}
					return
				}
				if status != 403 {
					t.Errorf("answers %d %s", status, text)
				}
				if now := headOf(t, s); now != before {
					t.Errorf("the head has become %s", now)
				}
			})
		}
	}
}

func headOf(t *testing.T, s server) string {
	t.Helper()
	snap, err := s.fs.Open(t.Context(), pfs.Ref{Repo: "sales"}, pfs.ActList, "")
	if err != nil {
		t.Fatal(err)
	}
	return snap.ID.String()
}

// underWay begins what a user does and returns the request that is to be its last.
func (s server) underWay(t *testing.T, key pfs.Key, what string) underWay {
	t.Helper()
	c, b, k := s.clientAs(key), aws.String(bucket), aws.String("k")
	large := bytes.Repeat([]byte("0123456789abcdef"), 1<<14)
	put := underWay{method: "PUT", path: "/master.sales/k", body: large}
	var packed bytes.Buffer
	w := tar.NewWriter(&packed)
	for i := range 3 {
		err := errors.Join(w.WriteHeader(&tar.Header{Name: fmt.Sprint("m", i), Mode: 0o644, Size: 1000}), func() error { _, err := w.Write(make([]byte, 1000)); return err }())
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	upload := func(meta map[string]string, part []byte) (id, etag string) {
		t.Helper()
		u, err := c.CreateMultipartUpload(t.Context(), &s3.CreateMultipartUploadInput{Bucket: b, Key: k, Metadata: meta})
		if err != nil {
			t.Fatal(err)
		}
		p, err := c.UploadPart(t.Context(), &s3.UploadPartInput{Bucket: b, Key: k, UploadId: u.UploadId, PartNumber: aws.Int32(1), Body: bytes.NewReader(part)})
		if err != nil {
			t.Fatal(err)
		}
		return *u.UploadId, *p.ETag
	}
	complete := func(id, etag string) underWay {
		doc := "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>" + etag + "</ETag></Part></CompleteMultipartUpload>"
		return underWay{method: "POST", path: "/master.sales/k?uploadId=" + id, body: []byte(doc)}
	}
	switch what {
	case "put into an open commit":
		o, err := s.sys.As(pfs.Holder(key.AccessKey)).StartCommit(t.Context(), pfs.Ref{Repo: "sales"}, pfs.WriteOptions{})
		if err != nil {
			t.Fatal(err)
		}
		put.path = "/" + o.ID.String() + ".master.sales/k"
	case "part":
		id, _ := upload(nil, large)
		put.path += "?partNumber=2&uploadId=" + id
	case "part copy":
		id, _ := upload(nil, large)
		put.path += "?partNumber=2&uploadId=" + id
		put.header, put.body = map[string]string{"X-Amz-Copy-Source": "master.sales/hers"}, nil
	case "complete":
		return complete(upload(nil, large))
	case "archive":
		put.header, put.body = map[string]string{"X-Amz-Meta-Snowball-Auto-Extract": "true"}, packed.Bytes()
	case "archive in parts":
		return complete(upload(map[string]string{"snowball-auto-extract": "true"}, packed.Bytes()))
	case "delete":
		return underWay{method: "POST", path: "/master.sales?delete", body: []byte("<Delete><Object><Key>there</Key></Object></Delete>")}
	case "tags":
		put.path, put.body = "/master.sales/there?tagging", []byte("<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>")
	case "put acl":
		put.path, put.body = "/master.sales/hers?acl", []byte(policyOf(s.idOf(t, "ann")))
	case "form":
		return s.formUnderWay(t, key, large)
	}
	return put
}

func (s server) idOf(t *testing.T, name string) string {
	t.Helper()
	u, err := s.fs.User(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return u.ID
}

func (s server) formUnderWay(t *testing.T, key pfs.Key, file []byte) underWay {
	t.Helper()
	signed, err := s3.NewPresignClient(s.clientAs(key)).PresignPostObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String(bucket), Key: aws.String("k")})
	if err != nil {
		t.Fatal(err)
	}
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	for name, value := range signed.Values {
		if err := w.WriteField(name, value); err != nil {
			t.Fatal(err)
		}
	}
	f, err := w.CreateFormFile("file", "f")
	if err == nil {
		_, err = f.Write(file)
	}
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return underWay{method: "POST", path: "/master.sales", header: map[string]string{"Content-Type": w.FormDataContentType()}, body: body.Bytes(), unsigned: true}
}

// holdHalf sends half of a request's body, runs meanwhile, sends the rest and returns the
// answer.
func (s server) holdHalf(t *testing.T, key pfs.Key, op underWay, meanwhile func()) (int, string) {
	t.Helper()
	h, body := halfHeld(op.body, len(op.body)/2)
	r, err := http.NewRequestWithContext(t.Context(), op.method, s.URL+op.path, body)
	if err != nil {
		t.Fatal(err)
	}
	r.ContentLength = int64(len(op.body))
	for name, value := range op.header {
		r.Header.Set(name, value)
	}
	if !op.unsigned {
		sign(t, r, key.AccessKey, key.Secret, time.Now())
	}
	if len(op.body) == 0 { // then before it
		r.Body = http.NoBody
		meanwhile()
		return s.status(t, r)
	}
	go func() {
		<-h.asked
		meanwhile()
		close(h.release)
	}()
	return s.status(t, r)
}

func (s server) status(t *testing.T, r *http.Request) (int, string) {
	t.Helper()
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

// TestProtectedThroughOpenCommit: who owns a version on a protected branch opens it to
// nobody by way of an open commit either, but takes access away, and does as it likes
// with what it has staged.
func TestProtectedThroughOpenCommit(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	u, key := s.user(t, "ann")
	s.hideBranch(t, func(a *pfs.ACL) { a.Grants = append(a.Grants, pfs.Grant{User: u.ID, Permission: pfs.PermWrite}) })
	if status, text, _ := s.ask(t, key, "PUT", "/dev.sales/mine", "mine"); status != 200 {
		t.Fatalf("put: %d %s", status, text)
	}
	o, err := s.sys.As(pfs.Holder(key.AccessKey)).StartCommit(t.Context(), pfs.Ref{Repo: "sales", Branch: "dev"}, pfs.WriteOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.fs.ProtectBranch(t.Context(), "sales", "dev", true); err != nil {
		t.Fatal(err)
	}
	bucket := "/" + o.ID.String() + ".sales/"
	for _, step := range []struct {
		method, path, acl string
		want              int
	}{
		{"PUT", "/dev.sales/mine?acl", "public-read", 403},
		{"PUT", bucket + "mine?acl", "public-read", 403},
		{"PUT", bucket + "mine?acl", "private", 200},
		{"PUT", bucket + "staged", "private", 200},
		{"PUT", bucket + "staged?acl", "public-read", 200},
		{"GET", "/dev.sales/mine", "", 200},
	} {
		var header []string
		if step.acl != "" {
			header = []string{"X-Amz-Acl", step.acl}
		}
		if status, text, _ := s.ask(t, key, step.method, step.path, "", header...); status != step.want {
			t.Errorf("%s %s %s answers %d %s, want %d", step.method, step.path, step.acl, status, text, step.want)
		}
	}
	if status, _, _ := s.ask(t, pfs.Key{}, "GET", "/dev.sales/mine", ""); status != 403 {
		t.Errorf("the anonymous reads the file: %d", status)
	}
}
