package client_test

import (
	"bytes"
	"cmp"
	"context"
	"crypto/md5"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"caret/api"
	"caret/api/apitest"
	"caret/api/client"
	"caret/api/v1"
	"caret/objstore/memory"
	"caret/pfs"
)

func newSystem() *pfs.System {
	system, err := pfs.Open(context.Background(), memory.New(), pfs.Options{})
	if err != nil {
		panic(err)
	}
	return system
}

// serve is a server on an empty store for examples.
func serve() (url string, stop func()) { return serveSystem(newSystem(), log.Panicf) }

// serveSystem is a server that lets everyone in who signs; fail is told what does
// not fit its document.
func serveSystem(system *pfs.System, fail func(string, ...any)) (url string, stop func()) {
	srv := httptest.NewServer(apitest.New(api.New(system, api.Options{MD5: true, Authenticate: func(r *http.Request) (api.Caller, error) {
		if r.Header.Get("Authorization") == "" {
			return api.Caller{}, errors.New("the request is not signed")
		}
		return api.Caller{Caller: pfs.Root, Body: r.Body, Length: r.ContentLength}, nil
	}}), fail))
	return srv.URL, func() {
		srv.Close()
		system.Close()
	}
}

// newClient is a client of a server with the repo r.
func newClient(t *testing.T, system *pfs.System) *client.Client {
	t.Helper()
	url, stop := serveSystem(system, t.Errorf)
	t.Cleanup(stop)
	c := client.New(url, "access key", "secret key")
	if _, err := c.CreateRepo(t.Context(), v1.Repo{Name: "r"}); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestPages(t *testing.T) {
	t.Parallel()
	c := newClient(t, newSystem())
	ctx := t.Context()
	const n = 7
	for _, user := range []string{"u", "other"} {
		if _, err := c.CreateUser(ctx, v1.User{Name: user}); err != nil {
			t.Fatal(err)
		}
	}
	for i := range n {
		if _, err := c.Put(ctx, "r", "", fmt.Sprintf("d/%d", i), "", fmt.Sprint(i), strings.NewReader("x"), -1); err != nil {
			t.Fatal(err)
		}
		if _, err := c.CreateBranch(ctx, "r", fmt.Sprintf("b%d", i), "HEAD"); err != nil {
			t.Fatal(err)
		}
		if _, err := c.StartCommit(ctx, "r", "master", ""); err != nil {
			t.Fatal(err)
		}
		if _, err := c.CreateRepo(ctx, v1.Repo{Name: fmt.Sprintf("r%d", i)}); err != nil {
			t.Fatal(err)
		}
		if _, err := c.CreateTag(ctx, "r", fmt.Sprintf("t%d", i), "HEAD", ""); err != nil {
			t.Fatal(err)
		}
		for _, user := range []string{"u", "other"} {
			if _, err := c.CreateKey(ctx, v1.Key{User: user}); err != nil {
				t.Fatal(err)
			}
		}
		if i > 0 { // making it is a move too
			if _, err := c.ResetBranch(ctx, "r", "b0", v1.ResetBranch{To: "HEAD"}); err != nil {
				t.Fatal(err)
			}
		}
	}
	for limit := 1; limit <= n+2; limit++ {
		counts := map[string]int{}
		add := func(what string, k int, err error) {
			if err != nil {
				t.Errorf("%s: %v", what, err)
			}
			counts[what] = k
		}
		repos, err := client.All(func(after string) (v1.Page[v1.Repo], error) { return c.Repos(ctx, after, limit) })
		add("repos", len(repos)-1, err)
		branches, err := client.All(func(after string) (v1.Page[v1.Branch], error) { return c.Branches(ctx, "r", after, limit) })
		add("branches", len(branches)-1, err)
		log, err := client.All(func(after string) (v1.Page[v1.Commit], error) {
			return c.Log(ctx, "r", "", client.LogFilter{}, after, limit)
		})
		add("commits", len(log), err)
		ofPath, err := client.All(func(after string) (v1.Page[v1.Commit], error) {
			return c.Log(ctx, "r", "", client.LogFilter{Path: "d/"}, after, limit)
		})
		add("commits of a folder", len(ofPath), err)
		open, err := client.All(func(after string) (v1.Page[v1.OpenCommit], error) { return c.OpenCommits(ctx, "r", after, limit) })
		add("open commits", len(open), err)
		files, err := client.All(func(after string) (v1.Page[v1.File], error) { return c.Files(ctx, "r", "", "", "", after, limit) })
		add("files", len(files), err)
		tags, err := client.All(func(after string) (v1.Page[v1.Tag], error) { return c.Tags(ctx, "r", after, limit) })
		add("tags", len(tags), err)
		moves, err := client.All(func(after string) (v1.Page[v1.Move], error) { return c.Moves(ctx, "r", "b0", after, limit) })
		add("moves", len(moves), err)
		if !slices.IsSortedFunc(moves, func(a, b v1.Move) int { return cmp.Compare(b.N, a.N) }) {
			t.Errorf("limit %d: moves not newest first: %+v", limit, moves)
		}
		keys, err := client.All(func(after string) (v1.Page[v1.Key], error) { return c.Keys(ctx, "u", after, limit) })
		add("keys", len(keys), err)
		all, err := client.All(func(after string) (v1.Page[v1.Key], error) { return c.Keys(ctx, "", after, limit) })
		add("keys of both users", len(all)-n, err)
		for what, k := range counts {
			if k != n {
				t.Errorf("limit %d: %d %s, want %d", limit, k, what, n)
			}
		}
	}
}

// TestMD5: a server that is asked to keeps MD5s of what comes by the API too.
func TestMD5(t *testing.T) {
	t.Parallel()
	system := newSystem()
	c := newClient(t, system)
	if _, err := c.Put(t.Context(), "r", "", "f", "", "", strings.NewReader("data"), 4); err != nil {
		t.Fatal(err)
	}
	s, err := system.As(pfs.Root).Open(t.Context(), pfs.Ref{Repo: "r"}, pfs.ActRead, "f")
	if err != nil {
		t.Fatal(err)
	}
	info, err := s.Stat(t.Context(), "f")
	if want := fmt.Sprintf("%x", md5.Sum([]byte("data"))); err != nil || info.Attrs.Checksum.MD5 != want {
		t.Errorf("%+v, %v, want %s", info.Attrs.Checksum, err, want)
	}
}

func TestRanges(t *testing.T) {
	t.Parallel()
	c := newClient(t, newSystem())
	data := bytes.Repeat([]byte("0123456789"), 300_000)
	if _, err := c.Put(t.Context(), "r", "", "f", "", "", bytes.NewReader(data), int64(len(data))); err != nil {
		t.Fatal(err)
	}
	size := int64(len(data))
	for _, tt := range []struct{ off, length, from, to int64 }{
		{0, -1, 0, size}, {5, 10, 5, 15}, {size - 3, -1, size - 3, size}, {size - 3, 100, size - 3, size}, {1 << 20, 1 << 20, 1 << 20, 2 << 20},
	} {
		body, n, err := c.GetRange(t.Context(), "r", "", "f", tt.off, tt.length)
		if err != nil {
			t.Errorf("%+v: %v", tt, err)
			continue
		}
		got, err := io.ReadAll(body)
		body.Close()
		if err != nil || !bytes.Equal(got, data[tt.from:tt.to]) || n != int64(len(got)) {
			t.Errorf("%+v: %d of %d bytes, %v", tt, len(got), n, err)
		}
	}
}

func TestErrors(t *testing.T) {
	t.Parallel()
	c := newClient(t, newSystem())
	ctx := t.Context()
	for want, call := range map[string]func() error{
		"no_such_branch":     func() error { _, err := c.Branch(ctx, "r", "absent"); return err },
		"no_such_version":    func() error { _, err := c.Resolve(ctx, "r", "HEAD^9"); return err },
		"invalid_expression": func() error { _, err := c.Resolve(ctx, "r", "HEAD^^3x"); return err },
		"no_such_path":       func() error { _, err := c.Stat(ctx, "r", "", "absent"); return err },
		"branch_exists":      func() error { _, err := c.CreateBranch(ctx, "r", "master", ""); return err },
		"invalid_name":       func() error { _, err := c.CreateRepo(ctx, v1.Repo{Name: "a/b"}); return err },
		"invalid_path":       func() error { _, err := c.Delete(ctx, "r", v1.Delete{Paths: []string{""}}); return err },
	} {
		if err := call(); client.Code(err) != want {
			t.Errorf("%q (%v), want %q", client.Code(err), err, want)
		}
	}
}
