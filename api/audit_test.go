package api_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/routers/gorillamux"

	v1 "caret/api/v1"
	"caret/pfs"
)

// audited is, by operation, the action of the line that it leaves in the trail; "" is
// that it leaves none, as it changes nothing or content alone.
var audited = map[string]string{
	"createRepo": "createRepo", "updateRepo": "updateRepo", "deleteRepo": "deleteRepo",
	"createBranch": "createBranch", "deleteBranch": "deleteBranch", "resetBranch": "resetBranch", "protectBranch": "protectBranch",
	"restoreBranch": "restoreBranch", "createTag": "createTag", "deleteTag": "deleteTag", "restoreTag": "restoreTag",
	"restoreRepo": "restoreRepo", "grant": "setBranchGrants", "revoke": "setBranchGrants",
	"createUser": "createUser", "deleteUser": "deleteUser", "createKey": "createKey", "deleteKey": "deleteKey",

	"listDeletedRepos": "", "listDeletedTags": "", "listGrants": "",
	"listRepos": "", "inspectRepo": "", "listBranches": "", "inspectBranch": "", "listDeletedBranches": "", "listMoves": "", "watchBranch": "",
	"listTags": "", "inspectTag": "", "resolve": "", "listCommits": "", "inspectCommit": "", "listChanges": "", "diff": "", "streamDiff": "",
	"merge":  "", // but for one that makes no commit: see TestAuditForward
	"revert": "", "listOpenCommits": "", "startCommit": "", "finishCommit": "", "abortCommit": "", "listFiles": "", "statFile": "", "getFile": "",
	"putFile": "", "deleteFiles": "", "copyFiles": "", "moveFiles": "", "restoreFiles": "", "listUsers": "", "inspectUser": "", "listKeys": "", "inspectKey": "",
	"check": "", "status": "", "listAudit": "", "openapi": "",
}

// TestAudit: every operation that changes what is not content leaves one line in the
// trail, which says who did it and by which request; dry runs and failures leave none.
func TestAudit(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	router, err := gorillamux.NewRouter(s.Document)
	if err != nil {
		t.Fatal(err)
	}
	for _, item := range s.Document.Paths.Map() {
		for _, op := range item.Operations() {
			if _, ok := audited[op.OperationID]; !ok {
				t.Errorf("what %s leaves in the trail is not in the table", op.OperationID)
			}
		}
	}
	seen := map[string]bool{}
	s.all(t, func(target, body string, resp *http.Response, _ []byte) {
		method, path, _ := strings.Cut(target, " ")
		r, err := http.NewRequestWithContext(t.Context(), method, v1.Prefix+path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		route, _, err := router.FindRoute(r)
		if err != nil {
			t.Fatal(err)
		}
		action := audited[route.Operation.OperationID]
		if resp.StatusCode >= 300 || strings.Contains(target, "dry_run=true") || strings.Contains(body, `"dry_run":true`) {
			action = ""
		}
		id := resp.Header.Get("X-Amz-Request-Id")
		if id == "" {
			t.Errorf("%s: the answer has no id of the request", target)
		}
		list, err := s.fs.Audit(t.Context(), pfs.AuditQuery{})
		if err != nil {
			t.Fatal(err)
		}
		list = slices.DeleteFunc(list, func(l pfs.AuditLine) bool { return l.Request != id })
		switch {
		case action == "" && len(list) > 0:
			t.Errorf("%s %s left %+v", target, body, list)
		case action != "" && len(list) != 1:
			t.Errorf("%s %s left %d lines: %+v", target, body, len(list), list)
		case action != "":
			if l := list[0]; l.Action != action || l.User != pfs.RootUser || l.Address != "127.0.0.1" || l.Repo+l.Name == "" {
				t.Errorf("%s left %+v", target, l)
			}
			seen[action] = true
		}
	})
	for id, action := range audited {
		if action != "" && !seen[action] {
			t.Errorf("no step makes %s leave its line", id)
		}
	}
}
