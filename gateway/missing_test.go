package gateway_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"caret/gateway"
	"caret/gateway/sigv4"
	"caret/objstore"
	"caret/objstore/memory"
	"caret/pfs"
)

// forgetful is a store whose blobs are lost once it is told so.
type forgetful struct {
	objstore.Store
	lost *bool
}

func (f forgetful) Blobs() objstore.Blobs { return forgetfulBlobs{f.Store.Blobs(), f.lost} }

type forgetfulBlobs struct {
	objstore.Blobs
	lost *bool
}

func (f forgetfulBlobs) Get(ctx context.Context, h objstore.Hash, buf []byte) ([]byte, error) {
	if *f.lost {
		return nil, objstore.ErrNotFound
	}
	return f.Blobs.Get(ctx, h, buf)
}

// TestLostBlob: an object whose bytes are lost is no key that does not exist.
func TestLostBlob(t *testing.T) {
	t.Parallel()
	lost := false
	sys, err := pfs.Open(t.Context(), forgetful{memory.New(), &lost}, pfs.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer sys.Close()
	secrets := func(context.Context, string) (string, error) { return secretKey, nil }
	srv := httptest.NewServer(gateway.New(sys, gateway.Options{
		Verifier: sigv4.New(sigv4.Options{Region: "us-east-1", Secrets: secrets}), Secrets: secrets,
		Caller: func(string) pfs.Caller { return pfs.Root }, Region: "us-east-1",
	}))
	defer srv.Close()
	s := server{Server: srv, sys: sys, fs: sys.As(pfs.Root)}
	for _, put := range [][2]string{{"/master.sales", ""}, {"/master.sales/k", "x"}} {
		path, content := put[0], put[1]
		if status, body, _ := s.raw(t, "PUT", path, content); status != 200 {
			t.Fatalf("%s: %d %s", path, status, body)
		}
	}
	lost = true
	r, err := http.NewRequestWithContext(t.Context(), "GET", s.URL+"/master.sales/k", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	sign(t, r, accessKey, secretKey, time.Now())
	status, body, _ := s.send(t, r)
	if code := errorCode(t, body); status != 500 || code != "InternalError" || !strings.Contains(body, "is missing") {
		t.Errorf("%d %s: %s", status, code, body)
	}
}
