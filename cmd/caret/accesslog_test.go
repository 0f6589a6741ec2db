package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"caret/accesslog"
	"caret/api/v1"
	"caret/objstore/local"
	"caret/pfs"
)

// logged is a server with an access log.
type logged struct {
	*httptest.Server
	system *pfs.System
	path   string
	debug  bytes.Buffer // the server's log
	finish func()       // ends it, and completes the log
}

func newLogged(t *testing.T) *logged {
	t.Helper()
	store, err := local.Open(t.TempDir(), local.Options{Reserve: -1})
	if err != nil {
		t.Fatal(err)
	}
	s := &logged{path: filepath.Join(t.TempDir(), "access.log")}
	if s.system, err = pfs.Open(t.Context(), store, pfs.Options{}); err != nil {
		t.Fatal(err)
	}
	access, err := accesslog.Open(s.path, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	log, err := newLog(&s.debug, logFlags{level: "debug", format: "json"})
	if err != nil {
		t.Fatal(err)
	}
	s.Server = httptest.NewServer(handler(s.system, store, rootKey{"ROOTKEY", "root's secret"}, serveOptions{region: defaultRegion, stall: time.Minute}, newUnder(nil), access, log))
	s.finish = func() {
		s.Close() // waits for requests under way
		for _, c := range []io.Closer{access, s.system, store} {
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		}
	}
	return s
}

// request makes a request that k signed; one without a key is not.
func (s *logged) request(t testing.TB, k rootKey, target, body string) *http.Request {
	t.Helper()
	method, path, _ := strings.Cut(target, " ")
	r, err := http.NewRequestWithContext(t.Context(), method, s.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if k.AccessKey != "" {
		r.Header.Set("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD")
		err = v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true }).SignHTTP(t.Context(),
			aws.Credentials{AccessKeyID: k.AccessKey, SecretAccessKey: k.SecretKey}, r, "UNSIGNED-PAYLOAD", "s3", defaultRegion, time.Now())
		if err != nil {
			t.Fatal(err)
		}
	}
	return r
}

// send sends a request, and returns the id in the answer.
func (s *logged) send(t testing.TB, r *http.Request) string {
	t.Helper()
	resp, err := s.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		t.Fatal(err)
	}
	id := resp.Header.Get("X-Amz-Request-Id")
	if id == "" {
		t.Errorf("%s %s: the answer has no id", r.Method, r.URL)
	}
	return id
}

// entries reads a log.
func entries(t *testing.T, path string) (list []accesslog.Entry) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(text) {
		var e accesslog.Entry
		d := json.NewDecoder(bytes.NewReader(line))
		d.DisallowUnknownFields()
		if err := d.Decode(&e); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		list = append(list, e)
	}
	return list
}

// TestAccessLog: each request that is answered leaves one line, which says who asked for what
// and what came of it, and no secret.
func TestAccessLog(t *testing.T) {
	t.Parallel()
	s := newLogged(t)
	root := rootKey{"ROOTKEY", "root's secret"}
	if _, err := s.system.As(pfs.Root).CreateUser(t.Context(), pfs.User{Name: "alice"}); err != nil {
		t.Fatal(err)
	}
	k, err := s.system.As(pfs.Root).CreateKey(t.Context(), pfs.Key{User: "alice"})
	if err != nil {
		t.Fatal(err)
	}
	alice, nobody := rootKey{k.AccessKey, k.Secret}, rootKey{}
	presigned := func(target string) *http.Request {
		r := s.request(t, nobody, target+"?X-Amz-Expires=60", "")
		link, _, err := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true }).PresignHTTP(t.Context(),
			aws.Credentials{AccessKeyID: root.AccessKey, SecretAccessKey: root.SecretKey, SessionToken: "a-session-token"}, r, "UNSIGNED-PAYLOAD", "s3", defaultRegion, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		if r.URL, err = url.Parse(link); err != nil {
			t.Fatal(err)
		}
		return r
	}
	wrong := s.request(t, root, "GET /master.sales/k", "")
	wrong.Header.Set("X-Amz-Date", "20260101T000000Z")
	preflight := s.request(t, nobody, "OPTIONS /master.sales/k", "")
	preflight.Header.Set("Origin", "https://a.example")
	preflight.Header.Set("Access-Control-Request-Method", "GET")
	hostile := "/master.sales/" + url.PathEscape("a\n{\"id\":\"forged\"}\r\u2028\u0085\x1b[2J")
	copied := s.request(t, nobody, "PUT /master.sales/copy", "")
	copied.Header.Set("X-Amz-Copy-Source", "/master.sales/k")
	deleted := `<Delete><Object><Key>k</Key></Object></Delete>`
	var form bytes.Buffer
	form.WriteString("--X\r\nContent-Disposition: form-data; name=\"key\"\r\n\r\nk\r\n--X\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\ndata\r\n--X--\r\n")
	posted := s.request(t, nobody, "POST /master.sales", form.String())
	posted.Header.Set("Content-Type", "multipart/form-data; boundary=X")
	const rootName = pfs.RootUser
	tests := []struct {
		r    *http.Request
		want accesslog.Entry
	}{
		{s.request(t, root, "PUT /master.sales", ""), accesslog.Entry{User: rootName, Key: "ROOTKEY", Operation: "CreateBucket", Bucket: "master.sales", Status: 200}},
		{s.request(t, root, "PUT /master.sales/k", "data"), accesslog.Entry{User: rootName, Key: "ROOTKEY", Operation: "PutObject", Bucket: "master.sales", Object: "k", Commit: "*", Status: 200, Received: 4}},
		{s.request(t, root, "GET /master.sales/k", ""), accesslog.Entry{User: rootName, Key: "ROOTKEY", Operation: "GetObject", Bucket: "master.sales", Object: "k", Commit: "*", Status: 200, Sent: 4}},
		{s.request(t, root, "HEAD /master.sales/k?versionId=HEAD", ""), accesslog.Entry{User: rootName, Key: "ROOTKEY", Operation: "HeadObject", Bucket: "master.sales", Object: "k", Version: "HEAD", Commit: "*", Status: 200}},
		{s.request(t, root, "GET /master.sales?list-type=2", ""), accesslog.Entry{User: rootName, Key: "ROOTKEY", Operation: "ListObjectsV2", Bucket: "master.sales", Status: 200}},
		{s.request(t, root, "GET /master.sales/absent", ""), accesslog.Entry{User: rootName, Key: "ROOTKEY", Operation: "GetObject", Bucket: "master.sales", Object: "absent", Status: 404, Error: "NoSuchKey"}},
		{s.request(t, nobody, "GET "+hostile, ""), accesslog.Entry{Operation: "GetObject", Bucket: "master.sales", Object: "a\n{\"id\":\"forged\"}\r\u2028\u0085\x1b[2J", Status: 403, Error: "AccessDenied"}},
		{s.request(t, root, "GET /master.sales?torrent", ""), accesslog.Entry{User: rootName, Key: "ROOTKEY", Bucket: "master.sales", Status: 501, Error: "NotImplemented"}},
		{s.request(t, alice, "GET /master.sales/k", ""), accesslog.Entry{User: "alice", Key: k.AccessKey, Operation: "GetObject", Bucket: "master.sales", Object: "k", Status: 403, Error: "AccessDenied"}},
		{s.request(t, nobody, "GET /master.sales/k", ""), accesslog.Entry{Operation: "GetObject", Bucket: "master.sales", Object: "k", Status: 403, Error: "AccessDenied"}},
		{copied, accesslog.Entry{Operation: "CopyObject", Bucket: "master.sales", Object: "copy", Status: 403, Error: "AccessDenied"}},
		{posted, accesslog.Entry{Operation: "PostObject", Bucket: "master.sales", Object: "k", Status: 403, Error: "AccessDenied", Received: int64(form.Len())}},
		{preflight, accesslog.Entry{Operation: "PreflightRequest", Bucket: "master.sales", Object: "k", Status: 403, Error: "AccessForbidden"}},
		{presigned("GET /master.sales/k"), accesslog.Entry{User: rootName, Key: "ROOTKEY", Operation: "GetObject", Bucket: "master.sales", Object: "k", Commit: "*", Status: 200, Sent: 4}},
		{wrong, accesslog.Entry{Bucket: "master.sales", Object: "k", Status: 400, Error: "AuthorizationHeaderMalformed"}},
		{s.request(t, rootKey{"NOSUCHKEY", "x"}, "GET /", ""), accesslog.Entry{Status: 403, Error: "InvalidAccessKeyId"}},
		{s.request(t, root, "PUT "+v1.Prefix+"repos/sales/file?path=x&ref=master", "12"), accesslog.Entry{User: rootName, Key: "ROOTKEY", Operation: "putFile", Repo: "sales", Ref: "master", Path: "x", Commit: "*", Status: 200, Received: 2}},
		{s.request(t, alice, "GET "+v1.Prefix+"users", ""), accesslog.Entry{User: "alice", Key: k.AccessKey, Operation: "listUsers", Status: 403, Error: "access_denied"}},
		{s.request(t, nobody, "GET "+v1.Prefix+"repos/sales/branches/master", ""), accesslog.Entry{Operation: "inspectBranch", Repo: "sales", Ref: "master", Status: 403, Error: "access_denied"}},
		{presigned("GET " + v1.Prefix + "repos"), accesslog.Entry{User: rootName, Key: "ROOTKEY", Operation: "listRepos", Status: 200}},
		{s.request(t, nobody, "GET "+v1.Prefix+"nonsense", ""), accesslog.Entry{Status: 403, Error: "access_denied"}},
		{s.request(t, nobody, "GET /_caret/health/live", ""), accesslog.Entry{Operation: "GET /_caret/health/live", Status: 200, Sent: 3}},
		{s.request(t, root, "GET /_caret/metrics", ""), accesslog.Entry{User: rootName, Key: "ROOTKEY", Operation: "GET /_caret/metrics", Status: 200}},
		{s.request(t, alice, "GET /_caret/metrics", ""), accesslog.Entry{User: "alice", Key: k.AccessKey, Operation: "GET /_caret/metrics", Status: 403}},
		{s.request(t, root, "POST /master.sales?delete", deleted), accesslog.Entry{User: rootName, Key: "ROOTKEY", Operation: "DeleteObjects", Bucket: "master.sales", Status: 200, Commit: "*", Received: int64(len(deleted))}},
	}
	ids := make([]string, len(tests))
	for i, tt := range tests {
		ids[i] = s.send(t, tt.r)
	}
	s.finish()
	byID := map[string]accesslog.Entry{}
	for _, e := range entries(t, s.path) {
		if byID[e.ID].ID != "" {
			t.Errorf("two lines of %s", e.ID)
		}
		byID[e.ID] = e
	}
	if len(byID) != len(tests) {
		t.Errorf("%d lines, want %d", len(byID), len(tests))
	}
	for i, tt := range tests {
		got, want := byID[ids[i]], tt.want
		want.ID, want.Method, want.Address = ids[i], tt.r.Method, "127.0.0.1"
		if got.Time.IsZero() || time.Since(got.Time) > time.Hour || got.Seconds <= 0 {
			t.Errorf("%s %s: at %s, took %v", tt.r.Method, tt.r.URL.Path, got.Time, got.Seconds)
		}
		if want.Commit == "*" && len(got.Commit) == 32 {
			want.Commit = got.Commit
		}
		if want.Sent == 0 && want.Status != 0 && tt.r.Method != http.MethodHead {
			want.Sent = got.Sent // of a document
		}
		got.Time, got.Seconds = time.Time{}, 0
		if got != want {
			t.Errorf("%s %s:\n got %+v\nwant %+v", tt.r.Method, tt.r.URL.Path, got, want)
		}
	}
	text, err := os.ReadFile(s.path)
	if err != nil {
		t.Fatal(err)
	}
	for what, in := range map[string]string{"the access log": string(text), "the log": s.debug.String()} {
		for _, secret := range []string{"Signature=", "Credential=", "a-session-token", "secret", k.Secret} {
			if strings.Contains(in, secret) {
				t.Errorf("%s has %q", what, secret)
			}
		}
	}
	if !strings.Contains(s.debug.String(), `"user":"alice"`) || !strings.Contains(s.debug.String(), `"operation":"PutObject"`) {
		t.Errorf("the log at level debug names no callers and operations: %s", s.debug.String())
	}
}

// TestAccessLogCut: a connection that breaks in the midst of a body or an answer is told of.
func TestAccessLogCut(t *testing.T) {
	t.Parallel()
	s := newLogged(t)
	root := rootKey{"ROOTKEY", "root's secret"}
	const size = 32 << 20
	s.send(t, s.request(t, root, "PUT /master.sales", ""))
	s.send(t, s.request(t, root, "PUT /master.sales/large", strings.Repeat("x", size)))
	s.send(t, s.request(t, root, "GET /master.sales/large", ""))

	down, err := s.Client().Do(s.request(t, root, "GET /master.sales/large", ""))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(down.Body, make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	down.Body.Close() // with much that is still to come the connection is closed

	up := s.request(t, root, "PUT /master.sales/part", strings.Repeat("x", 1000))
	c, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(c, "PUT /master.sales/part HTTP/1.1\r\nHost: %s\r\nContent-Length: 1000\r\n", up.Host)
	for _, name := range []string{"Authorization", "X-Amz-Date", "X-Amz-Content-Sha256"} {
		fmt.Fprintf(c, "%s: %s\r\n", name, up.Header.Get(name))
	}
	fmt.Fprint(c, "\r\nabc")
	c.(*net.TCPConn).CloseWrite()
	io.Copy(io.Discard, c) // until the server is done with it
	c.Close()
	s.finish()

	var gets, puts []accesslog.Entry
	for _, e := range entries(t, s.path) {
		switch {
		case e.Operation == "GetObject":
			gets = append(gets, e)
		case e.Object == "part":
			puts = append(puts, e)
		}
	}
	if len(gets) != 2 || gets[0].Cut || gets[0].Sent != size || !gets[1].Cut || gets[1].Status != 200 || gets[1].Sent >= size {
		t.Errorf("read whole and in part: %+v", gets)
	}
	if len(puts) != 1 || puts[0].Error != "IncompleteBody" && puts[0].Error != "RequestTimeout" || puts[0].Received != 3 || puts[0].Commit != "" || puts[0].Operation != "PutObject" {
		t.Errorf("written in part: %+v", puts)
	}
}

// BenchmarkAccessLog is the CPU time of a GET of 4 KiB, as root over a connection that is kept,
// client and server together, in turns without and with an access log.
func BenchmarkAccessLog(b *testing.B) {
	var used [2]time.Duration
	var servers [2]*httptest.Server
	store, err := local.Open(b.TempDir(), local.Options{Reserve: -1})
	if err != nil {
		b.Fatal(err)
	}
	defer store.Close()
	system, err := pfs.Open(b.Context(), store, pfs.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer system.Close()
	access, err := accesslog.Open(filepath.Join(b.TempDir(), "access.log"), nil, slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	defer access.Close()
	root := rootKey{"ROOTKEY", "root's secret"}
	for i, l := range []*accesslog.Log{nil, access} {
		servers[i] = httptest.NewServer(handler(system, store, root, serveOptions{region: defaultRegion, stall: time.Minute}, newUnder(nil), l, slog.New(slog.DiscardHandler)))
		defer servers[i].Close()
	}
	first := &logged{Server: servers[0]}
	first.send(b, first.request(b, root, "PUT /master.sales", ""))
	first.send(b, first.request(b, root, "PUT /master.sales/k", strings.Repeat("x", 4096)))
	const round = 200
	n := 0
	for b.Loop() {
		for i, srv := range servers {
			s := &logged{Server: srv}
			began := cpuTime(b)
			for range round {
				s.send(b, s.request(b, root, "GET /master.sales/k", ""))
			}
			used[i] += cpuTime(b) - began
		}
		n += round
	}
	b.ReportMetric(float64(used[0].Nanoseconds())/float64(n), "ns-without")
	b.ReportMetric(float64(used[1].Nanoseconds())/float64(n), "ns-with")
	b.ReportMetric(float64(used[1])/float64(used[0]), "ratio")
}

// cpuTime is how long the process has used processors.
func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// TestGone: a request whose client goes before there is an answer is not counted as answered.
func TestGone(t *testing.T) {
	t.Parallel()
	store, err := local.Open(t.TempDir(), local.Options{Reserve: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	path := filepath.Join(t.TempDir(), "access.log")
	access, err := accesslog.Open(path, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	wait := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
	})
	srv := httptest.NewServer(&observer{next: wait, metrics: newMetrics(store, nil), log: slog.New(slog.DiscardHandler), access: access, stall: time.Minute, under: newUnder(nil)})
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, srv.URL, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	if resp, err := srv.Client().Do(r); err == nil {
		resp.Body.Close()
		t.Errorf("it was answered: %s", resp.Status)
	}
	srv.Close()
	access.Close()
	if list := entries(t, path); len(list) != 1 || list[0].Status != accesslog.StatusGone || !list[0].Cut {
		t.Errorf("%+v", list)
	}
}
