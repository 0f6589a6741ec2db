package main

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"caret/api/v1"
	"caret/objstore/local"
	"caret/pfs"
)

// TestSignedAPI: the API takes presigned URLs, and tells those who do not
// sign what it can do, but nothing else.
func TestSignedAPI(t *testing.T) {
	t.Parallel()
	store, err := local.Open(t.TempDir(), local.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	system, err := pfs.Open(t.Context(), store, pfs.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer system.Close()
	key := rootKey{AccessKey: "CARETROOT", SecretKey: "secret"}
	h := handler(system, store, key, serveOptions{region: defaultRegion, stall: time.Minute}, newUnder(nil), nil, slog.New(slog.DiscardHandler))
	srv := httptest.NewServer(h)
	defer srv.Close()
	presigned := func(path string) string {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, srv.URL+path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		r.URL.RawQuery += "&X-Amz-Expires=60"
		url, _, err := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true }).PresignHTTP(t.Context(),
			aws.Credentials{AccessKeyID: key.AccessKey, SecretAccessKey: key.SecretKey}, r, "UNSIGNED-PAYLOAD", "s3", defaultRegion, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		return url
	}
	for _, tt := range []struct {
		url, says string
		status    int
	}{
		{srv.URL + v1.Prefix + "openapi.json", `"openapi":"3.0.3"`, 200},
		{srv.URL + v1.Prefix + "repos", "the request is not signed", 403},
		{srv.URL + strings.TrimSuffix(v1.Prefix, "/"), "the request is not signed", 403},
		{presigned(v1.Prefix + "repos?limit=1"), `"items":[]`, 200},
		{presigned(v1.Prefix + "repos?limit=1&limit=2"), "limit is given 2 times", 400},
		{presigned(v1.Prefix + "repos?limt=1"), "did you mean limit?", 400},
		{presigned(v1.Prefix+"repos?limit=1") + "0", "signature", 403},
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, tt.url, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := srv.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != tt.status || !strings.Contains(string(b), tt.says) || resp.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s: %s %.200s, %v, want %d %s", tt.url, resp.Status, b, err, tt.status, tt.says)
		}
	}
}

// TestKeysOfHosts: what a host name has made a bucket's is a key, and not a page of the
// server: who presigns it for others means the object.
func TestKeysOfHosts(t *testing.T) {
	t.Parallel()
	store, err := local.Open(t.TempDir(), local.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	system, err := pfs.Open(t.Context(), store, pfs.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer system.Close()
	key := rootKey{AccessKey: "CARETROOT", SecretKey: "secret"}
	h := handler(system, store, key, serveOptions{region: defaultRegion, domain: "s3.test", stall: time.Minute}, newUnder(nil), nil, slog.New(slog.DiscardHandler))
	for _, path := range []string{v1.Prefix + "repos", "/_caret/metrics", "/_caret/health/live"} {
		for host, inXML := range map[string]bool{"master.sales.s3.test": true, "s3.test": false} {
			r := httptest.NewRequest(http.MethodGet, "http://"+host+path, nil)
			r.Header.Set("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD")
			if err := v4.NewSigner().SignHTTP(t.Context(), aws.Credentials{AccessKeyID: key.AccessKey, SecretAccessKey: key.SecretKey},
				r, "UNSIGNED-PAYLOAD", "s3", defaultRegion, time.Now()); err != nil {
				t.Fatal(err)
			}
			w := httptest.NewRecorder()
			if h.ServeHTTP(w, r); strings.Contains(w.Body.String(), "<Code>NoSuchBucket</Code>") != inXML || (w.Code == http.StatusOK) == inXML {
				t.Errorf("%s at %s: %d, %.200s", path, host, w.Code, w.Body)
			}
		}
	}
	families, err := h.metrics.registry.Gather()
	if text := fmt.Sprint(families); err != nil || !strings.Contains(text, "GET object") || strings.Contains(text, "GET bucket") {
		t.Errorf("counted as %s, %v", text, err)
	}
}
