package client

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"caret/api/v1"
)

// TestRedirect: no request goes anywhere else, and none that was sent on is a success.
func TestRedirect(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("%s %s was sent on", r.Method, r.URL)
	}))
	defer elsewhere.Close()
	for _, status := range []int{301, 302, 303, 307, 308} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.URL+r.URL.Path, status)
		}))
		defer s.Close()
		c, ctx := New(s.URL, "key", "secret"), t.Context()
		_, putErr := c.Put(ctx, "r", "", "a", "", "", strings.NewReader("a"), 1)
		_, repoErr := c.CreateRepo(ctx, v1.Repo{Name: "r"})
		_, getErr := c.Repo(ctx, "r")
		for _, err := range []error{putErr, repoErr, getErr, c.DeleteRepo(ctx, "r", true)} {
			if Code(err) != "redirected" || !strings.HasSuffix(err.Error(), elsewhere.URL) {
				t.Errorf("%d: %v", status, err)
			}
		}
	}
}
