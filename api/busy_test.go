package api_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"caret/objstore/budget"
	"caret/pfs"
)

// TestSlowDown: a call for which there is no memory is told to come again, and succeeds
// once there is some; what needs none goes on.
func TestSlowDown(t *testing.T) {
	t.Parallel()
	memory := budget.New(budget.Least, 20*time.Millisecond)
	s := newServerWith(t, pfs.Options{Budget: memory})
	s.mustDo(t, "root", "POST repos", `{"name":"r"}`, nil)
	s.mustDo(t, "root", "PUT repos/r/file?ref=master&path=a", "one", nil)
	s.mustDo(t, "root", "PUT repos/r/file?ref=master&path=b", "two", nil)
	many, err := json.Marshal(map[string]any{"ref": "master", "paths": strings.Split(strings.Repeat(strings.Repeat("x", 100)+",", 1000), ","), "dry_run": true})
	if err != nil {
		t.Fatal(err)
	}
	many = []byte(strings.Replace(string(many), `,""]`, `]`, 1))
	type call struct{ target, body string }
	needy := []call{
		{"GET repos/r/files?ref=master", ""},
		{"GET repos/r/diff?from=master%5E&to=master", ""},
		{"GET repos/r/commits?ref=master", ""},
		{"POST repos/r/revert", `{"branch":"master","commit":"master","dry_run":true}`},
		{"POST repos/r/restore", `{"branch":"master","from":"master^","dry_run":true}`},
		{"POST repos/r/delete", string(many)},
	}
	try := func(when string, status int, list []call) {
		t.Helper()
		for _, c := range list {
			resp, b := s.do(t, "root", c.target, c.body, nil)
			if resp.StatusCode != status {
				t.Errorf("%s, %s: %s %.300s", when, c.target, resp.Status, b)
			}
			if status != http.StatusServiceUnavailable {
				continue
			}
			if !strings.Contains(string(b), `"code":"slow_down"`) || !strings.Contains(string(b), "--memory") || resp.Header.Get("Retry-After") == "" {
				t.Errorf("%s, %s: %v %.300s", when, c.target, resp.Header, b)
			}
		}
	}
	try("with memory", http.StatusOK, needy)
	var others []*budget.Share
	for range 2 { // each has half at most
		share, err := memory.Take(t.Context(), budget.Work, budget.Least)
		if err != nil {
			t.Fatal(err)
		}
		others = append(others, share)
	}
	try("without", http.StatusServiceUnavailable, needy)
	try("without", http.StatusOK, []call{
		{"GET repos/r/stat?ref=master&path=a", ""}, {"GET repos/r/file?ref=master&path=a", ""}, {"PUT repos/r/file?ref=master&path=c", "three"},
	})
	for _, share := range others {
		share.Release()
	}
	try("again", http.StatusOK, needy[:3])
	s.Close()
	if used := memory.Stats().Used; used != 0 {
		t.Errorf("%d bytes are held in the end", used)
	}
}
