package api_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	v1 "caret/api/v1"
)

// TestDryRuns: a dry run of what takes something away refuses what that would,
// with the same words, and takes nothing.
func TestDryRuns(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for _, name := range []string{"ann", "bob"} {
		s.mustDo(t, "root", "POST users", `{"name":"`+name+`"}`, nil)
	}
	s.mustDo(t, "root", "POST repos", `{"name":"r"}`, nil)
	for range 3 {
		s.mustDo(t, "root", "PUT repos/r/file?path=f", "x", nil)
	}
	s.mustDo(t, "root", "POST repos/r/branches", `{"name":"dev","from":"master"}`, nil)
	s.mustDo(t, "root", "POST repos/r/branches", `{"name":"kept","from":"master"}`, nil)
	s.mustDo(t, "root", "POST repos/r/branches/kept/protect", `{"protected":true}`, nil)
	s.mustDo(t, "root", "POST repos/r/tags", `{"name":"v1","at":"master"}`, nil)
	s.grant(t, "ann", "r", "master")
	s.grant(t, "ann", "r", "dev")
	var open v1.OpenCommit
	var key v1.Key
	s.mustDo(t, "root", "POST repos/r/commits", `{"branch":"master"}`, &open)
	s.mustDo(t, "root", "PUT repos/r/file?path=g&ref="+open.ID, "x", nil)
	s.mustDo(t, "root", "POST keys", `{"user":"bob"}`, &key)
	for _, target := range []string{
		"POST repos/r/delete {\"ref\":\"kept\",\"paths\":[\"f\"]}",
		"POST repos/r/delete {\"ref\":\"master^\",\"paths\":[\"f\"]}",
		"POST repos/r/delete {\"ref\":\"master\",\"paths\":[\"f\",\"absent\"]}",
		"POST repos/r/branches/kept/reset {\"to\":\"master^\"}",
		"POST repos/r/branches/dev/reset {\"to\":\"master^9\"}",
		"POST repos/r/branches/dev/reset?if_head=master^2 {\"to\":\"master^\"}",
		"POST repos/r/branches/dev/reset {\"to\":\"master^\"}",
		"DELETE repos/r/commits/master",
		"DELETE repos/r/commits/" + open.ID,
		"DELETE repos/r/tags/absent",
		"DELETE repos/r/tags/v1",
		"DELETE repos/r/branches/kept",
		"DELETE repos/r/branches/absent",
		"DELETE repos/r/branches/dev",
		"DELETE repos/r",
		"DELETE repos/r?force=true",
		"DELETE keys/absent",
		"DELETE keys/" + key.AccessKey,
		"DELETE users/root",
		"DELETE users/absent",
		"DELETE users/bob",
	} {
		for _, as := range []string{"bob", "ann", "root"} {
			s.compareDryRun(t, as, target)
		}
	}
}

// compareDryRun sends a request as a dry run and then as it is.
func (s *testServer) compareDryRun(t *testing.T, as, request string) {
	t.Helper()
	method, rest, _ := strings.Cut(request, " ")
	path, body, _ := strings.Cut(rest, " ")
	dryPath, dryBody := path, body
	switch {
	case body != "":
		dryBody = strings.TrimSuffix(body, "}") + `,"dry_run":true}`
	case strings.Contains(path, "?"):
		dryPath += "&dry_run=true"
	default:
		dryPath += "?dry_run=true"
	}
	dry, said := s.do(t, as, method+" "+dryPath, dryBody, nil)
	resp, b := s.do(t, as, method+" "+path, body, nil)
	if resp.StatusCode < 300 {
		if dry.StatusCode != http.StatusOK {
			t.Errorf("%s: %s: the dry run answers %s %s, and then it is %s", as, request, dry.Status, said, resp.Status)
		}
		return
	}
	if dry.StatusCode != resp.StatusCode || string(said) != string(b) {
		t.Errorf("%s: %s: the dry run answers %s %s, and then it is %s %s", as, request, dry.Status, said, resp.Status, b)
	}
}

// TestDryRunAnswers is what dry runs tell.
func TestDryRunAnswers(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.mustDo(t, "root", "POST repos", `{"name":"r"}`, nil)
	for range 3 {
		s.mustDo(t, "root", "PUT repos/r/file?path=f", "abc", nil)
	}
	s.mustDo(t, "root", "POST repos/r/branches", `{"name":"dev","from":"master^"}`, nil)
	s.mustDo(t, "root", "POST repos/r/branches", `{"name":"empty"}`, nil)
	s.mustDo(t, "root", "POST repos/r/tags", `{"name":"v1","at":"master"}`, nil)
	s.mustDo(t, "root", "POST users", `{"name":"bob"}`, nil)
	s.mustDo(t, "root", "POST keys", `{"user":"bob"}`, nil)
	var head, then v1.Commit
	s.mustDo(t, "root", "GET repos/r/commits/master", "", &head)
	s.mustDo(t, "root", "GET repos/r/commits/master^2", "", &then)

	var gone v1.Removal
	s.mustDo(t, "root", "DELETE repos/r?force=true&dry_run=true", "", &gone)
	if !slices.Equal(gone.Branches, []string{"dev", "empty", "master"}) || gone.BranchCount != 3 || gone.Commits != 5 || !gone.Repo {
		t.Errorf("a repo: %+v", gone)
	}
	gone = v1.Removal{}
	s.mustDo(t, "root", "DELETE repos/r/branches/dev?dry_run=true", "", &gone)
	if !slices.Equal(gone.Branches, []string{"dev"}) || gone.BranchCount != 1 || gone.Commits != 2 || gone.Repo {
		t.Errorf("a branch: %+v", gone)
	}
	var reset v1.Reset
	s.mustDo(t, "root", "POST repos/r/branches/master/reset", `{"to":"master^2","dry_run":true}`, &reset)
	if reset.Head != then.ID || reset.N != 1 || reset.LeftCount != 2 || len(reset.Left) != 2 || reset.Left[0].ID != head.ID {
		t.Errorf("a reset: %+v", reset)
	}
	reset = v1.Reset{}
	s.mustDo(t, "root", "POST repos/r/branches/empty/reset", `{"to":"master","dry_run":true}`, &reset)
	if reset.Name != "empty" || reset.Head != head.ID || reset.LeftCount != 0 || reset.Left != nil {
		t.Errorf("a reset of what is empty: %+v", reset)
	}
	reset = v1.Reset{}
	s.mustDo(t, "root", "POST repos/r/branches/dev/reset", `{"to":"empty","dry_run":true}`, &reset)
	if reset.Head != "" || reset.N != 0 || reset.LeftCount != 2 {
		t.Errorf("a reset to nothing: %+v", reset)
	}
	var tag v1.Tag
	s.mustDo(t, "root", "DELETE repos/r/tags/v1?dry_run=true", "", &tag)
	if tag.Commit != head.ID {
		t.Errorf("a tag: %+v", tag)
	}
	var user v1.UserRemoval
	s.mustDo(t, "root", "DELETE users/bob?dry_run=true", "", &user)
	if user != (v1.UserRemoval{Name: "bob", Keys: 1}) {
		t.Errorf("a user: %+v", user)
	}
	var files v1.Written
	s.mustDo(t, "root", "POST repos/r/delete", `{"ref":"master","paths":["f","absent"],"dry_run":true}`, &files)
	if files.Files != 1 || files.Commit != "" || len(files.Changes) != 1 || files.Changes[0].Path != "f" || files.Changes[0].Old.Size != 3 {
		t.Errorf("files: %+v", files)
	}
	var open v1.OpenCommit
	var staged v1.Commit
	s.mustDo(t, "root", "POST repos/r/commits", `{"branch":"dev","message":"m"}`, &open)
	s.mustDo(t, "root", "PUT repos/r/file?path=g&ref="+open.ID, "x", nil)
	s.mustDo(t, "root", "DELETE repos/r/commits/"+open.ID[:12]+"?dry_run=true", "", &staged)
	if staged.ID != open.ID || staged.Files != 1 || !staged.Open || staged.Branch != "dev" {
		t.Errorf("an open commit: %+v", staged)
	}
	var now v1.Commit
	s.mustDo(t, "root", "GET repos/r/commits/master", "", &now)
	if now.ID != head.ID {
		t.Errorf("the branch has moved on to %+v", now)
	}
}
