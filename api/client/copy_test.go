package client_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"caret/api"
	"caret/api/client"
	"caret/api/v1"
	"caret/objstore/memory"
	"caret/pfs"
)

// copies is a server with the repo r of root, which has d/a and d/b, and the
// repo hers of alice.
type copies struct {
	t     *testing.T
	fs    *pfs.FS // as root sees it
	url   string
	alice pfs.Caller
}

func newCopies(t *testing.T) *copies {
	t.Helper()
	system, err := pfs.Open(t.Context(), memory.New(), pfs.Options{})
	if err != nil {
		t.Fatal(err)
	}
	c := &copies{t: t, fs: system.As(pfs.Root), alice: pfs.Caller{ID: "alice", Name: "alice"}}
	srv := httptest.NewServer(api.New(system, api.Options{Authenticate: func(r *http.Request) (api.Caller, error) {
		who := pfs.Root
		if strings.Contains(r.Header.Get("Authorization"), "Credential=alice") {
			who = c.alice
		}
		return api.Caller{Caller: who, Body: r.Body, Length: r.ContentLength}, nil
	}}))
	c.url = srv.URL
	t.Cleanup(func() {
		srv.Close()
		system.Close()
	})
	if _, err := c.as("root").CreateRepo(t.Context(), v1.Repo{Name: "r"}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.as("alice").CreateRepo(t.Context(), v1.Repo{Name: "hers"}); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"d/a", "d/b"} {
		if _, err := c.as("root").Put(t.Context(), "r", "", path, "text/x", "", strings.NewReader(path), 3); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

func (c *copies) as(who string) *client.Client { return client.New(c.url, who, "secret") }

// grant lets alice have a permission for the branch, or for a file of it.
func (c *copies) grant(path string, p pfs.Permission) {
	c.t.Helper()
	ctx, ref := context.Background(), pfs.Ref{Repo: "r"}
	grants := []pfs.Grant{{User: "alice", Permission: p}}
	var err error
	if path == "" {
		err = c.fs.ChangeSettings(ctx, ref, pfs.ActOwn, func(s *pfs.Settings) error {
			s.ACL = pfs.ACL{Owner: pfs.RootUser, Grants: grants}
			return nil
		})
	} else {
		err = c.fs.SetFileACL(ctx, ref, path, grants)
	}
	if err != nil {
		c.t.Fatal(err)
	}
}

// Who copies needs what S3 asks for: to read every source and to write to
// the destination.
func TestCopyPermissions(t *testing.T) {
	t.Parallel()
	c := newCopies(t)
	one := v1.Copy{FromRepo: "r", FromPath: "d/a", Path: "x"}
	all := v1.Copy{FromRepo: "r", FromPath: "d/", Path: "x/", Recursive: true}
	try := func(when string, in v1.Copy, repo string, ok bool) {
		t.Helper()
		out, err := c.as("alice").Copy(t.Context(), repo, in)
		if ok && err != nil || !ok && client.Code(err) != "access_denied" {
			t.Errorf("%s: %+v, %v", when, out, err)
		}
	}
	try("nothing granted", one, "hers", false)
	try("nothing granted", all, "hers", false)
	c.grant("d/a", pfs.PermRead)
	try("one file granted", one, "hers", true)
	try("one file granted", all, "hers", false)
	c.grant("", pfs.PermRead)
	try("one file and the list granted", all, "hers", false)
	if open, err := c.as("root").OpenCommits(t.Context(), "hers", "", 0); err != nil || len(open.Items) > 0 {
		t.Errorf("left open: %+v, %v", open, err)
	}
	if at, err := c.as("root").Resolve(t.Context(), "hers", ""); err != nil || at.N != 1 {
		t.Errorf("%+v, %v", at, err)
	}
	c.grant("d/b", pfs.PermRead)
	try("all files granted", all, "hers", true)
	try("not hers to write", one, "r", false)
	try("not hers to write", all, "r", false)
	c.grant("", pfs.PermWrite)
	try("writing granted", one, "r", true)
	try("listing not granted", all, "hers", false)
	c.alice.ReadOnly = true
	try("key that reads", one, "hers", false)
	c.alice.ReadOnly, c.alice.Repo = false, "hers"
	try("key for another repo", one, "hers", false)
}

// A copy keeps what is said about a file.
func TestCopyKeeps(t *testing.T) {
	t.Parallel()
	c := newCopies(t)
	ctx, ref := t.Context(), pfs.Ref{Repo: "r"}
	attrs := pfs.Attrs{
		ContentType: "text/csv", ContentEncoding: "gzip", CacheControl: "no-cache",
		Meta: map[string]string{"a": "b"}, Tags: map[string]string{"t": "u"},
	}
	s, err := c.fs.Open(ctx, ref, pfs.ActRead, "")
	if err != nil {
		t.Fatal(err)
	}
	info, err := s.Stat(ctx, "d/a")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.fs.Copy(ctx, info, ref, "d/a", &attrs, pfs.WriteOptions{}); err != nil {
		t.Fatal(err)
	}
	root := c.as("root")
	if _, err := root.Copy(ctx, "hers", v1.Copy{FromRepo: "r", FromPath: "d/a", Path: "one", Message: "m"}); err != nil {
		t.Fatal(err)
	}
	if out, err := root.Copy(ctx, "hers", v1.Copy{FromRepo: "r", FromPath: "d/", Path: "all/", Recursive: true}); err != nil || out.Files != 2 {
		t.Fatal(out, err)
	}
	if s, err = c.fs.Open(ctx, pfs.Ref{Repo: "hers"}, pfs.ActRead, ""); err != nil || s.N != 2 {
		t.Fatal(s, err)
	}
	for _, path := range []string{"one", "all/a"} {
		got, err := s.Stat(ctx, path)
		if err != nil || !reflect.DeepEqual(got.Attrs, attrs) || got.Content.Hash != info.Content.Hash || got.Modified.Before(info.Modified) {
			t.Errorf("%s: %+v, %v", path, got, err)
		}
	}
	for _, in := range []v1.Copy{
		{FromPath: "one", Path: strings.Repeat("p", 1025)},
		{FromPath: "all/", Path: strings.Repeat("p", 1024), Recursive: true},
		{FromPath: "one", Path: ""},
		{FromPath: "all/a", Path: "", Recursive: true},
	} {
		if out, err := root.Copy(ctx, "hers", in); client.Code(err) != "invalid_path" {
			t.Errorf("%+v: %+v, %v", in, out, err)
		}
	}
	if at, err := root.Resolve(ctx, "hers", ""); err != nil || at.N != 2 {
		t.Errorf("%+v, %v", at, err)
	}
}
