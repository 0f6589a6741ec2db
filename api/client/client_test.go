package client_test

import (
	"bytes"
	"context"
	"crypto/md5"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"caret/api"
	"caret/api/apitest"
	"caret/api/client"
	"caret/api/v1"
	"caret/objstore/memory"
	"caret/pfs"
)

// serve is a server on an empty store that lets everyone in.
func serve() (url string, stop func()) {
	fs, err := pfs.Open(context.Background(), memory.New(), pfs.Options{})
	if err != nil {
		panic(err)
	}
	return serveFS(fs)
}

// serveFS is a server that panics at what its document does not describe.
func serveFS(fs *pfs.FS) (url string, stop func()) {
	srv := httptest.NewServer(apitest.New(api.New(fs, api.Options{MD5: true, Authenticate: func(r *http.Request) (api.Caller, error) {
		if r.Header.Get("Authorization") == "" {
			return api.Caller{}, errors.New("the request is not signed")
		}
		return api.Caller{Caller: pfs.Root, Body: r.Body, Length: r.ContentLength}, nil
	}}), log.Panicf))
	return srv.URL, func() {
		srv.Close()
		fs.Close()
	}
}

// A pipeline writes its outputs as one commit and reads them back.
func Example() {
	url, stop := serve() // elsewhere: caret serve
	defer stop()
	ctx := context.Background()
	c := client.New(url, "access key", "secret key")
	if _, err := c.CreateRepo(ctx, v1.Repo{Name: "sales"}); err != nil {
		fmt.Println(err)
		return
	}
	open, err := c.StartCommit(ctx, "sales", "master", "june")
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, name := range []string{"june/a.csv", "june/b.csv"} {
		if _, err := c.Put(ctx, "sales", open.ID, name, "text/csv", "", strings.NewReader(name), int64(len(name))); err != nil {
			fmt.Println(err)
			return
		}
	}
	done, err := c.FinishCommit(ctx, "sales", open.ID, v1.FinishCommit{})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(done.Message, done.Files)
	for f, err := range client.Each(func(after string) (v1.Page[v1.File], error) {
		return c.Files(ctx, "sales", "master", "june/", "", after, 0)
	}) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(f.Path, f.Size)
	}
	body, _, err := c.Get(ctx, "sales", "HEAD", "june/b.csv")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer body.Close()
	if _, err := io.Copy(os.Stdout, body); err != nil {
		fmt.Println(err)
	}
	// Output:
	// june 2
	// june/a.csv 10
	// june/b.csv 10
	// june/b.csv
}

// An error carries a code, what is wrong and what to do about it.
func ExampleCode() {
	url, stop := serve()
	defer stop()
	c := client.New(url, "access key", "secret key")
	_, err := c.Repo(context.Background(), "absent")
	fmt.Println(client.Code(err))
	fmt.Println(err)
	// Output:
	// no_such_repo
	// no such repo: absent
}

func newClient(t *testing.T) (*client.Client, string) {
	t.Helper()
	url, stop := serve()
	t.Cleanup(stop)
	c := client.New(url, "access key", "secret key")
	if _, err := c.CreateRepo(t.Context(), v1.Repo{Name: "r"}); err != nil {
		t.Fatal(err)
	}
	return c, url
}

func TestPages(t *testing.T) {
	t.Parallel()
	c, _ := newClient(t)
	ctx := t.Context()
	const n = 7
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
		log, err := client.All(func(after string) (v1.Page[v1.Commit], error) { return c.Log(ctx, "r", "", "", after, limit) })
		add("commits", len(log), err)
		ofPath, err := client.All(func(after string) (v1.Page[v1.Commit], error) { return c.Log(ctx, "r", "", "d/", after, limit) })
		add("commits of a folder", len(ofPath), err)
		open, err := client.All(func(after string) (v1.Page[v1.OpenCommit], error) { return c.OpenCommits(ctx, "r", after, limit) })
		add("open commits", len(open), err)
		files, err := client.All(func(after string) (v1.Page[v1.File], error) { return c.Files(ctx, "r", "", "", "", after, limit) })
		add("files", len(files), err)
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
	fs, err := pfs.Open(t.Context(), memory.New(), pfs.Options{})
	if err != nil {
		t.Fatal(err)
	}
	url, stop := serveFS(fs)
	defer stop()
	c := client.New(url, "access key", "secret key")
	if _, err := c.CreateRepo(t.Context(), v1.Repo{Name: "r"}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Put(t.Context(), "r", "", "f", "", "", strings.NewReader("data"), 4); err != nil {
		t.Fatal(err)
	}
	s, err := fs.Resolve(t.Context(), pfs.Ref{Repo: "r"})
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
	c, _ := newClient(t)
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
	c, url := newClient(t)
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
	for _, tt := range []struct {
		method, path, body string
		status             int
		code               string
	}{
		{"POST", "repos", "{", 400, "bad_body"},
		{"POST", "repos", `{"name":"x","label":"y"}`, 400, "bad_body"},
		{"POST", "repos", `{"name":"x"} {}`, 400, "bad_body"},
		{"GET", "repos?limit=-1", "", 400, "invalid_argument"},
		{"GET", "repos?limit=x", "", 400, "invalid_argument"},
		{"GET", "nothing", "", 404, "unknown_operation"},
		{"PATCH", "repos", "", 405, "unknown_method"},
		{"GET", "repos?limt=1", "", 400, "unknown_parameter"},
		{"GET", "repos/r/commits?after=nonsense", "", 400, "invalid_argument"},
	} {
		r, err := http.NewRequestWithContext(ctx, tt.method, url+v1.Prefix+tt.path, strings.NewReader(tt.body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "yes")
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != tt.status || !strings.Contains(string(text), `"`+tt.code+`"`) {
			t.Errorf("%s %s %s: %d %s, want %d %s", tt.method, tt.path, tt.body, resp.StatusCode, text, tt.status, tt.code)
		}
	}
}
