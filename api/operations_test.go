package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"caret/api"
	"caret/api/apitest"
	v1 "caret/api/v1"
	"caret/objstore/memory"
	"caret/pfs"
)

// testServer is an API on an empty store, checked against its document. Who
// asks says so in the header Authorization.
type testServer struct {
	*apitest.Checker
	*httptest.Server
	fs *pfs.FS // as root sees it

	mu   sync.Mutex
	keys map[string]string // by user
}

func newServer(t *testing.T) *testServer {
	t.Helper()
	return newServerWith(t, pfs.Options{})
}

func newServerWith(t *testing.T, opts pfs.Options) *testServer {
	t.Helper()
	system, err := pfs.Open(t.Context(), memory.New(), opts)
	if err != nil {
		t.Fatal(err)
	}
	s := &testServer{fs: system.As(pfs.Root), keys: map[string]string{}}
	s.Checker = apitest.New(api.New(system, api.Options{Authenticate: s.authenticate}), t.Errorf)
	s.Server = httptest.NewServer(s)
	t.Cleanup(func() {
		s.Close()
		system.Close()
	})
	return s
}

func (s *testServer) authenticate(r *http.Request) (api.Caller, error) {
	name := r.Header.Get("Authorization")
	if name == "" {
		return api.Caller{}, errors.New("the request is not signed")
	}
	who, err := s.holder(r.Context(), name)
	return api.Caller{Caller: who, Body: r.Body, Length: r.ContentLength}, err
}

// holder is who has an access key, or a user's, which is made when it is first
// needed.
func (s *testServer) holder(ctx context.Context, user string) (pfs.Caller, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if user == pfs.RootUser {
		return pfs.Root, nil
	}
	if strings.HasPrefix(user, "CARET") {
		return pfs.Holder(user), nil
	}
	if s.keys[user] == "" {
		k, err := s.fs.CreateKey(ctx, pfs.Key{User: user})
		if err != nil {
			return pfs.Anonymous, err
		}
		s.keys[user] = k.AccessKey
	}
	return pfs.Holder(s.keys[user]), nil
}

// do sends a request; target is METHOD and the path under the prefix. A
// stream of events is left after the first bytes.
func (s *testServer) do(t *testing.T, as, target, body string, header http.Header) (*http.Response, []byte) {
	t.Helper()
	method, path, _ := strings.Cut(target, " ")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, s.URL+v1.Prefix+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if header != nil {
		r.Header = header
	}
	r.Header.Set("Authorization", as)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	in := io.Reader(resp.Body)
	if strings.HasPrefix(resp.Header.Get("Content-Type"), "text/event-stream") {
		in = io.LimitReader(in, 1)
	}
	b, err := io.ReadAll(in)
	if err != nil {
		t.Errorf("%s: %v", target, err)
	}
	return resp, b
}

// step is a request and what is expected of it: a status, and a code if it is
// that of an error. Keep names the answer's id for later steps, which write
// it with a $.
type step struct {
	target, body string
	status       int
	code         string
	keep         string
}

// steps are requests in the order in which they are sent by root: of every
// operation at least a success and a failure.
var steps = []step{
	{"GET openapi.json", "", 200, "", ""},
	{"GET openapi.json?pretty=1", "", 400, "unknown_parameter", ""},

	{"POST repos", `{"name":"r","description":"figures"}`, 201, "", ""},
	{"POST repos", `{"name":"r"}`, 409, "repo_exists", ""},
	{"GET repos?limit=5", "", 200, "", ""},
	{"GET repos?limit=0", "", 400, "invalid_argument", ""},
	{"GET repos/r", "", 200, "", ""},
	{"GET repos/absent", "", 404, "no_such_repo", ""},

	{"PUT repos/r/file?ref=master&path=d/a&message=one", "1", 200, "", ""},
	{"PUT repos/r/file?ref=HEAD^9&path=d/a", "1", 404, "no_such_version", ""},
	{"PUT repos/r/file?path=d/b&if_head=master", "2", 200, "", ""},
	{"GET repos/r/file?path=d/a", "", 200, "", ""},
	{"GET repos/r/file?path=absent", "", 404, "no_such_path", ""},
	{"GET repos/r/stat?path=d/a&ref=HEAD", "", 200, "", ""},
	{"GET repos/r/stat", "", 400, "invalid_path", ""},
	{"GET repos/r/files?prefix=d&delimiter=/&limit=1", "", 200, "", ""},
	{"GET repos/r/files?ref=HEAD^^3x", "", 400, "invalid_expression", ""},

	{"POST repos/r/branches", `{"name":"dev","from":"master"}`, 201, "", ""},
	{"POST repos/r/branches", `{"name":"dev"}`, 409, "branch_exists", ""},
	{"GET repos/r/branches?after=a", "", 200, "", ""},
	{"GET repos/absent/branches", "", 404, "no_such_repo", ""},
	{"GET repos/r/branches/dev", "", 200, "", ""},
	{"GET repos/r/branches/absent", "", 404, "no_such_branch", ""},
	{"POST repos/r/branches/dev/reset", `{"to":"master^"}`, 200, "", ""},
	{"POST repos/r/branches/dev/reset", `{"to":"master","dry_run":true}`, 200, "", ""},
	{"POST repos/r/branches/dev/reset?if_head=master", `{"to":"master"}`, 412, "precondition_failed", ""},
	{"POST repos/r/branches/dev/protect", `{"protected":true}`, 200, "", ""},
	{"POST repos/r/branches/dev/protect", `{}`, 400, "bad_body", ""},
	{"DELETE repos/r/branches/dev", "", 403, "access_denied", ""},
	{"DELETE repos/r/branches/dev?dry_run=true", "", 403, "access_denied", ""},
	{"POST repos/r/branches/dev/protect", `{"protected":false}`, 200, "", ""},
	{"DELETE repos/r/branches/dev?dry_run=true", "", 200, "", ""},
	{"DELETE repos/r/branches/dev?if_head=master", "", 412, "precondition_failed", ""},
	{"DELETE repos/r/branches/dev?if_head=master^", "", 204, "", ""},
	{"GET repos/r/deleted", "", 200, "", ""},
	{"GET repos/absent/deleted", "", 404, "no_such_repo", ""},
	{"POST repos/r/branches/dev/restore", "", 200, "", ""},
	{"POST repos/r/branches/dev/restore", "", 409, "branch_exists", ""},
	{"PATCH repos/r", `{"description":"","default_branch":"dev"}`, 200, "", ""},
	{"PATCH repos/r", `{"default_branch":"absent"}`, 404, "no_such_branch", ""},
	{"PATCH repos/r", `{"default_branch":"master"}`, 200, "", ""},
	{"GET repos/r/branches/dev/moves", "", 200, "", ""},
	{"GET repos/absent/branches/dev/moves", "", 404, "no_such_repo", ""},

	{"GET repos/r/branches/master/events?after=.0&path=d/", "", 200, "", ""},
	{"GET repos/r/branches/absent/events", "", 404, "no_such_branch", ""},

	{"GET repos/r/branches/dev/grants", "", 200, "", ""},
	{"GET repos/r/branches/absent/grants", "", 404, "no_such_branch", ""},
	{"PUT repos/r/branches/dev/grants/root", `{"may":"read"}`, 200, "", ""},
	{"PUT repos/r/branches/dev/grants/root", `{"may":"do all"}`, 400, "invalid_argument", ""},
	{"PUT repos/r/branches/dev/grants/absent", `{"may":"write"}`, 404, "no_such_user", ""},
	{"DELETE repos/r/branches/dev/grants/root", "", 204, "", ""},
	{"DELETE repos/r/branches/dev/grants/root", "", 404, "no_such_user", ""},

	{"POST repos/r/tags", `{"name":"v1","at":"master","message":"first"}`, 201, "", ""},
	{"POST repos/r/tags", `{"name":"v1","at":"dev"}`, 409, "tag_exists", ""},
	{"GET repos/r/tags", "", 200, "", ""},
	{"GET repos/r/tags?limit=many", "", 400, "invalid_argument", ""},
	{"GET repos/r/tags/v1", "", 200, "", ""},
	{"GET repos/r/tags/absent", "", 404, "no_such_tag", ""},
	{"DELETE repos/r/tags/v1?dry_run=true", "", 200, "", ""},
	{"DELETE repos/r/tags/v1?dry_run=false", "", 204, "", ""},
	{"DELETE repos/r/tags/v1", "", 404, "no_such_tag", ""},
	{"GET repos/r/deleted/tags", "", 200, "", ""},
	{"GET repos/absent/deleted/tags", "", 404, "no_such_repo", ""},
	{"POST repos/r/tags/v1/restore", "", 200, "", ""},
	{"POST repos/r/tags/v1/restore", "", 409, "tag_exists", ""},
	{"POST repos/r/tags/v2/restore", "", 404, "no_such_tag", ""},

	{"GET repos/r/resolve?ref=HEAD^", "", 200, "", ""},
	{"GET repos/r/resolve?ref=absent", "", 404, "no_such_commit", ""},
	{"GET repos/r/commits?path=d/&limit=1", "", 200, "", ""},
	{"GET repos/r/commits?since=2020-01-01T00:00:00Z&until=2100-01-01T00:00:00.123456789Z&author=ROOT&message=one", "", 200, "", ""},
	{"GET repos/r/commits?since=yesterday", "", 400, "invalid_argument", ""},
	{"GET repos/r/commits?after=nonsense", "", 400, "invalid_argument", ""},
	{"GET repos/r/commits/HEAD^", "", 200, "", ""},
	{"GET repos/r/commits/HEAD^9", "", 404, "no_such_version", ""},
	{"GET repos/r/commits/HEAD/changes", "", 200, "", ""},
	{"GET repos/r/commits/.9/changes", "", 404, "no_such_version", ""},
	{"GET repos/r/diff/stream?from=master^&to=master", "", 200, "", ""},
	{"GET repos/r/diff/stream?from=master&to=master", "", 200, "", ""},
	{"GET repos/r/diff/stream?from=absent&to=master", "", 404, "no_such_commit", ""},
	{"GET repos/r/diff?from=HEAD^&to=HEAD&prefix=d/", "", 200, "", ""},
	{"GET repos/r/diff?from=HEAD^&too=HEAD", "", 400, "unknown_parameter", ""},
	{"POST repos/r/merge", `{"from":"dev","into":"master","dry_run":true}`, 200, "", ""},
	{"POST repos/r/merge", `{"from":"dev"}`, 400, "bad_body", ""},
	{"POST repos/r/revert", `{"branch":"master","commit":"HEAD"}`, 200, "", ""},
	{"POST repos/r/revert", `{"branch":"master","commit":"HEAD^"}`, 409, "conflict", ""},
	{"POST repos/r/restore", `{"branch":"master","from":"HEAD^","prefix":"d/"}`, 200, "", ""},
	{"POST repos/r/restore", `{"branch":"master"}`, 400, "bad_body", ""},
	{"POST repos/r/copy", `{"from":"master","from_path":"d/a","ref":"master","path":"d/c"}`, 200, "", ""},
	{"POST repos/r/copy", `{"from":"master","from_path":"absent","ref":"master","path":"d/c"}`, 404, "no_such_path", ""},
	{"POST repos/r/move", `{"ref":"master","from":"d/c","to":"d/e"}`, 200, "", ""},
	{"POST repos/r/move", `{"ref":"master","from":"d/c","to":"d/e"}`, 404, "no_such_path", ""},
	{"POST repos/r/move?if_head=HEAD^", `{"ref":"master","from":"d/","to":"e/","recursive":true}`, 412, "precondition_failed", ""},
	{"POST repos/r/move", `{"ref":"master","from":"d/","to":"d/","recursive":true}`, 400, "invalid_argument", ""},
	{"POST repos/r/delete", `{"ref":"master","paths":["d/a"],"dry_run":true}`, 200, "", ""},
	{"POST repos/r/delete", `{"ref":"master","paths":["d/a"]}`, 200, "", ""},
	{"POST repos/r/delete", `{"ref":"master","paths":[""]}`, 400, "invalid_path", ""},

	{"POST repos/r/commits", `{"branch":"master","message":"two"}`, 201, "", "open"},
	{"POST repos/r/commits", `{"branch":"absent"}`, 404, "no_such_commit", ""},
	{"GET repos/r/commits/$open", "", 200, "", ""},
	{"GET repos/r/open", "", 200, "", ""},
	{"GET repos/r/open?limit=-1", "", 400, "invalid_argument", ""},
	{"PUT repos/r/file?ref=$open&path=c", "3", 200, "", ""},
	{"PUT repos/r/file?path=c", "4", 200, "", ""},
	{"POST repos/r/commits/$open/finish", `{}`, 409, "conflict", ""},
	{"POST repos/r/commits/$open/finish?if_head=HEAD^", `{"strategy":"theirs"}`, 412, "precondition_failed", ""},
	{"POST repos/r/commits/$open/finish?if_head=HEAD", `{"strategy":"theirs"}`, 200, "", ""},
	{"DELETE repos/r/commits/$open", "", 409, "conflict", ""},
	{"POST repos/r/commits", `{"branch":"master"}`, 201, "", "open"},
	{"DELETE repos/r/commits/$open?dry_run=true", "", 200, "", ""},
	{"DELETE repos/r/commits/$open", "", 204, "", ""},

	{"GET audit", "", 200, "", ""},
	{"GET audit?repo=r&user=root&since=2020-01-01T00:00:00Z&until=2100-01-01T00:00:00Z&limit=1", "", 200, "", ""},
	{"GET audit?after=nonsense", "", 400, "invalid_argument", ""},
	{"GET audit?since=yesterday", "", 400, "invalid_argument", ""},

	{"GET status", "", 200, "", ""},
	{"GET status?jobs=1", "", 400, "unknown_parameter", ""},

	{"GET check", "", 200, "", ""},
	{"GET check?repo=r&quick=true", "", 200, "", ""},
	{"GET check?repo=absent", "", 404, "no_such_repo", ""},

	{"POST users", `{"name":"ann","display":"Ann A."}`, 201, "", ""},
	{"POST users", `{"name":"ann"}`, 409, "user_exists", ""},
	{"GET users", "", 200, "", ""},
	{"GET users?page=2", "", 400, "unknown_parameter", ""},
	{"GET users/ann", "", 200, "", ""},
	{"GET users/absent", "", 404, "no_such_user", ""},
	{"POST keys", `{"user":"ann","repo":"r","read_only":true}`, 201, "", "key"},
	{"POST keys", `{"user":"absent"}`, 404, "no_such_user", ""},
	{"GET keys?user=ann", "", 200, "", ""},
	{"GET keys?user=absent", "", 404, "no_such_user", ""},
	{"GET keys/$key", "", 200, "", ""},
	{"GET keys/absent", "", 404, "no_such_key", ""},
	{"DELETE keys/$key?dry_run=true", "", 200, "", ""},
	{"DELETE keys/$key", "", 204, "", ""},
	{"DELETE keys/$key", "", 404, "no_such_key", ""},
	{"DELETE users/ann?dry_run=true", "", 200, "", ""},
	{"DELETE users/ann", "", 204, "", ""},
	{"DELETE users/ann", "", 404, "no_such_user", ""},

	{"DELETE repos/r?force=yes", "", 400, "invalid_argument", ""},
	{"DELETE repos/r", "", 409, "not_empty", ""},
	{"DELETE repos/r?force=true&dry_run=true", "", 200, "", ""},
	{"DELETE repos/r?force=true", "", 204, "", ""},
	{"GET deleted", "", 200, "", ""},
	{"GET deleted?after=r", "", 400, "invalid_argument", ""},
	{"POST deleted/r/restore", `{}`, 200, "", ""},
	{"POST deleted/r/restore", `{}`, 404, "no_such_repo", ""},
}

// TestOperations sends every operation what it takes and what it refuses,
// through a Checker that compares both with the document.
func TestOperations(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.all(t, func(string, string, *http.Response, []byte) {})
	s.Close() // so that streams have ended
	for _, what := range s.Unseen() {
		t.Errorf("no request makes a %s: add one to steps in operations_test.go", what)
	}
}

// all sends all steps, and calls after behind each.
func (s *testServer) all(t *testing.T, after func(target, body string, resp *http.Response, answer []byte)) {
	t.Helper()
	kept := []string{}
	for _, st := range steps {
		known := strings.NewReplacer(kept...)
		target, body := known.Replace(st.target), known.Replace(st.body)
		resp, b := s.do(t, pfs.RootUser, target, body, nil)
		if err := st.check(resp, b); err != nil {
			t.Errorf("%s %s: %v", target, body, err)
		}
		after(target, body, resp, b)
		if st.keep != "" {
			var named struct {
				ID        string `json:"id"`
				AccessKey string `json:"access_key"`
			}
			if err := json.Unmarshal(b, &named); err != nil {
				t.Fatal(err)
			}
			kept = append([]string{"$" + st.keep, named.ID + named.AccessKey}, kept...)
		}
	}
}

func (st step) check(resp *http.Response, body []byte) error {
	var e v1.Error
	if resp.StatusCode >= 400 {
		if err := json.Unmarshal(body, &e); err != nil {
			return err
		}
		if e.Message == "" || e.Hint == "" || strings.Contains(e.Hint, "\n") {
			return fmt.Errorf("an error without a message or a hint of one line: %s", body)
		}
	}
	if resp.StatusCode != st.status || e.Code != st.code {
		return fmt.Errorf("%d %s, want %d %s", resp.StatusCode, bytes.TrimSpace(body), st.status, st.code)
	}
	return nil
}

// TestDocument: everybody may read the document, and it explains everything
// that it names.
func TestDocument(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	if resp, _ := s.do(t, "", "GET openapi.json", "", nil); resp.StatusCode != http.StatusOK {
		t.Errorf("not signed: %s", resp.Status)
	}
	if resp, _ := s.do(t, "", "GET repos", "", nil); resp.StatusCode != http.StatusForbidden {
		t.Errorf("repos, not signed: %s", resp.Status)
	}
	for path, item := range s.Document.Paths.Map() {
		for method, op := range item.Operations() {
			if op.Summary == "" || op.OperationID == "" {
				t.Errorf("%s %s has no summary or id: complete its row in api/operations.go", method, path)
			}
			for _, p := range op.Parameters {
				if p.Value.Description == "" {
					t.Errorf("%s %s does not explain %q: add it to its row or, if it is in the path, to inPath in api/operations.go", method, path, p.Value.Name)
				}
			}
		}
	}
	for name, schema := range s.Document.Components.Schemas {
		if schema.Value.Description == "" {
			t.Errorf("%s is not explained: give its type a comment in api/v1", name)
		}
	}
}
