package gateway_test

import (
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"caret/pfs"
)

// past is a public bucket with a public file k, of which named, a user, may read each
// version too; another file is always there.
type past struct {
	server
	c             *s3.Client
	first, second string // versions of k
	named, lists  pfs.Key
	stranger      pfs.Key
}

func newPast(t *testing.T, bucketACL types.BucketCannedACL) past {
	t.Helper()
	p := past{server: newServer(t)}
	p.c = p.client()
	b := aws.String("master.sales")
	if _, err := p.c.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: b, ACL: bucketACL}); err != nil {
		t.Fatal(err)
	}
	put(t, p.c, *b, "other", "other")
	u, named := p.user(t, "named")
	lists, key := p.user(t, "lists")
	stranger, strangers := p.user(t, "stranger")
	p.named, p.lists, p.stranger = named, key, strangers
	if _, err := p.fs.CreateRepo(t.Context(), pfs.Repo{Name: "own", Owner: stranger.ID}); err != nil {
		t.Fatal(err)
	}
	err := p.fs.ChangeSettings(t.Context(), pfs.Ref{Repo: "sales"}, pfs.ActOwn, func(s *pfs.Settings) error {
		s.ACL.Grants = append(s.ACL.Grants, pfs.Grant{User: lists.ID, Permission: pfs.PermRead})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	write := func(text string) string {
		out, err := p.c.PutObject(t.Context(), &s3.PutObjectInput{
			Bucket: b, Key: aws.String("k"), Body: strings.NewReader(text),
			GrantRead:    aws.String(`id="` + u.ID + `", uri="http://acs.amazonaws.com/groups/global/AllUsers"`),
			GrantReadACP: aws.String(`uri="http://acs.amazonaws.com/groups/global/AllUsers"`),
		})
		if err != nil {
			t.Fatal(err)
		}
		for written := time.Now().UnixMilli(); time.Now().UnixMilli() == written; {
			runtime.Gosched() // so that a time means one version
		}
		return *out.VersionId
	}
	p.first = write("one")
	ref := pfs.Ref{Repo: "sales"}
	ref.Base.Base = p.first
	commit, err := p.fs.Commit(t.Context(), ref)
	if err != nil {
		t.Fatal(err)
	}
	for time.Since(commit.Time) < 2*time.Millisecond { // or its time would mean the second
		runtime.Gosched()
	}
	p.second = write("two")
	return p
}

// spellings of a version of k, by the id of a commit, or of what stands back commits
// before the head.
func (p past) spellings(t *testing.T, id string, back int) []string {
	t.Helper()
	ref := pfs.Ref{Repo: "sales"}
	ref.Base.Base = id
	commit, err := p.fs.Commit(t.Context(), ref)
	if err != nil {
		t.Fatal(err)
	}
	at := commit.Time.UTC().Format(time.RFC3339Nano)
	paths := []string{
		"/master.sales/k?versionId=HEAD@" + at, "/sales/k?versionId=@" + at,
		"/" + id + ".master.sales/k", "/" + id + ".sales/k", "/master.sales/k?versionId=" + id, "/sales/k?versionId=" + id[:12],
		"/" + id[:12] + ".master.sales/k", "/tagged.sales/k", "/master.sales/k?versionId=tagged",
	}
	if back > 0 {
		for _, form := range []string{
			"/HEAD-%d.master.sales/k", "/master.sales/k?versionId=HEAD~%d", "/master.sales/k?versionId=master~%d",
			"/sales/k?versionId=~%d", "/HEAD~%d.sales/k",
		} {
			paths = append(paths, fmt.Sprintf(form, back))
		}
	}
	return paths
}

// reads says what of the operations that read k in some way the caller may: by their
// names; those that have other queries take the path's as it is.
func (p past) reads(t *testing.T, key pfs.Key, path string) (got []string) {
	t.Helper()
	bare, query, _ := strings.Cut(path, "?")
	with := func(sub string) string {
		if query == "" {
			return bare + "?" + sub
		}
		return bare + "?" + sub + "&" + query
	}
	for name, op := range map[string][2]string{
		"GET": {"GET", path}, "HEAD": {"HEAD", path}, "acl": {"GET", with("acl")}, "tagging": {"GET", with("tagging")},
	} {
		if status, _ := p.try(t, key, op[0], op[1]); status == 200 {
			got = append(got, name)
		}
	}
	if status, _, _ := p.ask(t, key, "GET", with("attributes"), "", "x-amz-object-attributes", "ETag"); status == 200 {
		got = append(got, "attributes")
	}
	if key.AccessKey != "" {
		source := strings.TrimPrefix(strings.ReplaceAll(path, "~", "%7E"), "/")
		r, err := http.NewRequestWithContext(t.Context(), "PUT", p.URL+"/master.own/copy", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("x-amz-copy-source", source)
		sign(t, r, key.AccessKey, key.Secret, time.Now())
		if status, _, _ := p.send(t, r); status == 200 {
			got = append(got, "copy")
		}
	}
	return got
}

func (p past) tag(t *testing.T, at string) {
	t.Helper()
	ref := pfs.Ref{Repo: "sales"}
	ref.Base.Base = at
	if _, err := p.fs.CreateTag(t.Context(), "sales", "tagged", ref, ""); err != nil {
		t.Fatal(err)
	}
}

// TestDeletedIsNotPublic: what everybody was granted ends when the file is deleted or the
// version removed, however it is named; who was granted it by name, who was granted
// the bucket by name, and the owner have the history.
func TestDeletedIsNotPublic(t *testing.T) {
	t.Parallel()
	const version, file = "version", "file"
	for _, what := range []string{version, file} {
		for _, canned := range []types.BucketCannedACL{types.BucketCannedACLPrivate, types.BucketCannedACLPublicRead} {
			t.Run(what+" in a bucket "+string(canned), func(t *testing.T) {
				t.Parallel()
				p := newPast(t, canned)
				p.tag(t, p.first)
				for _, path := range append(p.spellings(t, p.first, 1), "/master.sales/k", "/master.sales/k?versionId="+p.second) {
					for who, key := range map[string]pfs.Key{"anonymous": {}, "stranger": p.stranger} {
						if got := p.reads(t, key, path); len(got) < 4 {
							t.Fatalf("before, %s reads of %s only %q", who, path, got)
						}
					}
				}
				id, back := p.first, 2
				if what == version {
					remove(t, p.c, p.first)
				} else {
					if status, _ := p.try(t, pfs.Key{AccessKey: accessKey, Secret: secretKey}, "DELETE", "/master.sales/k"); status != 204 {
						t.Fatalf("delete: %d", status)
					}
				}
				paths := p.spellings(t, id, back)
				for _, path := range paths {
					for who, key := range map[string]pfs.Key{"anonymous": {}, "stranger": p.stranger} {
						if got := p.reads(t, key, path); len(got) > 0 {
							t.Errorf("%s still reads %s by %q", who, path, got)
						}
					}
					for who, key := range map[string]pfs.Key{"named": p.named, "lists": p.lists, "owner": {AccessKey: accessKey, Secret: secretKey}} {
						if status, code := p.try(t, key, "GET", path); status != 200 {
							t.Errorf("%s, who may read history, gets %d %s of %s", who, status, code, path)
						}
					}
				}
				if what == version { // the other one stays, as it is current
					if got := p.reads(t, pfs.Key{}, "/master.sales/k?versionId="+p.second); len(got) < 4 {
						t.Errorf("of the current version only %q is left", got)
					}
				}
			})
		}
	}
}

// remove takes a version of k out of the list.
func remove(t *testing.T, c *s3.Client, version string) {
	t.Helper()
	_, err := c.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: aws.String("master.sales"), Key: aws.String("k"), VersionId: &version})
	if err != nil {
		t.Fatal(err)
	}
}

// TestNoncurrentStaysPublic: as on AWS each version has its own ACL. An old version of a
// file that is there, and one of a file that was made anew, are what they were.
func TestNoncurrentStaysPublic(t *testing.T) {
	t.Parallel()
	p := newPast(t, types.BucketCannedACLPrivate)
	if _, err := p.c.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: aws.String("master.sales"), Key: aws.String("k")}); err != nil {
		t.Fatal(err)
	}
	put(t, p.c, "master.sales", "k", "private")
	for version, want := range map[string]int{p.first: 200, p.second: 200, "HEAD": 403} {
		if status, code := p.try(t, pfs.Key{}, "GET", "/master.sales/k?versionId="+version); status != want {
			t.Errorf("%s answers %d %s, want %d", version, status, code, want)
		}
	}
}

// TestDeletedNamesAreNotListed: everybody who may list a bucket lists of its past what is
// still there; who was granted that by name lists all of it.
func TestDeletedNamesAreNotListed(t *testing.T) {
	t.Parallel()
	p := newPast(t, types.BucketCannedACLPublicRead)
	b := aws.String("master.sales")
	put(t, p.c, *b, "dir/gone", "x")
	put(t, p.c, *b, "dir/here", "x")
	removed := *put(t, p.c, *b, "other", "again").VersionId
	before := *put(t, p.c, *b, "other", "and again").VersionId
	for _, key := range []string{"k", "dir/gone"} {
		if _, err := p.c.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: b, Key: &key}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := p.c.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: b, Key: aws.String("other"), VersionId: &removed}); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{
		"/" + before + ".sales", "/" + before + ".master.sales?list-type=2", "/HEAD-3.master.sales?list-type=2&prefix=dir/",
		"/HEAD-3.master.sales?max-keys=1", "/master.sales?versions", "/HEAD-3.master.sales?versions&delimiter=/", "/master.sales",
	} {
		for who, key := range map[string]pfs.Key{"anonymous": {}, "stranger": p.stranger} {
			_, text, _ := p.ask(t, key, "GET", path, "")
			if strings.Contains(text, "<Key>k<") || strings.Contains(text, "gone") || strings.Contains(text, removed) {
				t.Errorf("%s lists by %s what is gone:\n%s", who, path, text)
			}
			if !strings.Contains(text, "<Key>other") && !strings.Contains(text, "dir/") {
				t.Errorf("%s lists by %s nothing of what is there:\n%s", who, path, text)
			}
		}
		if _, text, _ := p.ask(t, p.lists, "GET", path, ""); path != "/master.sales" && !strings.Contains(path, "max-keys") && !strings.Contains(path, "delimiter") &&
			!strings.Contains(text, "<Key>k<") && !strings.Contains(text, "gone") {
			t.Errorf("who was granted the bucket lists by %s:\n%s", path, text)
		}
	}
	// Nor is it told that a file was there.
	for _, path := range []string{"/master.sales/k", "/master.sales/k?versionId=" + p.first, "/HEAD-3.master.sales/k"} {
		was, wasText, wasHeader := p.ask(t, pfs.Key{}, "GET", path, "")
		never, _, neverHeader := p.ask(t, pfs.Key{}, "GET", "/master.sales/never", "")
		if was != never || was != 404 || len(wasHeader) != len(neverHeader) {
			t.Errorf("%s answers %d %v\n%s\nwhat was never there %d %v", path, was, wasHeader, wasText, never, neverHeader)
		}
	}
}
