package gateway_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"caret/gateway"
	"caret/gateway/sigv4"
	"caret/objstore/memory"
	"caret/pfs"
)

// The files in testdata/wire are what a client sends and what it gets, byte
// for byte. Each is read by a server of its own, which has the bucket
// master.sales of root and the user alice.
//
//	# A comment.
//	region eu-central-1            the server's region; us-east-1 without
//	+ PUT /master.sales/k          preparation: must succeed, its answer is not kept
//	Content-Type: text/plain
//
//	body
//
//	> GET /master.sales/k as alice a request; root's without a name, see signers
//	If-None-Match: $etag1
//	< 304                          the answer: headers in order, then the body
//	Etag: "..."
//
// Line ends at the end of a body are not part of it. In requests $version1 is
// the first version id that an answer had, $version2 the next other one; so
// are $upload1, $etag1 and $token1. $id(alice) is a user's ID, $fill(N) are N
// letters. The body of a multipart/form-data request is one NAME=VALUE a line;
// its policy is encoded and signed. That of a STREAMING- one has CRLF.
var update = flag.Bool("update", false, "rewrite the answers in testdata/wire")

// hideID stands for what differs each time.
const hideID = "REQUEST-ID"

// started is the time on the server's clock to begin with.
var started = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// ticker is a clock that moves a second whenever something happens, and a
// source of numbers that are as random as the tests need them: 0101..., 0202....
type ticker struct {
	mu    sync.Mutex
	now   time.Time
	drawn byte
}

func (c *ticker) tick() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(time.Second)
	return c.now
}

// look is the time without a tick.
func (c *ticker) look() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *ticker) Read(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.drawn++
	for i := range p {
		p[i] = c.drawn
	}
	return len(p), nil
}

// signer is how a request is signed.
type signer struct {
	key, secret, region string
	ago                 time.Duration
	presigned           bool
}

var signers = map[string]signer{
	"root":           {key: accessKey, secret: secretKey},
	"alice":          {key: "ALICE", secret: "alice's secret"},
	"anonymous":      {},
	"a stranger":     {key: "NOBODY", secret: secretKey},
	"a forger":       {key: accessKey, secret: "wrong"},
	"a latecomer":    {key: accessKey, secret: secretKey, ago: time.Hour},
	"a martian":      {key: accessKey, secret: secretKey, region: "mars"},
	"a link":         {key: accessKey, secret: secretKey, presigned: true},
	"a forged link":  {key: accessKey, secret: "wrong", presigned: true},
	"a martian link": {key: accessKey, secret: secretKey, region: "mars", presigned: true},
	"an old link":    {key: accessKey, secret: secretKey, presigned: true, ago: time.Hour},
}

// wire is a server whose answers can be foretold.
type wire struct {
	*httptest.Server
	fs     *pfs.FS
	client *http.Client
	clock  *ticker
	alice  pfs.User
	seen   map[string][]string // what answers had, for $version1 and so on
}

func newWire(t *testing.T, region string) *wire {
	t.Helper()
	s := &wire{clock: &ticker{now: started}, seen: map[string][]string{}}
	store := memory.New()
	sys, err := pfs.Open(t.Context(), store, pfs.Options{Now: s.clock.tick, Rand: s.clock})
	if err != nil {
		t.Fatal(err)
	}
	fs := sys.As(pfs.Root)
	s.fs = fs
	if s.alice, err = fs.CreateUser(t.Context(), pfs.User{Name: "alice", Display: "Alice A."}); err != nil {
		t.Fatal(err)
	}
	s.clock.now = started.Add(time.Second) // however often that looks at the clock
	if _, err := fs.CreateRepo(t.Context(), pfs.Repo{Name: "sales", Owner: pfs.RootUser}); err != nil {
		t.Fatal(err)
	}
	secrets := func(_ context.Context, key string) (string, error) {
		for _, name := range []string{"root", "alice"} {
			if signers[name].key == key {
				return signers[name].secret, nil
			}
		}
		return "", sigv4.ErrUnknownKey
	}
	caller := func(key string) pfs.Caller {
		if key == signers["alice"].key {
			return pfs.Caller{ID: s.alice.ID, Name: s.alice.Name}
		}
		return pfs.Root
	}
	s.Server = httptest.NewServer(gateway.New(sys, gateway.Options{
		Verifier: sigv4.New(sigv4.Options{Region: region, Secrets: secrets, Now: s.clock.look}),
		Secrets:  secrets, Caller: caller, Region: region, Domain: "s3.test", Now: s.clock.look,
		Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
	}))
	transport := &http.Transport{DisableCompression: true}
	s.client = &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		s.Close()
		sys.Close()
		store.Close()
	})
	return s
}

// exchange is a request of a golden.
type exchange struct {
	text         string // as in the file, with the comments before it
	method, path string
	as           string
	header       [][2]string
	body         string
	quiet        bool // preparation
}

var (
	requestLine = regexp.MustCompile(`^([+>]) ([A-Z]+) (\S+)(?: as ([a-z ]+))?$`)
	variable    = regexp.MustCompile(`\$(version|upload|etag|token)([0-9])|\$(id|fill)\((\w+)\)`)
)

// parseGolden reads the requests of a golden; of the answers it reads nothing.
func parseGolden(text string) (region string, list []exchange, err error) {
	region = "us-east-1"
	var lines []string // of comments, then also of the request
	var e *exchange
	inBody, inAnswer := false, false
	end := func() {
		if e != nil {
			e.text, e.body = strings.TrimRight(strings.Join(lines, "\n"), "\n"), strings.TrimRight(e.body, "\n")
			list = append(list, *e)
		}
		e, lines = nil, nil
	}
	for line := range strings.SplitSeq(text, "\n") {
		m := requestLine.FindStringSubmatch(line)
		switch {
		case m != nil || strings.HasPrefix(line, "# ") || strings.HasPrefix(line, "region "):
			inBody, inAnswer = false, false
			if e != nil {
				end()
			}
			lines = append(lines, line)
			if name, ok := strings.CutPrefix(line, "region "); ok {
				region = name
			}
			if m != nil {
				e = &exchange{quiet: m[1] == "+", method: m[2], path: m[3], as: m[4]}
			}
		case strings.HasPrefix(line, "< "):
			inAnswer = true
			end()
		case inAnswer:
		case e == nil:
			if line != "" {
				return "", nil, fmt.Errorf("%q belongs to no request", line)
			}
		case inBody:
			e.body += line + "\n"
			lines = append(lines, line)
		case line == "":
			inBody = true
			lines = append(lines, line)
		default:
			name, value, ok := strings.Cut(line, ": ")
			if !ok {
				return "", nil, fmt.Errorf("%q is no header", line)
			}
			e.header = append(e.header, [2]string{name, value})
			lines = append(lines, line)
		}
	}
	end()
	return region, list, nil
}

// expand replaces variables.
func (s *wire) expand(text string) (_ string, err error) {
	text = variable.ReplaceAllStringFunc(text, func(v string) string {
		m := variable.FindStringSubmatch(v)
		n, _ := strconv.Atoi(m[2] + m[4])
		switch {
		case m[3] == "fill":
			return strings.Repeat("x", n)
		case m[3] == "id" && m[4] == "alice":
			return s.alice.ID
		case m[1] != "" && 0 < n && n <= len(s.seen[m[1]]):
			return s.seen[m[1]][n-1]
		}
		err = fmt.Errorf("nothing is known of %s", v)
		return v
	})
	return text, err
}

// request makes the request of an exchange.
func (s *wire) request(t *testing.T, e *exchange) *http.Request {
	t.Helper()
	path, err1 := s.expand(e.path)
	body, err2 := s.expand(e.body)
	who, ok := signers[e.as]
	if e.as == "" {
		who, ok = signers["root"], true
	}
	if err := errors.Join(err1, err2); err != nil || !ok {
		t.Fatalf("%s %s: %v, signer %q", e.method, e.path, err, e.as)
	}
	header := http.Header{}
	for _, h := range e.header {
		value, err := s.expand(h[1])
		if err != nil {
			t.Fatal(err)
		}
		header.Add(h[0], value)
	}
	payload := header.Get("X-Amz-Content-Sha256")
	form := header.Get("Content-Type") == "multipart/form-data"
	switch {
	case form:
		header.Set("Content-Type", "multipart/form-data; boundary=golden")
		body = s.form(body, who)
	case strings.HasPrefix(payload, "STREAMING-"):
		body = strings.ReplaceAll(body, "\n", "\r\n") + "\r\n\r\n"
	}
	r, err := http.NewRequestWithContext(t.Context(), e.method, s.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if header.Get("Transfer-Encoding") == "chunked" {
		r.ContentLength = -1
		header.Del("Transfer-Encoding")
	}
	r.Host = "s3.test"
	if host := header.Get("Host"); host != "" {
		r.Host = host
		header.Del("Host")
	}
	r.Header = header
	r.Header.Set("User-Agent", "golden")
	if !form && who.key != "" {
		s.sign(t, r, who)
	}
	return r
}

func (s *wire) sign(t *testing.T, r *http.Request, who signer) {
	t.Helper()
	region, at := who.region, s.clock.look().Add(-who.ago)
	if region == "" {
		region = "us-east-1"
	}
	payload := r.Header.Get("X-Amz-Content-Sha256")
	if payload == "" {
		payload = "UNSIGNED-PAYLOAD"
	}
	with := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true })
	keys := aws.Credentials{AccessKeyID: who.key, SecretAccessKey: who.secret}
	if !who.presigned {
		r.Header.Set("X-Amz-Content-Sha256", payload)
		if err := with.SignHTTP(t.Context(), keys, r, payload, "s3", region, at); err != nil {
			t.Fatal(err)
		}
		return
	}
	q := r.URL.Query()
	q.Set("X-Amz-Expires", "60")
	r.URL.RawQuery = q.Encode()
	signed, _, err := with.PresignHTTP(t.Context(), keys, r, payload, "s3", region, at)
	if err != nil {
		t.Fatal(err)
	}
	if r.URL, err = url.Parse(signed); err != nil {
		t.Fatal(err)
	}
}

// form is a body of multipart/form-data. Its policy is signed.
func (s *wire) form(fields string, who signer) string {
	var b strings.Builder
	add := func(name, value string) {
		if name == "file" {
			name = `file"; filename="upload.txt`
		}
		fmt.Fprintf(&b, "--golden\r\nContent-Disposition: form-data; name=\"%s\"\r\n\r\n%s\r\n", name, value)
	}
	for line := range strings.SplitSeq(fields, "\n") {
		name, value, _ := strings.Cut(line, "=")
		if name == "policy" {
			at := s.clock.look()
			scope := at.Format("20060102") + "/us-east-1/s3/aws4_request"
			value = base64.StdEncoding.EncodeToString([]byte(value))
			sum := []byte("AWS4" + who.secret)
			for part := range strings.SplitSeq(scope, "/") {
				sum = hmacOf(sum, part)
			}
			sum = hmacOf(sum, value)
			add("x-amz-algorithm", "AWS4-HMAC-SHA256")
			add("x-amz-credential", who.key+"/"+scope)
			add("x-amz-date", at.Format("20060102T150405Z"))
			add("x-amz-signature", hex.EncodeToString(sum))
		}
		add(name, value)
	}
	return b.String() + "--golden--\r\n"
}

func hmacOf(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

// do sends a request and writes the answer down.
func (s *wire) do(t *testing.T, e *exchange) (status int, answer string) {
	t.Helper()
	resp, err := s.client.Do(s.request(t, e))
	if err != nil {
		t.Fatalf("%s %s: %v", e.method, e.path, err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("%s %s: %v", e.method, e.path, err)
	}
	body := string(data)
	s.note("version", resp.Header.Get("X-Amz-Version-Id"))
	s.note("etag", resp.Header.Get("Etag"))
	s.note("upload", element(body, "UploadId"))
	s.note("token", element(body, "NextContinuationToken"))
	id := resp.Header.Get("X-Amz-Request-Id")
	if id == "" || resp.Header.Get("Date") == "" {
		t.Errorf("%s %s: an answer without a request id or a date: %v", e.method, e.path, resp.Header)
	} else {
		body = strings.ReplaceAll(body, id, hideID)
		resp.Header.Set("X-Amz-Request-Id", hideID)
	}
	resp.Header.Del("Date")
	var b strings.Builder
	fmt.Fprintf(&b, "< %d\n", resp.StatusCode)
	for _, name := range slices.Sorted(maps.Keys(resp.Header)) {
		for _, value := range resp.Header[name] {
			fmt.Fprintf(&b, "%s: %s\n", name, value)
		}
	}
	if len(resp.TransferEncoding) > 0 {
		fmt.Fprintf(&b, "Transfer-Encoding: %s\n", strings.Join(resp.TransferEncoding, ", "))
	}
	if body != "" {
		fmt.Fprintf(&b, "\n%s\n", strings.TrimSuffix(body, "\n"))
	}
	return resp.StatusCode, b.String()
}

// note remembers what an answer had.
func (s *wire) note(what, value string) {
	if value != "" && !slices.Contains(s.seen[what], value) {
		s.seen[what] = append(s.seen[what], value)
	}
}

// element is the text of an element of a document.
func element(doc, name string) string {
	_, rest, _ := strings.Cut(doc, "<"+name+">")
	text, _, ok := strings.Cut(rest, "</"+name+">")
	if !ok {
		return ""
	}
	return text
}

// replay sends what a golden asks for and returns what the golden should be.
func replay(t *testing.T, text string) string {
	t.Helper()
	region, list, err := parseGolden(text)
	if err != nil {
		t.Fatal(err)
	}
	s := newWire(t, region)
	var b strings.Builder
	for i := range list {
		e := &list[i]
		status, answer := s.do(t, e)
		if i > 0 {
			b.WriteString("\n")
		}
		b.WriteString(e.text + "\n")
		if !e.quiet {
			b.WriteString(answer)
		} else if status >= 300 {
			t.Fatalf("%s %s:\n%s", e.method, e.path, answer)
		}
	}
	return b.String()
}

func goldens(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/wire/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no goldens: %v", err)
	}
	return files
}

func TestGolden(t *testing.T) {
	t.Parallel()
	for _, file := range goldens(t) {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			t.Parallel()
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got, want := replay(t, string(b)), string(b)
			if got == want {
				return
			}
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil { //nolint:gosec // test data
					t.Fatal(err)
				}
				return
			}
			gotLines, wantLines := strings.Split(got, "\n"), strings.Split(want, "\n")
			for i := range max(len(gotLines), len(wantLines)) {
				g, w := lineAt(gotLines, i), lineAt(wantLines, i)
				if g != w {
					t.Fatalf("%s:%d (go test -run Golden -update writes it anew)\n got %s\nwant %s", file, i+1, g, w)
				}
			}
		})
	}
}

func lineAt(lines []string, i int) string {
	if i < len(lines) {
		return lines[i]
	}
	return "the end"
}

// unprovoked are codes that no request alone can cause.
var unprovoked = []string{
	"InternalError", "ServiceUnavailable", "SlowDown", "InsufficientStorage", "RequestTimeout", "OperationAborted",
	"NotModified", // has no body
}

// TestGoldenCoverage: every operation and every error code is in a golden.
func TestGoldenCoverage(t *testing.T) {
	t.Parallel()
	operations := gateway.Operations()
	seen := map[string]bool{}
	var all strings.Builder
	for _, file := range goldens(t) {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(b)
		_, list, err := parseGolden(string(b))
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		for _, e := range list {
			if !e.quiet {
				seen[operationOf(e, operations)] = true
			}
		}
	}
	for _, op := range operations {
		if !seen[op] {
			t.Errorf("no golden shows %q", op)
		}
	}
	sources, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	codes := regexp.MustCompile(`(?:\d{3}|http\.Status\w+|missing\(|renamed\(err)(?:, )?"([A-Z]\w+)"`)
	for _, file := range sources {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range codes.FindAllStringSubmatch(string(b), -1) {
			if !slices.Contains(unprovoked, m[1]) && !strings.Contains(all.String(), "<Code>"+m[1]+"</Code>") {
				t.Errorf("%s: no golden shows the error %s", file, m[1])
			}
		}
	}
}

// operationOf finds the name of an exchange's operation.
func operationOf(e exchange, operations []string) string {
	path, query, _ := strings.Cut(e.path, "?")
	on := "object"
	if _, key, _ := strings.Cut(strings.Trim(path, "/"), "/"); path == "/" {
		on = "service"
	} else if key == "" {
		on = "bucket"
	}
	for param := range strings.SplitSeq(query, "&") {
		name, _, _ := strings.Cut(param, "=")
		if op := e.method + " " + on + " " + name; name != "" && slices.Contains(operations, op) {
			return op
		}
	}
	return e.method + " " + on + " "
}
