package api_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	v1 "caret/api/v1"
	"caret/pfs"
)

// mustDo sends a request of which a success is expected, and reads the answer.
func (s *testServer) mustDo(t *testing.T, as, target, body string, out any) {
	t.Helper()
	resp, b := s.do(t, as, target, body, nil)
	if resp.StatusCode >= 300 {
		t.Fatalf("%s %s: %s %s", target, body, resp.Status, b)
	}
	if out != nil {
		if err := json.Unmarshal(b, out); err != nil {
			t.Fatal(err)
		}
	}
}

// grant lets a user read and write a branch.
func (s *testServer) grant(t *testing.T, user, repo, branch string) {
	t.Helper()
	s.permit(t, user, repo, branch, pfs.PermRead, pfs.PermWrite)
}

// permit grants a user permissions for a branch.
func (s *testServer) permit(t *testing.T, user, repo, branch string, permissions ...pfs.Permission) {
	t.Helper()
	u, err := s.fs.User(t.Context(), user)
	if err != nil {
		t.Fatal(err)
	}
	err = s.fs.ChangeSettings(t.Context(), pfs.Ref{Repo: repo, Branch: branch}, pfs.ActOwn, func(set *pfs.Settings) error {
		for _, p := range permissions {
			set.ACL.Grants = append(set.ACL.Grants, pfs.Grant{User: u.ID, Permission: p})
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// names lists all pages of a listing as user.
func (s *testServer) names(t *testing.T, as, path string, limit int) []string {
	t.Helper()
	var all []string
	for after := ""; ; {
		var page v1.Page[struct{ Name, ID string }]
		s.mustDo(t, as, fmt.Sprintf("GET %s?limit=%d&after=%s", path, limit, after), "", &page)
		if len(page.Items) > limit {
			t.Fatalf("%s: %d items, the limit is %d", path, len(page.Items), limit)
		}
		for _, it := range page.Items {
			all = append(all, it.Name+it.ID)
		}
		if after = page.Next; after == "" {
			return all
		}
	}
}

// TestPagesOfTheVisible: what a caller does not see makes no page shorter nor
// ends a listing, and is not in it.
func TestPagesOfTheVisible(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.mustDo(t, "root", "POST users", `{"name":"ann"}`, nil)
	var want, wantRepos []string
	const branches = 1100 // more than what is read at once
	s.mustDo(t, "root", "POST repos", `{"name":"big"}`, nil)
	for i := range branches {
		name := fmt.Sprintf("b%04d", i)
		if _, err := s.fs.CreateBranch(t.Context(), "big", name, pfs.BranchOptions{}); err != nil {
			t.Fatal(err)
		}
		if i%250 == 249 || i == branches-1 {
			s.grant(t, "ann", "big", name)
			want = append(want, name)
		}
	}
	for i := range 6 {
		owner := []string{"root", "ann"}[i%2]
		s.mustDo(t, owner, "POST repos", fmt.Sprintf(`{"name":"r%d"}`, i), nil)
		if owner == "ann" {
			wantRepos = append(wantRepos, fmt.Sprintf("r%d", i))
		}
	}
	wantRepos = append([]string{"big"}, wantRepos...)
	var wantOpen []string
	for i := range 8 {
		branch := []string{"master", "b0249"}[i%2]
		var open v1.OpenCommit
		s.mustDo(t, "root", "POST repos/big/commits", `{"branch":"`+branch+`"}`, &open)
		if branch != "master" {
			wantOpen = append(wantOpen, open.ID)
		}
	}
	slices.Sort(wantOpen)
	for _, limit := range []int{1, 2, 3, 1000} {
		for path, want := range map[string][]string{"repos/big/branches": want, "repos": wantRepos, "repos/big/open": wantOpen} {
			if got := s.names(t, "ann", path, limit); !slices.Equal(got, want) {
				t.Errorf("%s by %d: %v, want %v", path, limit, got, want)
			}
		}
	}
}

// TestMeant: an error names what may have been meant, to whom may know of it.
func TestMeant(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for _, name := range []string{"ann", "bob"} {
		s.mustDo(t, "root", "POST users", `{"name":"`+name+`"}`, nil)
	}
	for _, name := range []string{"sales", "secret"} {
		s.mustDo(t, "root", "POST repos", `{"name":"`+name+`"}`, nil)
		s.mustDo(t, "root", "PUT repos/"+name+"/file?path=f", "x", nil)
		s.mustDo(t, "root", "POST repos/"+name+"/branches", `{"name":"devel"}`, nil)
		s.mustDo(t, "root", "POST repos/"+name+"/tags", `{"name":"final","at":"master"}`, nil)
	}
	s.grant(t, "ann", "sales", "master")
	for _, tt := range []struct{ as, target, body, want string }{
		{"root", "GET repos/salse", "", "sales"},
		{"root", "GET repos/production", "", ""},
		{"root", "GET repos/secert/files", "", "secret"},
		{"ann", "GET repos/slaes", "", "sales"},
		{"ann", "GET repos/secert", "", ""},
		{"bob", "GET repos/slaes", "", ""},
		{"root", "GET repos/sales/branches/mastre", "", "master"},
		{"root", "GET repos/sales/branches/finale", "", ""},
		{"root", "GET repos/sales/files?ref=finale", "", "final"},
		{"root", "GET repos/sales/diff?from=master&to=devle", "", "devel"},
		{"root", "POST repos/sales/commits", `{"branch":"Devel"}`, "devel"},
		{"root", "DELETE repos/sales/tags/finl", "", "final"},
		{"ann", "GET repos/sales/files?ref=mastre", "", "master"},
		{"ann", "GET repos/sales/files?ref=devle", "", ""},
		{"ann", "GET repos/sales/files?ref=finl", "", "final"},
		{"bob", "GET repos/sales/files?ref=finl", "", ""},
		{"bob", "GET repos/sales/files?ref=mastre", "", ""},
		{"root", "GET users/anm", "", "ann"},
		{"root", "POST keys", `{"user":"bobb"}`, "bob"},
	} {
		resp, b := s.do(t, tt.as, tt.target, tt.body, nil)
		var e v1.Error
		status := http.StatusNotFound
		if tt.as == "bob" && strings.Contains(tt.target, "ref=") {
			status = http.StatusForbidden // as for a name that there is
		}
		if err := json.Unmarshal(b, &e); err != nil || resp.StatusCode != status {
			t.Fatalf("%s %s: %s %s, %v", tt.as, tt.target, resp.Status, b, err)
		}
		got := ""
		if rest, ok := strings.CutPrefix(e.Hint, "did you mean "); ok {
			got, _, _ = strings.Cut(rest, "? ")
		}
		if got != tt.want {
			t.Errorf("%s %s: %q, want %q: %s", tt.as, tt.target, got, tt.want, b)
		}
	}
}

// TestHiddenHistory: who may not list learns neither how many commits there
// are nor when the first one was made.
func TestHiddenHistory(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for _, name := range []string{"ann", "bob"} {
		s.mustDo(t, "root", "POST users", `{"name":"`+name+`"}`, nil)
	}
	s.mustDo(t, "root", "POST repos", `{"name":"r"}`, nil)
	s.mustDo(t, "root", "PUT repos/r/file?path=f", "x", nil)
	var head v1.Branch
	s.mustDo(t, "root", "GET repos/r/branches/master", "", &head)
	s.mustDo(t, "root", "POST repos/r/tags", `{"name":"v1","at":"master"}`, nil)
	s.grant(t, "ann", "r", "master")
	for _, ref := range []string{
		"HEAD^5", ".5", "master.5", "master^5", "v1^5", "HEAD@2001-01-01T00:00:00Z", head.Head + "^5", head.Head[:12] + "^5", head.Head[:12] + "-5",
	} {
		for _, tt := range []struct{ target, body string }{
			{"GET repos/r/resolve?ref=" + ref, ""},
			{"GET repos/r/commits/" + ref, ""},
			{"GET repos/r/file?path=f&ref=" + ref, ""},
			{"POST repos/r/delete", `{"ref":"` + ref + `","paths":["f"]}`},
			{"POST repos/r/commits/" + ref + "/finish", "{}"},
			{"POST repos/r/copy", `{"from":"` + ref + `","from_path":"f","ref":"master","path":"g"}`},
		} {
			for as, want := range map[string]int{"bob": http.StatusForbidden, "ann": http.StatusNotFound} {
				if resp, b := s.do(t, as, tt.target, tt.body, nil); resp.StatusCode != want {
					t.Errorf("%s %s %s: %s %s, want %d", as, tt.target, tt.body, resp.Status, b, want)
				}
			}
		}
	}
}

// TestConflictStates: who may write and not list learns of a conflict at
// which paths it is, and not what stands there.
func TestConflictStates(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for _, name := range []string{"writer", "lister"} {
		s.mustDo(t, "root", "POST users", `{"name":"`+name+`"}`, nil)
	}
	s.mustDo(t, "root", "POST repos", `{"name":"r"}`, nil)
	s.permit(t, "writer", "r", "master", pfs.PermWrite)
	s.grant(t, "lister", "r", "master")
	for as, states := range map[string]bool{"writer": false, "lister": true} {
		s.mustDo(t, "root", "PUT repos/r/file?path=f", "base of "+as, nil)
		var open v1.OpenCommit
		s.mustDo(t, as, "POST repos/r/commits", `{"branch":"master"}`, &open)
		s.mustDo(t, as, "PUT repos/r/file?path=f&ref="+open.ID, "theirs", nil)
		s.mustDo(t, "root", "PUT repos/r/file?path=f", "ours of "+as, nil)
		resp, b := s.do(t, as, "POST repos/r/commits/"+open.ID+"/finish", "{}", nil)
		var e v1.Error
		if err := json.Unmarshal(b, &e); err != nil || resp.StatusCode != http.StatusConflict || !slices.Equal(e.Paths, []string{"f"}) || len(e.Conflicts) != 1 {
			t.Fatalf("%s: %s %s, %v", as, resp.Status, b, err)
		}
		if x := e.Conflicts[0]; (x.Base != nil) != states || (x.Ours != nil) != states {
			t.Errorf("%s: %s, states should be %t", as, b, states)
		}
		if !strings.HasPrefix(e.Hint, "finish with") {
			t.Errorf("%s: hint %q", as, e.Hint)
		}
	}
}

// TestWriteToNamesake: a write that was allowed on a branch does not go to
// another one that gets its name before it is made.
func TestWriteToNamesake(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	ctx := t.Context()
	s.mustDo(t, "root", "POST users", `{"name":"ann"}`, nil)
	s.mustDo(t, "root", "POST repos", `{"name":"r"}`, nil)
	s.mustDo(t, "root", "PUT repos/r/file?path=f", "x", nil)
	head, err := s.fs.Branch(ctx, "r", "master")
	if err != nil {
		t.Fatal(err)
	}
	must := func(_ any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for i := range 200 {
		must(s.fs.CreateBranch(ctx, "r", "b", pfs.BranchOptions{From: &pfs.Ref{Repo: "r"}}))
		s.grant(t, "ann", "r", "b")
		done := make(chan bool)
		go func() {
			defer close(done)
			target, body := "POST repos/r/delete", `{"ref":"b","paths":["f"]}`
			switch i % 3 {
			case 1:
				target, body = "POST repos/r/commits", `{"branch":"b"}`
			case 2:
				target, body = "POST repos/r/revert", `{"branch":"b","commit":"b"}`
			}
			s.do(t, "ann", target, body, nil)
		}()
		must(s.fs.DeleteBranch(ctx, "r", "b", pfs.BranchDeletion{}))
		must(s.fs.CreateBranch(ctx, "r", "b", pfs.BranchOptions{From: &pfs.Ref{Repo: "r"}}))
		<-done
		b, err := s.fs.Branch(ctx, "r", "b")
		must(nil, err)
		open, err := s.fs.OpenCommits(ctx, "r", pfs.CommitID{}, 0)
		must(nil, err)
		if b.Head != head.Head || len(open) > 0 {
			t.Fatalf("round %d: the new branch is at %s, with %d open commits", i, b.Head, len(open))
		}
		must(s.fs.DeleteBranch(ctx, "r", "b", pfs.BranchDeletion{}))
	}
}

// TestKeyOfOneBranch: a key for one branch means that where no branch is said,
// and nothing else can be had with it.
func TestKeyOfOneBranch(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for _, repo := range []string{"r", "other"} {
		s.mustDo(t, "root", "POST repos", `{"name":"`+repo+`"}`, nil)
		s.mustDo(t, "root", "PUT repos/"+repo+"/file?path=f", "x", nil)
		s.mustDo(t, "root", "POST repos/"+repo+"/branches", `{"name":"dev","from":"master"}`, nil)
	}
	var first, second v1.Written
	s.mustDo(t, "root", "PUT repos/r/file?path=g&ref=dev", "x", &first)
	s.mustDo(t, "root", "PUT repos/r/file?path=g", "y", &second)
	var key v1.Key
	s.mustDo(t, "root", "POST keys", `{"user":"root","repo":"r","branch":"dev"}`, &key)
	for _, tt := range []struct {
		target, body string
		status       int
		branch       string
	}{
		{"GET repos/r", "", 200, ""},
		{"GET repos/r/resolve", "", 200, "dev"},
		{"GET repos/r/resolve?ref=HEAD^", "", 200, "dev"},
		{"GET repos/r/resolve?ref=dev", "", 200, "dev"},
		{"GET repos/r/resolve?ref=" + first.Commit, "", 200, "dev"},
		{"GET repos/r/resolve?ref=" + first.Commit[:12] + "^", "", 200, "dev"},
		{"GET repos/r/resolve?ref=" + second.Commit, "", 403, ""},
		{"GET repos/r/resolve?ref=master", "", 403, ""},
		{"GET repos/other/resolve", "", 403, ""},
		{"GET repos/other/resolve?ref=dev", "", 403, ""},
		{"GET repos/absent/resolve", "", 404, ""},
		{"GET repos/r/file?path=g", "", 200, ""},
		{"PUT repos/r/file?path=h&if_head=HEAD", "x", 200, ""},
		{"PUT repos/r/file?path=h&if_head=HEAD^", "x", 412, ""},
		{"PUT repos/r/file?path=h&ref=master", "x", 403, ""},
		{"POST repos/r/delete", `{"ref":"","paths":["h"]}`, 200, ""},
		{"POST repos/r/branches/dev/reset", `{"to":"HEAD^"}`, 403, ""},
	} {
		resp, b := s.do(t, key.AccessKey, tt.target, tt.body, nil)
		var at v1.Snapshot
		if err := json.Unmarshal(b, &at); err != nil {
			at.Branch = ""
		}
		if resp.StatusCode != tt.status || at.Branch != tt.branch {
			t.Errorf("%s %s: %s %s, want %d and branch %q", tt.target, tt.body, resp.Status, b, tt.status, tt.branch)
		}
	}
	if got := s.names(t, "root", "repos/r/commits", 10); len(got) != 2 {
		t.Errorf("master has the commits %v", got)
	}
}

// TestWriterReads: who may only write to a branch by S3's ACL reads what it wrote by the
// API, as by S3, and nothing else of the branch.
func TestWriterReads(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.mustDo(t, "root", "POST users", `{"name":"ann"}`, nil)
	s.mustDo(t, "root", "POST repos", `{"name":"r"}`, nil)
	s.mustDo(t, "root", "PUT repos/r/file?path=roots", "x", nil)
	s.permit(t, "ann", "r", "master", pfs.PermWrite)
	s.mustDo(t, "ann", "PUT repos/r/file?path=hers", "y", nil)
	var open v1.OpenCommit
	s.mustDo(t, "ann", "POST repos/r/commits", `{"branch":"master"}`, &open)
	s.mustDo(t, "ann", "PUT repos/r/file?path=staged&ref="+open.ID, "z", nil)
	s.mustDo(t, "ann", "POST repos/r/commits/"+open.ID+"/finish", `{}`, nil)
	for path, want := range map[string]int{"hers": 200, "staged": 200, "roots": 403} {
		for _, what := range []string{"file", "stat"} {
			if resp, b := s.do(t, "ann", "GET repos/r/"+what+"?path="+path, "", nil); resp.StatusCode != want {
				t.Errorf("%s of %s: %s %s", what, path, resp.Status, b)
			}
		}
	}
}
