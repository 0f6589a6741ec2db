package gateway_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"caret/gateway/acl"
	"caret/pfs"
)

// heldBody is a body that is sent when released; asked is closed when the
// server wants it, which is after it has decided whether the caller may.
type heldBody struct {
	io.Reader
	asked, release chan struct{}
	begun          bool
}

func (h *heldBody) Read(p []byte) (int, error) {
	if !h.begun {
		h.begun = true
		close(h.asked)
		<-h.release
	}
	return h.Reader.Read(p)
}

// hold begins a request, runs meanwhile before its body is sent, and returns
// the status.
func (s server) hold(t *testing.T, key pfs.Key, method, path, body string, meanwhile func()) int {
	t.Helper()
	h := &heldBody{Reader: strings.NewReader(body), asked: make(chan struct{}), release: make(chan struct{})}
	r, err := http.NewRequestWithContext(t.Context(), method, s.URL+path, h)
	if err != nil {
		t.Fatal(err)
	}
	r.ContentLength = int64(len(body))
	r.Header.Set("Expect", "100-continue")
	sign(t, r, key.AccessKey, key.Secret, time.Now())
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.ExpectContinueTimeout = time.Minute
	defer transport.CloseIdleConnections()
	go func() {
		<-h.asked
		meanwhile()
		close(h.release)
	}()
	resp, err := (&http.Client{Transport: transport}).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode
}

func (s server) user(t *testing.T, name string) (pfs.User, pfs.Key) {
	t.Helper()
	u, err := s.fs.CreateUser(t.Context(), pfs.User{Name: name})
	if err != nil {
		t.Fatal(err)
	}
	return u, s.key(t, pfs.Key{User: name})
}

// policyOf is a document that gives a user everything.
func policyOf(id string) string {
	return `<AccessControlPolicy><Owner><ID>` + id + `</ID></Owner><AccessControlList><Grant><Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="CanonicalUser"><ID>` +
		id + `</ID></Grantee><Permission>FULL_CONTROL</Permission></Grant></AccessControlList></AccessControlPolicy>`
}

// TestSlowRequests: what happens between the decision that a caller may and
// the end of its body gives it nothing.
func TestSlowRequests(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	c := s.client()
	alice, key := s.user(t, "alice")
	bob, bobKey := s.user(t, "bob")
	b := aws.String("master.open")
	if _, err := c.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: b, ACL: types.BucketCannedACLPublicReadWrite}); err != nil {
		t.Fatal(err)
	}
	// The ACL of her own version of k, which the owner replaces meanwhile.
	if status, _ := s.try(t, key, "PUT", "/master.open/k"); status != 200 {
		t.Fatalf("put: %d", status)
	}
	s.hold(t, key, "PUT", "/master.open/k?acl", policyOf(alice.ID), func() { put(t, c, "master.open", "k", "secret") })
	if status, code := s.try(t, key, "GET", "/master.open/k"); code != "AccessDenied" {
		t.Errorf("what the owner wrote meanwhile answers %d %s", status, code)
	}
	// Settings, ACLs and content of a bucket that becomes somebody else's.
	for _, op := range []struct{ method, path, body string }{
		{"PUT", "/master.s?acl", policyOf(alice.ID)},
		{"PUT", "/master.s?tagging", "<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>"},
		{"PUT", "/master.s/k?acl", policyOf(alice.ID)},
		{"PUT", "/master.s/k", "hers"},
	} {
		s.makeBucket(t, "s", alice.ID, "private")
		status := s.hold(t, key, op.method, op.path, op.body, func() {
			if _, err := s.fs.DeleteRepo(t.Context(), "s", pfs.DeleteOptions{Force: true}); err != nil {
				t.Error(err)
			}
			s.makeBucket(t, "s", bob.ID, "private")
		})
		if status != 403 {
			t.Errorf("%s %s on what is another bucket now: %d", op.method, op.path, status)
		}
		if status, code := s.try(t, key, "GET", "/master.s/k"); code != "AccessDenied" {
			t.Errorf("after %s %s bob's object answers %d %s", op.method, op.path, status, code)
		}
		if status, _ := s.try(t, bobKey, "GET", "/master.s/k"); status != 200 {
			t.Errorf("after %s %s bob gets %d", op.method, op.path, status)
		}
		if _, err := s.fs.DeleteRepo(t.Context(), "s", pfs.DeleteOptions{Force: true}); err != nil {
			t.Fatal(err)
		}
	}
}

// TestOpenCommitAccess: an open commit opens nothing that its branch does not.
func TestOpenCommitAccess(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	ctx := t.Context()
	alice, key := s.user(t, "alice")
	s.makeBucket(t, "r", "root", "private")
	grants, err := acl.Canned("private", false, "root", "root")
	if err != nil {
		t.Fatal(err)
	}
	err = s.fs.ChangeSettings(ctx, pfs.Ref{Repo: "r"}, pfs.ActOwn, func(set *pfs.Settings) error {
		set.ACL.Grants = append(grants, pfs.Grant{User: alice.ID, Permission: pfs.PermWrite})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	o, err := s.sys.As(pfs.Holder(key.AccessKey)).StartCommit(ctx, pfs.Ref{Repo: "r"}, pfs.WriteOptions{})
	if err != nil {
		t.Fatal(err)
	}
	in := "/" + o.ID.String() + ".master.r"
	for path, want := range map[string]int{in + "/k": 403, in: 403, in + "?versions": 403} {
		if status, _ := s.try(t, key, "GET", path); status != want {
			t.Errorf("%s answers %d, want %d", path, status, want)
		}
	}
	if status, _ := s.try(t, key, "PUT", in+"/hers"); status != 200 {
		t.Errorf("staging answers %d", status)
	}
	if status, _ := s.try(t, key, "GET", in+"/hers"); status != 200 {
		t.Errorf("what she staged answers %d", status)
	}
	// Staged again by the owner, it is the owner's.
	put(t, s.client(), o.ID.String()+".master.r", "hers", "secret")
	if _, err := s.fs.FinishCommit(ctx, openRef("r", o.ID), pfs.FinishOptions{}); err != nil {
		t.Fatal(err)
	}
	if status, code := s.try(t, key, "GET", "/master.r/hers"); code != "AccessDenied" {
		t.Errorf("what the owner staged over it answers %d %s", status, code)
	}
}

// TestUploadAccess: an upload is its initiator's and the bucket owner's.
func TestUploadAccess(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	c := s.client()
	_, key := s.user(t, "alice")
	b, k := aws.String("master.open"), aws.String("k")
	if _, err := c.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: b, ACL: types.BucketCannedACLPublicReadWrite}); err != nil {
		t.Fatal(err)
	}
	up, err := c.CreateMultipartUpload(t.Context(), &s3.CreateMultipartUploadInput{Bucket: b, Key: k})
	if err != nil {
		t.Fatal(err)
	}
	path := "/master.open/k?uploadId=" + *up.UploadId
	for _, who := range []pfs.Key{key, {}} {
		for _, op := range []struct{ method, more string }{{"PUT", "&partNumber=1"}, {"GET", ""}, {"DELETE", ""}} {
			if status, code := s.try(t, who, op.method, path+op.more); code != "AccessDenied" {
				t.Errorf("%s of somebody else's upload answers %d %s", op.method, status, code)
			}
		}
	}
	if _, err := c.AbortMultipartUpload(t.Context(), &s3.AbortMultipartUploadInput{Bucket: b, Key: k, UploadId: up.UploadId}); err != nil {
		t.Error(err)
	}
}
