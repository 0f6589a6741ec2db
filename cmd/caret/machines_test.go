package main

import (
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"caret/objstore/local"
	"caret/pfs"
)

// TestMetrics: what a server counts is for administrators, or for whoever gets to the
// address that is there for it, where nothing else is.
func TestMetrics(t *testing.T) {
	t.Parallel()
	store, err := local.Open(t.TempDir(), local.Options{Reserve: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	system, err := pfs.Open(t.Context(), store, pfs.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer system.Close()
	log := slog.New(slog.DiscardHandler)
	h := handler(system, store, rootKey{"CARETROOT", "secret"}, serveOptions{region: defaultRegion, stall: time.Minute}, newUnder(nil), nil, log)
	srv := httptest.NewServer(h)
	defer srv.Close()
	root := system.As(pfs.Root)
	key := func(name string, admin bool, limit pfs.Key) [2]string {
		if _, err := root.CreateUser(t.Context(), pfs.User{Name: name, Admin: admin}); err != nil {
			t.Fatal(err)
		}
		limit.User = name
		k, err := root.CreateKey(t.Context(), limit)
		if err != nil {
			t.Fatal(err)
		}
		return [2]string{k.AccessKey, k.Secret}
	}
	if _, err := root.CreateRepo(t.Context(), pfs.Repo{Name: "r"}); err != nil {
		t.Fatal(err)
	}
	get := func(url string, key [2]string) (int, string) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		if key[0] != "" {
			r.Header.Set("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD")
			who := aws.Credentials{AccessKeyID: key[0], SecretAccessKey: key[1]}
			if err := v4.NewSigner().SignHTTP(t.Context(), who, r, "UNSIGNED-PAYLOAD", "s3", defaultRegion, time.Now()); err != nil {
				t.Fatal(err)
			}
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(b)
	}
	for who, tt := range map[string]struct {
		key  [2]string
		want int
	}{
		"nobody":                       {[2]string{}, 403},
		"a user":                       {key("ann", false, pfs.Key{}), 403},
		"an administrator":             {key("adm", true, pfs.Key{}), 200},
		"one who only reads":           {key("monitor", true, pfs.Key{ReadOnly: true}), 200},
		"one with a key for a repo":    {key("partial", true, pfs.Key{Repo: "r"}), 403},
		"the root key":                 {[2]string{"CARETROOT", "secret"}, 200},
		"the root key, a wrong secret": {[2]string{"CARETROOT", "secret2"}, 403},
		"a key that there is not":      {[2]string{"CARETNONE", "secret"}, 403},
	} {
		status, text := get(srv.URL+metricsPath, tt.key)
		if status != tt.want || strings.Contains(text, "caret_blobs_known_total") != (tt.want == 200) {
			t.Errorf("%s: %d %.200s, want %d", who, status, text, tt.want)
		}
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	end := h.metrics.serve(ln, &health{system: system, store: store}, log)
	at := "http://" + ln.Addr().String()
	for path, want := range map[string]int{metricsPath: 200, "/_caret/health/ready": 200, "/": 404, "/_caret/v1/repos": 404, "/r": 404} {
		if status, text := get(at+path, [2]string{}); status != want || want == 404 && strings.Contains(text, "<Error>") {
			t.Errorf("%s at the address for metrics: %d %.100s", path, status, text)
		}
	}
	taken, err := h.metrics.serveAt(ln.Addr().String(), nil, log)
	if err == nil {
		taken()
		t.Error("a taken address was listened at")
	}
	end()
	if _, err := http.Get(at + metricsPath); err == nil {
		t.Error("it is served when that was ended")
	}
}
