package gateway_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"caret/gateway"
	"caret/gateway/sigv4"
	"caret/objstore"
	"caret/objstore/memory"
	"caret/pfs"
)

// counting is a store that counts the transactions of requests: not those of
// what goes on in the background.
type counting struct {
	objstore.Store
	views, updates *atomic.Int64
}

func (c counting) Rows() objstore.Rows { return countingRows{c.Store.Rows(), c} }

type countingRows struct {
	objstore.Rows
	c counting
}

func ofRequest(ctx context.Context) int64 {
	if ctx.Value(http.ServerContextKey) == nil {
		return 0
	}
	return 1
}

func (r countingRows) View(ctx context.Context, fn func(objstore.Reader) error) error {
	r.c.views.Add(ofRequest(ctx))
	return r.Rows.View(ctx, fn)
}

func (r countingRows) Update(ctx context.Context, about objstore.Subject, fn func(objstore.Writer) error) error {
	r.c.updates.Add(ofRequest(ctx))
	return r.Rows.Update(ctx, about, fn)
}

func (r countingRows) Number(ctx context.Context, sequence string, floor uint64) (uint64, error) {
	r.c.updates.Add(ofRequest(ctx))
	return r.Rows.Number(ctx, sequence, floor)
}

// TestTransactions: a request that reads takes one view, with the decision who
// may in it, and one that writes a view more, before its body, than the one
// update that decides again. A user costs as many as root.
func TestTransactions(t *testing.T) {
	t.Parallel()
	var views, updates atomic.Int64
	sys, err := pfs.Open(t.Context(), counting{memory.New(), &views, &updates}, pfs.Options{})
	if err != nil {
		t.Fatal(err)
	}
	secrets := func(ctx context.Context, key string) (string, error) {
		if key == accessKey {
			return secretKey, nil
		}
		return sys.Secret(ctx, key)
	}
	h := httptest.NewServer(gateway.New(sys, gateway.Options{
		Verifier: sigv4.New(sigv4.Options{Region: "us-east-1", Secrets: secrets}), Secrets: secrets, Region: "us-east-1",
		Caller: func(key string) pfs.Caller {
			if key == accessKey {
				return pfs.Root
			}
			return pfs.Holder(key)
		},
	}))
	t.Cleanup(func() {
		h.Close()
		sys.Close()
	})
	s := server{Server: h, sys: sys, fs: sys.As(pfs.Root)}
	user, key := s.user(t, "alice")
	s.makeBucket(t, "sales", "root", "private")
	err = s.fs.ChangeSettings(t.Context(), pfs.Ref{Repo: "sales"}, pfs.ActOwn, func(set *pfs.Settings) error {
		set.ACL.Grants = append(set.ACL.Grants, pfs.Grant{User: user.ID, Permission: pfs.PermRead}, pfs.Grant{User: user.ID, Permission: pfs.PermWrite})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for who, key := range map[string]pfs.Key{"root": {AccessKey: accessKey, Secret: secretKey}, "a user": key} {
		do := func(method, path, body string, header ...string) int {
			t.Helper()
			r, err := http.NewRequestWithContext(t.Context(), method, s.URL+path, bytes.NewReader([]byte(body)))
			if err != nil {
				t.Fatal(err)
			}
			for i := 0; i < len(header); i += 2 {
				r.Header.Set(header[i], header[i+1])
			}
			sign(t, r, key.AccessKey, key.Secret, time.Now())
			resp, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			io.Copy(io.Discard, resp.Body)
			return resp.StatusCode
		}
		do("PUT", "/master.sales/warm", "x") // the secret is read once
		mine := fmt.Sprintf("/master.sales/%d", len(who))
		list := fmt.Sprintf(`<Delete><Object><Key>%[1]d</Key></Object><Object><Key>%[1]d-copy</Key></Object></Delete>`, len(who))
		for _, op := range []struct {
			name, method, path, body string
			header                   []string
			views, updates           int64
		}{
			{"PUT", "PUT", mine, "data", nil, 1, 1},
			{"GET", "GET", mine, "", nil, 1, 0},
			{"HEAD", "HEAD", mine, "", nil, 1, 0},
			{"GET of a version", "GET", mine + "?versionId=HEAD", "", nil, 1, 0},
			{"HEAD of the bucket", "HEAD", "/master.sales", "", nil, 1, 0},
			{"LIST", "GET", "/master.sales?list-type=2&fetch-owner=true", "", nil, 1, 0},
			{"LIST, the first version", "GET", "/master.sales", "", nil, 1, 0},
			{"LIST of versions", "GET", "/master.sales?versions", "", nil, 1, 0},
			{"LIST of buckets", "GET", "/", "", nil, 1, 0},
			{"copy", "PUT", mine + "-copy", "", []string{"x-amz-copy-source", mine}, 1, 1},
			{"tags", "PUT", mine + "?tagging", "<Tagging><TagSet></TagSet></Tagging>", nil, 1, 1},
			{"DELETE", "DELETE", mine, "", nil, 1, 1},
			{"multi-delete", "POST", "/master.sales?delete", list, nil, 1, 1},
		} {
			views.Store(0)
			updates.Store(0)
			if status := do(op.method, op.path, op.body, op.header...); status >= 300 {
				t.Errorf("%s as %s answers %d", op.name, who, status)
			}
			if v, u := views.Load(), updates.Load(); v != op.views || u != op.updates {
				t.Errorf("%s as %s takes %d views and %d updates, want %d and %d", op.name, who, v, u, op.views, op.updates)
			}
		}
	}
}
