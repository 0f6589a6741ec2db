package gateway_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"caret/gateway"
	"caret/pfs"
)

// audited is, by operation, the action of the line that it leaves in the trail when it
// changes something that is not content; "" is that it leaves none.
var audited = map[string]string{
	"PUT bucket ": "createRepo", "DELETE bucket ": "deleteBranch",
	"PUT bucket acl": "setBranchACL", "PUT object acl": "setFileACL",
	"PUT bucket tagging": "setBranchTags", "DELETE bucket tagging": "setBranchTags",
	"PUT bucket cors": "setBranchCORS", "DELETE bucket cors": "setBranchCORS",
	"POST bucket delete": "removeVersions", "DELETE object ": "removeVersions", // with versions
	"PUT object ": "setFileACL", "POST object uploadId": "setFileACL", // with an ACL that grants something

	"GET service ": "", "HEAD bucket ": "", "GET bucket ": "", "GET bucket location": "", "GET bucket versioning": "", "GET bucket versions": "",
	"GET bucket uploads": "", "GET bucket requestPayment": "", "PUT bucket versioning": "", "GET bucket acl": "", "GET object acl": "",
	"GET bucket tagging": "", "GET bucket cors": "", "GET bucket policy": "", "GET bucket policyStatus": "", "GET bucket lifecycle": "",
	"GET bucket encryption": "", "GET bucket object-lock": "", "GET bucket replication": "", "GET bucket website": "", "GET bucket logging": "",
	"GET bucket notification": "", "GET bucket accelerate": "", "GET bucket publicAccessBlock": "", "GET bucket ownershipControls": "",
	"GET object ": "", "HEAD object ": "", "GET object tagging": "", "GET object attributes": "", "PUT object tagging": "", "DELETE object tagging": "",
	"POST object uploads": "", "PUT object uploadId": "", "GET object uploadId": "", "DELETE object uploadId": "",
}

// auditedCalls do what leaves a line, to the bucket b with the object k.
func auditedCalls(t *testing.T) map[string]func(c *s3.Client, b *string) error {
	ctx, k := t.Context(), aws.String("k")
	tags := &types.Tagging{TagSet: []types.Tag{{Key: aws.String("team"), Value: aws.String("blue = green")}}}
	rules := &types.CORSConfiguration{CORSRules: []types.CORSRule{{AllowedMethods: []string{"GET"}, AllowedOrigins: []string{"https://a.example"}}}}
	version := func(c *s3.Client, b *string) *string {
		out, err := c.HeadObject(ctx, &s3.HeadObjectInput{Bucket: b, Key: k})
		if err != nil {
			t.Fatal(err)
		}
		return out.VersionId
	}
	return map[string]func(*s3.Client, *string) error{
		"PUT bucket ": func(c *s3.Client, b *string) error {
			_, err := c.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: aws.String(*b + "-new")})
			return err
		},
		"DELETE bucket ": func(c *s3.Client, b *string) error {
			_, err := c.DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: b})
			return err
		},
		"PUT bucket acl": func(c *s3.Client, b *string) error {
			_, err := c.PutBucketAcl(ctx, &s3.PutBucketAclInput{Bucket: b, ACL: types.BucketCannedACLPublicRead})
			return err
		},
		"PUT object acl": func(c *s3.Client, b *string) error {
			_, err := c.PutObjectAcl(ctx, &s3.PutObjectAclInput{Bucket: b, Key: k, ACL: types.ObjectCannedACLPublicRead})
			return err
		},
		"PUT bucket tagging": func(c *s3.Client, b *string) error {
			_, err := c.PutBucketTagging(ctx, &s3.PutBucketTaggingInput{Bucket: b, Tagging: tags})
			return err
		},
		"DELETE bucket tagging": func(c *s3.Client, b *string) error {
			_, err := c.DeleteBucketTagging(ctx, &s3.DeleteBucketTaggingInput{Bucket: b})
			return err
		},
		"PUT bucket cors": func(c *s3.Client, b *string) error {
			_, err := c.PutBucketCors(ctx, &s3.PutBucketCorsInput{Bucket: b, CORSConfiguration: rules})
			return err
		},
		"DELETE bucket cors": func(c *s3.Client, b *string) error {
			_, err := c.DeleteBucketCors(ctx, &s3.DeleteBucketCorsInput{Bucket: b})
			return err
		},
		"POST bucket delete": func(c *s3.Client, b *string) error {
			objects := []types.ObjectIdentifier{{Key: k, VersionId: version(c, b)}, {Key: aws.String("absent")}}
			_, err := c.DeleteObjects(ctx, &s3.DeleteObjectsInput{Bucket: b, Delete: &types.Delete{Objects: objects}})
			return err
		},
		"DELETE object ": func(c *s3.Client, b *string) error {
			_, err := c.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: b, Key: k, VersionId: version(c, b)})
			return err
		},
		"PUT object ": func(c *s3.Client, b *string) error {
			_, err := c.PutObject(ctx, &s3.PutObjectInput{Bucket: b, Key: k, ACL: types.ObjectCannedACLPublicRead, Body: strings.NewReader("2")})
			return err
		},
		"POST object uploadId": func(c *s3.Client, b *string) error {
			up, err := c.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: b, Key: k, ACL: types.ObjectCannedACLPublicRead})
			if err != nil {
				return err
			}
			part, err := c.UploadPart(ctx, &s3.UploadPartInput{Bucket: b, Key: k, UploadId: up.UploadId, PartNumber: aws.Int32(1), Body: strings.NewReader("3")})
			if err != nil {
				return err
			}
			_, err = c.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{
				Bucket: b, Key: k, UploadId: up.UploadId,
				MultipartUpload: &types.CompletedMultipartUpload{Parts: []types.CompletedPart{{PartNumber: aws.Int32(1), ETag: part.ETag}}},
			})
			return err
		},
	}
}

// trail is the whole trail, newest first.
func (s server) trail(t *testing.T) []pfs.AuditLine {
	t.Helper()
	list, err := s.fs.Audit(t.Context(), pfs.AuditQuery{})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// TestAudit: every operation that changes what is not content leaves one line in the
// trail, which says who did what to what; one that is refused, fails or reads leaves none.
func TestAudit(t *testing.T) {
	t.Parallel()
	for _, op := range gateway.Operations() {
		if _, ok := audited[op]; !ok {
			t.Fatalf("what %q leaves in the trail is not in the table", op)
		}
	}
	s := newServer(t)
	people := s.people(t)
	owner, calls := people["owner"], auditedCalls(t)
	as := func(k pfs.Key) *s3.Client {
		return s3.New(s.client().Options(), func(o *s3.Options) {
			o.Credentials = credentials.NewStaticCredentialsProvider(k.AccessKey, k.Secret, "")
		})
	}
	n := 0
	for _, op := range slices.Sorted(maps.Keys(audited)) {
		repo := "r" + strings.Repeat("x", n)
		n++
		s.makeBucket(t, repo, owner.user.ID, "private")
		b := aws.String("master." + repo)
		if strings.HasPrefix(op, "DELETE bucket") && op != "DELETE bucket " {
			if err := calls[strings.Replace(op, "DELETE", "PUT", 1)](as(owner.key), b); err != nil {
				t.Fatal(err)
			}
		}
		before := len(s.trail(t))
		if op != "PUT bucket " && op != "POST bucket delete" && op != "DELETE object " { // which look at what they may not
			for _, who := range []pfs.Key{people["other"].key, {}} {
				method, query, path := parts(op, repo)
				s.try(t, who, method, path+query)
			}
		}
		if len(s.trail(t)) != before {
			t.Errorf("%s by who may not left a line: %+v", op, s.trail(t)[0])
		}
		if audited[op] == "" {
			method, query, path := parts(op, repo)
			s.try(t, owner.key, method, path+query)
		} else if err := calls[op](as(owner.key), b); err != nil {
			t.Errorf("%s: %v", op, err)
		}
		lines := s.trail(t)
		lines = lines[:len(lines)-before]
		if audited[op] == "" {
			if len(lines) != 0 {
				t.Errorf("%s left %+v", op, lines)
			}
			continue
		}
		if len(lines) != 1 {
			t.Errorf("%s left %d lines: %+v", op, len(lines), lines)
			continue
		}
		l := lines[0]
		if l.Action != audited[op] || l.User != "owner" || l.UserID != owner.user.ID || l.Key != owner.key.AccessKey || l.Address != "127.0.0.1" || len(l.Request) != 16 ||
			!strings.HasPrefix(l.Repo, repo) || l.RepoID == 0 || l.Before+l.After == "" || l.Time.IsZero() {
			t.Errorf("%s left %+v", op, l)
		}
		if what := l.Before + l.After; strings.Contains(what, owner.key.Secret) {
			t.Errorf("%s: a secret is in the trail: %s", op, what)
		}
	}
}

// TestAuditNoChange: what is written again as it was leaves no line, nor do puts without an
// ACL, or with one that grants nothing to others.
func TestAuditNoChange(t *testing.T) {
	t.Parallel()
	s, c := newBucket(t)
	calls := auditedCalls(t)
	b := aws.String("master.sales")
	put(t, c, *b, "k", "1")
	for _, op := range []string{"PUT bucket acl", "PUT object acl", "PUT bucket tagging", "PUT bucket cors"} {
		for range 2 {
			if err := calls[op](c, b); err != nil {
				t.Fatal(err)
			}
		}
	}
	if _, err := c.PutObject(t.Context(), &s3.PutObjectInput{Bucket: b, Key: aws.String("p"), ACL: types.ObjectCannedACLPrivate, Body: strings.NewReader("2")}); err != nil {
		t.Fatal(err)
	}
	var actions []string
	for _, l := range s.trail(t) {
		actions = append(actions, l.Action)
	}
	if got := strings.Join(actions, " "); got != "setBranchCORS setBranchTags setFileACL setBranchACL createRepo" {
		t.Errorf("the trail has %s", got)
	}
}
