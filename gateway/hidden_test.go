package gateway_test

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"caret/pfs"
)

// ask sends a request with a key, or without one, and returns all of the answer.
func (s server) ask(t *testing.T, key pfs.Key, method, path, body string, header ...string) (int, string, http.Header) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, s.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	if key.AccessKey != "" {
		sign(t, r, key.AccessKey, key.Secret, time.Now())
	}
	return s.send(t, r)
}

// hideBranch makes dev.sales of a user's and secret.sales, where the key k has
// another version and the key s is nowhere else.
func (s server) hideBranch(t *testing.T, set func(*pfs.ACL)) {
	t.Helper()
	c := s.client()
	if _, err := s.fs.CreateRepo(t.Context(), pfs.Repo{Name: "sales"}); err != nil {
		t.Fatal(err)
	}
	put(t, c, "master.sales", "k", "one")
	for _, name := range []string{"dev", "secret"} {
		if _, err := s.fs.CreateBranch(t.Context(), "sales", name, pfs.BranchOptions{From: &pfs.Ref{Repo: "sales"}}); err != nil {
			t.Fatal(err)
		}
	}
	put(t, c, "dev.sales", "k", "two")
	put(t, c, "secret.sales", "k", "three")
	put(t, c, "secret.sales", "s", "hidden")
	err := s.fs.ChangeSettings(t.Context(), pfs.Ref{Repo: "sales", Branch: "dev"}, pfs.ActOwn, func(b *pfs.Settings) error {
		set(&b.ACL)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestPreflightTellsNothing: who signs nothing does not learn from a preflight
// how many commits a branch has, nor which ids begin alike.
func TestPreflightTellsNothing(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.hideBranch(t, func(*pfs.ACL) {})
	ids := regexp.MustCompile("<(RequestId|Resource)>.*?</")
	first := ""
	for _, bucket := range []string{
		"secret.sales", "HEAD-99.secret.sales", "at-20010101T000000Z.secret.sales", "secret.nothing", "nothing", "ghost.sales", "12345678.sales",
	} {
		status, text, _ := s.ask(t, pfs.Key{}, "OPTIONS", "/"+bucket, "", "Origin", "http://x", "Access-Control-Request-Method", "GET")
		text = ids.ReplaceAllString(text, "")
		if first == "" {
			first = text
		}
		if status != 403 || text != first {
			t.Errorf("%s answers %d %s, want 403 %s", bucket, status, text, first)
		}
	}
}

// TestTagsOfHiddenVersions: who may write to a branch does not find out by
// changing tags what another branch has.
func TestTagsOfHiddenVersions(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	u, key := s.user(t, "ann")
	s.hideBranch(t, func(a *pfs.ACL) { a.Grants = append(a.Grants, pfs.Grant{User: u.ID, Permission: pfs.PermWrite}) })
	tags := "<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>"
	for path, want := range map[string]int{
		"k?tagging&versionId=secret": 403, "s?tagging&versionId=secret": 403, "none?tagging&versionId=secret": 403,
		"k?tagging&versionId=dev": 200, "none?tagging&versionId=dev": 404,
	} {
		for _, method := range []string{"PUT", "DELETE"} {
			body, want := tags, want
			if method == "DELETE" {
				if body = ""; want == 200 {
					want = 204
				}
			}
			if status, text, _ := s.ask(t, key, method, "/dev.sales/"+path, body); status != want {
				t.Errorf("%s %s answers %d %s, want %d", method, path, status, text, want)
			}
		}
	}
}

// TestDeleteHiddenVersions: the owner of a branch does not learn what another one
// has by deleting a version of that.
func TestDeleteHiddenVersions(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	u, key := s.user(t, "ann")
	s.hideBranch(t, func(a *pfs.ACL) { *a = pfs.ACL{Owner: u.ID} })
	for _, path := range []string{"k", "s", "none"} {
		status, _, header := s.ask(t, key, "DELETE", "/dev.sales/"+path+"?versionId=secret", "")
		if id := header.Get("X-Amz-Version-Id"); status != 403 || id != "" {
			t.Errorf("%s answers %d with version %q", path, status, id)
		}
	}
	_, text, _ := s.ask(t, key, "POST", "/dev.sales?delete", "<Delete><Object><Key>k</Key><VersionId>secret</VersionId></Object></Delete>")
	if !strings.Contains(text, "<Code>AccessDenied</Code>") {
		t.Errorf("among others: %s", text)
	}
	if status, text, _ := s.ask(t, key, "DELETE", "/dev.sales/k?versionId=HEAD", ""); status != 204 {
		t.Errorf("its own: %d %s", status, text)
	}
}

// TestWhatIsMissing: a version id that leads nowhere is no such version, and a
// bucket that does not is no such bucket, also where a write finds out.
func TestWhatIsMissing(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.hideBranch(t, func(*pfs.ACL) {})
	root := pfs.Key{AccessKey: accessKey, Secret: secretKey}
	tags := "<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>"
	upload := "?uploadId=0123456789abcdef0123456789abcdef"
	for _, tt := range []struct{ method, path, body, want string }{
		{"PUT", "/dev.sales/k?tagging&versionId=ffffffffffff4fff8fffffffffffffff", tags, "NoSuchVersion"},
		{"PUT", "/dev.sales/k?tagging&versionId=HEAD%5E99", tags, "NoSuchVersion"},
		{"PUT", "/dev.sales/none?tagging&versionId=HEAD", tags, "NoSuchKey"},
		{"DELETE", "/HEAD-99.dev.sales/k?tagging", "", "NoSuchBucket"},
		{"DELETE", "/HEAD-99.dev.sales?tagging", "", "NoSuchBucket"},
		{"DELETE", "/HEAD-99.dev.sales?cors", "", "NoSuchBucket"},
		{"DELETE", "/HEAD-99.dev.sales/k" + upload, "", "NoSuchBucket"},
		{"GET", "/HEAD-99.dev.sales/k" + upload, "", "NoSuchBucket"},
		{"PUT", "/HEAD-99.dev.sales/k" + upload + "&partNumber=1", "x", "NoSuchBucket"},
		{"GET", "/dev.sales/k" + upload, "", "NoSuchUpload"},
	} {
		if status, text, _ := s.ask(t, root, tt.method, tt.path, tt.body); status != 404 || errorCode(t, text) != tt.want {
			t.Errorf("%s %s answers %d %s, want %s", tt.method, tt.path, status, text, tt.want)
		}
	}
}

// TestVersionsInOpenCommit: of a deletion in an open commit, versions are refused
// to who may not remove any, and the rest is done.
func TestVersionsInOpenCommit(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	u, key := s.user(t, "ann")
	s.hideBranch(t, func(a *pfs.ACL) { a.Grants = append(a.Grants, pfs.Grant{User: u.ID, Permission: pfs.PermWrite}) })
	o, err := s.fs.StartCommit(t.Context(), pfs.Ref{Repo: "sales", Branch: "dev"}, pfs.WriteOptions{})
	if err != nil {
		t.Fatal(err)
	}
	status, text, _ := s.ask(t, key, "POST", "/"+o.ID.String()+".sales?delete",
		"<Delete><Object><Key>k</Key></Object><Object><Key>k</Key><VersionId>HEAD</VersionId></Object></Delete>")
	if status != 200 || !strings.Contains(text, "<Deleted><Key>k</Key>") || !strings.Contains(text, "<Code>AccessDenied</Code>") {
		t.Errorf("answers %d %s", status, text)
	}
}

// TestVersionOfBucket: a version id is no concern of the owner that a bucket is
// expected to have, when something in it is deleted, nor of the bucket's own ACL.
func TestVersionOfBucket(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.hideBranch(t, func(*pfs.ACL) {})
	root := pfs.Key{AccessKey: accessKey, Secret: secretKey}
	for owner, want := range map[string]int{"root": 204, "somebody": 403} {
		path := "/dev.sales/k?versionId=ffffffffffff4fff8fffffffffffffff"
		if status, text, _ := s.ask(t, root, "DELETE", path, "", "X-Amz-Expected-Bucket-Owner", owner); status != want {
			t.Errorf("expected of %s: %d %s", owner, status, text)
		}
	}
	status, text, _ := s.ask(t, root, "PUT", "/dev.sales?acl&versionId=HEAD%5E", "", "X-Amz-Acl", "public-read")
	if status != 200 {
		t.Errorf("the ACL: %d %s", status, text)
	}
}

// TestHiddenNames: who may not list a repo's default branch gets for a branch that there
// is the same answer, in each word, as for one that there is not, whatever is asked.
func TestHiddenNames(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	_, stranger := s.user(t, "ann")
	s.hideBranch(t, func(*pfs.ACL) {})
	readOnly, err := s.fs.CreateKey(t.Context(), pfs.Key{User: "ann", ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	varies := regexp.MustCompile("<(RequestId|Resource)>.*?</")
	for who, key := range map[string]pfs.Key{"anonymous": {}, "stranger": stranger, "who only reads": readOnly} {
		for _, method := range []string{"GET", "HEAD", "PUT", "DELETE"} {
			for _, path := range []string{
				"/BUCKET/k", "/BUCKET/none", "/BUCKET/k?acl", "/BUCKET/k?tagging", "/BUCKET/k?versionId=HEAD%5E99", "/BUCKET/k?versionId=secret",
				"/HEAD-9.BUCKET/k", "/BUCKET", "/BUCKET?acl", "/BUCKET?tagging", "/BUCKET?cors", "/BUCKET?versions", "/BUCKET?uploads",
				"/BUCKET/k?partNumber=1&uploadId=0123456789abcdef0123456789abcdef", "/master.sales/k?versionId=secret", "/sales/k?versionId=BRANCH",
			} {
				var answers []string
				for _, branch := range []string{"secret", "ghost"} {
					at := strings.NewReplacer("BUCKET", branch+".sales", "BRANCH", branch).Replace(path)
					status, text, header := s.ask(t, key, method, at, "")
					text = varies.ReplaceAllString(strings.ReplaceAll(text, branch, "BRANCH"), "")
					answers = append(answers, fmt.Sprint(status, len(header), text))
				}
				if answers[0] != answers[1] {
					t.Errorf("%s: %s %s: of what is there %s\nof what is not %s", who, method, path, answers[0], answers[1])
				}
			}
		}
	}
}
