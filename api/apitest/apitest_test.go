package apitest_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"caret/api"
	"caret/api/apitest"
	v1 "caret/api/v1"
	"caret/objstore/memory"
	"caret/pfs"
)

// TestChecker: what does not fit the document is told, and nothing else is.
func TestChecker(t *testing.T) {
	t.Parallel()
	system, err := pfs.Open(t.Context(), memory.New(), pfs.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer system.Close()
	real := api.New(system, api.Options{Authenticate: func(r *http.Request) (api.Caller, error) {
		return api.Caller{Caller: pfs.Root, Body: r.Body, Length: r.ContentLength}, nil
	}})
	for _, tt := range []struct {
		target, body string
		status       int
		answer       string
		wrong        string // what the checker says of it
	}{
		{"GET repos", "", 200, `{"items":[]}`, ""},
		{"GET repos?X-Amz-Date=x", "", 200, `{"items":[]}`, ""},
		{"GET repos", "", 400, `{"code":"invalid_argument","message":"m"}`, ""},
		{"GET nothing", "", 404, `{"code":"unknown_operation","message":"m"}`, ""},
		{"POST repos", `{"name":3}`, 400, `{"code":"bad_body","message":"m"}`, ""},
		{"GET repos", "", 200, `{"items":null}`, "answer 200"},
		{"GET repos", "", 200, `{"items":[],"extra":1}`, "extra"},
		{"GET repos", "", 200, `{"items":[{"name":"r"}]}`, "default_branch"},
		{"GET repos", "", 201, `{"items":[]}`, "status"},
		{"GET repos", "", 400, `{"code":"new_code","message":"m"}`, "new_code"},
		{"GET repos", "", 400, `{"code":"no_such_repo","message":"m"}`, "no_such_repo"},
		{"GET repos?x=1", "", 200, `{"items":[]}`, "undocumented parameter x"},
		{"GET repos?limit=0", "", 200, `{"items":[]}`, "limit"},
		{"GET nothing", "", 200, `{}`, "no such operation"},
		{"POST repos", `{"name":3}`, 201, `{"name":"r","default_branch":"b","created":"2026-11-20T12:00:00Z"}`, "request does not fit"},
		{"GET repos/r/file?path=f", "", 200, `{}`, "Content-Type"},
	} {
		told := ""
		c := apitest.New(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == v1.Prefix+"openapi.json" {
				real.ServeHTTP(w, r)
				return
			}
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(tt.status)
			io.WriteString(w, tt.answer)
		}), func(format string, args ...any) { told += fmt.Sprintf(format, args...) })
		method, path, _ := strings.Cut(tt.target, " ")
		c.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(method, v1.Prefix+path, strings.NewReader(tt.body)))
		if !strings.Contains(told, tt.wrong) || tt.wrong == "" && told != "" {
			t.Errorf("%s %s answered with %d %s: told %q, want %q", tt.target, tt.body, tt.status, tt.answer, told, tt.wrong)
		}
	}
}
