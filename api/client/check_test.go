package client_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"caret/api"
	"caret/api/apitest"
	"caret/api/client"
	"caret/api/v1"
	"caret/objstore"
	"caret/objstore/memory"
	"caret/pfs"
)

// TestCheck: what is damaged comes as it is found, with how far the check is, and one
// that breaks off is an error.
func TestCheck(t *testing.T) {
	t.Parallel()
	var point atomic.Pointer[string] // that fails
	var left atomic.Int64            // times that it succeeds before
	system, err := pfs.Open(t.Context(), memory.NewWith(memory.Options{Fault: func(at string) error {
		if p := point.Load(); p != nil && *p == at && left.Add(-1) < 0 {
			return objstore.ErrNotFound
		}
		return nil
	}}), pfs.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { system.Close() })
	tick := make(chan time.Time)
	close(tick) // a line after each step
	srv := httptest.NewServer(apitest.New(api.New(system, api.Options{
		Ticker: func(time.Duration) (<-chan time.Time, func()) { return tick, func() {} },
		Authenticate: func(r *http.Request) (api.Caller, error) {
			return api.Caller{Caller: pfs.Root, Body: r.Body, Length: r.ContentLength}, nil
		},
	}), t.Errorf))
	t.Cleanup(srv.Close)
	c := client.New(srv.URL, "access key", "secret key")
	if _, err := c.CreateRepo(t.Context(), v1.Repo{Name: "r"}); err != nil {
		t.Fatal(err)
	}
	put, err := c.Put(t.Context(), "r", "master", "f", "", "", strings.NewReader("content"), 7)
	if err != nil {
		t.Fatal(err)
	}
	var said []v1.Checked
	opt := client.CheckOptions{At: func(at v1.Checked) { said = append(said, at) }}
	for d, err := range c.Check(t.Context(), opt) {
		t.Errorf("healthy: %+v, %v", d, err)
	}
	if len(said) < 3 || said[0].Repo != "r" || said[len(said)-1] != (v1.Checked{Commits: 1, Files: 1, Blobs: 1, Bytes: 7}) {
		t.Errorf("progress: %+v", said)
	}
	blobs := "blob.get"
	point.Store(&blobs)
	var found []v1.Damage
	for d, err := range c.Check(t.Context(), client.CheckOptions{Repo: "r"}) {
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, d)
	}
	if len(found) != 1 || found[0].Kind != pfs.MissingBlob || found[0].Path != "f" || found[0].Version != put.Commit || found[0].Branch != "master" {
		t.Errorf("without its content: %+v", found)
	}
	for d, err := range c.Check(t.Context(), client.CheckOptions{Quick: true}) {
		t.Errorf("quick: %+v, %v", d, err)
	}
	views := "rows.view"
	left.Store(12) // it breaks in its midst
	point.Store(&views)
	said = nil
	var last error
	for _, last = range c.Check(t.Context(), opt) {
	}
	if last == nil || len(said) == 0 || errors.Is(last, objstore.ErrNotFound) || !strings.Contains(last.Error(), "cut off") {
		t.Errorf("cut off: %v after %+v", last, said)
	}
}
