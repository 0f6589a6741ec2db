package gateway_test

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"caret/gateway"
	"caret/gateway/acl"
	"caret/pfs"
)

// What an operation needs, by hand: the table of routes is what is tested.
const (
	toList     = "list"
	toRead     = "read"
	toWrite    = "write"
	toReadACP  = "read the ACL"
	toWriteACP = "change the ACL"
	toInspect  = "read settings"
	toOwn      = "own"
	toCreate   = "create"
	toSee      = "see buckets" // everybody with a key
)

var needs = map[string]string{
	"GET service ": toSee, "PUT bucket ": toCreate,
	"HEAD bucket ": toList, "GET bucket ": toList, "GET bucket location": toList, "GET bucket versioning": toList,
	"GET bucket versions": toList, "GET bucket uploads": toList, "GET bucket requestPayment": toList,
	"DELETE bucket ": toOwn, "PUT bucket versioning": toOwn,
	"POST bucket delete": toWrite,
	"GET bucket acl":     toReadACP, "PUT bucket acl": toWriteACP, "GET object acl": toReadACP, "PUT object acl": toWriteACP,
	"GET bucket tagging": toInspect, "PUT bucket tagging": toOwn, "DELETE bucket tagging": toOwn,
	"GET bucket cors": toInspect, "PUT bucket cors": toOwn, "DELETE bucket cors": toOwn,
	"GET bucket policy": toInspect, "GET bucket policyStatus": toInspect, "GET bucket lifecycle": toInspect, "GET bucket encryption": toInspect,
	"GET bucket object-lock": toInspect, "GET bucket replication": toInspect, "GET bucket website": toInspect, "GET bucket logging": toInspect,
	"GET bucket notification": toInspect, "GET bucket accelerate": toInspect, "GET bucket publicAccessBlock": toInspect,
	"GET bucket ownershipControls": toInspect,
	"GET object ":                  toRead, "HEAD object ": toRead, "GET object tagging": toRead, "GET object attributes": toRead,
	"PUT object ": toWrite, "DELETE object ": toWrite, "PUT object tagging": toWrite, "DELETE object tagging": toWrite,
	"POST object uploads": toWrite, "PUT object uploadId": toWrite, "GET object uploadId": toWrite,
	"POST object uploadId": toWrite, "DELETE object uploadId": toWrite,
}

// granted is what each canned ACL allows everybody; "a" those with a key only.
var granted = map[string]map[string]string{
	"private":            {},
	"public-read":        {toList: "*", toRead: "*"},
	"public-read-write":  {toList: "*", toRead: "*", toWrite: "*"},
	"authenticated-read": {toList: "a", toRead: "a"},
}

// mayDo is the model.
func mayDo(who, canned, op string) bool {
	need := needs[op]
	switch who {
	case "owner", "admin":
		return true
	case "read-only":
		return need == toList || need == toRead || need == toReadACP || need == toInspect || need == toSee
	case "branch":
		return need != toOwn && need != toCreate && op != "PUT bucket acl"
	case "other branch":
		return need == toSee
	case "other":
		return need == toSee || need == toCreate || granted[canned][need] != ""
	}
	return granted[canned][need] == "*" // anonymous
}

// TestPermissions tries every operation as everybody on buckets and objects
// with every canned ACL.
func TestPermissions(t *testing.T) {
	t.Parallel()
	for _, op := range gateway.Operations() {
		if needs[op] == "" {
			t.Fatalf("what %q needs is not in the table", op)
		}
	}
	if len(gateway.Operations()) != len(needs) {
		t.Errorf("the table has %d operations, the gateway %d", len(needs), len(gateway.Operations()))
	}
	s := newServer(t)
	people := s.people(t)
	owner := people["owner"]
	n := 0
	for _, canned := range slices.Sorted(maps.Keys(granted)) {
		for _, who := range slices.Sorted(maps.Keys(people)) {
			for _, op := range slices.Sorted(maps.Keys(needs)) {
				n++
				repo := fmt.Sprintf("r%d", n)
				s.makeBucket(t, repo, owner.user.ID, canned)
				key := people[who].key
				if people[who].scope != "" {
					key = s.key(t, pfs.Key{User: "owner", Repo: repo, Branch: people[who].scope})
				}
				method, sub, path := parts(op, repo)
				status, code := s.try(t, key, method, path+sub)
				if allowed := code != "AccessDenied" && status != 403; allowed != mayDo(who, canned, op) {
					t.Errorf("%s, a %s bucket: %s answered %d %s, allowed should be %t", who, canned, op, status, code, !allowed)
				}
			}
		}
	}
	t.Logf("%d cases", n)
}

// person is somebody with a key; scope is the branch it is limited to, of
// each repo in turn.
type person struct {
	user  pfs.User
	key   pfs.Key
	scope string
}

func (s server) people(t *testing.T) map[string]person {
	t.Helper()
	people := map[string]person{"anonymous": {}}
	for _, name := range []string{"owner", "other", "admin"} {
		u, err := s.fs.CreateUser(t.Context(), pfs.User{Name: name, Admin: name == "admin"})
		if err != nil {
			t.Fatal(err)
		}
		people[name] = person{user: u, key: s.key(t, pfs.Key{User: name})}
	}
	people["read-only"] = person{key: s.key(t, pfs.Key{User: "owner", ReadOnly: true})}
	people["branch"] = person{scope: "master"}
	people["other branch"] = person{scope: "secret"}
	return people
}

func (s server) key(t *testing.T, k pfs.Key) pfs.Key {
	t.Helper()
	k, err := s.fs.CreateKey(t.Context(), k)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// makeBucket makes master.REPO with an object k, both with a canned ACL, and
// another branch.
func (s server) makeBucket(t *testing.T, repo, owner, canned string) {
	t.Helper()
	ctx := t.Context()
	if _, err := s.fs.CreateRepo(ctx, pfs.Repo{Name: repo, Owner: owner}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.fs.CreateBranch(ctx, repo, "secret", pfs.BranchOptions{}); err != nil {
		t.Fatal(err)
	}
	grants, err := acl.Canned(canned, false, owner, owner)
	if err != nil {
		t.Fatal(err)
	}
	ref := pfs.Ref{Repo: repo}
	err = s.fs.ChangeSettings(ctx, ref, pfs.ActOwn, func(set *pfs.Settings) error {
		set.ACL = pfs.ACL{Owner: owner, Grants: grants}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	w := s.fs.NewFile(ctx, 4)
	defer w.Abort()
	if _, err := w.Write([]byte("data")); err != nil {
		t.Fatal(err)
	}
	p, err := w.Close()
	if err != nil {
		t.Fatal(err)
	}
	object := pfs.ACL{Owner: owner, Grants: grants}
	if _, err := s.fs.Put(ctx, ref, "k", p.Content, pfs.Attrs{}, pfs.WriteOptions{ACL: &object}); err != nil {
		t.Fatal(err)
	}
}

// parts are method, query and path of an operation.
func parts(op, repo string) (method, query, path string) {
	f := strings.SplitN(op, " ", 3)
	path = map[string]string{"service": "/", "bucket": "/master." + repo, "object": "/master." + repo + "/k"}[f[1]]
	switch sub := f[2]; sub {
	case "":
	case "uploadId":
		query = "?uploadId=0123456789abcdef0123456789abcdef&partNumber=1"
	default:
		query = "?" + sub
	}
	return f[0], query, path
}

// try sends a request with a key; one without is anonymous.
func (s server) try(t *testing.T, key pfs.Key, method, path string) (status int, code string) {
	t.Helper()
	body := ""
	if method == "PUT" || method == "POST" {
		body = "x"
	}
	r, err := http.NewRequestWithContext(t.Context(), method, s.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if key.AccessKey != "" {
		sign(t, r, key.AccessKey, key.Secret, time.Now())
	}
	status, text, _ := s.send(t, r)
	if status >= 400 && method != "HEAD" {
		code = errorCode(t, text)
	}
	return status, code
}

// TestAccessCoversHistory: what is granted for a version, and taken away,
// holds in every commit that has it and in no other; nobody gets to another
// branch's commits through a public one, or writes there.
func TestAccessCoversHistory(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	c := s.client()
	b := aws.String("master.sales")
	if _, err := c.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: b, ACL: types.BucketCannedACLPublicReadWrite}); err != nil {
		t.Fatal(err)
	}
	first := *put(t, c, *b, "k", "one").VersionId
	if _, err := s.fs.CreateBranch(t.Context(), "sales", "secret", pfs.BranchOptions{From: &pfs.Ref{Repo: "sales"}}); err != nil {
		t.Fatal(err)
	}
	second := *put(t, c, *b, "k", "two").VersionId
	hidden := *put(t, c, "secret.sales", "k", "three").VersionId
	named := func(id string) []string {
		return []string{"/" + id + ".master.sales/k", "/" + id + ".sales/k", "/master.sales/k?versionId=" + id}
	}
	old, current := append(named(first), "/HEAD-1.master.sales/k"), append(named(second), "/master.sales/k")
	secret := append(named(hidden), "/secret.sales/k", "/master.sales/k?versionId=secret", "/secret.sales/k?versionId="+first, "/secret.sales/k?versionId=master")
	check := func(what string, paths []string, want int) {
		t.Helper()
		for _, p := range paths {
			if status, _ := s.try(t, pfs.Key{}, "GET", p); status != want {
				t.Errorf("%s: %s answers %d, want %d", what, p, status, want)
			}
		}
	}
	grant := func(version string, canned types.ObjectCannedACL) {
		t.Helper()
		if _, err := c.PutObjectAcl(t.Context(), &s3.PutObjectAclInput{Bucket: b, Key: aws.String("k"), VersionId: &version, ACL: canned}); err != nil {
			t.Fatal(err)
		}
	}
	everything := slices.Concat(old, current, secret)
	check("private", everything, 403)
	grant(second, types.ObjectCannedACLPublicRead)
	check("the current one is public", current, 200)
	check("the current one is public", append(old, secret...), 403)
	grant(first, types.ObjectCannedACLPublicRead)
	check("both are public", append(old, current...), 200)
	check("both are public", secret, 403)
	grant(first, types.ObjectCannedACLPrivate)
	grant(second, types.ObjectCannedACLPrivate)
	check("private again", everything, 403)

	// How many commits there are, and since when, is not told either.
	beyond := []string{"/HEAD-9.secret.sales/k", "/" + hidden + "-9.secret.sales/k", "/at-20010101T000000Z.secret.sales/k", "/master.sales/k?versionId=secret.9"}
	for _, v := range []string{".9", "HEAD%5E9", "secret.9", "master.9", "HEAD@2001-01-01T00:00:00Z", hidden + "%5E9", hidden[:12] + "-9"} {
		beyond = append(beyond, "/secret.sales/k?versionId="+v)
	}
	check("beyond the first commit", beyond, 403)

	// Who may write gets no sight of what was there, nor of another branch.
	if status, _ := s.try(t, pfs.Key{}, "PUT", "/master.sales/k"); status != 200 {
		t.Fatalf("a public bucket answers %d", status)
	}
	check("overwritten", append(named(second), named(first)...), 403)
	for _, op := range []struct{ method, path string }{
		{"POST", "/secret.sales?delete&versionId=master"}, {"PUT", "/secret.sales/k?acl&versionId=master"}, {"PUT", "/secret.sales?acl&versionId=master"},
		{"DELETE", "/secret.sales/k?versionId=master"}, {"DELETE", "/secret.sales/k?versionId=" + first}, {"PUT", "/secret.sales/k?tagging&versionId=master"},
		{"POST", "/secret.sales/k?uploads&versionId=master"}, {"PUT", "/secret.sales?cors&versionId=master"},
		{"DELETE", "/master.sales/k?versionId=" + first},
	} {
		if status, code := s.try(t, pfs.Key{}, op.method, op.path); status != 403 {
			t.Errorf("%s %s answers %d %s", op.method, op.path, status, code)
		}
	}
}

// TestACL: what was asked for is what is answered.
func TestACL(t *testing.T) {
	t.Parallel()
	s, c := newBucket(t)
	ctx := t.Context()
	u, err := s.fs.CreateUser(ctx, pfs.User{Name: "alice", Display: "Alice A."})
	if err != nil {
		t.Fatal(err)
	}
	b, k := aws.String(bucket), aws.String("k")
	_, err = c.PutObject(ctx, &s3.PutObjectInput{Bucket: b, Key: k, Body: strings.NewReader("x"), GrantRead: aws.String(`id="` + u.ID + `"`)})
	if err != nil {
		t.Fatal(err)
	}
	got, err := c.GetObjectAcl(ctx, &s3.GetObjectAclInput{Bucket: b, Key: k})
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Grants) != 1 || *got.Grants[0].Grantee.ID != u.ID || *got.Grants[0].Grantee.DisplayName != "Alice A." || got.Grants[0].Permission != "READ" {
		t.Errorf("grants %+v", got.Grants)
	}
	_, err = c.PutBucketAcl(ctx, &s3.PutBucketAclInput{Bucket: b, AccessControlPolicy: &types.AccessControlPolicy{
		Owner:  &types.Owner{ID: aws.String("root")},
		Grants: []types.Grant{{Permission: "WRITE", Grantee: &types.Grantee{Type: "CanonicalUser", ID: &u.ID}}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	key := s.key(t, pfs.Key{User: "alice"})
	if status, _ := s.try(t, key, "PUT", "/master.sales/alice"); status != 200 {
		t.Errorf("a granted write answers %d", status)
	}
	if status, code := s.try(t, key, "GET", "/master.sales"); code != "AccessDenied" {
		t.Errorf("a list that was not granted answers %d %s", status, code)
	}
	if status, _ := s.try(t, key, "GET", "/master.sales/alice"); status != 200 {
		t.Errorf("the writer reads its object: %d", status)
	}
	// Another branch of the same name has none of it.
	for _, ref := range []string{"master.again", "dev.again"} {
		if _, err := c.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &ref, ACL: types.BucketCannedACLPublicRead}); err != nil {
			t.Fatal(err)
		}
	}
	again := aws.String("dev.again")
	if _, err := c.PutObject(ctx, &s3.PutObjectInput{Bucket: again, Key: k, Body: strings.NewReader("x"), ACL: types.ObjectCannedACLPublicRead}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: again}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: again}); err != nil {
		t.Fatal(err)
	}
	put(t, c, *again, "k", "secret")
	for _, path := range []string{"/dev.again", "/dev.again/k"} {
		if status, code := s.try(t, pfs.Key{}, "GET", path); code != "AccessDenied" {
			t.Errorf("%s of a new branch answers %d %s", path, status, code)
		}
	}
	// A new object under the key is private again.
	put(t, c, bucket, "k", "y")
	if status, code := s.try(t, key, "GET", "/master.sales/k"); code != "AccessDenied" {
		t.Errorf("an overwritten object answers %d %s", status, code)
	}
	if _, err := c.PutBucketAcl(ctx, &s3.PutBucketAclInput{Bucket: b, AccessControlPolicy: &types.AccessControlPolicy{
		Owner: &types.Owner{ID: &u.ID},
	}}); code(err) != "AccessDenied" && code(err) != "MalformedACLError" {
		t.Errorf("another owner: %v", err)
	}
}
