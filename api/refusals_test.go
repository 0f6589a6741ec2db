package api_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	v1 "caret/api/v1"
)

// TestRefusals: what an operation does not have is refused with what may have
// been meant, and what is no operation tells what is wrong.
func TestRefusals(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.mustDo(t, "root", "POST repos", `{"name":"r"}`, nil)
	for _, tt := range []struct {
		target, body, says string
		status             int
	}{
		{"GET repos?limt=1", "", "did you mean limit?", 400},
		{"GET repos/r/files?prefx=a", "", "did you mean prefix?", 400},
		{"GET repos?zzzzzz=1", "", "it takes after, limit", 400},
		{"GET repos/r?x=1", "", "it takes none", 400},
		{"GET repos?limit=1&limit=2", "", "", 400},
		{"GET repos?%zz", "", "", 400},
		{"GET repos?limit=-1", "", "limit is a number of at least 1", 400},
		{"GET repos?X-Amz-Expires=5", "", "", 200},
		{"DELETE repos/r?force=1", "", "force is true or false", 400},
		{"GET repos/r/branches/master/moves?after=x", "", "give the next", 400},
		{"GET repos/r/open?after=x", "", "give the next", 400},
		{"PUT repos/r", "", "use GET, ", 405},
		{"DELETE openapi.json", "", "use GET", 405},
		{"GET /repos", "", "unknown_operation", 404},
		{"GET repos/", "", "unknown_operation", 404},
		{"GET repos/../repos", "", "unknown_operation", 404},
		{"GET nothing", "", "openapi.json", 404},
		{"POST repos", "{", "bad_body", 400},
		{"POST repos", "null", "bad_body", 400},
		{"POST repos", `["name"]`, "bad_body", 400},
		{"POST repos/r/commits/HEAD/finish", "null", "it is null", 400},
		{"POST repos", `{"name":"x","label":"y"}`, `unknown field \"label\"`, 400},
		{"POST repos", `{"name":"x","Description":"y"}`, `unknown field \"Description\"`, 400},
		{"POST repos/r/branches/master/protect", `{"protected":null}`, `the field \"protected\" is null`, 400},
		{"POST keys", `{"user":"root","repo": null}`, `the field \"repo\" is null`, 400},
		{"POST repos", `{"name":"x"} {}`, "there is more behind it", 400},
		{"POST repos", `{"description":"x"}`, `the field \"name\" is missing`, 400},
		{"POST repos", `{"name":"` + strings.Repeat("x", 8<<20) + `"}`, "larger than", 400},
		{"BREW repos/r", "", "use GET", 405},
	} {
		resp, b := s.do(t, "root", tt.target, tt.body, nil)
		if resp.StatusCode != tt.status || !strings.Contains(string(b), tt.says) || resp.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s: %s %s, want %d %s", tt.target, resp.Status, b, tt.status, tt.says)
		}
		if allow := resp.Header.Get("Allow"); (tt.status == 405) != strings.Contains(allow, "GET") {
			t.Errorf("%s: Allow %q", tt.target, allow)
		}
	}
}

// TestHeads: what can be had with GET answers HEAD, and is done with that: the
// connection takes the next request.
func TestHeads(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.mustDo(t, "root", "POST repos", `{"name":"r"}`, nil)
	s.mustDo(t, "root", "PUT repos/r/file?path=f", "x", nil)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	one := http.Client{Transport: &http.Transport{MaxConnsPerHost: 1}}
	defer one.CloseIdleConnections()
	for _, path := range []string{
		"repos", "repos/r/branches/master/events", "repos/r/diff/stream?from=.1", "repos/r/file?path=f", "repos/r/stat?path=f", "check", "openapi.json",
	} {
		r, err := http.NewRequestWithContext(ctx, http.MethodHead, s.URL+v1.Prefix+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "root")
		resp, err := one.Do(r)
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			t.Errorf("%s: %s", path, resp.Status)
		}
	}
}
